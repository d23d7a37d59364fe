"""A back-off n-gram model as sorted arrays: look-ups, perplexity, normalisation.

An n-gram is one integer: 21 bits a word, the last word lowest. So the context is a shift, the shorter
n-gram that backing off leads to is a mask, and sorted keys are in lexicographic order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from govor.errors import ConfigError
from govor.language import tr

WORD_BITS = 21
MAX_WORDS = 1 << WORD_BITS
MAX_ORDER = 3
"""Three words of 21 bits fill a 64-bit key."""

UNKNOWN, START, END = 0, 1, 2
SPECIAL_WORDS = ("<unk>", "<s>", "</s>")
# What SRILM writes for the probability of <s>, which is never predicted.
NEVER = -99.0

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]


def context_of(keys: Keys) -> Keys:
    """Return the n-grams without their last word."""
    return keys >> np.uint64(WORD_BITS)


def suffix_of(keys: Keys, order: int) -> Keys:
    """Return n-grams of `order` words without their first word."""
    return keys & np.uint64((1 << (WORD_BITS * (order - 1))) - 1)


def last_word_of(keys: Keys) -> NDArray[np.int64]:
    """Return the last word of each n-gram."""
    return (keys & np.uint64(MAX_WORDS - 1)).astype(np.int64)


def renamed(keys: Keys, order: int, new_ids: Keys) -> Keys:
    """Return n-grams of `order` words with each word id replaced by its entry in `new_ids`; not sorted."""
    result = np.zeros(len(keys), np.uint64)
    for place in range(order):
        shift = np.uint64(WORD_BITS * place)
        result |= new_ids[last_word_of(keys >> shift)] << shift
    return result


def find(sorted_keys: Keys, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where each of `keys` stands in `sorted_keys`, and whether it is there at all."""
    if not len(sorted_keys):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
    places = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return places, sorted_keys[places] == keys


@dataclass(frozen=True)
class Grams:
    """All n-grams of one order: arrays (n,), keys ascending."""

    keys: Keys
    log_probs: Floats
    """log10 of the last word's probability after the others."""
    backoffs: Floats
    """log10 of the factor for words that are not listed after this n-gram; 0 in the highest order."""

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text."""

    perplexity: float
    """Per word, the ends of sentences included, unknown words left out."""
    num_words: int
    num_unknown: int
    num_sentences: int

    @property
    def unknown_rate(self) -> float:
        """Part of the words that the model does not know."""
        return self.num_unknown / self.num_words if self.num_words else 0.0


@dataclass(frozen=True)
class NgramModel:
    """A back-off model. Word ids are places in `words`, which begins with ``<unk> <s> </s>``."""

    words: tuple[str, ...]
    grams: tuple[Grams, ...]
    """Order 1 first; in it the keys are 0, 1, 2, …"""
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {word: i for i, word in enumerate(self.words)})

    @property
    def order(self) -> int:
        """Number of words in the longest n-grams."""
        return len(self.grams)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of n-grams of each order."""
        return tuple(len(grams) for grams in self.grams)

    def shortened(self) -> NgramModel:
        """Return the same model without its highest orders that hold nothing, which KenLM would not read.

        Raises ConfigError if nothing is left but single words.
        """
        if len(self.grams[0]) <= len(SPECIAL_WORDS):
            raise ConfigError(
                tr(
                    "в модели не осталось слов: уменьшите --min-count или добавьте текста",
                    "no words are left in the model: lower --min-count or add text",
                )
            )
        orders = [order for order, grams in enumerate(self.grams, start=1) if len(grams)]
        if orders[-1] < 2:
            raise ConfigError(
                tr(
                    "в модели не осталось пар слов: уменьшите --prune или добавьте текста",
                    "no pairs of words are left in the model: lower --prune or add text",
                )
            )
        if orders[-1] == self.order:
            return self
        # Nothing follows the longest n-grams, so their back-offs weigh 1 already.
        return NgramModel(self.words, self.grams[: orders[-1]])

    def encode(self, words: Iterable[str]) -> list[int]:
        """Return word ids; 0 for unknown words."""
        return [self._ids.get(word, UNKNOWN) for word in words]

    def log_probs(self, keys: Keys, order: int) -> Floats:
        """Return log10 p(last word | the words before) of n-grams of `order` words, backing off as needed."""
        if order == 1:
            return self.grams[0].log_probs[keys.astype(np.int64)]
        grams = self.grams[order - 1]
        places, found = find(grams.keys, keys)
        result = np.empty(len(keys), np.float64)
        result[found] = grams.log_probs[places[found]]
        rest = keys[~found]
        if len(rest):
            lower = self.log_probs(suffix_of(rest, order), order - 1)
            result[~found] = lower + self.backoffs(context_of(rest), order - 1)
        return result

    def backoffs(self, keys: Keys, order: int) -> Floats:
        """Return log10 back-off weights of n-grams of `order` words; 0 for those not in the model."""
        grams = self.grams[order - 1]
        places, found = find(grams.keys, keys)
        return np.where(found, grams.backoffs[places] if len(grams) else 0.0, 0.0)

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> Perplexity:
        """Measure the perplexity on sentences, each a sequence of words."""
        total = 0.0
        predicted = num_words = num_unknown = num_sentences = 0
        for sentence in sentences:
            ids = [START, *self.encode(sentence), END]
            num_words += len(sentence)
            num_sentences += 1
            num_unknown += ids.count(UNKNOWN)
            for place in range(1, len(ids)):
                if ids[place] == UNKNOWN:
                    continue
                total += self._log_prob(ids[max(0, place + 1 - self.order) : place + 1])
                predicted += 1
        perplexity = 10.0 ** (-total / predicted) if predicted else float("nan")
        return Perplexity(perplexity, num_words, num_unknown, num_sentences)

    def _log_prob(self, ids: list[int]) -> float:
        # An unknown word hides what stands before it, as in KenLM.
        while UNKNOWN in ids[:-1]:
            ids = ids[ids.index(UNKNOWN) + 1 :]
        return float(self.log_probs(np.array([pack(ids)], np.uint64), len(ids))[0])


def pack(ids: Sequence[int]) -> int:
    """Return the key of an n-gram."""
    key = 0
    for word in ids:
        key = key << WORD_BITS | word
    return key


def normalized(words: tuple[str, ...], grams: Sequence[Grams]) -> NgramModel:
    """Return the model with every back-off weight computed anew, so that each context's words sum to one.

    ``backoff(h) = (1 - sum of p(w|h)) / (1 - sum of p(w|shorter h))`` over the words listed after h.
    """
    done: list[Grams] = [grams[0]]
    for order in range(2, len(grams) + 1):
        upper, lower = grams[order - 1], done[-1]
        model = NgramModel(words, tuple(done))
        context, found = find(lower.keys, context_of(upper.keys))
        if not found.all():
            raise ValueError("an n-gram's context is missing")
        shorter = model.log_probs(suffix_of(upper.keys, order), order - 1)
        left = left_over(context, upper.log_probs, len(lower))
        left_lower = left_over(context, shorter, len(lower))
        is_context = np.bincount(context, minlength=len(lower)) > 0
        backoffs = np.where(is_context, np.log10(left) - np.log10(left_lower), 0.0)
        done[-1] = Grams(lower.keys, lower.log_probs, backoffs)
        done.append(upper)
    last = done[-1]
    done[-1] = Grams(last.keys, last.log_probs, np.zeros(len(last)))
    return NgramModel(words, tuple(done))


def left_over(context: NDArray[np.int64], log_probs: Floats, num_contexts: int) -> Floats:
    """Return for each context the probability that its listed words leave to all others, above 0."""
    total = np.bincount(context, weights=10.0**log_probs, minlength=num_contexts)
    # A context after which every word is listed leaves nothing but rounding errors.
    left: Floats = np.maximum(1.0 - total, 1e-9)
    return left
