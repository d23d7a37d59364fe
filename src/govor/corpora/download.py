"""Download VoxForge-ru: submissions appear in the folder whole or not at all, whatever happens on the way."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from govor.corpora.archive_download import download_archive
from govor.corpora.archives import Limits
from govor.corpora.download_job import (
    FAILURE_LOG,
    Downloaded,
    Failed,
    Job,
    Progress,
    Selection,
    is_present,
)
from govor.corpora.index_download import download_index
from govor.corpora.sources import Source, archive_source, classic_source, mirror_source
from govor.corpora.transfer import Patience, write_atomically
from govor.errors import ConfigError, DownloadError, GovorError
from govor.language import tr

__all__ = [
    "Downloaded",
    "Failed",
    "Limits",
    "Patience",
    "Progress",
    "Selection",
    "Source",
    "archive_source",
    "classic_source",
    "download_voxforge",
    "mirror_source",
]


def download_voxforge(
    output: Path,
    sources: Sequence[Source],
    selection: Selection | None = None,
    *,
    parallel: int = 4,
    patience: Patience | None = None,
    limits: Limits | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Downloaded:
    """Download submissions into ``output/NAME``; sources are tried in order until nothing is missing.

    `parallel` files come at a time. What is complete is not touched; what is half there is resumed. Each
    failure goes to ``failures.jsonl``. A kill at any moment leaves only whole submissions and `WORK_FOLDER`.
    Raises DownloadError if no source could be used or the disk is full, ConfigError if the folder holds
    recordings of another rate, MissingExtraError without httpx.
    """
    job = Job(
        output,
        selection or Selection(),
        patience or Patience(),
        limits or Limits(),
        parallel,
        on_progress,
        on_note,
    )
    if not sources:
        raise ConfigError(tr("не назван ни один источник", "no source is named"))
    job.work.mkdir(parents=True, exist_ok=True)
    with _locked(job.work / "lock"):
        (output / FAILURE_LOG).unlink(missing_ok=True)
        _sweep(job)
        new: list[str] = []
        num_present: int | None = None
        failed: tuple[Failed, ...] = ()
        for source in sources:
            try:
                _check_rate(job, source)
                one = (download_index if source.kind == "index" else download_archive)(job, source)
            except GovorError as error:
                if isinstance(error, ConfigError):
                    raise
                job.log_failure(Failed("", source.location, str(error)))
                if source is sources[-1] and num_present is None:
                    raise
                on_note(str(error))
                continue
            new += one.new
            num_present = one.num_present if num_present is None else num_present
            failed = one.failed
            if not failed:
                break
        return Downloaded(tuple(sorted(new)), num_present or 0, failed)


def _check_rate(job: Job, source: Source) -> None:
    """Refuse to mix rates: a submission has the same name in each, so it would silently stay as it is."""
    path = job.work / "rate"
    known = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if known and source.rate and known != source.rate:
        raise ConfigError(
            tr(
                f"{job.output}: здесь уже записи {known}; для {source.rate} укажите другую папку --output",
                f"{job.output}: holds recordings of {known}; for {source.rate} give another --output",
            )
        )
    if source.rate and not known:
        write_atomically(path, source.rate + "\n")


def _sweep(job: Job) -> None:
    """Remove what a killed run left half unpacked, and archives whose submission is there."""
    for path in job.work.iterdir():
        if path.name.startswith("unpack-"):
            shutil.rmtree(path)
        elif path.name.partition(".tgz")[1] and is_present(job.output, path.name.partition(".tgz")[0]):
            path.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep a second download out of the same folder; the system drops the lock when we die."""
    with path.open("a+b") as stream:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DownloadError(
                tr(
                    f"{path.parent.parent}: сюда уже идёт загрузка; дождитесь её или укажите другую папку",
                    f"{path.parent.parent}: another download runs here; wait for it or give another folder",
                )
            ) from error
        yield
