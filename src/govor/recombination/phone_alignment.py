"""Where each phone of a recording lies: a hidden Markov model of phones, by Viterbi alone (numpy).

A network trained with CTC says which letters were heard, but not to the frame where one sound turns into the
next; three states of Gaussian mixtures for each phone do (Rabiner 1989, section VI), and learn it in minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from govor.errors import ConfigError
from govor.language import tr
from govor.recombination.gaussian_mixtures import Mixtures
from govor.recombination.pronunciation import Phones

Array = NDArray[np.float32]
Integers = NDArray[np.int64]

STATES = 3
"""States of a phone: its beginning, its middle (which a short one may lack) and its end."""
PAUSE = 0
"""The state of the pauses between words and around them."""
ROUNDS = 6
"""The first half of the rounds has a single Gaussian for each state."""
MIXTURES, PAUSE_MIXTURES = 6, 12
DELTA_REACH = 2
"""Frames on either side from which the change of the features is estimated."""
SKIP_SCORE = -2.0
"""Log-probability of going past the middle of a phone; past a pause between words is free."""
BATCH = 48
_NEVER = np.float32(-1e9)


@dataclass(frozen=True)
class Pronounced:
    """A recording and how its words are pronounced."""

    features: Array
    """(T, F) cepstra."""
    words: tuple[Phones, ...]
    cuts: tuple[int, ...] = ()
    """Frames between the words, one fewer than words, if they are known: a first guess to learn from."""


@dataclass(frozen=True)
class PhoneSpan:
    """A phone of a recording: it lasts from frame `start` to before `stop`, steadiest about `middle`."""

    phone: str
    start: int
    middle: int
    stop: int


@dataclass(frozen=True)
class _Chain:
    """The states that a recording goes through, pauses where they may be, and what passing each one costs."""

    states: Integers
    passing: Array


class PhoneAligner:
    """Learns what phones sound like, and finds them in recordings whose words are known."""

    def __init__(self, phones: Sequence[str]) -> None:
        """Take the names of all phones that will occur."""
        self.first_state = {phone: 1 + STATES * i for i, phone in enumerate(sorted(set(phones)))}
        self.num_states = 1 + STATES * len(self.first_state)
        self.mixtures: Mixtures | None = None

    def train(self, recordings: Sequence[Pronounced], rounds: int = ROUNDS, seed: int = 1) -> Iterator[float]:
        """Learn from recordings; those without cuts, if they have several words, join after the first round.

        Yields the mean log-likelihood of a frame after every round. Raises ConfigError if none can begin.
        """
        rng = np.random.default_rng(seed)
        frames = [observe(recording.features) for recording in recordings]
        chains = [self._chain(recording.words) for recording in recordings]
        paths = [self._even(recording) for recording in recordings]
        if all(path is None for path in paths):
            raise ConfigError(
                tr("ни у одной записи не известны границы слов", "no recording has known word boundaries")
            )
        order = sorted(range(len(frames)), key=lambda i: len(frames[i]))
        for number in range(rounds):
            known = [(frames[i], path) for i, path in enumerate(paths) if path is not None]
            self.mixtures = Mixtures.fit(
                np.concatenate([value for value, _ in known]),
                np.concatenate([path for _, path in known]),
                [
                    1 if number < rounds // 2 else MIXTURES if state else PAUSE_MIXTURES
                    for state in range(self.num_states)
                ],
                rng,
            )
            scores = []
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                found = self._search([frames[i] for i in chosen], [chains[i] for i in chosen])
                for i, (path, score) in zip(chosen, found, strict=True):
                    paths[i] = path
                    if path is not None:
                        scores.append(score)
            yield float(np.mean(scores))

    def align(self, recordings: Sequence[Pronounced]) -> Iterator[tuple[PhoneSpan, ...] | None]:
        """Yield the phones of each recording, without the pauses; None where it is too short for them.

        Recordings of like length beside each other are quicker.
        """
        for start in range(0, len(recordings), BATCH):
            part = recordings[start : start + BATCH]
            chains = [self._chain(recording.words) for recording in part]
            found = self._search([observe(recording.features) for recording in part], chains)
            for recording, (path, _) in zip(part, found, strict=True):
                yield None if path is None else self._spans(path, recording.words)

    def _chain(self, words: Sequence[Phones]) -> _Chain:
        states, passing = [PAUSE], [0.0]
        for word in words:
            for phone in word:
                first = self.first_state[phone]
                states += [first, first + 1, first + 2]
                passing += [float(_NEVER), SKIP_SCORE, float(_NEVER)]
            states.append(PAUSE)
            passing.append(0.0)
        return _Chain(np.array(states), np.array(passing, np.float32))

    def _even(self, recording: Pronounced) -> Integers | None:
        """Return states (T,) that give all phones of a word the same time; None if its cuts are unknown."""
        if len(recording.cuts) != len(recording.words) - 1:
            return None
        num_frames = len(recording.features)
        path = np.full(num_frames, PAUSE)
        for (start, stop), word in zip(
            pairwise((0, *recording.cuts, num_frames)), recording.words, strict=True
        ):
            states = self._chain([word]).states[1:-1]
            path[start:stop] = states[np.arange(stop - start) * len(states) // max(stop - start, 1)]
        return path

    def _search(
        self, values: Sequence[Array], chains: Sequence[_Chain]
    ) -> list[tuple[Integers | None, float]]:
        """Return each recording's likeliest states (T,), None if it is too short, and the score a frame."""
        assert self.mixtures is not None, "the aligner has not been trained"
        lengths = np.array([len(value) for value in values])
        sizes = np.array([len(chain.states) for chain in chains])
        shape = (len(values), int(sizes.max()))
        emissions = np.full((int(lengths.max()), *shape), _NEVER, np.float32)
        passing = np.full(shape, _NEVER, np.float32)
        for i, (value, chain) in enumerate(zip(values, chains, strict=True)):
            needed, places = np.unique(chain.states, return_inverse=True)
            emissions[: len(value), i, : sizes[i]] = self.mixtures.scores(value, needed)[:, places]
            passing[i, : sizes[i]] = chain.passing
        # Into a place of the chain from itself, from the one before, or past the one before.
        best = np.full(shape, _NEVER, np.float32)
        best[:, :2] = emissions[0, :, :2]
        moves = np.zeros(emissions.shape, np.uint8)
        finals = best.copy()
        for t in range(1, len(emissions)):
            step, past = np.full(shape, _NEVER, np.float32), np.full(shape, _NEVER, np.float32)
            step[:, 1:] = best[:, :-1]
            past[:, 2:] = best[:, :-2] + passing[:, 1:-1]
            moves[t] = step > best
            np.maximum(best, step, out=best)
            moves[t][past > best] = 2
            np.maximum(best, past, out=best)
            best += emissions[t]
            ending = lengths == t + 1
            finals[ending] = best[ending]
        found: list[tuple[Integers | None, float]] = []
        for i, chain in enumerate(chains):
            # The pause at the end may be missing.
            at = int(sizes[i]) - 1 - int(finals[i, sizes[i] - 2] > finals[i, sizes[i] - 1])
            score = float(finals[i, at])
            if score < _NEVER / 2:
                found.append((None, float(_NEVER)))
                continue
            places = np.empty(lengths[i], np.int64)
            for t in range(lengths[i] - 1, -1, -1):
                places[t] = at
                at -= int(moves[t, i, at])
            found.append((chain.states[places], score / int(lengths[i])))
        return found

    def _spans(self, path: Integers, words: Sequence[Phones]) -> tuple[PhoneSpan, ...]:
        bounds = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
        runs = iter(
            [(int(path[start]), start, stop) for start, stop in pairwise(bounds) if path[start] != PAUSE]
        )
        spans = []
        for phone in (phone for word in words for phone in word):
            first = self.first_state[phone]
            _, start, middle = next(runs)
            state, begun, stop = next(runs)
            if state == first + 1:
                middle = (begun + stop) // 2
                _, _, stop = next(runs)
            spans.append(PhoneSpan(phone, start, middle, stop))
        return tuple(spans)


def observe(features: Array) -> Array:
    """Return cepstra (T, F) less their mean, beside them how they change: (T, 2F)."""
    values = features - features.mean(axis=0)
    count, steps = len(values), range(1, DELTA_REACH + 1)
    padded = np.pad(values, ((DELTA_REACH, DELTA_REACH), (0, 0)), mode="edge")
    change = np.zeros_like(values)
    for k in steps:
        change += k * (padded[DELTA_REACH + k :][:count] - padded[DELTA_REACH - k :][:count])
    return np.hstack([values, change / (2 * sum(k * k for k in steps))])
