"""What a beam search must find, by enumeration and by definition, on alphabets and models that allow it."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from govor.beam import BeamSettings
from govor.decoding import Decoded
from govor.language_model import NgramModel
from govor.text import Alphabet

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
