"""The front end of python_speech_features: HTK-like MFCC, rectangular window, log energy for c0."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from govor.config import FeatureConfig
from govor.features.frames import Framing, dct_matrix, mel_powers

_EPS = float(np.finfo(np.float64).eps)


def cepstra(
    waveform: NDArray[np.float32], config: FeatureConfig, block_frames: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Compute (T, num_cepstra) cepstra and the (T,) numbers of their frames, which are all there are.

    Equals ``python_speech_features.mfcc(waveform * 32768, ...)``: the last frame is padded with zeros, and
    anything shorter than a window makes one frame; nothing makes none (the original fails).
    """
    framing = Framing(
        size=int(config.window_ms / 1000 * config.sample_rate + 0.5),
        shift=int(config.frame_shift * config.sample_rate + 0.5),
        fft_size=config.fft_size,
        preemphasis=config.preemphasis,
        window=None,
        quantize=False,
    )
    num_samples = len(waveform)
    num_frames = 1 + max(0, math.ceil((num_samples - framing.size) / framing.shift)) if num_samples else 0
    # The sum over all bins, which becomes the log energy, is one more filter.
    filters = np.column_stack((np.ones(config.fft_size // 2 + 1), filterbank(config))) / config.fft_size
    to_cepstra = dct_matrix(config.num_filters, config.num_cepstra) * _lifter(config)
    values = np.empty((num_frames, config.num_cepstra), np.float32)
    for first, power in mel_powers(waveform, framing, filters, num_frames, block_frames):
        # Silence and filters without a bin: the same tiny number as the original puts there.
        power[power == 0] = _EPS
        np.log(power, out=power)
        block = values[first : first + len(power)]
        block[:] = power[:, 1:] @ to_cepstra
        block[:, 0] = power[:, 0]
    return values, np.arange(num_frames)


@functools.lru_cache(maxsize=8)
def filterbank(config: FeatureConfig) -> NDArray[np.float64]:
    """Return (fft_size / 2 + 1, num_filters) triangles of height 1, even in mel, edges on FFT bins."""
    high = config.high_frequency or config.sample_rate / 2
    mel_low, mel_high = (2595 * np.log10(1 + hz / 700.0) for hz in (config.low_frequency, high))
    hz = 700 * (10 ** (np.linspace(mel_low, mel_high, config.num_filters + 2) / 2595.0) - 1)
    edges = np.floor((config.fft_size + 1) * hz / config.sample_rate)
    bins = np.arange(config.fft_size // 2 + 1)
    filters = np.zeros((len(bins), config.num_filters))
    for number, (left, centre, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        rising = (left <= bins) & (bins < centre)
        falling = (centre <= bins) & (bins < right)
        filters[rising, number] = (bins[rising] - left) / (centre - left)
        filters[falling, number] = (right - bins[falling]) / (right - centre)
    return filters


def _lifter(config: FeatureConfig) -> NDArray[np.float64]:
    if config.lifter == 0:
        return np.ones(config.num_cepstra)
    order = np.arange(config.num_cepstra)
    weights: NDArray[np.float64] = 1 + config.lifter / 2 * np.sin(np.pi * order / config.lifter)
    return weights
