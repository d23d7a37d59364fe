"""New sentences out of a speaker's own words: recordings cut between words and put together anew (numpy).

A corpus of many voices that read the same few sentences teaches the sentences, not the letters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govor.manifest import Utterance

Array = NDArray[np.float32]

MAX_WORDS = 3
"""Longest run of words taken from one recording: longer ones can be known by heart."""
MIN_RECORDINGS = 4
"""A speaker with fewer recordings would repeat the same words within a sentence."""
MIN_FRAMES = 12
"""Shorter pieces are mostly the transition between two sounds."""
DRAWS = 12
MAX_EXCERPT_WORDS = 4
LEAD_FRAMES, TAIL_FRAMES = 15, 30
"""Most silence left around an excerpt, frames: as an endpointer leaves around a command."""


@dataclass(frozen=True)
class Spliced:
    """A sentence that nobody said as a whole."""

    features: Array
    """(T, F)."""
    text: str


@dataclass(frozen=True)
class Excerpt:
    """A run of words of one utterance: words `first` to `end`, in frames `start` to `stop`."""

    first: int
    end: int
    start: int
    stop: int


class Splicer:
    """Makes sentences of the utterances whose manifest says where their words end (`Utterance.cuts`)."""

    def __init__(
        self, utterances: Sequence[Utterance], read: Callable[[int], Array], frame_shift: float
    ) -> None:
        """Take the utterances of a training and what reads the features (T, F) of the one of that number."""
        self.utterances, self.read, self.frame_shift = utterances, read, frame_shift
        self.recordings: defaultdict[str, list[int]] = defaultdict(list)
        for index, utterance in enumerate(utterances):
            if utterance.cuts and utterance.speaker:
                self.recordings[utterance.speaker].append(index)

    def can_splice(self, index: int) -> bool:
        """Tell whether the speaker of an utterance has enough recordings with cuts."""
        return len(self.recordings.get(self.utterances[index].speaker, ())) >= MIN_RECORDINGS

    def __call__(self, index: int, rng: np.random.Generator) -> Spliced:
        """Return a sentence about as long as an utterance, of its speaker's words, at its level."""
        pool = self.recordings[self.utterances[index].speaker]
        own = self.read(index)
        mean = own.mean(axis=0)
        pieces: list[Array] = []
        words: list[str] = []
        num_frames = 0
        for _ in range(DRAWS):
            piece, said = self._piece(pool[int(rng.integers(len(pool)))], rng)
            if len(piece) < MIN_FRAMES or (pieces and num_frames + len(piece) > 1.15 * len(own)):
                continue
            pieces.append(piece + mean)
            words += said
            num_frames += len(piece)
            if num_frames > 0.8 * len(own):
                break
        if not pieces:
            return Spliced(own, self.utterances[index].text)
        return Spliced(np.concatenate(pieces), " ".join(words))

    def draw_excerpt(self, index: int, num_frames: int, rng: np.random.Generator) -> Excerpt | None:
        """Choose one to four words of an utterance of `num_frames` frames; None if it has no cuts."""
        cuts = self.utterances[index].cuts
        if not cuts:
            return None
        bounds = self._bounds(index, num_frames)
        first = int(rng.integers(len(bounds) - 1))
        end = min(len(bounds) - 1, first + int(rng.integers(1, MAX_EXCERPT_WORDS + 1)))
        if bounds[end] - bounds[first] < MIN_FRAMES:
            return None
        return Excerpt(first, end, bounds[first], bounds[end])

    def cut_out(self, index: int, excerpt: Excerpt, rng: np.random.Generator) -> Spliced:
        """Return an excerpt with some of the recording's own silence around it.

        Normalised over so little speech, the same sounds look different: a network that was trained on whole
        sentences alone hears single words with twice as many wrong letters.
        """
        values, words = self.read(index), self.utterances[index].text.split()
        lead = int(rng.integers(0, LEAD_FRAMES + 1)) if excerpt.first else 0
        tail = int(rng.integers(0, TAIL_FRAMES + 1)) if excerpt.end < len(words) else 0
        parts = (values[:lead], values[excerpt.start : excerpt.stop], values[len(values) - tail :])
        return Spliced(np.concatenate(parts), " ".join(words[excerpt.first : excerpt.end]))

    def _bounds(self, index: int, num_frames: int) -> list[int]:
        cuts = self.utterances[index].cuts
        return [0, *(min(round(cut / self.frame_shift), num_frames) for cut in cuts), num_frames]

    def _piece(self, index: int, rng: np.random.Generator) -> tuple[Array, list[str]]:
        """Return some words' features, the recording's mean taken off, and the words."""
        utterance, features = self.utterances[index], self.read(index)
        words = utterance.text.split()
        bounds = self._bounds(index, len(features))
        first = int(rng.integers(len(words)))
        end = min(len(words), first + int(rng.integers(1, MAX_WORDS + 1)))
        return features[bounds[first] : bounds[end]] - features.mean(axis=0), words[first:end]


def quietest_frame(loudness: Array, first: int, last: int) -> int:
    """Return the quietest frame from `first` to before `last`, or `first` if there is none between."""
    first = min(max(first, 0), len(loudness))
    last = min(last, len(loudness))
    return first + int(np.argmin(loudness[first:last])) if last > first else first
