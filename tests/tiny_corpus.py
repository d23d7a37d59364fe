"""A corpus of made-up speech for training tests: each letter is its own spectrum, with a little noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.config import AugmentConfig, Config, NetworkConfig, TrainingConfig
from govor.dataset.batches import Dataset, Source
from govor.features import save_mfc
from govor.manifest import Utterance, write_manifest
from govor.text.alphabet import Alphabet

ALPHABET = Alphabet()
TEXTS = ("да", "нет", "мама дома", "анна")
FRAMES_PER_LETTER = 8

CONFIG = Config(
    network=NetworkConfig(
        conv_channels=16, conv_kernel=3, stride=2, hidden_size=24, num_layers=1, layer_norm=True, dropout=0.1
    ),
    training=TrainingConfig(
        epochs=3,
        batch_seconds=1.0,
        learning_rate=1e-2,
        warmup_steps=5,
        ema_decay=0.9,
        bfloat16=False,
        show_utterances=2,
    ),
)
AUGMENT = AugmentConfig(
    speed=0.1, warp=0.1, noise=0.5, tilt=0.2, time_masks=1, time_mask_frames=4, band_masks=1, join=0.5
)


def speak(text: str, seed: int = 0) -> NDArray[np.float32]:
    spectra = np.random.default_rng(7).normal(size=(len(ALPHABET), 13))
    rng = np.random.default_rng(seed)
    labels = np.repeat(ALPHABET.encode(text), FRAMES_PER_LETTER)
    # The edges between equal letters must be heard.
    loud = np.tile(np.hanning(FRAMES_PER_LETTER + 2)[1:-1], len(text))[:, None]
    return (spectra[labels] * loud + 0.05 * rng.normal(size=(len(labels), 13))).astype(np.float32)


def make(folder: Path, texts: tuple[str, ...] = TEXTS, name: str = "m") -> list[Utterance]:
    """Write feature files and a manifest `folder`/`name`.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for number, text in enumerate(texts):
        path = folder / f"{name}{number}.mfc"
        features = speak(text, number)
        save_mfc(path, features)
        utterances.append(Utterance(f"{name}{number}", len(features) / 100, text, features=path))
    write_manifest(folder / f"{name}.jsonl", utterances)
    return utterances


def dataset(
    utterances: list[Utterance], config: Config = CONFIG, augment: bool = False, share: float = 1.0
) -> Dataset:
    return Dataset([Source(utterances, share)], config, ALPHABET, augment=augment)
