"""Who may begin something now: request rates, and how many streams and uploads are open at a time."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from govor.language import tr
from govor.server.settings import Limits

_MAX_REMEMBERED = 10_000


class Refused(Exception):
    """The client asks for too much; `retry_after` seconds later it may do better."""

    def __init__(self, message: str, reason: str, status: int = 429, retry_after: int = 1) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


def stopping() -> Refused:
    """Return the refusal of a server that ends."""
    return Refused(
        tr(
            "сервер останавливается; повторите, когда он вернётся",
            "the server is shutting down; try again when it is back",
        ),
        "draining",
        status=503,
        retry_after=5,
    )


@dataclass
class _Bucket:
    tokens: float
    since: float


class RateLimiter:
    """Token buckets, one a client: `per_minute` requests, which may come all at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, client: str) -> None:
        """Count a request of the client. Raises Refused if it has had too many."""
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            if len(self._buckets) >= _MAX_REMEMBERED:
                self._forget(now)
            bucket = self._buckets[client] = _Bucket(float(self._per_minute), now)
        rate = self._per_minute / 60
        bucket.tokens = min(self._per_minute, bucket.tokens + (now - bucket.since) * rate)
        bucket.since = now
        if bucket.tokens < 1:
            wait = int((1 - bucket.tokens) / rate) + 1
            raise Refused(
                tr(
                    f"больше {self._per_minute} запросов в минуту; повторите через {wait} с",
                    f"more than {self._per_minute} requests a minute; try again in {wait} s",
                ),
                "rate",
                retry_after=wait,
            )
        bucket.tokens -= 1

    def _forget(self, now: float) -> None:
        """Drop the clients whose buckets are full again; were there none, the oldest half."""
        full = [name for name, bucket in self._buckets.items() if now - bucket.since > 60]
        for name in full or list(self._buckets)[: _MAX_REMEMBERED // 2]:
            del self._buckets[name]


class Places:
    """Counts what is open of one kind, by client."""

    def __init__(self, kind: tuple[str, str], total: int, per_client: int) -> None:
        """Name the kind in Russian and English: who is refused is told in a language of their own."""
        self._kind = kind
        self._total = total
        self._per_client = per_client
        self._open: Counter[str] = Counter()

    @property
    def num_open(self) -> int:
        """How many there are now."""
        return self._open.total() if hasattr(self._open, "total") else sum(self._open.values())

    @contextlib.contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold one while in the context. Raises Refused if all, or all of this client, are taken."""
        russian, english = self._kind
        if self.num_open >= self._total:
            raise Refused(
                tr(f"{russian}: заняты все {self._total}", f"{english}: all {self._total} are taken"),
                "full",
                status=503,
                retry_after=5,
            )
        if self._open[client] >= self._per_client:
            raise Refused(
                tr(
                    f"{russian}: у вас открыто уже {self._per_client}",
                    f"{english}: you have {self._per_client} open already",
                ),
                "client_full",
                retry_after=5,
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class Admission:
    """All the counters of one server."""

    def __init__(self, limits: Limits) -> None:
        self.rate = RateLimiter(limits.requests_per_minute)
        connections = ("соединения", "connections")
        self.connections = Places(connections, limits.connections, limits.client_connections)
        self.commands = Places(connections, limits.streams, limits.client_streams)
        self.streams = Places(("живые потоки", "live streams"), limits.streams, limits.client_streams)
        self.uploads = Places(("записи", "uploads"), limits.uploads, limits.client_uploads)
