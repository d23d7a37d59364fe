"""A closed list of phrases: exactly one of them was said, or none.

Every phrase gets its exact CTC probability, the sum over all alignments (Graves et al., ICML 2006), in one
pass over the tree of their common beginnings. The best one is accepted if its likelihood ratio against a
garbage model, the best path of any symbols whatever, reaches a threshold. docs/decisions/0006 tells why
these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.decoding.greedy import Decoded, align, words_of
from govor.errors import ConfigError
from govor.language import tr
from govor.phrases.patterns import Phrase
from govor.phrases.thresholds import DEFAULT_THRESHOLDS, Thresholds
from govor.text.alphabet import Alphabet

# Added to a phrase's length when its log-likelihood ratio is divided by it: short phrases vary more.
EXTRA_LETTERS = 5

# Probabilities are kept as numbers, not logarithms, which is ten times as fast; they start high so that they
# may fall far. `PhraseTree.scores` takes logarithms where it cannot prove that nothing was lost.
_LOG_START = 575.0
_LOG_LARGEST = 700.0
# What falls below is set to zero now and then: numbers near the end of the range take a hundred times as
# long.
_SMALLEST = 1e-290
_FLUSH_FRAMES = 4


class PhraseTree:
    """The tree of the phrases' labels, a node for each beginning, parents before children."""

    def __init__(self, sequences: Sequence[Sequence[int]], blank: int = 0) -> None:
        """Build from label sequences (L,) without blanks, L > 0."""
        self.blank = blank
        parents, labels = [0], [blank]
        # Level by level, so that the nodes that can be reached by a frame stand first.
        at = [0] * len(sequences)
        self.level_ends = [1]
        alive = list(range(len(sequences)))
        for depth in range(max(map(len, sequences))):
            alive = [i for i in alive if depth < len(sequences[i])]
            nodes: dict[tuple[int, int], int] = {}
            for i in alive:
                key = (at[i], sequences[i][depth])
                node = nodes.get(key)
                if node is None:
                    node = nodes[key] = len(parents)
                    parents.append(key[0])
                    labels.append(key[1])
                at[i] = node
            self.level_ends.append(len(parents))
        self.leaves = np.array(at, np.intp)
        self._parents = np.array(parents, np.intp)
        self._labels = np.array(labels, np.intp)
        # A label may follow the same label only over a blank.
        self._repeats = np.flatnonzero((self._labels == self._labels[self._parents]) & (self._parents > 0))

    def __len__(self) -> int:
        return len(self._parents)

    def scores(self, log_probs: NDArray[np.float32], floor: float = -math.inf) -> NDArray[np.float64]:
        """Return log P(phrase | audio) for each sequence: log_probs (T, V), natural log -> (num_sequences,).

        Sums over all alignments; -inf for what needs more frames than there are. The best one is exact to
        1e-8 if it is above `floor`, which saves time on long audio; those far behind it may come out as -inf.
        """
        values = log_probs.astype(np.float64)
        tops = values.max(axis=1) if len(values) else np.zeros(0)
        # In units of the best path, no sum of paths exceeds exp(-sum(tops)).
        log_start = min(_LOG_START, _LOG_LARGEST + float(tops.sum()))
        emissions = np.exp(values - tops[:, None])
        with np.errstate(divide="ignore", under="ignore"):
            probabilities = self._probabilities(emissions, math.exp(max(log_start, -_LOG_LARGEST)))
            results: NDArray[np.float64] = np.log(probabilities[self.leaves]) + tops.sum() - log_start
        # A frame and level can lose two smallest numbers, each multiplied by at most exp(-sum(tops)) until
        # the end. 20 nats above all such losses together the error is below 1e-8.
        loss = math.log(2.0 * max(len(values), 1) * len(self.level_ends) * _SMALLEST) - log_start
        if results.max() > loss + 20.0 or loss + 21.0 < floor or not len(values):
            return results
        return self._log_scores(values)

    def _probabilities(self, emissions: NDArray[np.float64], start: float) -> NDArray[np.float64]:
        num_nodes, num_levels = len(self), len(self.level_ends) - 1
        ends_label, ends_blank = np.zeros(num_nodes), np.zeros(num_nodes)
        either, entering, spoken = np.empty(num_nodes), np.empty(num_nodes), np.empty(num_nodes)
        ends_blank[0] = start
        for frame, emission in enumerate(emissions):
            k = self.level_ends[min(frame + 1, num_levels)]
            repeats = self._repeats[: np.searchsorted(self._repeats, k)]
            np.add(ends_label[:k], ends_blank[:k], out=either[:k])
            np.take(either, self._parents[:k], out=entering[:k], mode="clip")
            entering[repeats] = ends_blank[self._parents[repeats]]
            entering[0] = 0.0
            np.take(emission, self._labels[:k], out=spoken[:k], mode="clip")
            np.add(ends_label[:k], entering[:k], out=ends_label[:k])
            np.multiply(ends_label[:k], spoken[:k], out=ends_label[:k])
            np.multiply(either[:k], emission[self.blank], out=ends_blank[:k])
            if frame % _FLUSH_FRAMES == 0:
                ends_label *= ends_label > _SMALLEST
                ends_blank *= ends_blank > _SMALLEST
        return ends_label + ends_blank

    def _log_scores(self, log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
        ends_label, ends_blank = np.full(len(self), -np.inf), np.full(len(self), -np.inf)
        ends_blank[0] = 0.0
        for frame in log_probs:
            either = np.logaddexp(ends_label, ends_blank)
            entering = either[self._parents]
            entering[self._repeats] = ends_blank[self._parents[self._repeats]]
            entering[0] = -np.inf
            ends_label = np.logaddexp(ends_label, entering) + frame[self._labels]
            ends_blank = either + frame[self.blank]
        result: NDArray[np.float64] = np.logaddexp(ends_label, ends_blank)[self.leaves]
        return result


@dataclass(frozen=True)
class PhraseMatch:
    """What a phrase list made of one utterance, whether it was accepted or not."""

    phrase: Phrase
    """The most likely one."""
    log_prob: float
    """log P(phrase | audio), natural log."""
    ratio: float
    """Log-likelihood ratio against any symbols whatever, through the phrase's letters + 5; at most 0."""
    threshold: float
    runner_up: Phrase | None
    """The most likely phrase of another line."""

    @property
    def accepted(self) -> bool:
        """Tell whether the phrase was said, as far as can be told; otherwise it was something else."""
        return self.ratio >= self.threshold


class PhraseDecoder:
    """A decoder that knows only the phrases of a list; whatever else is said gives no words.

    One utterance, one phrase: use it where speech comes cut into utterances.
    """

    reads_search_output = True
    """That output follows the sounds more than the habits of letters: it confuses phrases less."""

    def __init__(
        self,
        phrases: Sequence[Phrase],
        alphabet: Alphabet,
        *,
        false_accepts: float = 0.03,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> None:
        """Compile the list. `false_accepts` is the part of other speech that may pass for one of the phrases.

        Raises ConfigError if that is out of the range of `thresholds`, there are no phrases, or one has a
        letter that the model cannot write.
        """
        for phrase in phrases:
            if missing := alphabet.missing(phrase.text):
                letters = " ".join(sorted(missing))
                raise ConfigError(
                    tr(
                        f"фраза «{phrase.text}» (строка {phrase.line}): модель не знает букв {letters}",
                        f"phrase “{phrase.text}” (line {phrase.line}): the model cannot write {letters}",
                    )
                )
        if not phrases:
            raise ConfigError(tr("список фраз пуст", "the phrase list is empty"))
        self.phrases = tuple(phrases)
        self._alphabet = alphabet
        self.tree = PhraseTree([alphabet.encode(phrase.text) for phrase in phrases], alphabet.blank)
        self._lengths = np.array([len(phrase.text) for phrase in phrases])
        self._thresholds = thresholds.at(false_accepts, len(phrases), self._lengths)

    def match(self, log_probs: NDArray[np.float32]) -> PhraseMatch:
        """Find the most likely phrase in log_probs (T, V), natural log."""
        garbage = float(log_probs.max(axis=1).sum(dtype=np.float64)) if len(log_probs) else 0.0
        floor = garbage + float((self._thresholds * (self._lengths + EXTRA_LETTERS)).min())
        scores = self.tree.scores(log_probs, floor)
        best = int(scores.argmax())
        phrase = self.phrases[best]
        runner_up = None
        for other in np.argsort(-scores, kind="stable")[1:]:
            if self.phrases[other].line != phrase.line:
                runner_up = self.phrases[other]
                break
        score = float(scores[best])
        ratio = min((score - garbage) / (len(phrase.text) + EXTRA_LETTERS), 0.0)
        return PhraseMatch(phrase, score, ratio, float(self._thresholds[best]), runner_up)

    def __call__(self, log_probs: NDArray[np.float32]) -> Decoded:
        """Decode log_probs (T, V): the phrase as it was said with its words' frames, or no words."""
        match = self.match(log_probs)
        if not match.accepted:
            return Decoded("", (), match.log_prob)
        found = align(log_probs, self._alphabet.encode(match.phrase.text), self._alphabet.blank)
        return Decoded(match.phrase.text, words_of(found, self._alphabet), match.log_prob)
