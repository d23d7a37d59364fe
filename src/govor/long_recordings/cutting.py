"""A long recording in pieces the network can take: cut at speech pauses, or in overlapping windows.

Samples go in by blocks of any length, pieces and skipped silences come out; together they hold every sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from govor.audio.loading import Samples
from govor.speech.endpointing import (
    FRAME_SECONDS,
    LENIENT,
    EndpointConfig,
    Endpointer,
    SpeechEnd,
    SpeechStart,
    quietest,
)

# A shorter recording is recognised whole.
WINDOW_SECONDS = 25.0
# Where there is no pause, the cut is at the quietest place this near the window's end.
SEARCH_SECONDS = 8.0


@dataclass(frozen=True)
class CutConfig:
    """How a long recording is cut; all in seconds."""

    longest: float = WINDOW_SECONDS
    shortest: float = 5.0
    """No cut at a pause before this."""
    enough: float = 20.0
    """A piece of this length is ended by the next pause."""
    pause: float = 0.3
    """A shorter silence is no pause."""
    skipped: float = 2.0
    """A longer silence is left out, except..."""
    margin: float = 0.5
    """...so much of it next to speech."""
    context: float = 2.0
    """What a piece hears of its neighbours, where they touch."""
    endpoints: EndpointConfig = LENIENT


@dataclass(frozen=True)
class Piece:
    """A stretch to be recognised, with context around it. Places count samples from the recording's start."""

    first: int
    """Where the samples start."""
    samples: Samples
    start: int
    end: int
    """The piece itself; what lies outside is context. A neighbour that touches it shares that context."""


@dataclass(frozen=True)
class Silence:
    """A stretch without speech, to be left out."""

    start: int
    samples: Samples

    @property
    def end(self) -> int:
        """The sample after its last one."""
        return self.start + len(self.samples)


Part: TypeAlias = "Piece | Silence"


class Cutter(Protocol):
    """Cuts one channel of sound."""

    def feed(self, samples: Samples) -> list[Part]:
        """Take samples (N,) and return the parts they complete."""

    def finish(self) -> list[Part]:
        """Return the rest; nothing can be fed afterwards."""


class _Tape:
    """The samples from some place on that are still needed."""

    def __init__(self) -> None:
        self.start = 0
        self._samples: Samples = np.zeros(0, np.float32)

    @property
    def end(self) -> int:
        return self.start + len(self._samples)

    def add(self, samples: Samples) -> None:
        self._samples = np.concatenate([self._samples, samples])

    def read(self, start: int, end: int) -> Samples:
        return self._samples[max(start - self.start, 0) : end - self.start].copy()

    def forget(self, before: int) -> None:
        # Each call copies what is left.
        if before - self.start > len(self._samples) // 4:
            self._samples = self._samples[before - self.start :].copy()
            self.start = before


class WindowCutter:
    """Cut into overlapping windows, wherever the speech is: at the quietest place near each window's end."""

    def __init__(self, sample_rate: int, config: CutConfig = CutConfig()) -> None:
        """Start at sample 0."""
        self._rate = sample_rate
        self._longest = round(config.longest * sample_rate)
        self._context = round(config.context * sample_rate)
        self._tape = _Tape()
        self._start = 0

    def feed(self, samples: Samples) -> list[Part]:
        """Take samples (N,) and return the windows they complete."""
        self._tape.add(samples)
        parts: list[Part] = []
        while self._tape.end - self._start > self._longest:
            window = self._tape.read(self._start, self._start + self._longest - self._context)
            parts.append(self._cut(self._start + quietest(window, self._rate, SEARCH_SECONDS)))
        return parts

    def finish(self) -> list[Part]:
        """Return the last window."""
        return [self._cut(self._tape.end)] if self._tape.end > self._start else []

    def _cut(self, end: int) -> Piece:
        piece = _piece(self._tape, self._start, end, self._context)
        self._start = end
        self._tape.forget(end - self._context)
        return piece


@dataclass
class _Speech:
    """What the endpointer has found so far in the open piece, in samples."""

    start: int
    """Start of the piece."""
    pauses: list[tuple[int, int]] = field(default_factory=list)
    ended: int | None = None
    """End of the last speech; None while someone speaks."""


class PauseCutter:
    """Cut at pauses of speech, and leave out the long ones; the judge is the energy above the noise."""

    def __init__(self, sample_rate: int, config: CutConfig = CutConfig()) -> None:
        """Start at sample 0."""
        self._rate = sample_rate
        self._config = config
        self._frame = round(FRAME_SECONDS * sample_rate)
        self._tape = _Tape()
        self._endpointer = Endpointer(sample_rate, config.endpoints, use_silero=False)
        self._heard = 0  # samples the endpointer has taken
        self._silent_from = 0  # while nobody speaks: what is not handed out yet starts here
        self._speech: _Speech | None = None
        self._begun = False

    def feed(self, samples: Samples) -> list[Part]:
        """Take samples (N,) and return the parts they complete."""
        self._tape.add(samples)
        if not self._begun and self._tape.end <= self._samples(self._config.longest):
            return []
        self._begun = True
        parts: list[Part] = []
        while self._heard + self._frame <= self._tape.end:
            parts += self._listen()
        return parts

    def finish(self) -> list[Part]:
        """Return the rest; a recording no longer than a window is one piece, whatever is in it."""
        end = self._tape.end
        if not self._begun:
            return [Piece(0, self._tape.read(0, end), 0, end)] if end else []
        speech = self._speech
        if speech is None:
            return self._silence(end)
        last = end
        if speech.ended is not None and end - speech.ended > self._samples(self._config.skipped):
            last = speech.ended + self._samples(self._config.margin)
        return [*self._end_piece(speech, last), *self._silence(end)]

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate)

    def _listen(self) -> list[Part]:
        """Take one more frame."""
        events = self._endpointer.feed(self._tape.read(self._heard, self._heard + self._frame))
        self._heard += self._frame
        parts: list[Part] = []
        for event in events:
            if isinstance(event, SpeechEnd):
                if self._speech is not None:
                    self._speech.ended = self._samples(event.end)
            else:
                parts += self._begin(event)
        if self._speech is None:
            # An hour of silence must not be kept.
            if self._heard - self._silent_from > self._samples(self._config.longest):
                parts += self._silence(self._heard - self._samples(self._config.skipped))
        else:
            parts += self._maybe_cut(self._speech)
        return parts

    def _begin(self, event: SpeechStart) -> list[Part]:
        start = self._samples(event.start)
        if self._speech is not None:
            if self._speech.ended is not None and self._speech.ended < start:
                self._speech.pauses.append((self._speech.ended, start))
            self._speech.ended = None
            return []
        parts: list[Part] = []
        start -= self._samples(self._config.margin)
        if start - self._silent_from > self._samples(self._config.skipped):
            parts = self._silence(start)
        self._speech = _Speech(self._silent_from)
        return parts

    def _silence(self, end: int) -> list[Part]:
        if end <= self._silent_from:
            return []
        silence = Silence(self._silent_from, self._tape.read(self._silent_from, end))
        self._silent_from = end
        self._tape.forget(end - self._samples(self._config.context))
        return [silence]

    def _end_piece(self, speech: _Speech, end: int) -> list[Part]:
        """Hand out the open piece up to a silence."""
        piece = _piece(self._tape, speech.start, end, self._samples(self._config.context))
        # What follows is silence: as context it would only be recognised twice.
        piece = Piece(piece.first, piece.samples[: end - piece.first], piece.start, end)
        self._speech = None
        self._silent_from = end
        return [piece]

    def _maybe_cut(self, speech: _Speech) -> list[Part]:
        config = self._config
        now = self._heard
        if speech.ended is not None and now - speech.ended > self._samples(config.skipped):
            return self._end_piece(speech, speech.ended + self._samples(config.margin))
        context = self._samples(config.context)
        latest = now - context
        length = now - speech.start
        if length <= self._samples(config.enough):
            return []
        earliest = speech.start + self._samples(config.shortest)
        fits = [
            pause
            for pause in speech.pauses
            if pause[1] - pause[0] >= self._samples(config.pause) and earliest <= sum(pause) // 2 <= latest
        ]
        if fits:
            # The longest: what follows it depends least on what went before.
            pause = max(fits, key=lambda pause: pause[1] - pause[0])
            cut = sum(pause) // 2
        elif length > self._samples(config.longest):
            window = self._tape.read(speech.start, latest)
            cut = speech.start + quietest(window, self._rate, SEARCH_SECONDS)
        else:
            return []
        piece = _piece(self._tape, speech.start, cut, context)
        speech.start = cut
        speech.pauses = [pause for pause in speech.pauses if sum(pause) // 2 > cut]
        self._tape.forget(cut - context)
        return [piece]


def _piece(tape: _Tape, start: int, end: int, context: int) -> Piece:
    first = max(start - context, tape.start)
    return Piece(first, tape.read(first, min(end + context, tape.end)), start, end)


def cut_windows(blocks: Iterable[Samples], sample_rate: int) -> Iterator[tuple[int, Samples]]:
    """Cut a stream of blocks into windows of at most 25 s: (first sample, samples), each sample in just one.

    The cut is the middle of the 0.3 s with the least energy within the last 8 s of the window.
    """
    cutter = WindowCutter(sample_rate, CutConfig(context=0.0))
    for block in blocks:
        for window in cutter.feed(block):
            yield window.start, window.samples
    for window in cutter.finish():
        yield window.start, window.samples
