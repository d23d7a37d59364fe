"""Random changes of cepstral features, so that few voices and rooms teach like many (numpy).

Cepstra are turned back into log-mel energies, changed there, and turned into cepstra again. What the
truncated cosine transform lost stays lost on both sides, so an unchanged utterance comes back unchanged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govor.config import AugmentConfig, FeatureConfig

Array = NDArray[np.float32]

# Which silences there are: of this part the recording's own, up to that part made up, the others digital.
_OWN_NOISE, _ANY_NOISE = 0.5, 0.85
_NOISE_FRAMES = 16


class Augmenter:
    """Applies an AugmentConfig to features made by a FeatureConfig."""

    def __init__(self, config: AugmentConfig, features: FeatureConfig) -> None:
        self.config = config
        self.to_cepstra = _cepstral_matrix(features)
        self.to_bands = np.linalg.pinv(self.to_cepstra).astype(np.float32)
        self.changes_bands = bool(
            config.warp or config.reverb or config.noise or config.tilt or config.band_masks
        )

    def __call__(self, features: Array, rng: np.random.Generator, min_frames: int = 1) -> Array:
        """Return a changed copy of features (T, F) with at least `min_frames` frames (if T has them)."""
        config = self.config
        if config.speed:
            factor = rng.uniform(1 - config.speed, 1 + config.speed)
            features = change_speed(features, factor, min_frames)
        if self.changes_bands and len(features):
            features = self._change_bands(features, rng)
        for _ in range(config.time_masks):
            features = mask_time(features, int(rng.integers(0, config.time_mask_frames + 1)), rng)
        return features

    def silence(self, features: Array, rng: np.random.Generator) -> Array:
        """Return a noise as long as features (T, F): an utterance of nobody.

        It is the quietest moment of the recording again and again, or a made-up noise, or digital silence.
        """
        kind = rng.random()
        if kind < _OWN_NOISE and len(features) > _NOISE_FRAMES:
            return repeat_quietest(features, rng)
        if kind < _ANY_NOISE:
            return (make_noise(len(features), self.to_cepstra.shape[1], rng) @ self.to_cepstra.T).astype(
                np.float32
            )
        return np.repeat(features[:1], len(features), axis=0)

    def _change_bands(self, features: Array, rng: np.random.Generator) -> Array:
        config = self.config
        num_bands = self.to_cepstra.shape[1]
        bands = features @ self.to_bands.T
        if config.warp:
            factor = rng.uniform(1 - config.warp, 1 + config.warp)
            bands = bands @ warp_matrix(num_bands, factor).T
        if config.tilt:
            bands = bands + config.tilt * smooth_curve(num_bands, rng)
        if config.reverb and rng.random() < config.reverb:
            bands = add_reverb(bands, rng)
        if config.noise and rng.random() < config.noise:
            bands = add_noise(bands, rng)
        for _ in range(config.band_masks):
            width = min(int(rng.integers(1, config.band_mask_width + 1)), num_bands)
            start = int(rng.integers(0, num_bands - width + 1))
            bands[:, start : start + width] = bands[:, start : start + width].mean()
        return (bands @ self.to_cepstra.T).astype(np.float32)


def change_speed(features: Array, factor: float, min_frames: int = 1) -> Array:
    """Resample the frames (T, F) linearly to round(T / factor), at least `min_frames`, frames."""
    num_frames = len(features)
    wanted = max(round(num_frames / factor), min(min_frames, num_frames), 1)
    if num_frames < 2 or wanted == num_frames:
        return features
    position = np.linspace(0, num_frames - 1, wanted, dtype=np.float32)
    left = np.minimum(position.astype(np.int64), num_frames - 2)
    weight = (position - left)[:, None]
    resampled: Array = (features[left] * (1 - weight) + features[left + 1] * weight).astype(np.float32)
    return resampled


def warp_matrix(num_bands: int, factor: float) -> Array:
    """Return (bands, bands) that stretches the band axis by `factor`: another vocal tract."""
    position = np.clip(np.arange(num_bands) * factor, 0, num_bands - 1)
    left = np.minimum(position.astype(np.int64), num_bands - 2)
    matrix = np.zeros((num_bands, num_bands), dtype=np.float32)
    rows = np.arange(num_bands)
    matrix[rows, left] = 1 - (position - left)
    matrix[rows, left + 1] += position - left
    return matrix


def smooth_curve(num_bands: int, rng: np.random.Generator) -> Array:
    """Return a random smooth curve over the bands (bands,) of about unit deviation: a microphone's colour."""
    axis = np.linspace(0, np.pi, num_bands)
    shapes = np.cos(np.arange(1, 4)[:, None] * axis)
    curve: Array = (rng.normal(size=3) @ shapes).astype(np.float32)
    return curve


def add_reverb(bands: Array, rng: np.random.Generator) -> Array:
    """Let log-mel energies (T, bands) at 100 frames a second ring on as in a random room.

    Each band's power is followed by an exponential tail: 60 dB in 0.15 to 0.8 s, in all 2 dB above to 14 dB
    below the direct sound (Lebart et al., 2001: late reverberation as decaying noise).
    """
    seconds = rng.uniform(0.15, 0.8)
    direct_db = rng.uniform(-2.0, 14.0)
    colour = 0.5 * smooth_curve(bands.shape[1], rng)
    num_taps = int(60 * seconds) + 1
    tail = 10 ** (-6 * np.arange(num_taps) / (100 * seconds))
    tail *= 10 ** (-direct_db / 10) / tail.sum()
    # Taken relative to the loudest point: energies of other front ends would leave the range of float32.
    loudest = bands.max()
    power = np.exp(bands - loudest)
    before = np.concatenate([np.zeros((num_taps, power.shape[1]), np.float32), power])
    windows = np.lib.stride_tricks.sliding_window_view(before, num_taps, axis=0)[: len(power)]
    ringing = windows @ tail[::-1] * np.exp(colour)
    reverberant: Array = (np.log(power + ringing + 1e-12) + loudest).astype(np.float32)
    return reverberant


def add_noise(bands: Array, rng: np.random.Generator) -> Array:
    """Add a noise of random colour, level and unsteadiness to log-mel energies (T, bands)."""
    loud = np.quantile(bands, 0.9, axis=0)
    # Natural logarithm of power: 1 is 4.3 dB. The noise lies 5 to 30 dB below the loud speech.
    level = loud.mean() - rng.uniform(1.2, 7.0)
    colour = smooth_curve(bands.shape[1], rng)
    flutter = rng.normal(scale=rng.uniform(0.2, 1.0), size=bands.shape)
    noisy: Array = np.logaddexp(bands, level + colour + flutter).astype(np.float32)
    return noisy


def make_noise(num_frames: int, num_bands: int, rng: np.random.Generator) -> Array:
    """Return log-mel energies (num_frames, num_bands) of a noise of random colour, swell and unsteadiness."""
    flutter = rng.normal(scale=rng.uniform(0.1, 1.0), size=(num_frames, num_bands))
    swell = np.cumsum(rng.normal(scale=rng.uniform(0.0, 0.15), size=num_frames))
    noise: Array = (2 * smooth_curve(num_bands, rng) + flutter + swell[:, None]).astype(np.float32)
    return noise


def repeat_quietest(features: Array, rng: np.random.Generator) -> Array:
    """Return T frames made of the quietest `_NOISE_FRAMES` in a row of cepstra (T, F), T > `_NOISE_FRAMES`.

    They come forwards and backwards by turns, at random speeds: nothing jumps, and no rhythm is learnt.
    """
    loudness = np.convolve(features[:, 0], np.ones(_NOISE_FRAMES), mode="valid")
    start = int(np.argmin(loudness))
    moment = features[start : start + _NOISE_FRAMES]
    steps = np.cumsum(rng.uniform(0.5, 1.5, size=len(features)))
    there_and_back = np.concatenate([np.arange(_NOISE_FRAMES), np.arange(_NOISE_FRAMES - 2, 0, -1)])
    repeated: Array = moment[there_and_back[steps.astype(np.int64) % len(there_and_back)]]
    return repeated


def mask_time(features: Array, width: int, rng: np.random.Generator) -> Array:
    """Replace `width` frames at a random place by the utterance's mean (SpecAugment, Park et al. 2019)."""
    # A mask that hides a large part of a short phrase would teach to invent words.
    width = min(width, len(features) // 8)
    if width == 0:
        return features
    start = int(rng.integers(0, len(features) - width + 1))
    masked = features.copy()
    masked[start : start + width] = features.mean(axis=0)
    return masked


def _cepstral_matrix(config: FeatureConfig) -> Array:
    """Return (num_cepstra, num_filters): orthonormal DCT-II, then sine lifter."""
    order = np.arange(config.num_cepstra)[:, None]
    band = np.arange(config.num_filters)[None, :]
    matrix = np.cos(np.pi * order * (band + 0.5) / config.num_filters) * np.sqrt(2 / config.num_filters)
    matrix[0] /= np.sqrt(2)
    if config.lifter:
        matrix *= 1 + config.lifter / 2 * np.sin(np.pi * order / config.lifter)
    single: Array = matrix.astype(np.float32)
    return single
