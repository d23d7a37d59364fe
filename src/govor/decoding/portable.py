"""The beam search in plain Python, for machines that ctc-beam-decoder has no wheel for.

Takes the same arguments and finds the same texts: a CTC prefix search (Hannun et al., "First-Pass Large
Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs", 2014) with a word n-gram,
in which words that the language model does not know stay possible, letter by letter, as in pyctcdecode.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from govor.language_model.mapped import MappedModel
from govor.language_model.ngrams import UNKNOWN

PORTABLE_BEAM_WIDTH = 32
"""As wide as it is by itself: three times as fast as 128, and hardly worse (docs/decisions/0043)."""

_LN10 = math.log(10)
_BLANK, _SPACE = 0, 1
# From this length on an unfinished word that no known one begins with is punished in proportion.
_USUAL_LENGTH = 6
# Above every letter.
_LAST_CHARACTER = "\U0010ffff"


class Search(Protocol):
    """What `govor.decoding.beam` asks of a search, be it this one or that of ctc-beam-decoder."""

    def decode_beams(
        self,
        log_probs: NDArray[np.float32],
        *,
        beam_width: int,
        beam_prune_logp: float,
        token_min_logp: float,
        prune_history: bool,
        hotwords: list[str],
        hotword_weight: float,
    ) -> Sequence[tuple[str, float]]:
        """Return the texts found of log_probs (T, V), best first, with their scores, natural log."""


@dataclass(frozen=True)
class _Weights:
    alpha: float
    beta: float
    unknown: float


class _Vocabulary:
    """The words of a language model in alphabetical order, so that a beginning is a range of them."""

    def __init__(self, words: Sequence[str]) -> None:
        self.ids = sorted(range(len(words)), key=words.__getitem__)
        self.words = [words[i] for i in self.ids]

    def narrow(self, begun: str, low: int, high: int) -> tuple[int, int]:
        """Return the part of a range of words that goes on with the last letter of `begun`."""
        low = bisect_left(self.words, begun, low, high)
        return low, bisect_left(self.words, begun + _LAST_CHARACTER, low, high)

    def id_of(self, word: str, low: int, high: int) -> int:
        """Return the id of a whole word out of the range of those that begin with it."""
        return self.ids[low] if low < high and self.words[low] == word else UNKNOWN


class _Language:
    """Scores of words by a language model, remembered for one recording after the other."""

    def __init__(self, model: MappedModel, weights: _Weights) -> None:
        self.vocabulary = _Vocabulary(model.words)
        self.start = (model.words.index("<s>"),)
        self._end = model.words.index("</s>")
        self._model = model
        self._weights = weights
        self._known: dict[tuple[tuple[int, ...], int], tuple[float, tuple[int, ...]]] = {}

    def word(self, context: tuple[int, ...], word: int) -> tuple[float, tuple[int, ...]]:
        """Return the weighted score of a word, natural log, and the context after it."""
        found = self._known.get((context, word))
        if found is None:
            log_prob, after = self._model.extend(context, word)
            if word == UNKNOWN:
                log_prob += self._weights.unknown
            found = self._known[context, word] = self._weights.alpha * _LN10 * log_prob, after
        return found

    def end(self, context: tuple[int, ...]) -> float:
        return self.word(context, self._end)[0]

    def forget(self, most: int = 200_000) -> None:
        """Begin to remember anew where it has become too much."""
        if len(self._known) > most:
            self._known.clear()

    def unfinished(self, begun: str) -> float:
        """Return the score of an unfinished word that no known one begins with."""
        return self._weights.unknown * max(1.0, len(begun) / _USUAL_LENGTH)


class _Hotwords:
    def __init__(self, hotwords: Sequence[str], weight: float) -> None:
        self._words = sorted({word for phrase in hotwords for word in phrase.split()})
        self._weight = weight

    def __bool__(self) -> bool:
        return bool(self._words)

    def word(self, word: str) -> float:
        return self._weight if word in self._words else 0.0

    def unfinished(self, begun: str) -> float:
        lengths = [len(word) for word in self._words if word.startswith(begun)]
        return self._weight * len(begun) / min(lengths) if lengths else 0.0


class _Beginning:
    """A text as far as it is heard; words that are finished are scored, the last one is begun."""

    __slots__ = ("begun", "context", "finished", "range", "score", "symbol", "text")

    def __init__(self, text: str, context: tuple[int, ...], vocabulary: tuple[int, int]) -> None:
        self.text = text
        self.begun = ""
        self.symbol = _SPACE
        self.context = context
        self.range = vocabulary
        self.finished = 0.0
        """Score of the finished words."""
        self.score = 0.0
        """That, and what the unfinished one is given or taken."""


class PortableSearch:
    """A search over `labels`, the blank and the space first, with a language model or without.

    Takes four to six times as long as ctc-beam-decoder, see docs/decisions/0043. Threads may share it, and
    take turns by Python's lock.
    """

    def __init__(
        self,
        labels: Sequence[str],
        language_model: Path | None = None,
        alpha: float = 0.0,
        beta: float = 0.0,
        unknown: float = 0.0,
    ) -> None:
        self._labels = labels
        self._weights = _Weights(alpha, beta, unknown)
        self._language = None
        if language_model is not None:
            self._language = _Language(MappedModel(language_model), self._weights)

    def decode_beams(
        self,
        log_probs: NDArray[np.float32],
        *,
        beam_width: int,
        beam_prune_logp: float,
        token_min_logp: float,
        prune_history: bool,
        hotwords: list[str],
        hotword_weight: float,
    ) -> list[tuple[str, float]]:
        """Return the texts found of log_probs (T, V), best first, with their scores, natural log."""
        if self._language is not None:
            self._language.forget()
        growth = _Growth(
            self._labels, self._language, self._weights.beta, _Hotwords(hotwords, hotword_weight)
        )
        beams = {growth.root: (1.0, 0.0)}
        # Probabilities are kept to the base of the likeliest beginning, whose natural log this is.
        scale = 0.0
        for row in log_probs:
            symbols = np.flatnonzero(row >= token_min_logp).tolist() or [int(row.argmax())]
            heard = [(symbol, math.exp(row[symbol])) for symbol in symbols]
            beams = _step(beams, heard, growth)
            ranked = _ranked(beams, beam_width, beam_prune_logp, prune_history)
            most = max(sum(beams[beginning]) for beginning in ranked)
            scale += math.log(most)
            beams = {one: (beams[one][0] / most, beams[one][1] / most) for one in ranked}
        return _finished(beams, growth, scale)


class _Growth:
    """Makes longer beginnings out of shorter ones, each once."""

    def __init__(
        self, labels: Sequence[str], language: _Language | None, beta: float, hotwords: _Hotwords
    ) -> None:
        self._labels = labels
        self._language = language
        self._beta = beta
        self._hotwords = hotwords
        self._all = (0, len(language.vocabulary.words)) if language else (0, 0)
        self.root = _Beginning("", language.start if language else (), self._all)
        self._children: dict[tuple[_Beginning, int], _Beginning] = {}

    def child(self, parent: _Beginning, symbol: int) -> _Beginning:
        found = self._children.get((parent, symbol))
        if found is None:
            found = self._after_word(parent) if symbol == _SPACE else self._after_letter(parent, symbol)
            self._children[parent, symbol] = found
        return found

    def _after_letter(self, parent: _Beginning, symbol: int) -> _Beginning:
        letter = self._labels[symbol]
        new = _Beginning(parent.text + letter, parent.context, parent.range)
        new.symbol = symbol
        new.begun = parent.begun + letter
        new.finished = new.score = parent.finished
        if self._language is not None:
            low, high = parent.range
            if low < high:
                low, high = new.range = self._language.vocabulary.narrow(new.begun, low, high)
            if low == high:
                new.score += self._language.unfinished(new.begun)
        if self._hotwords:
            new.score += self._hotwords.unfinished(new.begun)
        return new

    def _after_word(self, parent: _Beginning) -> _Beginning:
        new = _Beginning(parent.text + " ", parent.context, self._all)
        new.finished, new.context = self.finished(parent)
        new.score = new.finished
        return new

    def finished(self, beginning: _Beginning) -> tuple[float, tuple[int, ...]]:
        """Return the score with the last word as a whole one, and the context after it."""
        score, context = beginning.finished, beginning.context
        if not beginning.begun:
            return score, context
        if self._language is not None:
            word = self._language.vocabulary.id_of(beginning.begun, *beginning.range)
            gain, context = self._language.word(context, word)
            score += gain + self._beta
        return score + self._hotwords.word(beginning.begun), context

    def at_the_end(self, beginning: _Beginning) -> float:
        """Return the score of a beginning that is the whole text."""
        score, context = self.finished(beginning)
        return score + (self._language.end(context) if self._language is not None else 0.0)


# Each beginning with its probability when the last frame was a blank, and when it was its last symbol.
_Beams = dict[_Beginning, tuple[float, float]]


def _step(beams: _Beams, heard: list[tuple[int, float]], growth: _Growth) -> _Beams:
    blank: dict[_Beginning, float] = defaultdict(float)
    symbol_last: dict[_Beginning, float] = defaultdict(float)
    for beginning, (after_blank, after_symbol) in beams.items():
        total = after_blank + after_symbol
        for symbol, probability in heard:
            if symbol == _BLANK:
                blank[beginning] += total * probability
            elif symbol != beginning.symbol:
                symbol_last[growth.child(beginning, symbol)] += total * probability
            elif symbol == _SPACE:
                # A second space, or one before the first word, says nothing new.
                symbol_last[beginning] += total * probability
            else:
                symbol_last[beginning] += after_symbol * probability
                symbol_last[growth.child(beginning, symbol)] += after_blank * probability
    return {
        one: (blank.get(one, 0.0), symbol_last.get(one, 0.0)) for one in blank.keys() | symbol_last.keys()
    }


def _ranked(beams: _Beams, width: int, floor: float, prune_history: bool) -> list[_Beginning]:
    """Return the beginnings to follow: the best `width` that are less than `floor` behind the best of all."""
    scores = [
        (math.log(total) + one.score, number, one)
        for number, (one, pair) in enumerate(beams.items())
        if (total := pair[0] + pair[1]) > 0.0
    ]
    least = max(scores)[0] + floor
    best = [one for _, _, one in heapq.nlargest(width, (entry for entry in scores if entry[0] >= least))]
    if not prune_history:
        return best
    # What no language model can tell apart any more goes on in the best way alone.
    different: dict[tuple[tuple[int, ...], str, int], _Beginning] = {}
    for one in best:
        different.setdefault((one.context, one.begun, one.symbol), one)
    return list(different.values())


def _finished(beams: _Beams, growth: _Growth, scale: float) -> list[tuple[str, float]]:
    totals: dict[str, float] = defaultdict(float)
    language: dict[str, float] = {}
    for one, pair in beams.items():
        text = one.text.rstrip()
        totals[text] += pair[0] + pair[1]
        language[text] = growth.at_the_end(one)
    found = [(text, math.log(total) + scale + language[text]) for text, total in totals.items() if total > 0]
    return sorted(found, key=lambda entry: -entry[1])
