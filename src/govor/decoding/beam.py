"""CTC prefix beam search with a word n-gram, hot words and alternatives: its settings and results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.decoding.greedy import Decoded, align, words_of
from govor.decoding.loading import load_search, named_language_model, shipped_language_model
from govor.decoding.portable import Search
from govor.errors import ConfigError
from govor.language import tr
from govor.text.alphabet import Alphabet, is_speakable, normalize
from govor.transcript import Alternative

__all__ = ["BeamDecoder", "BeamSettings", "named_language_model", "shipped_language_model"]

# Between frames that are blank beyond doubt nothing is decided: of a run of them one is enough.
_SURE = math.log(0.95)
# Symbols less likely in a frame are not followed, nor beginnings by so much less likely than the best one;
# natural log. The lower ones are for alternatives, of which the others would find fewer.
_SYMBOL_FLOOR, _LOW_SYMBOL_FLOOR = -4.5, -5.0
_BEAM_FLOOR, _LOW_BEAM_FLOOR, _NARROW_BEAM_FLOOR = -9.0, -10.0, -8.5
# Few beginnings are better spent on likely symbols: up to 32, only a frame's likeliest symbols that have this
# probability together are followed, the fewer the narrower. A fifth to a third quicker and as good; a wider
# beam would lose by it.
_NARROW_WIDTHS, _LIKELY = (8, 32), (0.90, 0.94)
# A word that the language model does not know fills the beam with its spellings, so that few texts come out
# or one; where they are fewer than asked for, a wider beam is tried.
_WIDER, _WIDEST = 4, 10_000
# The least probability that the package's search reckons with, 1e-15; natural log.
_IMPOSSIBLE = np.float32(-34.5)


@dataclass(frozen=True)
class BeamSettings:
    """Weights of the search. The score of a text, natural log, is

    ``acoustic + alpha · ln LM + beta · words``, and ``alpha · ln 10 · unknown`` for each word that the
    language model does not know. Raises ConfigError for a value out of range.
    """

    beam_width: int = 64
    """How many beginnings are followed at a time, 1 to 10000."""
    alpha: float = 0.3
    """Weight of the language model, 0 to 10."""
    beta: float = 0.0
    """Bonus for each word, -20 to 20."""
    unknown: float = -8.0
    """log10 penalty of a word that is not in the language model, -100 to 0."""
    hotword_weight: float = 10.0
    """Bonus of a hot word, natural log, 0 to 100; a part of it while the word is only begun."""
    blank: float = 0.0
    """Taken from the blank's log-probability in every frame, natural log, -5 to 5.

    A network trained by CTC leaves out rather than adds: the blank is by far its most frequent symbol.
    """

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("beam-width", self.beam_width, 1, 10_000),
            ("alpha", self.alpha, 0, 10),
            ("beta", self.beta, -20, 20),
            ("unknown", self.unknown, -100, 0),
            ("hotword-weight", self.hotword_weight, 0, 100),
            ("blank", self.blank, -5, 5),
        ):
            if not low <= value <= high:
                raise ConfigError(
                    tr(
                        f"{name} = {value}: нужно от {low} до {high}",
                        f"{name} = {value}: must be {low} to {high}",
                    )
                )


class BeamDecoder:
    """Search for the best text; the words' frames and confidences come from aligning it.

    Words that the language model does not know stay possible, letter by letter. Beginnings that are e^9 less
    likely than the best one and symbols below e^-4.5 in a frame are not followed, e^10 and e^-5 where several
    alternatives are asked for; of frames that are surely blank one in a row is. A beam of 32 or less follows
    only the likeliest symbols of each frame, 0.90 to 0.94 together, and beginnings within e^8.5. The shipped
    language model is loaded by a thread beside whatever comes next, such as reading the recording; the first
    decoding waits for it. The search is that of the package ctc-beam-decoder or, where it has no wheel, the
    slower `govor.decoding.portable`. Raises InputNotFoundError or ModelError for a language model that is
    missing, unreadable or of another alphabet, ConfigError for hot words without Russian letters or
    `num_alternatives` below 1.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        language_model: Path | None = None,
        settings: BeamSettings | None = None,
        *,
        hotwords: Sequence[str] = (),
        num_alternatives: int = 1,
    ) -> None:
        self.settings = settings or BeamSettings()
        self._alphabet = alphabet
        self._hotwords = _usable_hotwords(hotwords, alphabet.letters)
        self._num_alternatives = _usable_number(num_alternatives)
        self._has_language_model = language_model is not None
        self._loading = load_search(
            alphabet, language_model, self.settings.alpha, self.settings.beta, self.settings.unknown
        )

    @property
    def reads_search_output(self) -> bool:
        """Whether it wants log_probs that leave the habits of letters to a language model."""
        return self._has_language_model

    def variant(self, *, hotwords: Sequence[str] = (), num_alternatives: int = 1) -> BeamDecoder:
        """Return a decoder with other hot words and alternatives that shares the loaded language model.

        Any number of threads may use variants at a time. Raises ConfigError as the constructor does.
        """
        other = BeamDecoder.__new__(BeamDecoder)
        other.settings = self.settings
        other._has_language_model = self._has_language_model
        other._alphabet = self._alphabet
        other._hotwords = _usable_hotwords(hotwords, self._alphabet.letters)
        other._num_alternatives = _usable_number(num_alternatives)
        other._loading = self._loading
        return other

    @property
    def _search(self) -> Search:
        return self._loading.result()

    def text(self, log_probs: NDArray[np.float32]) -> str:
        """Return the best text of log_probs (T, V) alone, without its words' frames."""
        found = self._best_texts(log_probs)
        return found[0].text if found else ""

    def __call__(self, log_probs: NDArray[np.float32]) -> Decoded:
        """Decode log_probs (T, V), natural log, into the best text found."""
        found = self._best_texts(log_probs)
        if not found:
            return Decoded("", (), 0.0)
        best = found[0]
        # The search has the same floor; a path through what is impossible could not be aligned.
        floored = np.maximum(log_probs, _IMPOSSIBLE)
        alignment = align(floored, self._alphabet.encode(best.text), self._alphabet.blank)
        words = words_of(alignment, self._alphabet)
        return Decoded(best.text, words, best.score, found if self._num_alternatives > 1 else ())

    def _best_texts(self, log_probs: NDArray[np.float32]) -> tuple[Alternative, ...]:
        if len(log_probs) == 0:
            return ()
        frames, skipped = self._decisive(log_probs)
        beam_floor, symbol_floor = _BEAM_FLOOR, _SYMBOL_FLOOR
        if self._num_alternatives > 1:
            beam_floor, symbol_floor = _LOW_BEAM_FLOOR, _LOW_SYMBOL_FLOOR
        elif self.settings.beam_width <= _NARROW_WIDTHS[1]:
            mass = np.interp(math.log(self.settings.beam_width), np.log(_NARROW_WIDTHS), _LIKELY)
            # The search takes what is left for the whole.
            skipped += leave_likely(frames, float(mass))
            beam_floor = _NARROW_BEAM_FLOOR
        texts: dict[str, float] = {}
        width = max(self.settings.beam_width, self._num_alternatives)
        wide = max(width, min(_WIDER * self.settings.beam_width, _WIDEST))
        for beam_width in dict.fromkeys((width, wide)):
            beams = self._search.decode_beams(
                frames,
                beam_prune_logp=beam_floor,
                token_min_logp=symbol_floor,
                beam_width=beam_width,
                # It drops beams that no language model can tell apart: quicker, but fewer alternatives.
                prune_history=self._num_alternatives == 1,
                hotwords=self._hotwords,
                hotword_weight=self.settings.hotword_weight,
            )
            # Beams that differ in spaces only are one text.
            for text, *_, score in beams:
                alone = " ".join(text.split())
                texts[alone] = max(float(score) + skipped, texts.get(alone, -math.inf))
            if self._num_alternatives <= max(1, len(texts)):
                break
        found = sorted(texts.items(), key=lambda item: -item[1])
        return tuple(Alternative(text, score) for text, score in found[: self._num_alternatives])

    def _decisive(self, log_probs: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Return the frames (T', V) to search, the blank weakened, and the log-probability of the others."""
        blank = self._alphabet.blank
        sure = log_probs[:, blank] > _SURE
        skipped = np.concatenate([[False], sure[1:] & sure[:-1]])
        frames = log_probs[~skipped]
        frames[:, blank] -= self.settings.blank
        return frames, float(log_probs[skipped, blank].sum(dtype=np.float64))


def leave_likely(log_probs: NDArray[np.float32], mass: float) -> float:
    """Make all but the likeliest symbols of each frame impossible: log_probs (T, V), natural log, in place.

    The fewest stay that have a probability of `mass` together; of equally likely ones all do. Returns the
    log-probability of what is left, summed over the frames that were changed.
    """
    unsure = np.flatnonzero(log_probs.max(axis=1) < math.log(mass))
    frames = log_probs[unsure]
    falling = -np.sort(-frames, axis=1)
    reached = np.cumsum(np.exp(falling), axis=1)
    last = (reached[:, :-1] < mass).sum(axis=1)
    floor = np.take_along_axis(falling, last[:, None], axis=1)
    left = np.where(frames < floor, _IMPOSSIBLE, frames)
    log_probs[unsure] = left
    return float(np.log(np.exp(left).sum(axis=1)).sum(dtype=np.float64))


def _usable_number(num_alternatives: int) -> int:
    if not 1 <= num_alternatives <= 1000:
        raise ConfigError(
            tr(
                f"вариантов {num_alternatives}: нужно от 1 до 1000",
                f"{num_alternatives} alternatives: must be 1 to 1000",
            )
        )
    return num_alternatives


_LONGEST_SHOWN = 60


def _usable_hotwords(hotwords: Sequence[str], letters: str) -> list[str]:
    for word in hotwords:
        if not word.strip():
            raise ConfigError(
                tr(
                    "пустое горячее слово: уберите лишнюю запятую",
                    "an empty hot word: leave out the comma that parts nothing",
                )
            )
        if not is_speakable(word, letters):
            shown = word if len(word) <= _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}…"
            raise ConfigError(
                tr(
                    f"горячее слово {shown!r}: нужны русские буквы, без цифр и латиницы",
                    f"hot word {shown!r}: must be Russian letters, without digits or Latin ones",
                )
            )
    return [normalize(word, letters) for word in hotwords]
