"""Make a model smaller with the least loss, and mix two models."""

from __future__ import annotations

import numpy as np

from govor.language_model.ngrams import (
    NEVER,
    START,
    UNKNOWN,
    Floats,
    Grams,
    Keys,
    NgramModel,
    context_of,
    find,
    last_word_of,
    left_over,
    normalized,
    renamed,
    suffix_of,
)


def prune(model: NgramModel, threshold: float) -> NgramModel:
    """Leave out the n-grams without which the perplexity grows by less than `threshold`, relative.

    Entropy pruning (Stolcke, 1998), as ``ngram -prune`` of SRILM does. An n-gram stays that is the context of
    one that stays, and, unlike there, one that is its suffix too: a KenLM trie must hold both.
    """
    if threshold <= 0:
        return model
    kept = list(model.grams)
    for order in range(model.order, 1, -1):
        grams, lower = kept[order - 1], model.grams[order - 2]
        growth = _perplexity_growth(model, order)
        stays = growth >= threshold
        if order < model.order:
            longer = kept[order].keys
            for needed in (context_of(longer), suffix_of(longer, order + 1)):
                stays[find(grams.keys, needed)[0]] = True
        kept[order - 1] = Grams(grams.keys[stays], grams.log_probs[stays], grams.backoffs[stays])
        kept[order - 2] = lower
    return normalized(model.words, kept)


def _perplexity_growth(model: NgramModel, order: int) -> Floats:
    grams, lower = model.grams[order - 1], model.grams[order - 2]
    context, _ = find(lower.keys, context_of(grams.keys))
    shorter = model.log_probs(suffix_of(grams.keys, order), order - 1)
    left = left_over(context, grams.log_probs, len(lower))[context]
    left_shorter = left_over(context, shorter, len(lower))[context]
    new_backoff = np.log10(left + 10.0**grams.log_probs) - np.log10(left_shorter + 10.0**shorter)
    history = 10.0 ** _joint_log_probs(model, order - 1)
    change = 10.0**grams.log_probs * (shorter + new_backoff - grams.log_probs)
    change += left * (new_backoff - lower.backoffs[context])
    growth: Floats = 10.0 ** (-history[context] * change) - 1.0
    return growth


def _joint_log_probs(model: NgramModel, order: int) -> Floats:
    keys = model.grams[order - 1].keys
    total = np.zeros(len(keys))
    for length in range(order, 0, -1):
        last = length == 1
        # The first word's own probability; <s> is as frequent as </s>, which has one.
        words = np.where(last & (last_word_of(keys) == START), np.uint64(2), keys) if last else keys
        total += model.log_probs(words, length)
        keys = context_of(keys)
    return total


def mix(first: NgramModel, second: NgramModel, share: float) -> NgramModel:
    """Return ``(1 - share) · first + share · second``, with the words and n-grams of both.

    A word that one model does not know shares that model's probability of ``<unk>`` with the other words it
    does not know.
    """
    known = set(first.words)
    words = (*first.words, *(word for word in second.words if word not in known))
    ids = {word: i for i, word in enumerate(words)}
    sources = []
    for model in (first, second):
        to_own = np.zeros(len(words), np.uint64)
        to_joint = np.array([ids[word] for word in model.words], np.uint64)
        to_own[to_joint.astype(np.int64)] = np.arange(len(model.words), dtype=np.uint64)
        strangers = len(words) - len(model.words)
        sources.append((model, to_own, to_joint, np.log10(strangers + 1.0)))
    grams = []
    for order in range(1, max(first.order, second.order) + 1):
        parts = [
            np.arange(len(words), dtype=np.uint64)
            if order == 1
            else renamed(model.grams[order - 1].keys, order, to_joint)
            for model, _, to_joint, _ in sources
            if order <= model.order
        ]
        keys = np.unique(np.concatenate(parts))
        (a, b) = (
            _mixed_log_probs(model, renamed(keys, order, to_own), order, split)
            for model, to_own, _, split in sources
        )
        probs = (1.0 - share) * 10.0**a + share * 10.0**b
        if order == 1:
            probs[START] = 10.0**NEVER
        grams.append(Grams(keys, np.log10(probs), np.zeros(len(keys))))
    # Both models hold the context and the suffix of each of their n-grams, so their union does.
    return normalized(words, grams)


def _mixed_log_probs(model: NgramModel, keys: Keys, order: int, split: float) -> Floats:
    while order > model.order:
        keys, order = suffix_of(keys, order), order - 1
    # After an unknown word the context is empty: its back-off is 0 and no n-gram holds it.
    result = model.log_probs(keys, order)
    return np.where(last_word_of(keys) == UNKNOWN, result - split, result)
