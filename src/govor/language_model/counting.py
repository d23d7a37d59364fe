"""Count the n-grams of a text in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.language_model.ngrams import (
    END,
    MAX_ORDER,
    MAX_WORDS,
    SPECIAL_WORDS,
    START,
    UNKNOWN,
    WORD_BITS,
    Keys,
    context_of,
    find,
    renamed,
    suffix_of,
)

BLOCK_TOKENS = 1 << 20
MAX_NGRAMS = 24_000_000
"""When more n-grams of one order are held, those seen once so far are dropped (Goyal et al., NAACL 2009)."""


@dataclass(frozen=True)
class Counts:
    """How often each n-gram occurs: one pair of arrays (keys ascending, counts) for each order."""

    words: tuple[str, ...]
    orders: tuple[tuple[Keys, NDArray[np.int64]], ...]
    num_sentences: int
    num_words: int


class Counter:
    """Counts n-grams of sentences that arrive one by one."""

    def __init__(self, order: int = 3) -> None:
        if not 2 <= order <= MAX_ORDER:
            raise ValueError(f"order {order}: must be 2 or {MAX_ORDER}")
        self._ids = {word: i for i, word in enumerate(SPECIAL_WORDS)}
        self._block: list[int] = []
        self._tables = [_Table() for _ in range(order)]
        self._num_sentences = 0
        self._num_words = 0

    def add(self, words: Sequence[str]) -> None:
        """Count one sentence. ``<unk>`` stands for a word that is not to be learnt."""
        ids = self._ids
        block = self._block
        block.append(START)
        for word in words:
            known = ids.get(word)
            if known is None:
                known = UNKNOWN if len(ids) >= MAX_WORDS else ids.setdefault(word, len(ids))
            block.append(known)
        block.append(END)
        self._num_sentences += 1
        self._num_words += len(words)
        if len(block) >= BLOCK_TOKENS:
            self._flush()

    def _flush(self) -> None:
        tokens = np.array(self._block, np.uint64)
        self._block.clear()
        keys = tokens
        # True where an n-gram would run over the end of a sentence.
        crosses = np.zeros(len(tokens), bool)
        for length, table in enumerate(self._tables, start=1):
            if length > 1:
                keys = (keys[:-1] << np.uint64(WORD_BITS)) | tokens[length - 1 :]
                crosses = crosses[:-1] | (tokens[length - 2 : -1] == END)
            table.add(*np.unique(keys[~crosses], return_counts=True))

    def finish(self, min_count: int = 1, max_words: int | None = None) -> Counts:
        """Return the counts. Words seen less than `min_count` times, or rarer than the `max_words` most
        frequent ones, become ``<unk>``.
        """
        self._flush()
        words = list(self._ids)
        keys, counts = self._tables[0].merged()
        frequency = np.zeros(len(words), np.int64)
        frequency[keys.astype(np.int64)] = counts
        ordinary = np.arange(len(SPECIAL_WORDS), len(words))
        ordinary = ordinary[frequency[ordinary] >= min_count]
        ordinary = ordinary[np.argsort(-frequency[ordinary], kind="stable")][:max_words]
        new_ids = np.zeros(len(words), np.uint64)
        kept = [*range(len(SPECIAL_WORDS)), *ordinary.tolist()]
        new_ids[kept] = np.arange(len(kept), dtype=np.uint64)
        orders = []
        for length, table in enumerate(self._tables, start=1):
            keys, counts = table.merged()
            table.clear()
            orders.append(_sum_equal(renamed(keys, length, new_ids), counts))
        return Counts(
            tuple(words[i] for i in kept), _consistent(orders), self._num_sentences, self._num_words
        )


class _Table:
    """Sorted runs of (keys, counts), merged so that a run is at least twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[tuple[Keys, NDArray[np.int64]]] = []

    def add(self, keys: Keys, counts: NDArray[np.int64]) -> None:
        self._runs.append((keys, counts))
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            self._join()
        if sum(len(run[0]) for run in self._runs) > MAX_NGRAMS:
            keys, counts = self.merged()
            often = counts > 1
            self._runs = [(keys[often], counts[often])]

    def merged(self) -> tuple[Keys, NDArray[np.int64]]:
        while len(self._runs) > 1:
            self._join()
        return self._runs[0] if self._runs else (np.zeros(0, np.uint64), np.zeros(0, np.int64))

    def clear(self) -> None:
        self._runs.clear()

    def _join(self) -> None:
        (keys, counts), (more_keys, more_counts) = self._runs.pop(), self._runs.pop()
        self._runs.append(
            _sum_equal(np.concatenate([keys, more_keys]), np.concatenate([counts, more_counts]))
        )


def _sum_equal(keys: Keys, counts: NDArray[np.int64]) -> tuple[Keys, NDArray[np.int64]]:
    if not len(keys):
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(counts[order], starts)


def _consistent(
    orders: Iterable[tuple[Keys, NDArray[np.int64]]],
) -> tuple[tuple[Keys, NDArray[np.int64]], ...]:
    """Drop n-grams whose context or suffix was dropped when the tables grew too long."""
    kept: list[tuple[Keys, NDArray[np.int64]]] = []
    for length, (keys, counts) in enumerate(orders, start=1):
        if length > 1:
            shorter = kept[-1][0]
            sound = find(shorter, context_of(keys))[1] & find(shorter, suffix_of(keys, length))[1]
            keys, counts = keys[sound], counts[sound]
        kept.append((keys, counts))
    return tuple(kept)
