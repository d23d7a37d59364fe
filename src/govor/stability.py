"""Which words of an utterance that is still being spoken are fit to be shown.

A word is shown when two decodings in a row agree on it and on all words before it, and it does not touch the
edge of the sound, where the next sound may still change it ("local agreement": Liu et al., Interspeech 2020).
A doubtful word needs more of them, and so does another word in place of a shown one: most such changes are
changed back. docs/decisions/0008 has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from govor.transcript import Word

# Words that end less than this before the edge may still grow.
_EDGE_SECONDS = 0.2
# Half of the words below this confidence change later, one in thirty of those above.
_SURE = 0.5
_MANY = 5


class Steady:
    """Takes one decoding after another of the same utterance, returns the words to show."""

    def __init__(self, edge_seconds: float = _EDGE_SECONDS, many: int = _MANY) -> None:
        """Start an utterance.

        No word is trusted within `edge_seconds` of the edge of the sound; a doubtful word and a change need
        `many` decodings in a row.
        """
        self._edge_seconds = edge_seconds
        self._many = many
        self._recent: list[tuple[Word, ...]] = []
        self._shown: tuple[Word, ...] = ()

    def take(self, words: Sequence[Word], edge: float, whole: bool = False) -> tuple[Word, ...]:
        """Return what to show after a decoding of the sound up to `edge` seconds.

        With `whole` speech has paused there, so that all words are complete and shown.
        """
        if whole:
            self._shown = tuple(words)
            self._recent = [self._shown]
            return self._shown
        complete = tuple(word for word in words if word.end <= edge - self._edge_seconds)
        self._recent = [*self._recent[-self._many + 1 :], complete]
        agreed = self._num_agreed(2)
        firm = self._num_agreed(self._many)
        kept = min(_common(complete, self._shown), agreed)
        if kept == agreed:
            # Nothing speaks against what is shown further on: it stays, with its old times.
            self._shown = complete[:agreed] + self._shown[agreed:]
            return self._shown
        sure = max(firm, kept)
        while sure < agreed and complete[sure].confidence >= _SURE:
            sure += 1
        if kept == len(self._shown):
            self._shown = complete[:sure]
        elif firm > kept:
            # A change; the words behind it are shown on, as they would come back at once.
            self._shown = complete[: max(sure, min(agreed, len(self._shown)))]
        return self._shown

    def _num_agreed(self, count: int) -> int:
        """Return on how many words the last `count` decodings agree; 0 if there are not so many yet."""
        if len(self._recent) < count:
            return 0
        return min(_common(self._recent[-1], earlier) for earlier in self._recent[-count:-1])


def _common(first: Sequence[Word], second: Sequence[Word]) -> int:
    """Return how many words at the beginning are the same."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one.text != other.text:
            break
        count += 1
    return count
