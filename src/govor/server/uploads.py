"""A whole recording recognised step by step, so that a long one leaves room for others."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

from numpy.typing import NDArray

from govor.errors import AudioError
from govor.language import tr
from govor.server.admission import stopping
from govor.server.pool import Kind
from govor.server.state import ServerState, Wishes
from govor.transcript import Segment, Transcript

_T = TypeVar("_T")


class TooLongError(AudioError):
    """The recording is longer than the server allows."""


class _Abandoned(BaseException):
    """Nobody waits for the text any more; not an Exception, so that nothing on the way takes it for one."""


class NamedFile:
    """What a client sent, under a name of ours: no path is shown to anyone.

    The file is closed when the client leaves, while a thread may still be decoding it: from then on it is at
    its end. FFmpeg can be told of no exception, PyAV would print it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = tr("запись", "recording")

    def read(self, size: int = -1) -> bytes:
        """Read as a file does."""
        return self._unless_closed(lambda: self._file.read(size), b"")

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek as a file does."""
        self._unless_closed(lambda: self._file.seek(offset, whence), 0)
        return self.tell()

    def tell(self) -> int:
        """Tell as a file does."""
        return self._unless_closed(self._file.tell, 0)

    def seekable(self) -> bool:
        """Tell that seeking is possible."""
        return True

    def _unless_closed(self, work: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return work()
        except ValueError:
            if not self._file.closed:
                raise
            return otherwise


class UploadJob:
    """One recording: `run` it from the event loop; the work is done in the pool's steps.

    `Recognizer.transcribe` runs in a thread of its own that moves only while a worker of the pool waits.
    """

    def __init__(
        self,
        state: ServerState,
        client: str,
        source: Any,
        wishes: Wishes,
        *,
        protocol: str,
        kind: Kind = Kind.UPLOAD,
        sample_rate: int | None = None,
        on_progress: Callable[[float], None] | None = None,
        on_segments: Callable[[Sequence[Segment]], None] | None = None,
    ) -> None:
        """Prepare to recognise a binary stream, or an array of `sample_rate` Hz.

        In the event loop, `on_progress` is told how many seconds are done and `on_segments` what is finished.
        """
        self._state = state
        self._client = client
        self._source: BinaryIO | NDArray[Any] = source
        self._wishes = wishes
        self._protocol = protocol
        self._kind = kind
        self._rate = sample_rate
        self._on_progress = on_progress
        self._on_segments = on_segments
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[Transcript] = self._loop.create_future()
        self._context = contextvars.copy_context()
        self._thread: threading.Thread | None = None
        self._go = threading.Semaphore(0)
        self._rests = threading.Semaphore(0)
        self._abandoned = False
        self._ended = False

    async def run(self) -> Transcript:
        """Recognise.

        Raises what `Recognizer.transcribe` does, TooLongError, asyncio.TimeoutError, Refused (shutdown).
        """
        started = time.monotonic()
        refusal = stopping()

        def give_up() -> None:
            self._settle(None, refusal)
            # Who was waiting may be gone at the same moment.
            self._result.exception()

        metrics = self._state.metrics
        with metrics.uploads.track_inprogress():
            self._state.pool.submit(self._client, self._kind, self._step)
            self._state.unfinished.add(give_up)
            try:
                transcript = await asyncio.wait_for(self._result, self._state.settings.limits.answer_seconds)
            finally:
                self._state.unfinished.discard(give_up)
                self._abandoned = True
        metrics.audio_seconds.labels(self._protocol).inc(transcript.duration)
        metrics.upload_seconds.observe(time.monotonic() - started)
        return transcript

    def _step(self, waited: float) -> bool:
        self._state.metrics.step_wait.labels(self._kind.value).observe(waited)
        if self._thread is None:
            if self._abandoned:
                return False
            self._thread = threading.Thread(
                target=self._context.run, args=(self._work,), name="govor-upload", daemon=True
            )
            self._thread.start()
        else:
            self._go.release()
        self._rests.acquire()
        return not self._ended

    def _work(self) -> None:
        error: BaseException | None = None
        transcript: Transcript | None = None
        try:
            decoder = self._state.decoder(self._wishes)
            transcript = self._state.recognizer.transcribe(
                self._source,
                decoder,
                sample_rate=self._rate,
                on_progress=self._rest,
                on_segments=None if self._on_segments is None else self._report,
            )
            # Its path would be the name of ours.
            transcript = replace(transcript, audio_filepath=None)
            self._check_length(transcript.duration)
        except BaseException as caught:
            error = caught
            # Its frames would hold the recording and FFmpeg's threads until the garbage collector comes, and
            # it seldom does: few objects are made here, but large ones.
            traceback.clear_frames(caught.__traceback__)
        self._ended = True
        self._tell(self._settle, transcript, error)
        # This frame is one of them.
        del error
        self._rests.release()

    def _rest(self, done: float) -> None:
        self._check_length(done)
        self._tell(self._progress, done)
        self._rests.release()
        self._go.acquire()
        if self._abandoned:
            raise _Abandoned

    def _check_length(self, seconds: float) -> None:
        minutes = self._state.settings.limits.audio_minutes
        if seconds > 60 * minutes:
            raise TooLongError(
                tr(
                    f"запись длиннее {minutes:g} мин; разделите её",
                    f"the recording is longer than {minutes:g} minutes; split it",
                )
            )

    def _report(self, segments: Sequence[Segment]) -> None:
        self._tell(self._segments, segments)

    def _segments(self, segments: Sequence[Segment]) -> None:
        if self._on_segments is not None and not self._result.done():
            self._on_segments(segments)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *arguments)

    def _progress(self, done: float) -> None:
        if self._on_progress is not None and not self._result.done():
            self._on_progress(done)

    def _settle(self, transcript: Transcript | None, error: BaseException | None) -> None:
        if self._result.done():
            return
        if transcript is not None and error is None:
            self._result.set_result(transcript)
        else:
            self._result.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
