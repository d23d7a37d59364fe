"""Short recordings."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def tone(path: Path, seconds: float = 1.0) -> str:
    """Write a tone in noise as 16-bit wav, 16 kHz; return its name."""
    sound = 8000 * np.sin(np.arange(round(16000 * seconds)) * 0.2) + np.random.default_rng(0).normal(
        scale=500, size=round(16000 * seconds)
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(sound.astype("<i2").tobytes())
    return str(path)


def write_wav(path: Path, samples: NDArray[np.float32], rate: int = 16000) -> Path:
    """Write samples (N,) or (N, C), -1 to 1, as 16-bit wav."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
