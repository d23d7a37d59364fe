"""Speech without text becomes training data: what a model is sure to have heard (self-training).

After Kahn, Lee & Hannun, "Self-training for end-to-end speech recognition" (ICASSP 2020), but filtered word
by word: a long recording is cut at pauses, and of each piece only the runs of trusted words are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from govor.dataset.splicing import quietest_frame
from govor.recognizer import Recognizer
from govor.transcript import Word

Array = NDArray[np.float32]

LONGEST, SHORTEST = 12.0, 3.0
"""Seconds of features in a piece that is recognised as one: as long as the sentences of the corpus."""
PAUSE = 0.15
"""Seconds that a pause must be quiet to be cut at."""
DOUBTFUL = 0.4
"""A word less sure than this ends a run."""
FEWEST_WORDS = 2


@dataclass(frozen=True)
class Trusted:
    """A stretch of a recording and the words heard in it."""

    values: Array
    """(T, F), not normalised."""
    text: str
    confidence: float
    """Mean of the words', 0 to 1."""
    cuts: tuple[float, ...]
    """Places between the words, seconds of the features."""
    start: float
    """Where it begins, seconds of the recording's features."""


def trust(
    recognizer: Recognizer, values: Array, min_confidence: float = 0.7, decoder: str = "auto"
) -> Iterator[Trusted]:
    """Recognise features (T, F) of any length and yield the runs of words of `min_confidence` on average.

    The confidences should be calibrated for that decoder, as those of a finished model are.
    """
    shift = recognizer.model.config.features.frame_shift
    loudness = values[:, 0]
    for first, last in pieces(loudness, shift):
        transcript = recognizer.transcribe_features(values[first:last], decoder)
        words = transcript.words
        quiet = [
            quietest_frame(loudness, first + round(one.end / shift), first + round(two.start / shift))
            for one, two in pairwise(words)
        ]
        borders = [first, *quiet, last]
        for begin, end in sure_runs(words, min_confidence):
            start, stop = borders[begin], borders[end]
            yield Trusted(
                values[start:stop],
                " ".join(word.text for word in words[begin:end]),
                float(np.mean([word.confidence for word in words[begin:end]])),
                tuple(round((border - start) * shift, 3) for border in borders[begin + 1 : end]),
                start * shift,
            )


def pieces(loudness: Array, frame_shift: float) -> Iterator[tuple[int, int]]:
    """Cut a recording, loudness (T,), where it is quietest; yield (first, last) frames of each piece."""
    longest, shortest = round(LONGEST / frame_shift), round(SHORTEST / frame_shift)
    width = round(PAUSE / frame_shift)
    start = 0
    while len(loudness) - start > longest:
        window = loudness[start + shortest : start + longest]
        smooth = np.convolve(window, np.ones(width) / width, mode="valid")
        cut = start + shortest + int(np.argmin(smooth)) + width // 2
        yield start, cut
        start = cut
    if len(loudness) > start:
        yield start, len(loudness)


def sure_runs(words: Sequence[Word], min_confidence: float) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of the longest runs without a doubtful word and as sure as `min_confidence`."""
    begin = 0
    for end in range(len(words) + 1):
        if end < len(words) and words[end].confidence >= DOUBTFUL:
            continue
        run = _trimmed(words, begin, end, min_confidence)
        if run is not None:
            yield run
        begin = end + 1


def _trimmed(words: Sequence[Word], begin: int, end: int, min_confidence: float) -> tuple[int, int] | None:
    """Drop the less sure of the outer words until the rest is sure enough."""
    while end - begin >= FEWEST_WORDS:
        if np.mean([word.confidence for word in words[begin:end]]) >= min_confidence:
            return begin, end
        if words[begin].confidence < words[end - 1].confidence:
            begin += 1
        else:
            end -= 1
    return None
