"""Which recordings a watched folder's texts were made of, so that a restart need not guess by their ages."""

from __future__ import annotations

import json
import os
from pathlib import Path

JOURNAL_NAME = ".govor-watch.jsonl"

Signature = tuple[int, int]
"""Size in bytes and time of the last change, ns."""


def signature_of(recording: str) -> Signature | None:
    """Return what tells a recording from another of the same name; None if it is not there."""
    try:
        status = Path(recording).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class Journal:
    """A line for each recording whose texts are written; of several for one the last counts."""

    def __init__(self, folder: Path) -> None:
        """Read the journal of the folder of texts, if it has one. Raises OSError if that cannot be read."""
        self._path = folder / JOURNAL_NAME
        self._done: dict[str, Signature] = {}
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        self._done.update(filter(None, map(_entry, lines)))

    def signature(self, recording: str) -> Signature | None:
        """Return what the recording was when its texts were made; None if nobody wrote that down."""
        return self._done.get(_key(recording))

    def note(self, recording: str, signature: Signature) -> None:
        """Remember, also for the next start, that the texts of a recording are written. Raises OSError."""
        name = _key(recording)
        self._done[name] = signature
        row = {"recording": name, "size": signature[0], "changed_ns": signature[1]}
        # A line feed before as well: the last line may have been broken off.
        with self._path.open("ab") as file:
            file.write(b"\n" * self._is_broken() + json.dumps(row).encode() + b"\n")

    def _is_broken(self) -> bool:
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"


def _key(recording: str) -> str:
    """Return the name that another start in another folder finds it by."""
    return str(Path(recording).absolute())


def _entry(line: bytes) -> tuple[str, Signature] | None:
    try:
        row = json.loads(line)
        return str(row["recording"]), (int(row["size"]), int(row["changed_ns"]))
    except (ValueError, TypeError, KeyError):
        # Broken off by a crash; its recording is done once more, or judged by the ages.
        return None
