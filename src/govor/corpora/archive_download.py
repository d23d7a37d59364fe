"""Take the corpus from one large archive, by address or from the disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from govor.corpora.archives import Limits, list_members, unpack
from govor.corpora.download_job import (
    UNPACKED_FACTOR,
    Downloaded,
    Job,
    Progress,
    is_present,
    mark,
    publish,
)
from govor.corpora.sources import Source
from govor.corpora.sphinx import speaker_of
from govor.corpora.transfer import Fetcher, file_sha256, sync_folder, write_atomically
from govor.errors import ConfigError, DownloadError, GovorError, InputNotFoundError
from govor.language import tr

_PARTS = {"wav", "flac", "etc"}
"""Folders that a submission is known by."""


def download_archive(job: Job, source: Source) -> Downloaded:
    """Fetch an archive if need be, check its SHA-256, and take the chosen submissions out of it."""
    finished = job.work / "archives.json"
    key = f"{source.location} {source.sha256} {job.selection}"
    known: dict[str, list[str]] = json.loads(finished.read_text("utf-8")) if finished.exists() else {}
    if key in known and all(is_present(job.output, name) for name in known[key]):
        return Downloaded((), len(known[key]), ())
    archive = _obtain(job, source)
    try:
        new, present = _take(job, source, archive)
    except GovorError as error:
        if source.is_remote and not isinstance(error, DownloadError):
            archive.unlink(missing_ok=True)
        raise
    write_atomically(finished, json.dumps(known | {key: sorted(new + present)}, ensure_ascii=False))
    if source.is_remote:
        archive.unlink()
    return Downloaded(tuple(new), len(present), ())


def _obtain(job: Job, source: Source) -> Path:
    """Return the archive on the disk, checked."""
    if source.is_remote:
        if not source.sha256:
            raise ConfigError(
                tr(
                    f"{source.location}: для архива по адресу нужна --sha256",
                    f"{source.location}: an archive from an address needs --sha256",
                )
            )
        name = unquote(urlsplit(source.location).path.rsplit("/", 1)[-1])
        archive = job.work / f"archive-{source.sha256[:16].lower()}-{Path(name).name}"
        with Fetcher(job.patience, job.stop) as fetcher:
            length = None if archive.exists() else fetcher.length(source.location)
            job.require_space((length or 0) * UNPACKED_FACTOR)
            fetcher.fetch(
                source.location,
                archive,
                lambda done, length: job.on_progress(Progress(0, 1, done, length or done)),
                source.sha256,
            )
        return archive
    archive = Path(source.location)
    if not archive.is_file():
        raise InputNotFoundError(tr(f"нет архива {archive}", f"no archive {archive}"))
    if source.sha256 and (found := file_sha256(archive)) != source.sha256.lower():
        raise DownloadError(
            tr(
                f"{archive}: SHA-256 {found}, а должна быть {source.sha256}; скачайте архив заново",
                f"{archive}: SHA-256 is {found} but must be {source.sha256}; fetch the archive again",
            )
        )
    return archive


def _take(job: Job, source: Source, archive: Path) -> tuple[list[str], list[str]]:
    """Unpack and publish; return the names that are new and those that were there."""
    limits = replace(job.limits, num_bytes=job.limits.num_bytes * 16, num_members=job.limits.num_members * 10)
    chosen = _choose(job, archive, limits)
    present = sorted(name for name in chosen if is_present(job.output, name))
    missing = {name: size for name, size in chosen.items() if name not in present}
    job.require_space(sum(missing.values()))
    temporary = job.work / "unpack-archive"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        # By any folder on the way, so that a licence beside ``wav`` comes along.
        unpack(
            archive, temporary, limits, lambda path: not missing.keys().isdisjoint(path.parts[:-1]), job.stop
        )
        roots = {name: _root(temporary, name) for name in sorted(missing)}
        for name, root in roots.items():
            mark(root, url=source.location, sha256=source.sha256)
            sync_folder(root)
            publish(root, job.output / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sorted(missing), present


def _choose(job: Job, archive: Path, limits: Limits) -> dict[str, int]:
    """Return the chosen submissions with their unpacked bytes."""
    sizes: dict[str, int] = {}
    for path, size in list_members(archive, limits, job.stop):
        name = _submission(path)
        if name:
            sizes[name] = sizes.get(name, 0) + size
    if not sizes:
        raise DownloadError(
            tr(
                f"{archive.name}: в архиве нет папок вида ИМЯ/wav или ИМЯ/etc",
                f"{archive.name}: the archive holds no folders like NAME/wav or NAME/etc",
            )
        )
    chosen: dict[str, int] = {}
    speakers: set[str] = set()
    for name in sorted(sizes):
        speaker = speaker_of(name)
        if job.selection.speakers is not None and speaker not in speakers:
            if len(speakers) >= job.selection.speakers:
                continue
            speakers.add(speaker)
        limit = job.selection.gigabytes
        if limit is not None and sum(chosen.values()) + sizes[name] > limit * 1e9:
            break
        chosen[name] = sizes[name]
    return chosen


def _submission(path: PurePosixPath) -> str:
    """Return whose file it is: ``root/NAME/wav/a.wav`` and ``NAME/wav/a.wav`` are of NAME."""
    for before, part in zip(path.parts, path.parts[1:-1], strict=False):
        if part.lower() in _PARTS and not before.startswith("."):
            return before
    return ""


def _root(folder: Path, name: str) -> Path:
    for pattern in (name, f"*/{name}"):
        for path in folder.glob(pattern):
            return path
    raise DownloadError(tr(f"{name}: нет в архиве", f"{name}: not in the archive"))
