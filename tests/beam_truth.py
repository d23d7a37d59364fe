"""What a beam search must find, by enumeration and by definition, on alphabets and models that allow it."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from govor.decoding.beam import BeamDecoder, BeamSettings
from govor.decoding.greedy import Decoded
from govor.language_model import NgramModel, build, write_kenlm
from govor.text.alphabet import Alphabet

ALPHABET = Alphabet()
SMALL = Alphabet(("<blank>", " ", "а", "б"))
TINY_TEXTS = ("а", "а б", "а аб", "аб а", "аб", "аб а б", "а б а")


def frames(symbols: str, probability: float = 0.9) -> NDArray[np.float32]:
    """log_probs in which each character of `symbols` (``-`` is the blank) has that probability."""
    size = len(ALPHABET)
    probabilities = np.full((len(symbols), size), (1 - probability) / (size - 1))
    for row, symbol in enumerate(symbols):
        probabilities[row, 0 if symbol == "-" else ALPHABET.encode(symbol)[0]] = probability
    return np.log(probabilities).astype(np.float32)


def flat_log_probs(seed: int, num_frames: int) -> NDArray[np.float32]:
    """Random log_probs (T, 4) of the small alphabet, above e^-5, below which the search drops symbols.

    A space is possible in the middle only and the last frame is a letter, for the package takes a space at
    the end for an empty unknown word, as pyctcdecode does.
    """
    logits = np.random.default_rng(seed).uniform(-1.2, 1.2, (num_frames, 4))
    logits[:, 1] = np.where(np.arange(num_frames) == num_frames // 2, logits[:, 1], -30)
    logits[-1, :2] = -30
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def texts_by_enumeration(log_probs: NDArray[np.float32]) -> dict[str, float]:
    """Natural log of the total probability of each text over all paths, single spaces, none at the ends."""
    totals: dict[str, float] = defaultdict(float)
    for path in itertools.product(range(4), repeat=len(log_probs)):
        labels = [label for label, _ in itertools.groupby(path) if label]
        text = " ".join(SMALL.decode(labels).split())
        totals[text] += math.exp(log_probs[np.arange(len(path)), path].astype(np.float64).sum())
    # What spaces of e^-30 make possible is not found, nor meant to be.
    return {text: math.log(total) for text, total in totals.items() if total > 1e-9}


def full_score(model: NgramModel, text: str, acoustic: float, weights: BeamSettings) -> float:
    """The score as the documentation of `BeamSettings` defines it."""
    words = text.split()
    ids = [1, *model.encode(words), 2]
    language = sum(model._log_prob(ids[max(0, i - 2) : i + 1]) for i in range(1, len(ids)))
    language += weights.unknown * ids.count(0)
    return acoustic + weights.alpha * math.log(10) * language + weights.beta * len(words)


def near_the_best(decoded: Decoded) -> dict[str, float]:
    """Texts less than e^6 behind the best: of others the search may have dropped some of the paths."""
    return {one.text: one.score for one in decoded.alternatives if one.score > decoded.score - 6}


def tiny_language_model(folder: Path) -> tuple[NgramModel, Path]:
    """A model of `TINY_TEXTS`, and the same as a file."""
    model = build([text.split() for text in TINY_TEXTS])
    path = folder / "tiny.klm"
    write_kenlm(model, path)
    return model, path


def assert_texts_are_those_of_enumeration(seed: int, num_frames: int) -> None:
    log_probs = flat_log_probs(seed, num_frames)
    totals = texts_by_enumeration(log_probs)
    decoded = BeamDecoder(SMALL, None, BeamSettings(beam_width=5000), num_alternatives=1000)(log_probs)
    near = near_the_best(decoded)
    assert near == pytest.approx({text: totals[text] for text in near}, abs=1e-4)
    assert decoded.score == pytest.approx(max(totals.values()), abs=1e-4)


def assert_texts_are_those_of_the_definition(
    tiny: tuple[NgramModel, Path], seed: int, num_frames: int, weights: BeamSettings
) -> None:
    model, path = tiny
    log_probs = flat_log_probs(seed, num_frames)
    totals = texts_by_enumeration(log_probs)
    expected = {text: full_score(model, text, total, weights) for text, total in totals.items()}
    decoded = BeamDecoder(SMALL, path, weights, num_alternatives=1000)(log_probs)
    near = near_the_best(decoded)
    assert near == pytest.approx({text: expected[text] for text in near}, abs=1e-4)
    assert decoded.score == pytest.approx(max(expected.values()), abs=1e-4)
