"""Write one voice's phones as another dictionary's: a mapping learnt from words that both can pronounce.

A corpus has a small dictionary; a speech synthesiser pronounces any word, in phones of its own. The words of
the dictionary teach which of its phones each of the synthesiser's stands for, by what stands beside it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from govor.recombination.pronunciation import Phones

Pair = tuple[Phones, Phones]

ROUNDS = 5
"""Alignments, each with what the one before counted."""
MOST_PHONES = 2
"""So many phones of the dictionary at most stand for one of the synthesiser's (``ja`` for ``J A``)."""
_UNSEEN, _NOT_ONE = -9.0, -1.5
"""Log-probability of what was never counted, and what is added for any number of phones but one."""
_SEEN_OFTEN = 2
"""A context seen less often is taken for a wider one."""
_EDGE = ""


class PhoneMapping:
    """Maps the phones of a source to those of a target, each by its two neighbours on both sides."""

    def __init__(self) -> None:
        self._log_probs: dict[tuple[str, Phones], float] = {}
        self._by_context: defaultdict[tuple[str, ...], Counter[Phones]] = defaultdict(Counter)

    def learn(self, pairs: Sequence[Pair]) -> None:
        """Learn from the pronunciations (source, target) of the same words.

        Monotone alignment by Viterbi, each source phone giving 0 to 2 target phones, as letters are aligned
        to phones in Black, Lenzo and Pagel, "Issues in building general letter to sound rules" (1998).
        """
        for _ in range(ROUNDS):
            counts: Counter[tuple[str, Phones]] = Counter()
            for source, target in pairs:
                counts.update(zip(source, self._align(source, target), strict=False))
            totals: Counter[str] = Counter()
            for (phone, _), count in counts.items():
                totals[phone] += count
            self._log_probs = {key: math.log(count / totals[key[0]]) for key, count in counts.items()}
        self._by_context.clear()
        for source, target in pairs:
            for at, given in enumerate(self._align(source, target)):
                for context in _contexts(source, at):
                    self._by_context[context][given] += 1

    def __call__(self, source: Phones) -> Phones:
        """Return the phones of the target; what was never heard of is left out."""
        target: list[str] = []
        for at in range(len(source)):
            for context in _contexts(source, at):
                seen = self._by_context.get(context)
                if seen and (seen.total() >= _SEEN_OFTEN or len(context) == 1):
                    target.extend(max(seen.items(), key=lambda item: (item[1], item[0]))[0])
                    break
        return tuple(target)

    def _align(self, source: Phones, target: Phones) -> list[Phones]:
        """Return the target phones that each source phone stands for; nothing if it cannot be done."""
        width = len(target) + 1
        best = [0.0] + [-math.inf] * (width - 1)
        taken: list[list[int]] = []
        for phone in source:
            following, steps = [-math.inf] * width, [0] * width
            for stop in range(width):
                for number in range(min(MOST_PHONES, stop) + 1):
                    score = best[stop - number]
                    if score == -math.inf:
                        continue
                    score += self._log_probs.get((phone, target[stop - number : stop]), _UNSEEN)
                    score += 0.0 if number == 1 else _NOT_ONE
                    if score > following[stop]:
                        following[stop], steps[stop] = score, number
            best = following
            taken.append(steps)
        if best[-1] == -math.inf:
            return []
        stops = [len(target)]
        for steps in reversed(taken):
            stops.append(stops[-1] - steps[stops[-1]])
        return [target[start:stop] for start, stop in pairwise(reversed(stops))]


def _contexts(phones: Phones, at: int) -> tuple[tuple[str, ...], ...]:
    """Return what a phone's mapping is looked up by, the narrowest first."""
    padded = (_EDGE, _EDGE, *phones, _EDGE, _EDGE)
    around = padded[at : at + 5]
    return around, around[1:4], around[2:4], (phones[at],)
