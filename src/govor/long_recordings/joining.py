"""Two pieces of a recording that share some sound: where to go over from one to the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.decoding.greedy import greedy
from govor.text.alphabet import Alphabet

# A gap between words wider than this is as good as any.
_WIDE = 0.3
# So much nearer to the middle of what is shared is worth a gap narrower by one.
_FAR = 0.2


@dataclass(frozen=True)
class Heard:
    """What the network made of a piece: T output frames over V symbols, from T * stride feature frames."""

    log_probs: NDArray[np.float32]
    """(T, V), natural log."""
    times: NDArray[np.float64]
    """Seconds from the recording's start of each feature frame, rising."""
    stride: int

    @property
    def output_times(self) -> NDArray[np.float64]:
        """(T,) seconds: when each output frame starts."""
        return self.times[:: self.stride][: len(self.log_probs)]

    def cut(self, start: float, end: float) -> Heard:
        """Return only the output frames that start within [start, end) seconds."""
        first, last = np.searchsorted(self.output_times, (start, end))
        frames = slice(first * self.stride, last * self.stride)
        return Heard(self.log_probs[first:last], self.times[frames], self.stride)


def seam(left: Heard, right: Heard, start: float, end: float, middle: float, alphabet: Alphabet) -> float:
    """Return the second within [start, end], which both have heard, where to go over from left to right.

    It lies between words for both of them, so that neither half a word is taken from each nor a word from
    both or none; the wider the gap and the nearer to `middle` the better. If they agree on no gap it is
    `middle`.
    """
    best, best_worth = middle, -np.inf
    for low, high in _overlaps(_gaps(left, start, end, alphabet), _gaps(right, start, end, alphabet)):
        # In a wide gap the nearest place that is clear of its words, else the middle of the gap.
        clear = min(_WIDE, high - low) / 2
        place = min(max(middle, low + clear), high - clear)
        worth = 2 * clear - _FAR * abs(place - middle)
        if worth > best_worth:
            best, best_worth = place, worth
    return best


def _gaps(heard: Heard, start: float, end: float, alphabet: Alphabet) -> list[tuple[float, float]]:
    """Return the stretches of [start, end] without a word, in order."""
    part = heard.cut(start, end)
    times = np.append(part.output_times, end)
    gaps = []
    free_from = start
    for word in greedy(part.log_probs, alphabet).words:
        if times[word.start] > free_from:
            gaps.append((free_from, float(times[word.start])))
        free_from = float(times[word.end])
    if end > free_from:
        gaps.append((free_from, end))
    return gaps


def _overlaps(
    some: list[tuple[float, float]], others: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    both = ((max(a[0], b[0]), min(a[1], b[1])) for a in some for b in others)
    return [(low, high) for low, high in both if high > low]
