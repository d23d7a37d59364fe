"""Unpack ``.tgz`` archives of strangers: nothing outside the folder, no links, no bombs, bounded memory.

The checks are our own: the ``data`` filter of tarfile is missing from early patch levels of Python 3.10, and
it does not limit sizes.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from govor.corpora.transfer import Stopped
from govor.errors import ManifestError
from govor.language import tr

_CHUNK = 64 * 1024
# Headers that tarfile reads into memory in one piece: long names and PAX records.
_LONGEST_READ = 2**20
# Below this no ratio is suspicious: a short file of digital silence packs well.
_HARMLESS_BYTES = 64 * 2**20


class DamagedArchiveError(ManifestError):
    """An archive breaks off or its check sum is wrong; another download may be better."""


class HostileArchiveError(ManifestError):
    """An archive holds what no corpus needs: paths out of the folder, links, devices, a bomb."""


@dataclass(frozen=True)
class Limits:
    """What an archive may grow to."""

    num_bytes: int = 8 * 2**30
    num_members: int = 100_000
    ratio: float = 50.0
    """Unpacked to packed size; recordings reach about 2."""


@dataclass(frozen=True)
class Unpacked:
    """What came out of an archive."""

    num_files: int
    num_bytes: int


class _Tap:
    """A gzip stream that only runs forward and counts; tarfile reads the archive through it."""

    def __init__(
        self, stream: gzip.GzipFile, packed_bytes: int, limits: Limits, stop: threading.Event
    ) -> None:
        self._stream, self._packed_bytes, self._limits, self._stop = stream, packed_bytes, limits, stop
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise HostileArchiveError(
                tr(f"заголовок на {size} байт", f"a header of {size} bytes"),
            )
        if self._stop.is_set():
            raise Stopped
        data = self._stream.read(size)
        self._position += len(data)
        self._check()
        return data

    def _check(self) -> None:
        allowed = max(self._packed_bytes * self._limits.ratio, _HARMLESS_BYTES)
        if self._position > min(allowed, self._limits.num_bytes):
            raise HostileArchiveError(
                tr(
                    f"из {self._packed_bytes} байт распаковалось уже {self._position}: архив-бомба "
                    "или больше дозволенного",
                    f"{self._packed_bytes} bytes have unpacked to {self._position} so far: a bomb, "
                    "or over the limit",
                )
            )

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position < self._position:
            raise DamagedArchiveError(tr("оглавление архива испорчено", "the archive's headers are damaged"))
        while self._position < position:
            if not self.read(min(position - self._position, _CHUNK)):
                break
        return self._position

    def tell(self) -> int:
        return self._position

    def drain(self) -> None:
        """Read to the end: only there gzip compares the check sum."""
        while self.read(_CHUNK):
            pass


def unpack(
    archive: Path,
    folder: Path,
    limits: Limits | None = None,
    wanted: Callable[[PurePosixPath], bool] = lambda path: True,
    stop: threading.Event | None = None,
) -> Unpacked:
    """Unpack a ``.tgz`` into `folder`, file by file, each brought to the disk; `wanted` chooses paths.

    Memory does not grow with the archive. On any error `folder` holds a part, so give a temporary one.
    Raises DamagedArchiveError or HostileArchiveError; Stopped when `stop` is set.
    """
    num_files = num_bytes = 0
    with _plain_errors(archive):
        for path, member, source in _members(archive, limits or Limits(), stop or threading.Event()):
            if not wanted(path):
                continue
            target = folder / path
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            written = 0
            with target.open("wb") as stream:
                while chunk := source.read(_CHUNK):
                    stream.write(chunk)
                    written += len(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            if written != member.size:
                raise DamagedArchiveError(tr(f"{archive.name}: обрывается", f"{archive.name}: breaks off"))
            num_files += 1
            num_bytes += written
    return Unpacked(num_files, num_bytes)


def list_members(
    archive: Path, limits: Limits | None = None, stop: threading.Event | None = None
) -> Iterator[tuple[PurePosixPath, int]]:
    """Yield the path and size of each file in a ``.tgz``; raises as `unpack`."""
    for path, member, _ in _members(archive, limits or Limits(), stop or threading.Event()):
        if not member.isdir():
            yield path, member.size


def _members(
    archive: Path, limits: Limits, stop: threading.Event
) -> Iterator[tuple[PurePosixPath, tarfile.TarInfo, IO[bytes]]]:
    with _plain_errors(archive), gzip.open(archive, "rb") as stream:
        tap = _Tap(stream, max(archive.stat().st_size, 1), limits, stop)
        with tarfile.open(fileobj=cast("IO[bytes]", tap), mode="r:") as tar:
            count = 0
            while (member := tar.next()) is not None:
                # Tarfile would keep every header it has seen.
                cast("Any", tar).members.clear()
                count += 1
                if count > limits.num_members:
                    raise HostileArchiveError(tr(f"больше {count - 1} файлов", f"over {count - 1} files"))
                path = _safe_path(member)
                if path is None:
                    continue
                source = tar.extractfile(member) if member.isreg() else None
                yield path, member, source if source is not None else cast("IO[bytes]", tap)
        tap.drain()


@contextmanager
def _plain_errors(archive: Path) -> Iterator[None]:
    try:
        yield
    except (DamagedArchiveError, HostileArchiveError) as error:
        if str(error).startswith(archive.name):
            raise
        raise type(error)(f"{archive.name}: {error}") from error
    except OSError as error:
        # A full disk is not the archive's fault; errors of gzip carry no number.
        if error.errno is not None and not isinstance(
            error, (IsADirectoryError, NotADirectoryError, FileExistsError)
        ):
            raise
        raise DamagedArchiveError(f"{archive.name}: {error}") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise DamagedArchiveError(
            tr(
                f"{archive.name}: не целый архив tgz ({error})",
                f"{archive.name}: not a whole tgz archive ({error})",
            )
        ) from error


def _safe_path(member: tarfile.TarInfo) -> PurePosixPath | None:
    """Return where a member goes inside the folder, None for the folder itself; refuse all that leaves it."""
    name = member.name
    path = PurePosixPath(name)
    escapes = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    if escapes or (os.name == "nt" and ":" in name):
        raise HostileArchiveError(
            tr(f"путь выходит из папки: {name!r}", f"a path leaves the folder: {name!r}")
        )
    # Sparse members claim sizes that cost nothing to claim.
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise HostileArchiveError(
            tr(f"{name!r}: ссылка или устройство", f"{name!r}: a link or a device"),
        )
    return path if path.parts else None
