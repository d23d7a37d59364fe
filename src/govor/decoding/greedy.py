"""From CTC log-probabilities to words with frames and confidences: greedy, and Viterbi alignment.

A decoder is any callable from log_probs (T, V) to `Decoded`. CTC: Graves et al., ICML 2006.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from govor.text.alphabet import Alphabet
from govor.transcript import Alternative


@dataclass(frozen=True)
class DecodedWord:
    """A word and the output frames it was heard in."""

    text: str
    start: int
    """First frame of the first letter."""
    end: int
    """The frame after the last letter's last one."""
    confidence: float
    """Geometric mean over the letters of each letter's highest probability, 0 to 1."""


@dataclass(frozen=True)
class Decoded:
    """What a decoder made of one piece of audio."""

    text: str
    words: tuple[DecodedWord, ...]
    score: float
    """Natural log; of the best path for `greedy`, of the beam with its language model for `BeamDecoder`."""
    alternatives: tuple[Alternative, ...] = ()
    """The best texts, best first, where several were asked for."""


Decoder: TypeAlias = Callable[[NDArray[np.float32]], Decoded]


@dataclass(frozen=True)
class Alignment:
    """Where each of L labels lies in the frames: arrays (L,)."""

    labels: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    """One past the label's last frame."""
    peaks: NDArray[np.float64]
    """The label's highest log-probability within its frames."""


def reads_search_output(decoder: Decoder) -> bool:
    """Tell whether a decoder wants the output that is trained for a search with a language model.

    A decoder says so by an attribute of this name; `OnnxModel.for_search` gives that output.
    """
    return bool(getattr(decoder, "reads_search_output", False))


def greedy(log_probs: NDArray[np.float32], alphabet: Alphabet) -> Decoded:
    """Take the best symbol of each frame, merge repeats, drop blanks. log_probs (T, V), natural log."""
    if len(log_probs) == 0:
        return Decoded("", (), 0.0)
    best = log_probs.argmax(axis=1)
    top = np.take_along_axis(log_probs, best[:, None], axis=1)[:, 0].astype(np.float64)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    ends = np.append(starts[1:], len(best))
    peaks = np.maximum.reduceat(top, starts)
    spoken = best[starts] != alphabet.blank
    found = Alignment(best[starts][spoken], starts[spoken], ends[spoken], peaks[spoken])
    words = words_of(found, alphabet)
    return Decoded(" ".join(word.text for word in words), words, float(top.sum()))


def words_of(found: Alignment, alphabet: Alphabet) -> tuple[DecodedWord, ...]:
    """Return the words that an alignment spells, with their frames and how sure their letters are."""
    symbols = alphabet.decode(found.labels.tolist())
    words = []
    position = 0
    for text in symbols.split(" "):
        end = position + len(text)
        if text:
            confidence = float(np.exp(found.peaks[position:end].mean()))
            words.append(
                DecodedWord(text, int(found.starts[position]), int(found.ends[end - 1]), min(confidence, 1.0))
            )
        position = end + 1
    return tuple(words)


def align(log_probs: NDArray[np.float32], labels: list[int], blank: int = 0) -> Alignment:
    """Find the most likely CTC path (Viterbi) that spells `labels` (L,) over log_probs (T, V).

    Raises ValueError if there are fewer frames than labels plus repeats, or the path has no probability.
    """
    num_states = 2 * len(labels) + 1
    states = np.full(num_states, blank, np.int64)
    states[1::2] = labels
    # A label may follow another one without a blank between them only if they differ.
    skips = np.zeros(num_states, bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(num_states, -np.inf)
    came_from = np.zeros((len(log_probs), num_states), np.int8)
    if len(log_probs):
        scores[:2] = log_probs[0, states[:2]]
    for frame in range(1, len(log_probs)):
        options = np.full((3, num_states), -np.inf)
        options[0] = scores
        options[1, 1:] = scores[:-1]
        options[2, 2:] = np.where(skips[2:], scores[:-2], -np.inf)
        choice = options.argmax(axis=0)
        came_from[frame] = choice
        scores = np.take_along_axis(options, choice[None], axis=0)[0] + log_probs[frame, states]
    state = num_states - 1 - int(scores[-2:][::-1].argmax()) if labels else 0
    if not np.isfinite(scores[state]):
        raise ValueError(f"{len(labels)} labels cannot be aligned with {len(log_probs)} frames")
    path = np.empty(len(log_probs), np.int64)
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = state
        state -= int(came_from[frame, state])
    label_states = np.arange(1, num_states, 2)
    starts = np.searchsorted(path, label_states, side="left")
    ends = np.searchsorted(path, label_states, side="right")
    peaks = np.array(
        [log_probs[a:b, s].max() for a, b, s in zip(starts, ends, labels, strict=True)], np.float64
    )
    return Alignment(np.asarray(labels, np.int64), starts, ends, peaks)
