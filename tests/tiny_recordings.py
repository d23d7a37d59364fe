"""Recordings in which nobody says anything in particular."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np


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
