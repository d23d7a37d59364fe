"""What the page tells about the model and the machine, and how fast the one is on the other."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from govor.corpora.rehearsal import unpack_rehearsal
from govor.decoding.beam import BeamDecoder
from govor.features import extract, load_features
from govor.language import speaks_russian

if TYPE_CHECKING:
    from govor.recognizer import Recognizer

_MEASURED_SECONDS = 30.0
# The page shows one of the languages, so that none is below.
_LANGUAGE_MARKS = ("*English below.*\n", " (English)")


@dataclass(frozen=True)
class Speed:
    """How long speech takes to recognise on one core."""

    seconds: float
    """Of speech that was measured with."""
    took: float
    """Seconds for all of it."""
    decoder: str
    """``beam`` or ``greedy``."""

    @property
    def times(self) -> float:
        """How many times faster than speech."""
        return self.seconds / max(self.took, 1e-9)


def model_card() -> str:
    """Return the shipped model's card in the user's language, Markdown; empty if it has none."""
    path = Path(str(resources.files("govor") / "models" / "MODEL_CARD.md"))
    if not path.is_file():
        return ""
    russian, _, english = path.read_text(encoding="utf-8").partition("\n---\n")
    card = russian if speaks_russian() else english or russian
    for mark in _LANGUAGE_MARKS:
        card = card.replace(mark, "")
    return card.strip()


def measure_speed(recognizer: Recognizer, decoder: str = "auto") -> Speed:
    """Recognise half a minute of the shipped rehearsal speech, and extract features of as much sound.

    The shipped speech is features already, so extraction is timed on noise of the same length.
    Raises ModelError if the rehearsal set is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
        seconds = 0.0
        for utterance in unpack_rehearsal(Path(folder)):
            if seconds >= _MEASURED_SECONDS or utterance.features is None:
                break
            parts.append(load_features(utterance.features))
            seconds += utterance.duration
    config = recognizer.model.config.features
    noise = np.random.default_rng(1).normal(0, 0.05, round(seconds * config.sample_rate)).astype(np.float32)
    # The first call loads the language model, which happens once and not for every recording.
    decode = recognizer.decoder(decoder)
    recognizer.transcribe_features(parts[0][:50], decoder)
    started = time.perf_counter()
    extract(noise, config)
    for part in parts:
        recognizer.transcribe_features(part, decoder)
    took = time.perf_counter() - started
    return Speed(seconds, took, "beam" if isinstance(decode, BeamDecoder) else "greedy")
