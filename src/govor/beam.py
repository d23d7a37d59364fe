"""CTC prefix beam search with a word n-gram, hot words and alternatives, by the ctc-beam-decoder package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.decoding import Decoded, _words, align
from govor.errors import ConfigError, InputNotFoundError, MissingExtraError, ModelError
from govor.language import tr
from govor.language_model.vocabulary import read_vocabulary
from govor.text import Alphabet, is_speakable, normalize
from govor.transcript import Alternative

SHIPPED_LANGUAGE_MODEL = "ru.klm"


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
    hotword_weight: float = 8.0
    """Bonus of a hot word, natural log, 0 to 100; a part of it while the word is only begun."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("beam-width", self.beam_width, 1, 10_000),
            ("alpha", self.alpha, 0, 10),
            ("beta", self.beta, -20, 20),
            ("unknown", self.unknown, -100, 0),
            ("hotword-weight", self.hotword_weight, 0, 100),
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

    Words that the language model does not know stay possible, letter by letter. Beginnings that are e^10 less
    likely than the best one and symbols below e^-5 in a frame are not followed. Raises MissingExtraError if
    the package is absent, InputNotFoundError or ModelError for a language model that is missing, unreadable
    or of another alphabet, ConfigError for hot words without Russian letters or `num_alternatives` below 1.
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
        if not 1 <= num_alternatives <= 1000:
            raise ConfigError(
                tr(
                    f"вариантов {num_alternatives}: нужно от 1 до 1000",
                    f"{num_alternatives} alternatives: must be 1 to 1000",
                )
            )
        self.settings = settings or BeamSettings()
        self._alphabet = alphabet
        self._hotwords = _usable_hotwords(hotwords)
        self._num_alternatives = num_alternatives
        self._search = _load(alphabet, language_model, self.settings)

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
        alignment = align(log_probs, self._alphabet.encode(best.text), self._alphabet.blank)
        words = _words(alignment, self._alphabet)
        return Decoded(best.text, words, best.score, found if self._num_alternatives > 1 else ())

    def _best_texts(self, log_probs: NDArray[np.float32]) -> tuple[Alternative, ...]:
        if len(log_probs) == 0:
            return ()
        beams = self._search.decode_beams(
            log_probs,
            beam_width=max(self.settings.beam_width, self._num_alternatives),
            # It drops beams that no language model can tell apart any more: quicker, but fewer alternatives.
            prune_history=self._num_alternatives == 1,
            hotwords=self._hotwords,
            hotword_weight=self.settings.hotword_weight,
        )
        # Beams that differ in spaces only are one text.
        texts: dict[str, float] = {}
        for text, *_, score in beams:
            texts.setdefault(" ".join(text.split()), float(score))
        return tuple(Alternative(text, score) for text, score in texts.items())[: self._num_alternatives]


def shipped_language_model() -> Path | None:
    """Return the path of the language model that comes with Govor, or None in an installation without it."""
    from importlib.resources import files

    path = Path(str(files("govor").joinpath("models", SHIPPED_LANGUAGE_MODEL)))
    return path if path.is_file() else None


def _usable_hotwords(hotwords: Sequence[str]) -> list[str]:
    for word in hotwords:
        if not is_speakable(word):
            raise ConfigError(
                tr(
                    f"горячее слово {word!r}: нужны русские буквы, без цифр и латиницы",
                    f"hot word {word!r}: must be Russian letters, without digits or Latin ones",
                )
            )
    return [normalize(word) for word in hotwords]


def _load(alphabet: Alphabet, language_model: Path | None, settings: BeamSettings) -> Any:
    options: dict[str, Any] = {}
    if language_model is not None:
        if not language_model.is_file():
            raise InputNotFoundError(
                tr(f"нет языковой модели {language_model}", f"no language model {language_model}")
            )
        options = {
            "kenlm_model_path": language_model,
            # Without them every unfinished word would be punished as unknown.
            "unigrams": _vocabulary(language_model, alphabet),
            "alpha": settings.alpha,
            "beta": settings.beta,
            "unk_score_offset": settings.unknown,
        }
    try:
        from ctc_beam_decoder import BeamSearchDecoder

        # The empty string is what the package takes for the blank.
        return BeamSearchDecoder(["", *alphabet.symbols[1:]], **options)
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


def _vocabulary(language_model: Path, alphabet: Alphabet) -> list[str]:
    words = read_vocabulary(language_model)
    letters = set(alphabet.symbols[2:])
    if not any(letters.issuperset(word) for word in words):
        sample = " ".join(words[:3])
        raise ModelError(
            tr(
                f"языковая модель {language_model} не русская или без словаря ({sample}); "
                "сделайте свою: govor lm build",
                f"language model {language_model} is not Russian or has no vocabulary ({sample}); "
                "make one: govor lm build",
            )
        )
    return words
