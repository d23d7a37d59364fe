"""Fetch files over HTTP so that a kill, a dropped line or a changed file never gives a wrong result."""

from __future__ import annotations

import email.utils
import hashlib
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from govor.errors import DownloadError
from govor.language import tr

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
OnBytes = Callable[[int, "int | None"], None]
"""Told how many bytes of a file are there, and its whole length if known."""

_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<length>\d+|\*)")
# An attempt that brought this much is not counted among the failures in a row.
_PROGRESS_BYTES = 64 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server."""

    attempts: int = 6
    """Failures in a row, without bytes arriving between them, after which a file is given up."""
    first_delay: float = 1.0
    """Seconds before the second attempt; doubled each time, and drawn from its upper half."""
    longest_delay: float = 60.0
    longest_retry_after: float = 600.0
    """A server may ask for at most this many seconds of rest (``Retry-After``)."""
    connect_timeout: float = 15.0
    read_timeout: float = 30.0
    slowest: float = 100.0
    """Bytes a second; a connection slower than this over `slow_seconds` is dropped and resumed."""
    slow_seconds: float = 60.0


class Stopped(Exception):
    """The fetch was told to stop."""


class _TryAgain(Exception):
    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _PartState:
    """What a ``.part`` file is the beginning of, kept beside it as JSON."""

    url: str
    etag: str
    modified: str
    length: int | None

    @property
    def validator(self) -> str:
        """The value for If-Range, which must be strong; "" if the file cannot be resumed safely."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class Fetcher:
    """HTTP client with resume, retries and back-off, for many threads; use it as a context manager.

    Proxies come from the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). Setting `stop` ends all fetches
    with `Stopped`.
    """

    def __init__(self, patience: Patience | None = None, stop: threading.Event | None = None) -> None:
        import httpx

        self.patience = patience or Patience()
        self.stop = stop or threading.Event()
        timeout = httpx.Timeout(self.patience.read_timeout, connect=self.patience.connect_timeout)
        # Identity: ranges and lengths must mean the bytes of the file itself.
        headers = {"User-Agent": "govor", "Accept-Encoding": "identity"}
        self._client = httpx.Client(timeout=timeout, follow_redirects=True, headers=headers)
        self._rest_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def fetch(
        self, url: str, target: Path, on_bytes: OnBytes = lambda done, length: None, sha256: str = ""
    ) -> None:
        """Fetch `url` into `target`, which appears only when all of it is there and on the disk.

        What is there already is left alone. Until then the bytes lie in ``target.part``; a later call goes on
        from them if the server says that the file is the same, and starts anew otherwise.
        Raises DownloadError, or Stopped.
        """
        part, sidecar = (target.with_name(target.name + end) for end in (".part", ".part.json"))
        if not target.exists():
            for is_last in (False, True):
                self._persist(url, lambda: self._receive(url, part, sidecar, on_bytes), lambda: _size(part))
                found = file_sha256(part) if sha256 else ""
                if found == sha256.lower():
                    break
                # A file put together from two attempts may be to blame, so one is allowed from scratch.
                _discard(part, sidecar)
                if is_last:
                    raise DownloadError(
                        tr(
                            f"{url}: SHA-256 {found}, а должна быть {sha256}; проверьте адрес и сумму",
                            f"{url}: SHA-256 is {found} but must be {sha256}; check the address and the sum",
                        )
                    )
            part.replace(target)
            sync_folder(target.parent)
        sidecar.unlink(missing_ok=True)

    def read_text(self, url: str, most_bytes: int = 32 * 2**20) -> tuple[str, str]:
        """Return a page and its address after redirects. Raises DownloadError, or Stopped."""

        def once() -> tuple[str, str]:
            with self._client.stream("GET", url) as response:
                self._check(response, url)
                data = bytearray()
                for chunk in response.iter_bytes(_CHUNK):
                    data += chunk
                    if len(data) > most_bytes:
                        raise DownloadError(
                            tr(
                                f"{url}: страница больше {most_bytes} байт",
                                f"{url}: page over {most_bytes} bytes",
                            )
                        )
                return data.decode("utf-8", "replace"), str(response.url)

        return self._persist(url, once, lambda: 0)

    def length(self, url: str) -> int | None:
        """Return how many bytes a file has, None if that is unknown. Raises DownloadError, or Stopped."""

        def once() -> int | None:
            response = self._client.head(url)
            self._check(response, url)
            return _content_length(response)

        return self._persist(url, once, lambda: 0)

    def _persist(self, url: str, once: Callable[[], T], received: Callable[[], int]) -> T:
        """Repeat `once` with growing delays until it succeeds, `patience` ends, or it cannot succeed."""
        import httpx

        failures = 0
        while True:
            self._rest(url)
            before = received()
            wait: float | None = None
            try:
                return once()
            except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
                raise DownloadError(f"{url}: {error}") from error
            except _TryAgain as error:
                reason, wait = str(error), error.wait
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            failures = 1 if received() - before >= _PROGRESS_BYTES else failures + 1
            if failures >= self.patience.attempts:
                raise DownloadError(
                    tr(
                        f"{url}: {reason}; попыток {failures}; повторите ту же команду позже",
                        f"{url}: {reason}; {failures} attempts; run the same command again later",
                    )
                )
            if wait is not None:
                with self._lock:
                    host = httpx.URL(url).host
                    until = time.monotonic() + min(wait, self.patience.longest_retry_after)
                    self._rest_until[host] = max(self._rest_until.get(host, 0.0), until)
            else:
                delay = min(self.patience.first_delay * 2 ** (failures - 1), self.patience.longest_delay)
                # Jitter, so that all who were cut off at once do not come back at once.
                self._pause(delay * random.uniform(0.5, 1.0))

    def _rest(self, url: str) -> None:
        import httpx

        with self._lock:
            until = self._rest_until.get(httpx.URL(url).host, 0.0)
        self._pause(until - time.monotonic())

    def _pause(self, seconds: float) -> None:
        if self.stop.wait(max(seconds, 0.0)):
            raise Stopped

    def _check(self, response: httpx.Response, url: str) -> None:
        code = response.status_code
        if code in _RETRIED:
            raise _TryAgain(f"HTTP {code}", _retry_after(response.headers.get("Retry-After", "")))
        if code != 200 and code != 206:
            raise DownloadError(f"{url}: HTTP {code} {response.reason_phrase}".rstrip())

    def _receive(self, url: str, part: Path, sidecar: Path, on_bytes: OnBytes) -> None:
        """Bring `part` to its full length in one request, or raise."""
        state = _read_state(sidecar)
        offset = _size(part)
        if state is None or state.url != url or not state.validator or offset > (state.length or offset):
            state, offset = None, 0
        if state is not None and offset and offset == state.length:
            return
        resumed = state is not None and offset > 0
        headers = {"Range": f"bytes={offset}-", "If-Range": state.validator} if state and resumed else {}
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == 416 and resumed:
                _discard(part, sidecar)
                raise _TryAgain("HTTP 416", 0.0)
            self._check(response, url)
            fresh = _state_of(response, url)
            if response.status_code == 206:
                match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
                # Some servers give a range without looking at If-Range.
                same = match and int(match["start"]) == offset and match["length"] in ("*", str(fresh.length))
                if not resumed or not same or state is None or not _is_same(state, fresh):
                    _discard(part, sidecar)
                    raise _TryAgain(tr("файл на сервере сменился", "the file on the server has changed"), 0.0)
                length = state.length
            else:
                # In this order: bytes of the old file must never lie beside the state of the new one.
                _discard(part, sidecar)
                write_atomically(sidecar, json.dumps(asdict(fresh)))
                offset, length = 0, fresh.length
            with part.open("ab") as stream:
                for done in self._copy(response, stream.write, offset):
                    on_bytes(done, length)
                    offset = done
                stream.flush()
                os.fsync(stream.fileno())
        if length is not None and offset != length:
            if offset > length:
                _discard(part, sidecar)
            raise _TryAgain(
                tr(f"пришло {offset} байт из {length}", f"{offset} of {length} bytes arrived"),
            )

    def _copy(self, response: httpx.Response, write: Callable[[bytes], object], done: int) -> Iterator[int]:
        """Write what arrives and yield how many bytes there are; stop when told to or when it is too slow."""
        since, at_start = time.monotonic(), done
        for chunk in response.iter_raw():
            if self.stop.is_set():
                raise Stopped
            write(chunk)
            done += len(chunk)
            yield done
            waited = time.monotonic() - since
            if waited > self.patience.slow_seconds:
                if (done - at_start) / waited < self.patience.slowest:
                    raise _TryAgain(tr("слишком медленно", "too slow"))
                since, at_start = time.monotonic(), done


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that at any moment it is either the old one or the new one."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Bring renames in a folder to the disk, where the system lets a folder be synchronised."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _discard(part: Path, sidecar: Path) -> None:
    part.unlink(missing_ok=True)
    sidecar.unlink(missing_ok=True)


def _read_state(sidecar: Path) -> _PartState | None:
    try:
        return _PartState(**json.loads(sidecar.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _state_of(response: httpx.Response, url: str) -> _PartState:
    length = _content_length(response)
    if response.status_code == 206:
        whole = response.headers.get("Content-Range", "").rpartition("/")[2]
        length = int(whole) if whole.isdecimal() else None
    return _PartState(
        url, response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""), length
    )


def _is_same(old: _PartState, new: _PartState) -> bool:
    pairs = ((old.etag, new.etag), (old.modified, new.modified), (old.length, new.length))
    return all(a == b for a, b in pairs if a and b)


def _content_length(response: httpx.Response) -> int | None:
    # With a transfer or content coding it is not the length of the file.
    value = response.headers.get("Content-Length", "")
    coded = response.headers.get("Transfer-Encoding") or response.headers.get("Content-Encoding")
    return int(value) if value.isdecimal() and not coded else None


def _retry_after(value: str) -> float | None:
    """Read seconds or a date (RFC 9110, 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
