"""One live stream of any protocol: sound in, events out, the work done in the pool's steps."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from govor.errors import AudioError
from govor.language import tr
from govor.server.pool import Kind
from govor.server.state import AS_TOLD, ServerState, Wishes
from govor.streaming import Event, Final, Partial, Stream

# A stream that waited longer than this for a thread is behind: its partials would be old news.
LATE_SECONDS = 0.4
# Silero takes 1.4 ms of the interpreter's one lock for 32 ms of sound. Where there are more streams than this
# for each core, pauses are found by energy.
SILERO_STREAMS = 4
# The sound taken in one step at most, so that no step keeps others waiting.
_STEP_SECONDS = 4.0
# Unrecognised sound beyond this stops reading from the client.
_BACKLOG_SECONDS = 20.0
MIN_RATE, MAX_RATE = 8000, 96_000


class Ask(Enum):
    """What can be asked of a stream besides taking sound."""

    FLUSH = "flush"
    """Finish the open utterance now."""
    RESET = "reset"
    """Forget the open utterance."""
    END = "end"
    """Finish the open utterance and the stream."""


@dataclass(frozen=True)
class Outcome:
    """What came of a piece of sound (`ask` is None) or of something asked."""

    ask: Ask | None
    events: Sequence[Event]
    seconds: float
    """Sound taken since the stream's start."""
    error: Exception | None = None


@dataclass(frozen=True)
class StreamConfig:
    """How a client wants its stream recognised."""

    sample_rate: int = 16000
    wishes: Wishes = AS_TOLD
    partials: bool = True

    def __post_init__(self) -> None:
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise AudioError(
                tr(
                    f"частота {self.sample_rate} Гц: нужно от {MIN_RATE} до {MAX_RATE}",
                    f"sample rate {self.sample_rate} Hz: must be {MIN_RATE} to {MAX_RATE}",
                )
            )


class LiveSession:
    """A stream of one client. All methods are for the event loop; `outcomes` has what comes of them in order.

    Pieces of sound that wait together are taken in one step and have one outcome together.
    """

    def __init__(self, state: ServerState, client: str, config: StreamConfig, protocol: str) -> None:
        """Start a stream; the model is touched in the first step only."""
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self.seconds_sent = 0.0
        self._state = state
        self._client = client
        self._config = config
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._inbox: deque[bytes | Ask] = deque()
        self._scheduled = False
        self._room = asyncio.Event()
        self._room.set()
        self._backlog = 0
        self._stream: Stream | None = None
        self._closed = False
        self._next_partial = 0.0
        self._on_drain: Callable[[], None] | None = None
        state.sessions.add(self)
        state.metrics.streams.labels(protocol).inc()

    def push(self, data: bytes) -> None:
        """Take sound, 16-bit little-endian mono."""
        self.seconds_sent += len(data) / 2 / self._config.sample_rate
        self._backlog += len(data)
        if self._backlog_seconds > _BACKLOG_SECONDS:
            self._room.clear()
        self._put(data)

    def ask(self, what: Ask) -> None:
        """Ask for something after the sound pushed so far."""
        self._put(what)

    async def room(self) -> None:
        """Wait until the recogniser has caught up far enough to take more sound."""
        await self._room.wait()

    def on_drain(self, what: Callable[[], None]) -> None:
        """Have `what` called when the server shuts down, at once if it already does."""
        self._on_drain = what
        if self._state.draining.is_set():
            what()

    def drain(self) -> None:
        """Tell the stream's owner that the server shuts down."""
        if self._on_drain is not None:
            self._on_drain()

    def close(self) -> None:
        """Give up the stream; what is not recognised yet is forgotten."""
        if self._closed:
            return
        self._closed = True
        self._room.set()
        self._inbox.clear()
        # Whoever is called holds this session, and a stream has threads of its own: nothing may wait for the
        # garbage collector.
        self._on_drain = None
        if not self._scheduled:
            self._stream = None
        self._state.sessions.discard(self)
        self._state.metrics.streams.labels(self._protocol).dec()
        self._state.metrics.audio_seconds.labels(self._protocol).inc(self.seconds_sent)

    @property
    def _backlog_seconds(self) -> float:
        return self._backlog / 2 / self._config.sample_rate

    def _put(self, item: bytes | Ask) -> None:
        if self._closed:
            return
        self._inbox.append(item)
        # Set here and cleared in _finish, both in the event loop, so that no two threads hold the stream.
        if not self._scheduled:
            self._scheduled = True
            self._state.pool.submit(self._client, Kind.LIVE, self._step)

    def _step(self, waited: float) -> bool:
        """Run in a worker: take one thing out of the inbox, or all sound that waits there in a row."""
        return self._context.copy().run(self._take, waited)

    def _take(self, waited: float) -> bool:
        self._state.metrics.step_wait.labels(Kind.LIVE.value).observe(waited)
        ask, data = self._next()
        events: Sequence[Event] = ()
        error: Exception | None = None
        try:
            if self._stream is None and not self._closed:
                self._stream = self._open()
            if self._stream is not None and not self._closed:
                events = self._do(self._stream, ask, data, waited)
        # Whatever it is, it ends this stream and is told to its client.
        except Exception as caught:
            error = caught
        seconds = self._stream.seconds if self._stream is not None else 0.0
        outcome = Outcome(ask, events, seconds, error)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish, outcome, len(data))
        return False

    def _next(self) -> tuple[Ask | None, bytes]:
        limit = round(_STEP_SECONDS * self._config.sample_rate) * 2
        pieces: list[bytes] = []
        size = 0
        while size < limit:
            try:
                item = self._inbox.popleft()
            except IndexError:
                break
            if isinstance(item, Ask):
                if pieces:
                    self._inbox.appendleft(item)
                    break
                return item, b""
            pieces.append(item)
            size += len(item)
        return None, b"".join(pieces)

    def _open(self) -> Stream:
        decoder = self._state.decoder(self._config.wishes)
        return self._state.recognizer.stream(
            decoder, sample_rate=self._config.sample_rate, partials=self._config.partials
        )

    def _do(self, stream: Stream, ask: Ask | None, data: bytes, waited: float) -> Sequence[Event]:
        if ask is Ask.FLUSH:
            return stream.end_utterance()
        if ask is Ask.END:
            return stream.finish()
        if ask is Ask.RESET:
            stream.reset()
            return ()
        num_streams = len(self._state.sessions)
        many = num_streams > SILERO_STREAMS * self._state.pool.num_workers
        started = time.monotonic()
        budget = self._state.partial_budget
        wanted = self._config.partials and started >= self._next_partial and waited <= LATE_SECONDS
        stream.economise(partials=not wanted, silero=many)
        events = stream.feed(data)
        if wanted:
            now = time.monotonic()
            budget.spent(now - started)
            self._next_partial = now + budget.interval(num_streams)
        elif self._config.partials:
            self._state.metrics.late_steps.inc()
        return events

    def _finish(self, outcome: Outcome, num_bytes: int) -> None:
        self._backlog -= num_bytes
        if self._backlog_seconds <= _BACKLOG_SECONDS / 2:
            self._room.set()
        metrics = self._state.metrics
        for event in outcome.events:
            if isinstance(event, Final):
                metrics.finals.labels(self._protocol).inc()
            elif isinstance(event, Partial):
                metrics.partials.labels(self._protocol).inc()
        if not self._closed:
            self.outcomes.put_nowait(outcome)
        self._scheduled = False
        if self._closed:
            self._stream = None
        elif self._inbox:
            self._scheduled = True
            self._state.pool.submit(self._client, Kind.LIVE, self._step)
