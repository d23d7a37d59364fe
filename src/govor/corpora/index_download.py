"""Download every submission that an index page lists, several at a time."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from govor.corpora.archives import DamagedArchiveError, unpack
from govor.corpora.download_job import (
    UNPACKED_FACTOR,
    Downloaded,
    Failed,
    Job,
    Progress,
    Selection,
    is_present,
    mark,
    publish,
)
from govor.corpora.sources import Source
from govor.corpora.sphinx import speaker_of
from govor.corpora.transfer import Fetcher, Stopped, sync_folder
from govor.corpora.web_index import Entry, parse_index
from govor.errors import DownloadError, GovorError
from govor.language import tr


@dataclass
class _State:
    """What the threads share; every access under `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    bytes_done: int = 0
    bytes_total: int = 0
    new: list[str] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    fatal: BaseException | None = None


def download_index(job: Job, source: Source) -> Downloaded:
    """Download the chosen submissions of an index. Raises DownloadError if the index cannot be used."""
    with Fetcher(job.patience, job.stop) as fetcher:
        page, address = fetcher.read_text(source.location)
        entries = parse_index(page, address)
        if not entries:
            raise DownloadError(
                tr(
                    f"{address}: в оглавлении нет файлов .tgz; нужен адрес папки, где они лежат",
                    f"{address}: the index lists no .tgz files; give the address of their folder",
                )
            )
        chosen = _choose(entries, job.selection, fetcher)
        missing = [entry for entry in chosen if not is_present(job.output, entry.name)]
        expected = sum(entry.size or 0 for entry in missing)
        job.require_space(expected * UNPACKED_FACTOR)
        state = _State(bytes_total=expected)
        _run(job, fetcher, missing, state)
    new, failed = tuple(state.new), tuple(sorted(state.failed, key=lambda one: one.name))
    return Downloaded(new, len(chosen) - len(missing), failed)


def _choose(entries: Sequence[Entry], selection: Selection, fetcher: Fetcher) -> list[Entry]:
    chosen: list[Entry] = []
    speakers: set[str] = set()
    num_bytes = 0
    for entry in entries:
        speaker = speaker_of(entry.name)
        if selection.speakers is not None and speaker not in speakers:
            if len(speakers) >= selection.speakers:
                # A speaker's submissions need not stand together: ``a-2010…``, ``a-b-2010…``, ``a-2011…``.
                continue
            speakers.add(speaker)
        if selection.gigabytes is not None:
            num_bytes += entry.size if entry.size is not None else fetcher.length(entry.url) or 0
            if num_bytes > selection.gigabytes * 1e9:
                break
        chosen.append(entry)
    return chosen


def _run(job: Job, fetcher: Fetcher, missing: Sequence[Entry], state: _State) -> None:
    """Let `job.parallel` threads fetch and unpack. Daemons, as a blocked read must not hold up Ctrl-C."""
    waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
    for entry in missing:
        waiting.put(entry)

    def work() -> None:
        while not job.stop.is_set():
            try:
                entry = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                _one(job, fetcher, entry, state)
                with state.lock:
                    state.new.append(entry.name)
            except Stopped:
                return
            except GovorError as error:
                failed = Failed(entry.name, entry.url, str(error))
                with state.lock:
                    state.failed.append(failed)
                    job.log_failure(failed)
                job.on_note(str(error))
            except BaseException as error:
                # A full disk or a fault of ours: the others would only meet it too.
                with state.lock:
                    state.fatal = state.fatal or error
                job.stop.set()
                return

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(job.parallel, 1))]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(timeout=0.1 / len(threads))
            _report(job, state, len(missing))
    except BaseException:
        job.stop.set()
        for thread in threads:
            thread.join(timeout=1.0)
        raise
    _report(job, state, len(missing))
    if state.fatal is not None:
        raise state.fatal


def _report(job: Job, state: _State, num_files: int) -> None:
    with state.lock:
        done = len(state.new) + len(state.failed)
        progress = Progress(done, num_files, state.bytes_done, max(state.bytes_total, state.bytes_done))
    job.on_progress(progress)


def _one(job: Job, fetcher: Fetcher, entry: Entry, state: _State) -> None:
    """Fetch, unpack and publish one submission; a damaged archive gets a second chance."""
    archive = job.work / f"{entry.name}.tgz"
    temporary = job.work / f"unpack-{entry.name}"
    counter = _Counter(job, entry, state, archive)
    for is_last in (False, True):
        fetcher.fetch(entry.url, archive, counter.on_bytes)
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            job.require_space(archive.stat().st_size * (UNPACKED_FACTOR - 1))
            unpacked = unpack(archive, temporary, job.limits, stop=job.stop)
            if not unpacked.num_files:
                raise DamagedArchiveError(
                    tr(f"{archive.name}: архив пуст", f"{archive.name}: the archive is empty")
                )
            break
        except DamagedArchiveError:
            archive.unlink()
            shutil.rmtree(temporary, ignore_errors=True)
            if is_last:
                raise
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, GovorError) and not isinstance(error, DownloadError):
                archive.unlink()
            raise
    root = _root(temporary)
    mark(root, url=entry.url, archive_bytes=archive.stat().st_size, num_files=unpacked.num_files)
    sync_folder(root)
    publish(root, job.output / entry.name)
    shutil.rmtree(temporary, ignore_errors=True)
    archive.unlink()


def _root(folder: Path) -> Path:
    """Return the submission in what an archive held: its one folder, or all if there is no such."""
    children = list(folder.iterdir())
    if len(children) == 1 and children[0].is_dir() and children[0].name not in ("wav", "flac", "etc"):
        return children[0]
    return folder


class _Counter:
    """Turn positions in one file into bytes of the whole run; resumed bytes do not count as fetched."""

    def __init__(self, job: Job, entry: Entry, state: _State, archive: Path) -> None:
        self._state, self._last = state, -1
        self._expected = entry.size or 0
        part = archive.with_name(archive.name + ".part")
        self._start = part.stat().st_size if part.exists() else 0

    def on_bytes(self, done: int, length: int | None) -> None:
        with self._state.lock:
            if length is not None and length != self._expected:
                self._state.bytes_total += length - self._expected
                self._expected = length
            if self._last < 0:
                self._last = self._start if done >= self._start else 0
                self._state.bytes_total -= self._last
            if done < self._last:
                # Fetched anew from the beginning.
                self._state.bytes_total += self._last
                self._last = 0
            self._state.bytes_done += done - self._last
            self._last = done
