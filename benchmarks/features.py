"""Print how many times faster than real time each front end is, on one thread.

    OMP_NUM_THREADS=1 python benchmarks/features.py

The best of several rounds counts, the front ends taking turns, so that other work on the machine disturbs
least.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from python_speech_features import mfcc

from govor.config import FEATURE_PRESETS
from govor.features import extract


def speech_like(seconds: float, rate: int) -> np.ndarray:
    """Return syllables of a buzzing voice with pauses between the words, in a little noise."""
    rng = np.random.default_rng(0)
    moment = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.4 * moment)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    loudness = np.clip(np.sin(2 * np.pi * 2.1 * moment), 0, 1) * (np.sin(2 * np.pi * 0.31 * moment) > -0.4)
    return (0.2 * voice * loudness + 1e-3 * rng.standard_normal(len(moment))).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())


def run_sphinx_fe(source: Path, target: Path) -> None:
    command = ["sphinx_fe", "-mswav", "yes", "-samprate", "8000", "-nfft", "512", "-nfilt", "15"]
    command += ["-lowerf", "200", "-upperf", "3500", "-transform", "dct", "-lifter", "22"]
    subprocess.run([*command, "-i", str(source), "-o", str(target)], check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the audio")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    wide, narrow = speech_like(options.seconds, 16000), speech_like(options.seconds, 8000)
    wide_int, narrow_int = ((w * 32767).astype("<i2") for w in (wide, narrow))
    runs: dict[str, Callable[[], object]] = {
        "govor seed, 16 kHz": lambda: extract(wide, FEATURE_PRESETS["seed"]),
        "python_speech_features, 16 kHz": lambda: mfcc(wide_int, 16000, lowfreq=50),
        "govor sphinx8k, 8 kHz": lambda: extract(narrow, FEATURE_PRESETS["sphinx8k"]),
        "python_speech_features, 8 kHz": lambda: mfcc(narrow_int, 8000, lowfreq=50),
    }
    with tempfile.TemporaryDirectory() as name:
        if shutil.which("sphinx_fe"):
            source, target = Path(name, "in.wav"), Path(name, "out.mfc")
            write_wav(source, narrow_int, 8000)
            runs["sphinx_fe, 8 kHz, process and files"] = lambda: run_sphinx_fe(source, target)
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(options.rounds):
            for label, run in runs.items():
                start = time.perf_counter()
                run()
                best[label] = min(best[label], time.perf_counter() - start)
    print(f"{options.seconds:g} s of audio, one thread, best of {options.rounds}")
    for label, seconds in best.items():
        print(f"{label:38s} {seconds * 1000:8.1f} ms {options.seconds / seconds:8.0f} x real time")


if __name__ == "__main__":
    main()
