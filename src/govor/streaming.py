"""Live recognition: feed sound in chunks of any size, get the open utterance so far and finished ones.

The network is bidirectional, so what is shown of an open utterance comes from decoding it anew now and then;
`govor.stability` decides which of its words are fit to be shown. docs/decisions/0008 tells why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import Resampler, Samples, samples_from
from govor.errors import StreamClosedError
from govor.language import tr
from govor.speech.endpointing import (
    FRAME_SECONDS,
    SILERO_RATE,
    EndpointConfig,
    Endpointer,
    SpeechEnd,
    quietest,
)
from govor.stability import Steady
from govor.transcript import Segment, Word

# Sound before the first and after the last frame of speech that goes to the network: soft sounds are missed.
_LEAD_SECONDS = 0.4
_TAIL_SECONDS = 0.4
# Sound kept while nobody speaks: the lead, and what it takes to notice that somebody does.
_KEPT_SECONDS = 1.0
# An utterance without pauses is cut after so long, at the quietest place of the last part.
_LONGEST_SECONDS = 20.0
_SEARCH_SECONDS = 8.0
# An open utterance is decoded again after 0.2 s, or this share of its length, or what keeps the processor's
# share below the limit, whichever is the longest.
_PARTIAL_SECONDS = 0.2
_PARTIAL_GROWTH = 0.04
_PARTIAL_COST = 0.15


@dataclass(frozen=True)
class Partial:
    """The open utterance as heard so far; it replaces the previous one. An empty one takes that back."""

    text: str
    words: tuple[Word, ...]
    start: float
    """Seconds from the stream's start."""
    end: float


@dataclass(frozen=True)
class Final:
    """A finished utterance."""

    segment: Segment
    """Its times count from the stream's start."""


Event: TypeAlias = "Partial | Final"

Recognize: TypeAlias = Callable[[int, Samples], "Segment | None"]
"""From samples (N,) at the network's rate and the number of the first one to what was said, if anything."""


class Stream:
    """One live stream. Not for several threads at a time; any number of streams may share a recogniser."""

    def __init__(
        self,
        recognize: Recognize,
        model_rate: int,
        sample_rate: int = 16000,
        *,
        partials: bool = True,
        endpoints: EndpointConfig | None = None,
    ) -> None:
        """Start at time 0; `Recognizer.stream` calls this. Raises AudioError for a wrong `sample_rate`."""
        self.sample_rate = sample_rate
        self._recognize = recognize
        self._rate = model_rate
        self._partials = partials
        self._hurried = False
        # The network may want another rate.
        self._endpointer = Endpointer(SILERO_RATE, endpoints or live_endpoints())
        self._to_endpointer = _Converter(sample_rate, SILERO_RATE)
        self._to_model = _Converter(sample_rate, model_rate)
        # Resampled in blocks of one size, so that the chunks the caller happens to have change nothing.
        self._block_size = max(round(sample_rate * FRAME_SECONDS), 1)
        self._pending: Samples = np.zeros(0, np.float32)
        self._half_sample = b""
        self._sound = _Sound()
        self._closed = False
        # First sample, at the network's rate, that belongs to no finished utterance.
        self._floor = 0
        self._open_at: int | None = None
        self._steady = Steady()
        self._shown = ""
        self._decoded_at = 0
        self._decode_seconds = 0.0
        self._ahead: tuple[int, int, Segment | None] | None = None

    @property
    def seconds(self) -> float:
        """Sound taken so far."""
        return self._sound.end / self._rate

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._open_at is not None

    def feed(self, samples: NDArray[np.float32] | bytes) -> list[Event]:
        """Take samples (N,), -1 to 1, or bytes of 16-bit little-endian samples, and return what is new.

        At most one partial comes, the last event; utterances that end within the chunk come as `Final` before
        it. Raises AudioError for samples that are no sound, StreamClosedError after `finish`.
        """
        self._check_open()
        self._pending = np.concatenate([self._pending, self._to_samples(samples)])
        events: list[Event] = []
        num_whole = len(self._pending) // self._block_size * self._block_size
        whole, self._pending = self._pending[:num_whole], self._pending[num_whole:]
        for block in whole.reshape(-1, self._block_size):
            self._take(self._to_endpointer.feed(block), self._to_model.feed(block), events)
        if self._open_at is not None and not self._hurried:
            self._look_ahead(self._open_at, events)
        return events

    def economise(self, *, partials: bool = False, silero: bool = False) -> None:
        """Leave out partials, and Silero, from now on, or take them up again: a loaded server does both.

        Without Silero the energy decides what is speech. Finished utterances come all the same.
        """
        self._hurried = partials
        self._endpointer.silero_rests = silero

    def finish(self) -> list[Event]:
        """End the stream: return the utterance that is still open, if there is one. Can be called once."""
        self._check_open()
        self._closed = True
        events: list[Event] = []
        rest = self._pending
        for end in (False, True):
            self._take(self._to_endpointer.feed(rest, end), self._to_model.feed(rest, end), events)
            rest = rest[:0]
        return events + self._end_open()

    def end_utterance(self) -> list[Event]:
        """Finish the open utterance now, without waiting for a pause; the stream goes on."""
        self._check_open()
        return self._end_open()

    def reset(self) -> None:
        """Forget the open utterance and all sound that is not finished yet; times go on."""
        self._check_open()
        self._endpointer.finish()
        self._floor = self._sound.end
        self._close()

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError(
                tr(
                    "поток уже закончен вызовом finish(); начните новый: recognizer.stream()",
                    "the stream was ended by finish(); start a new one: recognizer.stream()",
                )
            )

    def _to_samples(self, samples: NDArray[np.float32] | bytes) -> Samples:
        if isinstance(samples, (bytes, bytearray, memoryview)):
            data = self._half_sample + bytes(samples)
            self._half_sample = data[len(data) // 2 * 2 :]
            return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
        return samples_from(samples)

    def _take(self, heard: Samples, sound: Samples, events: list[Event]) -> None:
        self._sound.append(sound)
        for event in self._endpointer.feed(heard):
            if isinstance(event, SpeechEnd):
                events += self._finalise(self._sample_at(event.end + _TAIL_SECONDS))
            else:
                first = self._sample_at(event.start - _LEAD_SECONDS)
                self._open_at = max(self._floor, first, self._sound.start)
                self._decoded_at = self._sound.end
        if self._open_at is None:
            self._sound.forget(self._sound.end - round(_KEPT_SECONDS * self._rate))
        elif self._sound.end - self._open_at >= _LONGEST_SECONDS * self._rate:
            self._cut(self._open_at, events)

    def _sample_at(self, seconds: float) -> int:
        return round(seconds * self._rate)

    def _cut(self, first: int, events: list[Event]) -> None:
        samples = self._sound.part(first, first + round(_LONGEST_SECONDS * self._rate))
        cut = first + quietest(samples, self._rate, _SEARCH_SECONDS)
        events += self._finalise(cut)
        self._open_at = self._floor = cut

    def _end_open(self) -> list[Event]:
        events: list[Event] = []
        for event in self._endpointer.finish():
            events += self._finalise(self._sample_at(event.end + _TAIL_SECONDS))
        return events

    def _finalise(self, end: int) -> list[Event]:
        """Recognise the open utterance up to sample `end` and close it."""
        first = self._open_at
        assert first is not None
        # Where the cut of a long utterance fell into its last silence, nothing is left.
        end = max(min(end, self._sound.end), first)
        if self._ahead is not None and self._ahead[:2] == (first, end):
            segment = self._ahead[2]
        else:
            segment = self._recognize(first, self._sound.part(first, end))
        shown = self._shown
        self._floor = end
        self._close()
        if segment is not None:
            return [Final(segment)]
        return [Partial("", (), first / self._rate, end / self._rate)] if shown else []

    def _close(self) -> None:
        self._open_at = None
        self._ahead = None
        self._steady = Steady()
        self._shown = ""

    def _look_ahead(self, first: int, events: list[Event]) -> None:
        """Decode the open utterance as it is now, if that is due."""
        state = self._endpointer.state
        end = self._sample_at(state.end * FRAME_SECONDS + _TAIL_SECONDS)
        if state.trailing_silence >= _TAIL_SECONDS and first < end <= self._sound.end:
            # If the pause lasts, this is the final text already, so that no time passes when it is asked for.
            if self._ahead is None or self._ahead[:2] != (first, end):
                segment = self._decode(first, end)
                self._ahead = (first, end, segment)
                self._show(first, end, segment, True, events)
            return
        end = self._sound.end
        length = (end - first) / self._rate
        interval = max(_PARTIAL_SECONDS, length * _PARTIAL_GROWTH, self._decode_seconds / _PARTIAL_COST)
        if self._partials and (end - self._decoded_at) / self._rate >= interval:
            self._show(first, end, self._decode(first, end), False, events)

    def _decode(self, first: int, end: int) -> Segment | None:
        before = time.thread_time()
        segment = self._recognize(first, self._sound.part(first, end))
        self._decode_seconds = time.thread_time() - before
        self._decoded_at = self._sound.end
        return segment

    def _show(self, first: int, end: int, segment: Segment | None, whole: bool, events: list[Event]) -> None:
        if not self._partials:
            return
        words = self._steady.take(segment.words if segment else (), end / self._rate, whole)
        text = " ".join(word.text for word in words)
        if text != self._shown:
            self._shown = text
            events.append(Partial(text, words, first / self._rate, end / self._rate))


def live_endpoints(silence_seconds: float = 0.8) -> EndpointConfig:
    """Return what counts as speech in a live stream; `silence_seconds` of silence end an utterance."""
    # Of a microphone turned down nothing may be lost: 30 dB under what is sensible for recording.
    return EndpointConfig(silence_seconds=silence_seconds, quietest_db=-90.0)


class _Converter:
    """Bring blocks to another rate; the last one gets what the filter held back."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._resampler = None if source_rate == target_rate else Resampler(source_rate, target_rate)

    def feed(self, block: Samples, is_last: bool = False) -> Samples:
        if self._resampler is None:
            return block
        pieces = self._resampler.feed(block)
        if is_last:
            pieces += self._resampler.flush()
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


class _Sound:
    """The last part of the stream at the network's rate, addressed by sample number from its start."""

    def __init__(self) -> None:
        self._blocks: list[Samples] = []
        self.start = 0
        self.end = 0

    def append(self, block: Samples) -> None:
        self._blocks.append(block)
        self.end += len(block)

    def forget(self, before: int) -> None:
        """Drop the blocks that end before a sample."""
        while self._blocks and self.start + len(self._blocks[0]) <= before:
            self.start += len(self._blocks.pop(0))

    def part(self, first: int, end: int) -> Samples:
        """Return samples `first` to `end`."""
        joined = np.concatenate(self._blocks)
        self._blocks = [joined]
        return joined[first - self.start : end - self.start]
