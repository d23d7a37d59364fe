"""What can be said of a recording without listening: levels, noise, clipping, silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FRAME_SECONDS = 0.02
_FLOOR_DB = -100.0
# Frames this far below the speech are silence between words.
_SILENCE_BELOW_DB = 30.0
# Of 16-bit steps: a cut top is flat, but for dither and rounding.
_FLAT = 1.5 / 32768
_QUIET_PEAK = 0.25


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
    size = max(1, round(_FRAME_SECONDS * sample_rate))
    count = max(1, len(samples) // size)
    frames = (
        np.resize(samples, (count, size))
        if len(samples) < size
        else samples[: count * size].reshape(count, size)
    )
    levels = _db(np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1)))
    speech, noise = np.percentile(levels, (95, 10))
    return SoundCheck(
        duration=len(samples) / sample_rate,
        peak_db=float(_db(np.array([peak]))[0]),
        speech_db=float(speech),
        noise_db=float(noise),
        clipped=_flat_share(samples, peak),
        silence=float(np.mean(levels < speech - _SILENCE_BELOW_DB)),
    )


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
