"""From a waveform to features, whatever the front end; and the normalisation that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.config import FeatureConfig
from govor.errors import AudioError, ConfigError
from govor.features import htk, sphinx
from govor.features.frames import BLOCK_FRAMES
from govor.language import tr

MIN_STD = 1e-3
"""A coefficient that moves less than this over an utterance is taken as constant."""


@dataclass(frozen=True)
class Features:
    """What a front end made of a waveform."""

    values: NDArray[np.float32]
    """(T, F) cepstra."""
    times: NDArray[np.float64]
    """(T,) seconds, the start of each frame in the waveform; grows, with gaps where silence was removed."""


def extract(
    waveform: NDArray[np.float32], config: FeatureConfig, *, block_frames: int = BLOCK_FRAMES
) -> Features:
    """Compute the MFCC of a waveform.

    `waveform` is (N,) mono in [-1, 1] at ``config.sample_rate``; it is taken at the int16 scale (times
    32768), as the programs that the front ends reproduce take it. ``htk`` equals
    ``python_speech_features.mfcc``, ``sphinx`` equals ``sphinx_fe`` of sphinxbase 5prealpha, which first
    rounds the samples to int16. An empty waveform has no frames; ``htk`` makes one padded frame of anything
    shorter than a window, ``sphinx`` gives nothing for less than ten frames. The work is done
    `block_frames` at a time to bound memory; the result does not depend on it.

    Raises AudioError if the waveform is not one channel of finite floats, ConfigError if the configuration
    asks for the impossible, such as a filter above half the sample rate.
    """
    _check_config(config)
    _check_waveform(waveform)
    frontend = htk if config.frontend == "htk" else sphinx
    values, frames = frontend.cepstra(waveform, config, block_frames)
    shift = int(config.frame_shift * config.sample_rate + 0.5)
    return Features(values, frames * (shift / config.sample_rate))


def normalize(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring every coefficient to mean 0 and variance 1 over the utterance.

    Takes and returns (T, F) float32. A coefficient with a standard deviation below 0.001 is only centred, not
    blown up. No frames give no frames.
    """
    if len(features) == 0:
        return features.astype(np.float32)
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    std = np.sqrt(np.mean(np.square(centred), axis=0))
    result: NDArray[np.float32] = (centred / np.where(std < MIN_STD, 1.0, std)).astype(np.float32)
    return result


def _check_waveform(waveform: NDArray[np.float32]) -> None:
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        found = f"{waveform.dtype} {waveform.shape}"
        raise AudioError(
            tr(
                f"нужен один канал чисел с плавающей точкой от -1 до 1, а не {found}",
                f"one channel of floats between -1 and 1 is needed, not {found}",
            )
        )
    if waveform.size == 0:
        return
    # The extremes show NaN and infinity without a mask as long as the waveform.
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(waveform.min()) and np.isfinite(waveform.max())
    if not finite:
        at = int(np.argmin(np.isfinite(waveform)))
        raise AudioError(
            tr(
                f"отсчёт {at} звука равен {waveform[at]}: запись испорчена, перекодируйте её",
                f"sample {at} of the audio is {waveform[at]}: the recording is damaged, convert it again",
            )
        )


def _check_config(config: FeatureConfig) -> None:
    window = int(config.window_ms / 1000 * config.sample_rate + 0.5)
    shift = int(config.frame_shift * config.sample_rate + 0.5)
    high = config.high_frequency or config.sample_rate / 2
    problem = None
    if window > config.fft_size:
        problem = f"window_ms = {config.window_ms} > fft_size = {config.fft_size}"
    elif shift > window:
        problem = f"frame_shift_ms = {config.frame_shift_ms} > window_ms = {config.window_ms}"
    elif high > config.sample_rate / 2:
        problem = f"high_frequency = {high:g} > sample_rate / 2 = {config.sample_rate / 2:g}"
    elif config.low_frequency >= high:
        problem = f"low_frequency = {config.low_frequency:g} >= high_frequency = {high:g}"
    elif config.num_cepstra > config.num_filters:
        problem = f"num_cepstra = {config.num_cepstra} > num_filters = {config.num_filters}"
    if problem:
        raise ConfigError(tr(f"негодные настройки признаков: {problem}", f"unusable features: {problem}"))
