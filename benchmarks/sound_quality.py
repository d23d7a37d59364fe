"""What the quality guard finds, and what it wrongly accuses.

    python benchmarks/sound_quality.py [--music FOLDER] [--num 40]

Real recordings (festvox-ru of Debian) as they are, in noise, telephone-coded, clipped, played at wrong rates;
noises made here; and music, where a folder is given. A row a kind: how many recordings got each warning.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import load_audio
from govor.audio.raw import _mulaw
from govor.errors import GovorError
from govor.recognizer import load_model
from keeping import keep

RATE = 16000
FESTVOX = Path("/usr/share/festival/voices/russian")
CODES = ("clipping", "quiet", "rate", "noise")
Sound = tuple[NDArray[np.float32], int]


def in_noise(samples: NDArray[np.float32], snr: float, rng: np.random.Generator) -> NDArray[np.float32]:
    level = np.sqrt(np.mean(np.square(samples))) * 10 ** (-snr / 20)
    return (samples + rng.normal(0, level, len(samples))).astype(np.float32)


def telephone(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to µ-law."""
    values = np.sort(_mulaw().astype(np.float32) / 32768)
    return values[np.clip(np.searchsorted(values, samples), 0, 255)].astype(np.float32)


def pink(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    spectrum = np.fft.rfft(rng.normal(0, 1, round(seconds * RATE)))
    sound = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)))
    return (0.1 * sound / sound.std()).astype(np.float32)


def kinds(
    clean: list[NDArray[np.float32]], music: list[NDArray[np.float32]]
) -> Iterator[tuple[str, list[Sound]]]:
    rng = np.random.default_rng(0)
    loud = [samples / np.abs(samples).max() for samples in clean]
    yield "as recorded", [(x, RATE) for x in clean]
    yield "peak at full scale", [(x, RATE) for x in loud]
    yield "20 dB softer", [(0.1 * x, RATE) for x in loud]
    yield "µ-law", [(telephone(x), RATE) for x in loud]
    yield "noise, SNR 10 dB", [(in_noise(x, 10, rng), RATE) for x in clean]
    yield "noise, SNR 0 dB", [(in_noise(x, 0, rng), RATE) for x in clean]
    for decibels in (3, 6, 12):
        yield f"clipped by {decibels} dB", [(np.clip(x * 10 ** (decibels / 20), -1, 1), RATE) for x in loud]
    yield "60 dB softer", [(np.round(x * 32.768) / 32768, RATE) for x in loud]
    for factor in (1.1, 0.9, 2, 0.5, 3, 1 / 3):
        yield f"{factor:.2g} times as fast", [(x, round(RATE * factor)) for x in clean]
    yield "white noise", [(rng.normal(0, 0.05, 20 * RATE).astype(np.float32), RATE) for _ in range(8)]
    yield "pink noise", [(pink(20, rng), RATE) for _ in range(8)]
    yield "silence", [(np.zeros(5 * RATE, np.float32), RATE)]
    if music:
        yield "music", [(x, RATE) for x in music]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--music", type=Path)
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--decoder", default="greedy")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    files = sorted(FESTVOX.glob("*/wav/*.wav"))
    random.Random(0).shuffle(files)
    shared = Path(__file__).resolve().parents[1].parent / "shared" / "audio"
    files = [*files[: options.num], *sorted(shared.glob("*.wav"))]
    clean = [load_audio(path, RATE).samples for path in files]
    music = []
    for path in sorted(options.music.rglob("*.ogg")) if options.music else []:
        try:
            samples = load_audio(path, RATE).samples
        except GovorError:
            continue
        if len(samples) > 40 * RATE:
            music.append(samples[15 * RATE : 35 * RATE])
    music = music[: options.num]
    recognizer = load_model()
    print(f"{'':24}{'number':>8}" + "".join(f"{code:>10}" for code in CODES) + f"{'words':>8}{'x real':>8}")
    rows = []
    for name, sounds in kinds(clean, music):
        if options.only not in name:
            continue
        found: Counter[str] = Counter()
        num_words, seconds, started = 0, 0.0, time.process_time()
        for samples, rate in sounds:
            transcript = recognizer.transcribe(samples, options.decoder, rate)
            found.update(problem.code for problem in transcript.problems)
            num_words += len(transcript.words)
            seconds += transcript.duration
        speed = seconds / (time.process_time() - started)
        row = {"kind": name, "recordings": len(sounds), "words": num_words}
        rows.append(row | {"warned": {code: found[code] for code in CODES}})
        counts = "".join(f"{found[code]:>10}" for code in CODES)
        print(f"{name:24}{len(sounds):>8}{counts}{num_words / len(sounds):>8.1f}{speed:>8.0f}", flush=True)
    keep(options.json, {"rows": rows})


if __name__ == "__main__":
    main()
