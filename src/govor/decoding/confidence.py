"""How likely is a recognised word right: a logistic model of what the network said of its frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.decoding.greedy import DecodedWord
from govor.errors import ModelError
from govor.language import tr

FEATURES = (
    "letters",
    "frames",
    "weakest_frame",
    "length",
    "pace",
    "clarity",
    "probability",
    "probability_by_clarity",
)
# A calibration has these at least.
_FIRST_FEATURES = 5
# Speech is hardly ever less clear; a calibration knows nothing of what is, such as music.
_LEAST_CLARITY = -0.5
# Frames on each side that belong to a word beside those of its letters.
_MARGIN = 1
# Pulls the weights towards 0 as so many words of doubt would.
_RIDGE = 1.0


def word_features(words: Sequence[DecodedWord], log_probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Describe words (n) found in log_probs (T, V): features (n, 8), in the order of `FEATURES`.

    Mean log-probability of the letters' peaks; mean and least of the best symbol's in the word's frames; log
    of the number of letters; log of frames a letter; mean of the best symbol's in all frames that are not
    blank, by which words of a voice or a room that the network hears badly are doubted together; the letters'
    probability itself and its product with that mean: without these two, doubtful words were doubted too
    much and sure ones trusted too much.
    """
    tops = log_probs.max(axis=1) if len(log_probs) else np.zeros(1)
    spoken = tops[log_probs.argmax(axis=1) != 0] if len(log_probs) else tops
    clarity = max(float(spoken.mean()) if len(spoken) else float(tops.mean()), _LEAST_CLARITY)
    rows = []
    for word in words:
        span = tops[max(word.start - _MARGIN, 0) : word.end + _MARGIN]
        span = span if len(span) else tops[-1:]
        letters = max(len(word.text), 1)
        probability = max(word.confidence, 1e-6)
        rows.append(
            (
                math.log(probability),
                float(span.mean()),
                float(span.min()),
                math.log(letters),
                math.log(max(word.end - word.start, 1) / letters),
                clarity,
                probability,
                probability * clarity,
            )
        )
    return np.array(rows, np.float64).reshape(-1, len(FEATURES))


@dataclass(frozen=True)
class Calibration:
    """A logistic model: weights (8,) of `word_features` and the bias."""

    weights: tuple[float, ...]
    bias: float

    def apply(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability (n,) that each word is right, for features (n, 8)."""
        return _sigmoid(features @ np.array(self.weights) + self.bias)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that a model's metadata stores, by feature."""
        row = {name: round(weight, 5) for name, weight in zip(FEATURES, self.weights, strict=True)}
        return row | {"bias": round(self.bias, 5)}


def calibration_from_json(table: Any, decoder: str) -> Calibration | None:
    """Read the calibration of `decoder` from a model's table, None if it has none. Raises ModelError."""
    if table is None:
        return None
    try:
        row = table.get(decoder)
        if row is None:
            return None
        # Models that were calibrated before there was a feature have no weight for it.
        weights = dict.fromkeys(FEATURES[_FIRST_FEATURES:], 0.0) | row
        result = Calibration(tuple(float(weights[name]) for name in FEATURES), float(row["bias"]))
        if not np.isfinite([*result.weights, result.bias]).all():
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            tr(
                "калибровка уверенности в модели испорчена; подберите заново: recipes/confidence.py",
                "the model's confidence calibration is corrupt; fit it again: recipes/confidence.py",
            )
        ) from error
    return result


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * values))
    return result


def fit_calibration(features: NDArray[np.float64], correct: NDArray[np.bool_]) -> Calibration:
    """Fit the logistic model to words' features (n, 8) and whether each was right (n,), by Newton's method.

    A slight pull towards 0 keeps it finite where right and wrong part perfectly. Raises ValueError without
    words.
    """
    if not len(features):
        raise ValueError("no words to calibrate on")
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-9
    inputs = np.column_stack([(features - mean) / scale, np.ones(len(features))])
    ridge = np.diag([_RIDGE] * features.shape[1] + [1e-3])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        chances = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (chances - correct) + ridge @ weights
        curvature = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    plain = weights[:-1] / scale
    return Calibration(tuple(map(float, plain)), float(weights[-1] - plain @ mean))


def cross_validated(
    features: NDArray[np.float64], correct: NDArray[np.bool_], speakers: Sequence[str], folds: int = 5
) -> NDArray[np.float64]:
    """Return confidences (n,) of words, each from a model fitted without any word of its speaker's fold."""
    fold_of = {name: i % folds for i, name in enumerate(sorted(set(speakers)))}
    fold = np.array([fold_of[name] for name in speakers])
    confidences = np.full(len(features), correct.mean() if len(correct) else 0.0)
    for number in range(folds):
        held = fold == number
        if held.any() and not held.all():
            confidences[held] = fit_calibration(features[~held], correct[~held]).apply(features[held])
    return confidences


@dataclass(frozen=True)
class Bin:
    """Words of about the same confidence."""

    confidence: float
    """Their mean confidence."""
    accuracy: float
    """The part of them that is right."""
    count: int


def reliability(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = 10
) -> tuple[Bin, ...]:
    """Sort words into `bins` equal ranges of confidence; empty ones are left out."""
    place = np.minimum((confidences * bins).astype(int), bins - 1)
    return tuple(
        Bin(float(confidences[place == i].mean()), float(correct[place == i].mean()), int((place == i).sum()))
        for i in range(bins)
        if (place == i).any()
    )


def expected_calibration_error(
    confidences: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = 10
) -> float:
    """Return the mean distance of confidence and accuracy over `reliability`'s bins, weighted by words.

    Naeini et al., AAAI 2015.
    """
    found = reliability(confidences, correct, bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in found) / max(len(correct), 1)


def correct_words(reference: str, hypothesis: str) -> list[bool]:
    """Tell for each word of the hypothesis whether it is right, by the least-errors alignment."""
    import jiwer

    count = len(hypothesis.split())
    right = [False] * count
    if not count or not reference.strip():
        return right
    for chunk in jiwer.process_words(reference, hypothesis).alignments[0]:
        if chunk.type == "equal":
            for i in range(chunk.hyp_start_idx, chunk.hyp_end_idx):
                right[i] = True
    return right
