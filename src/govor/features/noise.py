"""Tracking of noise in mel bands, and from it a gain for every band and a guess where speech is.

The method is power-normalised cepstra (Kim and Stern, "Power-Normalized Cepstral Coefficients (PNCC) for
Robust Speech Recognition", 2016) as sphinxbase 5prealpha has it: the power in a band is smoothed, its lower
envelope is the noise, what stands out of the noise is the signal; the signal has a lower envelope of its
own, below which it never falls, and a decaying peak that masks what follows a loud sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The values of fe_noise.c: weights of the old value per frame,
_SMOOTHING = 0.7
_RISE = 0.995
_FALL = 0.5
_PEAK_DECAY = 0.85
_LEVEL_RISE = 0.9
_LEVEL_DECAY = 0.9995
# parts and limits of power,
_MASKED_PART = 0.2
_MAX_GAIN = 20.0
# the bands on either side over which a gain is averaged,
_BANDS_AROUND = 4
# and, in natural logarithms of power, what speech rises above noise and how far it falls below the level.
_SNR_THRESHOLD = 2.0
_QUIET_BELOW_LEVEL = 8.0

# Ours, for speed.
_MASKING_FRAMES = 256
_TINY = 1e-300
_CHUNK_FRAMES = 64


@dataclass(frozen=True)
class Tracked:
    """What is known about a block of frames."""

    gain: Array
    """(B, bands) what the power in a band is to be multiplied with."""
    is_speech: NDArray[np.bool_]
    """(B,) whether something stands out of the noise and is not far below the loudest."""


@dataclass
class _State:
    power: Array
    noise: Array
    floor: Array
    peak: Array
    level: float = 0.0
    """Slow peak of the log of the signal over all bands."""


class NoiseTracker:
    """Follows the noise of one recording through blocks of frames, in order."""

    def __init__(self) -> None:
        self._state: _State | None = None

    def track(self, mel: Array) -> Tracked:
        """Follow the noise through (B, bands) mel powers at the int16 scale."""
        state = self._state
        if state is None:
            # The first frame is taken for nearly all signal.
            low = mel[0] / _MAX_GAIN
            state = self._state = _State(mel[0], low, low, np.zeros_like(low))
        power = _smooth(mel, state.power)
        state.power = power[-1].copy()
        # Digital silence makes the power decay without end. Denormals are slow and round badly.
        power[(power > 0) & (power < _TINY)] = _TINY
        noise, signal, floor = _separate(power, state.noise, state.floor)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(power > 0, power / noise, 1.0)
        total = np.log(signal.sum(axis=1))
        level = _slow_peak(total, state.level)
        is_speech = (np.log(ratio.max(axis=1)) >= _SNR_THRESHOLD) & (level - _QUIET_BELOW_LEVEL <= total)
        peak = _decaying_peak(signal, state.peak)

        before = np.concatenate((state.peak[np.newaxis], peak[:-1])) * _PEAK_DECAY
        heard = np.where(signal < before * _PEAK_DECAY, before * _MASKED_PART, signal)
        heard = np.maximum(heard, floor)
        with np.errstate(divide="ignore", over="ignore"):
            gain = np.clip(heard / power, 1 / _MAX_GAIN, _MAX_GAIN)
        state.noise, state.floor, state.peak = noise[-1].copy(), floor[-1].copy(), peak[-1].copy()
        state.level = float(level[-1])
        return Tracked(gain @ _averaging(mel.shape[1]), is_speech)


def _smooth(mel: Array, state: Array) -> Array:
    """Return power[t] = 0.7 power[t - 1] + 0.3 mel[t]: a sum of 0.7^k 0.3 mel[t - k], found by doubling."""
    power = np.concatenate((state[np.newaxis], mel * (1 - _SMOOTHING)))
    span = 1
    while span < len(power):
        power[span:] += power[:-span] * _SMOOTHING**span
        span *= 2
    return power[1:]


def _decaying_peak(signal: Array, state: Array) -> Array:
    """Return peak[t] = max(0.85 peak[t - 1], signal[t]): a maximum of 0.85^k signal[t - k], by doubling.

    The signal is at least 1 and at most about 10^16, so that nothing older than 256 frames matters.
    """
    peak = np.concatenate((state[np.newaxis], signal))
    span = 1
    while span < min(_MASKING_FRAMES, len(peak)):
        np.maximum(peak[span:], peak[:-span] * _PEAK_DECAY**span, out=peak[span:])
        span *= 2
    return peak[1:]


def _separate(power: Array, noise: Array, floor: Array) -> tuple[Array, Array, Array]:
    """Return the noise under the power, the signal above the noise, and the floor under the signal.

    The noise of a chunk of frames and the floor of the chunk before it are followed side by side: the
    number of numpy calls, not their size, is what costs.
    """
    num_frames, bands = power.shape
    chunk = min(_CHUNK_FRAMES, num_frames)
    num_chunks = -(-num_frames // chunk)
    above = np.zeros(((num_chunks + 1) * chunk, 2 * bands))
    above[:num_frames, :bands] = power
    below = np.empty_like(above)
    state = np.concatenate((noise, floor))
    for start in range(0, len(above), chunk):
        end = start + chunk
        below[start:end] = _lower_envelope(above[start:end], state)
        state = below[end - 1]
        if start == 0:
            state[bands:] = floor
        if end < len(above):
            signal = above[start:end, :bands] - below[start:end, :bands]
            np.maximum(signal, 1.0, out=above[end : end + chunk, bands:])
    late = slice(chunk, chunk + num_frames)
    return below[:num_frames, :bands], above[late, bands:], below[late, bands:]


def _lower_envelope(power: Array, state: Array) -> Array:
    """Follow the power up slowly and down fast.

    The weight of the old value is 0.995 where the power is above it and 0.5 where it is below. Either is a
    mean of the old value and the power, so the rule picks whichever mean is less.
    """
    weights = np.array([[_RISE, 1 - _RISE], [_FALL, 1 - _FALL]])
    # Row t holds the envelope before frame t and the power in it: one product of matrices makes both means.
    pairs = np.empty((len(power) + 1, 2, power.shape[1]))
    pairs[0, 0] = state
    pairs[:-1, 1] = power
    means = np.empty(pairs.shape[1:])
    slow, fast = means
    # Bound to locals: this loop is where the time of the front end goes.
    dot, minimum = np.dot, np.minimum
    for pair, envelope in zip(pairs, pairs[1:, 0], strict=False):
        dot(weights, pair, out=means)
        minimum(slow, fast, out=envelope)
    return pairs[1:, 0]


def _slow_peak(total: Array, state: float) -> Array:
    level = state
    levels = []
    for value in total.tolist():
        decay = _LEVEL_RISE if value > level else _LEVEL_DECAY
        level = level * decay + value * (1 - decay)
        levels.append(level)
    return np.array(levels)


def _averaging(num_bands: int) -> Array:
    """Return (bands, bands) that averages each band with up to four neighbours on either side."""
    band = np.arange(num_bands)
    near = (np.abs(band[:, np.newaxis] - band) <= _BANDS_AROUND).astype(np.float64)
    average: Array = near / near.sum(axis=0)
    return average
