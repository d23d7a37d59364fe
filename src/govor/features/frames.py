"""Cutting a waveform into frames and taking the power in bands, a block of frames at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_FRAMES = 512
"""Frames worked on at once: enough to hide the cost of numpy calls, few enough to stay in the cache."""

_FFT_FRAMES = 32
"""Spectra are by far the largest arrays: so few of them that their memory is reused, not asked for anew."""

SAMPLE_SCALE = 32768.0
"""Both reference programs take int16 samples."""


@dataclass(frozen=True)
class Framing:
    """How frames lie in a waveform, in samples."""

    size: int
    shift: int
    fft_size: int
    preemphasis: float
    window: NDArray[np.float64] | None
    """(size,) weights; None is rectangular."""
    quantize: bool
    """Round the samples to int16 first."""


def mel_powers(
    waveform: NDArray[np.float32],
    framing: Framing,
    filters: NDArray[np.float64],
    num_frames: int,
    block_frames: int,
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield ``(number of the first frame, (B, bands) filtered power)`` until `num_frames` are done.

    `filters` is (fft_size / 2 + 1, bands); the power is |X|², not divided by anything. Samples past the end
    of the waveform are zeros *after* pre-emphasis, and the sample before its start is zero: so do both
    programs.
    """
    size, shift = framing.size, framing.shift
    padded = np.zeros((_FFT_FRAMES, framing.fft_size))
    window = 1.0 if framing.window is None else framing.window
    for first in range(0, num_frames, block_frames):
        count = min(block_frames, num_frames - first)
        emphasized = np.zeros((count - 1) * shift + size)
        start = first * shift
        samples = _int16_scale(waveform[max(start - 1, 0) : start + len(emphasized)], framing.quantize)
        if start == 0:
            samples = np.concatenate(([0.0], samples))
        emphasized[: len(samples) - 1] = samples[1:] - framing.preemphasis * samples[:-1]
        frames = np.lib.stride_tricks.sliding_window_view(emphasized, size)[::shift]
        powers = np.empty((count, filters.shape[1]))
        for some in range(0, count, _FFT_FRAMES):
            batch = frames[some : some + _FFT_FRAMES]
            np.multiply(batch, window, out=padded[: len(batch), :size])
            spectrum = np.fft.rfft(padded[: len(batch)])
            power = np.square(spectrum.real)
            power += np.square(spectrum.imag)
            np.matmul(power, filters, out=powers[some : some + _FFT_FRAMES])
        yield first, powers


def _int16_scale(samples: NDArray[np.float32], quantize: bool) -> NDArray[np.float64]:
    scaled = samples.astype(np.float64) * SAMPLE_SCALE
    if quantize:
        scaled = np.clip(np.rint(scaled), -SAMPLE_SCALE, SAMPLE_SCALE - 1)
    return scaled


def dct_matrix(num_filters: int, num_cepstra: int) -> NDArray[np.float64]:
    """Return the (num_filters, num_cepstra) orthonormal DCT-II that turns log filter outputs into cepstra."""
    angle = np.pi / num_filters * np.outer(np.arange(num_filters) + 0.5, np.arange(num_cepstra))
    matrix: NDArray[np.float64] = np.sqrt(2.0 / num_filters) * np.cos(angle)
    matrix[:, 0] = np.sqrt(1.0 / num_filters)
    return matrix
