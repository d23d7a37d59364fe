"""How well hot words and the phrases of a list were found: said, found, confused, heard where not said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from govor.phrases.patterns import Phrase
from govor.text.alphabet import normalize


@dataclass(frozen=True)
class WordSpotting:
    """What became of one hot word."""

    word: str
    said: int
    """How often it is in the references."""
    found: int
    """How many of these were heard, in whatever place of the utterance."""
    inserted: int
    """How often it was heard beyond that."""


def spot_words(pairs: Iterable[tuple[str, str]], hotwords: Sequence[str]) -> tuple[WordSpotting, ...]:
    """Count hot words in (reference, hypothesis) pairs, both normalised; a hot word may be several words."""
    words = list(dict.fromkeys(normalize(word) for word in hotwords))
    said: Counter[str] = Counter()
    found: Counter[str] = Counter()
    inserted: Counter[str] = Counter()
    for reference, hypothesis in pairs:
        for word in words:
            wanted, heard = _occurrences(word, reference), _occurrences(word, hypothesis)
            said[word] += wanted
            found[word] += min(wanted, heard)
            inserted[word] += max(heard - wanted, 0)
    return tuple(WordSpotting(word, said[word], found[word], inserted[word]) for word in words)


def _occurrences(word: str, text: str) -> int:
    # Neighbours share the space between them.
    return f" {text.replace(' ', '  ')} ".count(f" {word.replace(' ', '  ')} ")


@dataclass(frozen=True)
class Confusion:
    """Something said was taken for a phrase that it is not."""

    said: str
    heard: str
    count: int


@dataclass(frozen=True)
class PhraseSpotting:
    """What a phrase list made of utterances; all figures but those of `confusions` count utterances."""

    num_listed: int
    """A phrase of the list was said."""
    right: int
    """And was heard, in any wording of its line."""
    rejected: int
    """And nothing was heard."""
    num_other: int
    """Something else was said, or nothing."""
    false_accepts: int
    """And a phrase was heard."""
    confusions: tuple[Confusion, ...]
    """The most frequent first; of listed phrases and of other speech."""

    @property
    def accuracy(self) -> float:
        """Part of the listed phrases that were heard right; NaN without any."""
        return self.right / self.num_listed if self.num_listed else float("nan")

    @property
    def false_accept_rate(self) -> float:
        """Part of other speech that passed for a phrase; NaN without any."""
        return self.false_accepts / self.num_other if self.num_other else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object; a rate without utterances is null."""
        row = asdict(self)
        row["accuracy"] = self.accuracy if self.num_listed else None
        row["false_accept_rate"] = self.false_accept_rate if self.num_other else None
        return row


def spot_phrases(pairs: Iterable[tuple[str, str]], phrases: Sequence[Phrase]) -> PhraseSpotting:
    """Judge (reference, hypothesis) pairs, both normalised, where the hypotheses come of a `PhraseDecoder`.

    A reference that is not on the list counts as other speech.
    """
    lines = {phrase.text: phrase.line for phrase in phrases}
    num_listed = right = rejected = num_other = false_accepts = 0
    confused: Counter[tuple[str, str]] = Counter()
    for reference, hypothesis in pairs:
        line = lines.get(reference)
        if line is None:
            num_other += 1
            false_accepts += bool(hypothesis)
        else:
            num_listed += 1
            right += lines.get(hypothesis) == line
            rejected += not hypothesis
        if hypothesis and (line is None or lines.get(hypothesis) != line):
            confused[reference, hypothesis] += 1
    confusions = tuple(Confusion(said, heard, count) for (said, heard), count in confused.most_common())
    return PhraseSpotting(num_listed, right, rejected, num_other, false_accepts, confusions)
