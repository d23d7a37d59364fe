"""Made-up sound for what looks for speech: noise, silence, and a voice between them."""

from __future__ import annotations

import math

import numpy as np

from govor.audio.loading import Samples

RATE = 16000


def noise(seconds: float, level_db: float, seed: int = 1) -> Samples:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(round(seconds * RATE)) * 10 ** (level_db / 20)).astype(np.float32)


def voice(seconds: float, level_db: float = -25.0) -> Samples:
    """A buzz with the rhythm of syllables: five a second, each fading."""
    times = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * math.pi * 120 * k * times) / k for k in range(1, 20))
    loudness = 0.55 + 0.45 * np.cos(2 * math.pi * 5 * times)
    signal = buzz * loudness
    return (signal / np.sqrt(np.mean(signal**2)) * 10 ** (level_db / 20)).astype(np.float32)


def scene(*parts: Samples) -> Samples:
    """Parts one after another over a quiet room."""
    joined = np.concatenate(parts)
    return joined + noise(len(joined) / RATE, -65.0, seed=7)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), dtype=np.float32)
