"""Let a voice say what it never said: pieces of its recordings, cut inside phones and joined (numpy).

A corpus of many voices that read the same few sentences teaches the sentences. Synthetic speech has other
sentences but few voices. Here recordings are cut in the middle of phones, where sounds are steadiest, and the
pieces, two sounds and more, are joined where both have the same phone: unit selection (Hunt and Black 1996)
in the domain of cepstra, where a join makes no click and no waveform is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from govor.recombination.phone_alignment import PhoneSpan
from govor.recombination.pronunciation import Phones

Array = NDArray[np.float32]

PAUSE = ""
"""Stands before the first phone, after the last one, and where a speaker pauses."""
MAX_STEPS = 9
"""Longest piece taken from one recording, phones: longer ones could be known by heart."""
MAX_PLACES, MAX_COMPARED = 480, 24
"""Places where a pair of phones is looked for, and pieces of equal length compared at a join."""
MIN_PAUSE_FRAMES = 6
"""A shorter gap between words is no pause."""
SOUNDS_OF_A_VOICE = ("A0", "A", "I", "I0", "E0", "O0", "U0", "S", "SH", "N")
"""Frequent sounds by which voices are compared."""
DOUBT = 5
"""A sound of a voice heard this many times counts half its own, half everybody's."""


@dataclass(frozen=True)
class Recorded:
    """A recording and where its phones are."""

    features: Array
    """(T, F) cepstra."""
    spans: tuple[PhoneSpan, ...]


@dataclass(frozen=True)
class _Piece:
    """Part of a recording, from the middle of the phone `first` to that of the phone `steps` further."""

    recording: int
    first: int
    steps: int


class Inventory:
    """What a voice, or voices that are alike, have said, by pairs of neighbouring phones."""

    def __init__(self, recordings: Sequence[Recorded]) -> None:
        """Take the recordings, whose own means are taken off."""
        self.features = [recorded.features - recorded.features.mean(axis=0) for recorded in recordings]
        self.sounds = [_sounds(recorded) for recorded in recordings]
        self.places: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        for number, sounds in enumerate(self.sounds):
            for at, ((phone, _), (following, _)) in enumerate(pairwise(sounds)):
                self.places[phone, following].append((number, at))

    def has(self, phones: Sequence[str]) -> bool:
        """Tell whether each pair of neighbours was said."""
        return all(pair in self.places for pair in pairwise(phones))

    def speak(self, phones: Sequence[str], rng: np.random.Generator) -> Array:
        """Return features (T, F) of phones; raises IndexError if the inventory does not have them.

        The longest pieces win, up to a length drawn for each; of those, the one that joins most smoothly.
        """
        pieces: list[Array] = []
        at = 0
        while at < len(phones) - 1:
            piece = self._choose(phones[at:], pieces[-1][-1] if pieces else None, rng)
            sounds = self.sounds[piece.recording]
            start, stop = sounds[piece.first][1], sounds[piece.first + piece.steps][1]
            pieces.append(self.features[piece.recording][start : max(stop, start + 1)])
            at += piece.steps
        return _joined(pieces)

    def _choose(self, phones: Sequence[str], ending: Array | None, rng: np.random.Generator) -> _Piece:
        """Return what begins with the first two phones and goes on with as many as it can."""
        places = self.places.get((phones[0], phones[1]), [])
        limit = min(int(rng.integers(2, MAX_STEPS + 1)), len(phones) - 1)
        found = []
        for i in rng.permutation(len(places))[:MAX_PLACES]:
            number, first = places[i]
            sounds = self.sounds[number]
            steps = 1
            while (
                steps < limit
                and first + steps + 1 < len(sounds)
                and sounds[first + steps + 1][0] == phones[steps + 1]
            ):
                steps += 1
            found.append(_Piece(number, first, steps))
        longest = max((piece.steps for piece in found), default=0)
        best = [piece for piece in found if piece.steps == longest][:MAX_COMPARED]
        if ending is None:
            return best[0]
        # The first coefficient follows the loudness, which may change from word to word.
        gaps = [float(np.square((self._first_frame(piece) - ending)[1:]).sum()) for piece in best]
        return best[int(np.argmin(gaps))]

    def _first_frame(self, piece: _Piece) -> Array:
        features = self.features[piece.recording]
        frame: Array = features[min(self.sounds[piece.recording][piece.first][1], len(features) - 1)]
        return frame


def spell(words: Sequence[Phones], pauses: Collection[int] = ()) -> list[str]:
    """Return the phones of words, with a pause at both ends and before the words of the numbers `pauses`."""
    phones = [PAUSE]
    for number, word in enumerate(words):
        if number and number in pauses:
            phones.append(PAUSE)
        phones += word
    return [*phones, PAUSE]


def describe_voices(recordings: Mapping[str, Sequence[Recorded]]) -> tuple[list[str], Array]:
    """Return the speakers' names and what their voices are like, (N, D): alike ones lie near each other.

    A voice is the mean cepstra of some frequent sounds, each less the mean of its recording.
    """
    heard: dict[str, dict[str, list[Array]]] = {}
    for speaker, own in recordings.items():
        sounds = heard.setdefault(speaker, {phone: [] for phone in SOUNDS_OF_A_VOICE})
        for recorded in own:
            mean = recorded.features.mean(axis=0)
            for span in recorded.spans:
                if span.phone in sounds:
                    sounds[span.phone].append((recorded.features[span.middle] - mean)[1:])
    width = next((own[0].features.shape[1] for own in recordings.values() if own), 1) - 1
    everybody = {
        phone: _mean([value for sounds in heard.values() for value in sounds[phone]], width)
        for phone in SOUNDS_OF_A_VOICE
    }
    voices = [
        np.concatenate(
            [
                (np.sum(values, axis=0) + DOUBT * everybody[phone]) / (len(values) + DOUBT)
                for phone, values in sounds.items()
            ]
        )
        for sounds in heard.values()
    ]
    return list(heard), np.array(voices, np.float32)


def _mean(values: Sequence[Array], width: int) -> Array:
    return np.mean(values, axis=0) if values else np.zeros(width, np.float32)


def _sounds(recorded: Recorded) -> list[tuple[str, int]]:
    """Return the phones and pauses of a recording, each with the frame where it may be cut."""
    sounds = [(PAUSE, 0)]
    for before, span in pairwise((None, *recorded.spans)):
        assert span is not None
        if before is not None and span.start - before.stop >= MIN_PAUSE_FRAMES:
            sounds.append((PAUSE, (before.stop + span.start) // 2))
        sounds.append((span.phone, span.middle))
    sounds.append((PAUSE, len(recorded.features)))
    return sounds


def _joined(pieces: Sequence[Array]) -> Array:
    """Put pieces one after another, the two frames at each join drawn towards each other."""
    joined = np.concatenate(pieces)
    for at in np.cumsum([len(piece) for piece in pieces[:-1]]):
        left, right = joined[at - 1].copy(), joined[at].copy()
        joined[at - 1], joined[at] = (2 * left + right) / 3, (left + 2 * right) / 3
    return joined
