"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman, 1998, section 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govor.language_model.counting import Counts
from govor.language_model.ngrams import (
    NEVER,
    START,
    UNKNOWN,
    WORD_BITS,
    Floats,
    Grams,
    Keys,
    NgramModel,
    context_of,
    find,
    last_word_of,
    suffix_of,
)

# What lmplz of KenLM takes with --discount_fallback, where a text is too small to tell.
_FALLBACK = (0.5, 1.0, 1.5)


def estimate(counts: Counts) -> NgramModel:
    """Turn counts into a smoothed model in which every word of the vocabulary has a probability.

    ``<unk>`` has the share of the words left out of the vocabulary, or, if none was, that of one word never
    seen. It stands in no longer n-gram: KenLM looks at nothing before an unknown word.
    """
    highest = len(counts.orders)
    keys, values = _unigrams(counts)
    kept = np.arange(len(keys)) != START
    weights = np.where(kept, values, 0)
    discounts = _discounts(weights[kept & (weights > 0)])
    total = max(float(weights.sum()), 1.0)
    probs = np.maximum(weights - _discounted(weights, discounts), 0.0) / total
    # What the discounts took, or all of it where there was nothing, is shared alike.
    probs += (1.0 - probs.sum()) / (len(keys) - 1) * kept
    grams = [Grams(keys, np.log10(np.where(kept, probs, 10.0**NEVER)), np.zeros(len(keys)))]
    for order in range(2, highest + 1):
        keys, raw = counts.orders[order - 1]
        known = _all_known(keys, order)
        adjusted = raw if order == highest else _adjusted(keys, raw, order, counts.orders[order][0])
        discounts = _discounts(adjusted[known])
        keys, adjusted = keys[known], adjusted[known]
        lower = grams[-1]
        context, _ = find(lower.keys, context_of(keys))
        suffix, _ = find(lower.keys, suffix_of(keys, order))
        total_after = np.bincount(context, weights=adjusted, minlength=len(lower))
        taken = _discounted(adjusted, discounts)
        with np.errstate(invalid="ignore", divide="ignore"):
            gamma = np.bincount(context, weights=taken, minlength=len(lower)) / total_after
        probs = (adjusted - taken) / total_after[context] + gamma[context] * probs[suffix]
        backoffs = np.log10(np.where(total_after > 0, gamma, 1.0))
        grams[-1] = Grams(lower.keys, lower.log_probs, backoffs)
        grams.append(Grams(keys, np.log10(probs), np.zeros(len(keys))))
    return NgramModel(counts.words, tuple(grams))


def _unigrams(counts: Counts) -> tuple[Keys, Floats]:
    """Return all word ids and in how many contexts each was seen."""
    keys = np.arange(len(counts.words), dtype=np.uint64)
    bigrams = counts.orders[1][0]
    return keys, np.bincount(last_word_of(bigrams), minlength=len(keys)).astype(np.float64)


def _adjusted(keys: Keys, raw: NDArray[np.int64], order: int, longer: Keys) -> NDArray[np.int64]:
    """Count the different words before each n-gram; nothing stands before one that begins a sentence."""
    places, found = find(keys, suffix_of(longer, order + 1))
    different = np.bincount(places[found], minlength=len(keys))
    begins = (keys >> np.uint64(WORD_BITS * (order - 1))) == START
    return np.where(begins, raw, np.maximum(different, 1))


def _all_known(keys: Keys, order: int) -> NDArray[np.bool_]:
    known = np.ones(len(keys), bool)
    for place in range(order):
        known &= last_word_of(keys >> np.uint64(WORD_BITS * place)) != UNKNOWN
    return known


def _discounts(counts: NDArray[np.float64] | NDArray[np.int64]) -> tuple[float, ...]:
    n1, n2, n3, n4 = (int((counts == i).sum()) for i in (1, 2, 3, 4))
    if not all((n1, n2, n3, n4)):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    usable = all(0 < discount < i for i, discount in enumerate(found, start=1))
    return found if usable else _FALLBACK


def _discounted(counts: NDArray[np.float64] | NDArray[np.int64], discounts: tuple[float, ...]) -> Floats:
    return np.array([0.0, *discounts])[np.minimum(counts, 3).astype(np.int64)]
