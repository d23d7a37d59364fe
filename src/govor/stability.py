"""Which words of an utterance that is still being spoken are fit to be shown.

A word is shown when two decodings in a row agree on it and on all words before it, and it does not touch the
edge of the sound, where the next sound may still change it ("local agreement": Liu et al., Interspeech 2020).
A shown word stays until two decodings in a row agree on another one.
"""

from __future__ import annotations

from collections.abc import Sequence

from govor.transcript import Word

# Words that end less than this before the edge may still grow.
_EDGE_SECONDS = 0.2


class Steady:
    """Takes one decoding after another of the same utterance, returns the words to show."""

    def __init__(self, edge_seconds: float = _EDGE_SECONDS) -> None:
        """Start an utterance. `edge_seconds` is how near the edge of the sound no word is trusted."""
        self._edge_seconds = edge_seconds
        self._previous: tuple[Word, ...] = ()
        self._shown: tuple[Word, ...] = ()

    def take(self, words: Sequence[Word], edge: float, whole: bool = False) -> tuple[Word, ...]:
        """Return what to show after a decoding of the sound up to `edge` seconds.

        With `whole` speech has paused there, so that all words are complete and shown.
        """
        if whole:
            self._previous = self._shown = tuple(words)
            return self._shown
        complete = tuple(word for word in words if word.end <= edge - self._edge_seconds)
        agreed = complete[: _common(complete, self._previous)]
        if _common(agreed, self._shown) == len(agreed):
            # No contradiction to what is shown further on: it stays, with its old times.
            agreed += self._shown[len(agreed) :]
        self._previous = complete
        self._shown = agreed
        return agreed


def _common(first: Sequence[Word], second: Sequence[Word]) -> int:
    """Return how many words at the beginning are the same."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one.text != other.text:
            break
        count += 1
    return count
