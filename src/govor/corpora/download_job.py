"""What the parts of one corpus download share: what was asked for, where it goes, what came of it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from govor.corpora.archives import Limits
from govor.corpora.transfer import Patience, sync_folder, write_atomically
from govor.errors import DownloadError
from govor.language import tr

WORK_FOLDER = ".download"
"""Holds what is unfinished; may be deleted at any time, the next run then starts those files anew."""
MARKER = ".govor.json"
"""Inside each submission: where it came from."""
FAILURE_LOG = "failures.jsonl"
RESERVE_BYTES = 200 * 2**20
"""Disk space that is never touched."""
UNPACKED_FACTOR = 3.0
"""Disk space per byte of archive: the archive itself and about twice as much out of it."""


@dataclass(frozen=True)
class Selection:
    """Which part of the corpus to take; the choice depends on the names and sizes alone."""

    speakers: int | None = None
    """The first so many speakers in the order of names."""
    gigabytes: float | None = None
    """The first submissions whose archives together have at most so many GB (10⁹ bytes)."""


@dataclass(frozen=True)
class Failed:
    """A submission, archive or source that could not be had, and why."""

    name: str
    location: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far a download is."""

    num_done: int
    num_files: int
    bytes_done: int
    """Fetched in this run."""
    bytes_total: int
    """To fetch in this run, as far as known."""


@dataclass(frozen=True)
class Downloaded:
    """What a download did."""

    new: tuple[str, ...]
    """Submissions that came in this run, by name."""
    num_present: int
    """Submissions that were chosen and had been there before."""
    failed: tuple[Failed, ...]
    """What no source could give."""


@dataclass
class Job:
    """What the parts of one download share."""

    output: Path
    selection: Selection
    patience: Patience
    limits: Limits
    parallel: int
    on_progress: Callable[[Progress], None]
    on_note: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def work(self) -> Path:
        """Folder of unfinished files, on the same disk so that finishing is a rename."""
        return self.output / WORK_FOLDER

    def log_failure(self, failed: Failed) -> None:
        """Append to the log of failures, at once, as the run may be killed."""
        row = {"name": failed.name, "location": failed.location, "reason": failed.reason}
        row["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with (self.output / FAILURE_LOG).open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    def require_space(self, num_bytes: float) -> None:
        """Raise DownloadError unless so many bytes fit on the disk."""
        free = shutil.disk_usage(self.output).free
        if num_bytes + RESERVE_BYTES > free:
            needed, there = f"{num_bytes / 1e9:.1f}", f"{free / 1e9:.1f}"
            raise DownloadError(
                tr(
                    f"{self.output}: нужно около {needed} ГБ, а свободно {there} ГБ; "
                    "освободите место или возьмите часть: --limit-gb, --limit-speakers",
                    f"{self.output}: about {needed} GB are needed, {there} GB are free; "
                    "free some space or take a part: --limit-gb, --limit-speakers",
                )
            )


def is_present(output: Path, name: str) -> bool:
    """Tell whether a submission is there; by construction it is whole."""
    return (output / name).exists()


def mark(folder: Path, **origin: object) -> None:
    """Write into a submission where it came from."""
    write_atomically(folder / MARKER, json.dumps(origin, ensure_ascii=False) + "\n")


def publish(temporary: Path, final: Path) -> None:
    """Let what is finished appear under its name, in one step, and bring that to the disk."""
    temporary.rename(final)
    sync_folder(final.parent)
