"""From CTC log-probabilities to words with frames and confidences: greedy, and beam search.

A decoder is any callable from log_probs (T, V) to `Decoded`. CTC: Graves et al., ICML 2006.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from govor.errors import ConfigError, InputNotFoundError, MissingExtraError, ModelError
from govor.language import tr
from govor.text import Alphabet


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
    words = _words(found, alphabet)
    return Decoded(" ".join(word.text for word in words), words, float(top.sum()))


def _words(found: Alignment, alphabet: Alphabet) -> tuple[DecodedWord, ...]:
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
    emissions = log_probs[:, states].astype(np.float64)
    scores = np.full(num_states, -np.inf)
    came_from = np.zeros((len(log_probs), num_states), np.int8)
    if len(log_probs):
        scores[:2] = emissions[0, :2]
    for frame in range(1, len(log_probs)):
        options = np.full((3, num_states), -np.inf)
        options[0] = scores
        options[1, 1:] = scores[:-1]
        options[2, 2:] = np.where(skips[2:], scores[:-2], -np.inf)
        choice = options.argmax(axis=0)
        came_from[frame] = choice
        scores = np.take_along_axis(options, choice[None], axis=0)[0] + emissions[frame]
    state = num_states - 1 - int(scores[-2:][::-1].argmax()) if labels else 0
    if not np.isfinite(scores[state]):
        raise ValueError(f"{len(labels)} labels cannot be aligned with {len(log_probs)} frames")
    path = np.empty(len(log_probs), np.int64)
    for frame in range(len(log_probs) - 1, -1, -1):
        path[frame] = state
        state -= came_from[frame, state]
    label_states = np.arange(1, num_states, 2)
    starts = np.searchsorted(path, label_states, side="left")
    ends = np.searchsorted(path, label_states, side="right")
    peaks = np.array(
        [emissions[a:b, s].max() for a, b, s in zip(starts, ends, label_states, strict=True)], np.float64
    )
    return Alignment(np.asarray(labels, np.int64), starts, ends, peaks)


class BeamDecoder:
    """CTC prefix beam search, optionally with a KenLM word n-gram, by the ctc-beam-decoder package.

    The words' frames and confidences come from aligning the winning text. Raises MissingExtraError if the
    package is absent, InputNotFoundError or ModelError for a language model that is missing or unreadable,
    ConfigError for a number out of range.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        language_model: Path | None = None,
        *,
        beam_width: int = 64,
        alpha: float = 0.5,
        beta: float = 1.0,
        unigrams: list[str] | None = None,
    ) -> None:
        if not 1 <= beam_width <= 10_000:
            raise ConfigError(
                tr(
                    f"ширина луча {beam_width}: нужно от 1 до 10000",
                    f"beam width {beam_width}: must be 1 to 10000",
                )
            )
        if language_model is not None and not language_model.is_file():
            raise InputNotFoundError(
                tr(f"нет языковой модели {language_model}", f"no language model {language_model}")
            )
        self._alphabet = alphabet
        self._beam_width = beam_width
        options: dict[str, Any] = {}
        if language_model is not None:
            options = {"kenlm_model_path": language_model, "alpha": alpha, "beta": beta, "unigrams": unigrams}
        try:
            from ctc_beam_decoder import BeamSearchDecoder

            # The empty string is what the package takes for the blank.
            self._search = BeamSearchDecoder(["", *alphabet.symbols[1:]], **options)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                tr(
                    f"языковая модель {language_model} не читается: {reason}",
                    f"language model {language_model} cannot be read: {reason}",
                )
            ) from error
        # No wheel, no library inside it, or one built for a newer system.
        except (ImportError, OSError, RuntimeError) as error:
            raise MissingExtraError(
                tr(
                    f"нет лучевого поиска ({error}); поставьте: pip install ctc-beam-decoder",
                    f"no beam search ({error}); install it: pip install ctc-beam-decoder",
                )
            ) from error

    def __call__(self, log_probs: NDArray[np.float32]) -> Decoded:
        """Decode log_probs (T, V), natural log, into the best text found."""
        if len(log_probs) == 0:
            return Decoded("", (), 0.0)
        beams = self._search.decode_beams(log_probs, beam_width=self._beam_width, prune_history=True)
        if not beams:
            return Decoded("", (), 0.0)
        text, *_, score = beams[0]
        text = " ".join(text.split())
        found = align(log_probs, self._alphabet.encode(text), self._alphabet.blank)
        return Decoded(text, _words(found, self._alphabet), float(score))
