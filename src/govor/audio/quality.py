"""What can be said of a recording without listening: levels, noise, clipping, silence.

`check_sound` measures a whole waveform, `SoundMeter` a stream of any length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.language import tr
from govor.transcript import Problem

_FRAME_SECONDS = 0.02
_FLOOR_DB = -100.0
# Frames this far below the speech are silence between words.
_SILENCE_BELOW_DB = 30.0
# Of 16-bit steps: a cut top is flat, but for dither and rounding.
_FLAT = 1.5 / 32768
_QUIET_PEAK = 0.25
_BIN_DB = 0.25

# benchmarks/sound_quality.py shows what these find and what they wrongly accuse.
CLIPPED_SHARE = 0.002
QUIET_DB = -50.0


@dataclass(frozen=True)
class SoundCheck:
    """Figures of one recording; levels in dB below full scale."""

    duration: float
    """Seconds."""
    peak_db: float
    speech_db: float
    """RMS of the loud 20 ms frames (95th percentile)."""
    noise_db: float
    """RMS of the quiet frames (10th percentile)."""
    clipped: float
    """Share of the samples that lie in flat tops: three or more neighbours at the same extreme."""
    silence: float
    """Share of the frames more than 30 dB below the speech."""

    @property
    def snr_db(self) -> float:
        """Speech above noise."""
        return self.speech_db - self.noise_db


def check_sound(samples: NDArray[np.float32], sample_rate: int) -> SoundCheck:
    """Measure a waveform (N,), N > 0, full scale ±1, at its own rate: resampling would round flat tops."""
    peak = float(np.abs(samples).max())
    levels = _levels(samples, sample_rate)
    speech, noise = np.percentile(levels, (95, 10))
    return SoundCheck(
        duration=len(samples) / sample_rate,
        peak_db=float(_db(np.array([peak]))[0]),
        speech_db=float(speech),
        noise_db=float(noise),
        clipped=_flat_share(samples, peak),
        silence=float(np.mean(levels < speech - _SILENCE_BELOW_DB)),
    )


class SoundMeter:
    """Measures a recording piece by piece: about what `check_sound` finds, in memory that does not grow."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._histogram = np.zeros(round((20.0 - _FLOOR_DB) / _BIN_DB), np.int64)
        self._peak = 0.0
        self._flat = 0.0
        self._num_samples = 0
        self._duration = 0.0
        self._pending: list[NDArray[np.float32]] = []
        self._rate = 0

    def feed(self, samples: NDArray[np.float32], sample_rate: int) -> None:
        """Take samples (N, C), full scale ±1; each channel is measured by itself."""
        if self._pending and (self._rate != sample_rate or self._pending[0].shape[1] != samples.shape[1]):
            self._measure(np.concatenate(self._pending))
            self._pending = []
        self._rate = sample_rate
        self._pending.append(samples)
        if sum(map(len, self._pending)) < sample_rate:
            return
        # Second by second, so that how the samples come changes nothing.
        joined = np.concatenate(self._pending)
        whole = len(joined) // sample_rate * sample_rate
        for start in range(0, whole, sample_rate):
            self._measure(joined[start : start + sample_rate])
        self._pending = [joined[whole:]]

    def finish(self) -> SoundCheck | None:
        """Return the figures; None if nothing was heard."""
        if self._pending:
            self._measure(np.concatenate(self._pending))
            self._pending = []
        if not self._num_samples:
            return None
        shares = np.cumsum(self._histogram) / max(self._histogram.sum(), 1)
        speech, noise = (_FLOOR_DB + _BIN_DB * int(np.searchsorted(shares, part)) for part in (0.95, 0.10))
        below = max(int((speech - _SILENCE_BELOW_DB - _FLOOR_DB) / _BIN_DB), 0)
        return SoundCheck(
            duration=self._duration,
            peak_db=float(_db(np.array([self._peak]))[0]),
            speech_db=speech,
            noise_db=noise,
            clipped=self._flat / self._num_samples,
            silence=float(shares[below - 1]) if below else 0.0,
        )

    def _measure(self, samples: NDArray[np.float32]) -> None:
        if not samples.size:
            return
        self._duration += len(samples) / self._rate
        for channel in samples.T:
            peak = float(np.abs(channel).max())
            self._peak = max(self._peak, peak)
            self._flat += _flat_share(channel, peak) * len(channel)
            self._num_samples += len(channel)
            bins = ((_levels(channel, self._rate) - _FLOOR_DB) / _BIN_DB).astype(np.int64)
            self._histogram += np.bincount(
                bins.clip(0, len(self._histogram) - 1), minlength=len(self._histogram)
            )


def sound_problems(found: SoundCheck) -> tuple[Problem, ...]:
    """Return what of the figures will spoil the recognition."""
    problems = []
    if found.speech_db < QUIET_DB:
        problems.append(
            Problem(
                "quiet",
                tr(
                    f"почти тишина: самое громкое {found.speech_db:.0f} дБ; проверьте микрофон и усиление",
                    f"nearly silent: the loudest is {found.speech_db:.0f} dB; check the microphone and gain",
                ),
            )
        )
    if found.clipped > CLIPPED_SHARE:
        problems.append(
            Problem(
                "clipping",
                tr(
                    f"перегрузка: срезано {100 * found.clipped:.1f} % отсчётов; убавьте усиление записи",
                    f"clipping: {100 * found.clipped:.1f} % of the samples are cut off; lower the gain",
                ),
            )
        )
    return tuple(problems)


def _levels(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    size = max(1, round(_FRAME_SECONDS * sample_rate))
    count = max(1, len(samples) // size)
    frames = (
        np.resize(samples, (count, size))
        if len(samples) < size
        else samples[: count * size].reshape(count, size)
    )
    return _db(np.std(frames, axis=1, dtype=np.float64))


def _flat_share(samples: NDArray[np.float32], peak: float) -> float:
    if peak < _QUIET_PEAK or len(samples) < 3:
        return 0.0
    high, low = float(samples.max()), float(samples.min())
    share = 0.0
    for at_edge in (samples >= high - _FLAT, samples <= low + _FLAT):
        middle = at_edge[:-2] & at_edge[1:-1] & at_edge[2:]
        inside = np.zeros(len(samples), dtype=bool)
        for shift in range(3):
            inside[shift : len(samples) - 2 + shift] |= middle
        share += float(np.mean(inside))
    return min(share, 1.0)


def _db(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(20 * np.log10(np.maximum(values, 10 ** (_FLOOR_DB / 20))))
