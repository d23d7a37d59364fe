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


@dataclass(frozen=True)
class Spliced:
    """A sentence that nobody said as a whole."""

    features: Array
    """(T, F)."""
    text: str


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

    def _piece(self, index: int, rng: np.random.Generator) -> tuple[Array, list[str]]:
        """Return some words' features, the recording's mean taken off, and the words."""
        utterance, features = self.utterances[index], self.read(index)
        words = utterance.text.split()
        inner = [min(round(cut / self.frame_shift), len(features)) for cut in utterance.cuts]
        bounds = [0, *inner, len(features)]
        first = int(rng.integers(len(words)))
        end = min(len(words), first + int(rng.integers(1, MAX_WORDS + 1)))
        return features[bounds[first] : bounds[end]] - features.mean(axis=0), words[first:end]
