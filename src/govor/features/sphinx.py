"""The front end of CMU sphinxbase 5prealpha (``sphinx_fe``): MFCC without noise and silence."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from govor.config import FeatureConfig
from govor.errors import ConfigError
from govor.features.frames import Framing, dct_matrix, mel_powers
from govor.features.noise import NoiseTracker
from govor.features.silence import speech_frames
from govor.language import tr

_LOG_FLOOR = 1e-4


def cepstra(
    waveform: NDArray[np.float32], config: FeatureConfig, block_frames: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Compute (T, num_cepstra) cepstra and the (T,) numbers of their frames, those that the program writes.

    Source: sphinxbase ``fe_sigproc.c``, ``fe_noise.c``, ``fe_interface.c``; options other than those in the
    configuration at their defaults (unit_area, round_filters, no dither, no remove_dc).
    """
    size = int(config.window_ms / 1000 * config.sample_rate + 0.5)
    shift = int(config.frame_shift * config.sample_rate + 0.5)
    framing = Framing(
        size=size,
        shift=shift,
        fft_size=config.fft_size,
        preemphasis=float(np.float32(config.preemphasis)),
        window=np.hamming(size),
        quantize=True,
    )
    num_samples = len(waveform)
    num_frames = 0
    if num_samples:
        # What is left behind the last whole frame becomes one more, padded with zeros.
        num_frames = 2 + (num_samples - size) // shift if num_samples >= size else 1
    filters = filterbank(config)
    to_cepstra = dct_matrix(config.num_filters, config.num_cepstra) * _lifter(config)
    values = np.empty((num_frames, config.num_cepstra), np.float32)
    is_speech = np.ones(num_frames, np.bool_)
    tracker = NoiseTracker() if config.remove_noise or config.remove_silence else None
    for first, mel in mel_powers(waveform, framing, filters, num_frames, block_frames):
        if tracker is not None:
            tracked = tracker.track(mel)
            if config.remove_silence:
                is_speech[first : first + len(mel)] = tracked.is_speech
            if config.remove_noise:
                mel *= tracked.gain
        mel += _LOG_FLOOR
        values[first : first + len(mel)] = np.log(mel, out=mel) @ to_cepstra
    kept = speech_frames(is_speech, num_samples, size, shift)
    return values[kept], kept


@functools.lru_cache(maxsize=8)
def filterbank(config: FeatureConfig) -> NDArray[np.float64]:
    """Return (fft_size / 2 + 1, num_filters) triangles of unit area in Hz, edges rounded to FFT bins.

    Raises ConfigError if a filter is narrower than a bin.
    """
    # Single precision throughout: an edge that falls between two bins must round the way the program does.
    single = np.float32
    high = config.high_frequency or config.sample_rate / 2
    mel_low, mel_high = (single(2595 * np.log10(1 + hz / 700)) for hz in (config.low_frequency, high))
    mel_width = (mel_high - mel_low) / single(config.num_filters + 1)
    mel = np.arange(config.num_filters + 2, dtype=single) * mel_width + mel_low
    hz = (700 * (np.power(10.0, mel.astype(np.float64) / 2595) - 1)).astype(single)
    bin_hz = single(config.sample_rate) / single(config.fft_size)
    edges = (hz / bin_hz + 0.5).astype(int) * bin_hz
    bins = np.arange(config.fft_size // 2 + 1, dtype=single) * bin_hz
    # The program leaves out the bin at half the sample rate.
    bins[-1] = np.inf
    filters = np.zeros((len(bins), config.num_filters))
    for number, (left, centre, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        if not left < centre < right:
            raise ConfigError(
                tr(
                    f"num_filters = {config.num_filters}: фильтр {number} уже, чем шаг БПФ {bin_hz:g} Гц; "
                    "уменьшите num_filters или увеличьте fft_size",
                    f"num_filters = {config.num_filters}: filter {number} is narrower than the FFT step of "
                    f"{bin_hz:g} Hz; lower num_filters or raise fft_size",
                )
            )
        inside = (left <= bins) & (bins <= right)
        rising = (bins[inside] - left) / (centre - left)
        falling = (right - bins[inside]) / (right - centre)
        filters[inside, number] = np.minimum(rising, falling) * (single(2) / (right - left))
    return filters


def _lifter(config: FeatureConfig) -> NDArray[np.float64]:
    if config.lifter == 0:
        return np.ones(config.num_cepstra)
    order = np.arange(config.num_cepstra)
    # The program divides the lifter by two as an integer.
    weights: NDArray[np.float64] = 1 + config.lifter // 2 * np.sin(np.pi * order / config.lifter)
    return weights
