"""A manifest through a recogniser: every hypothesis, pooled error rates, failures, real-time factor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.decoding.greedy import Decoder
from govor.errors import GovorError, ManifestError
from govor.features import load_features
from govor.language import tr
from govor.manifest import Utterance
from govor.metrics import Scores, score
from govor.recognizer import Recognizer
from govor.text.alphabet import is_speakable, normalize

# Frames of a batch, padding included: 80 s of features keep the memory small.
BATCH_FRAMES = 8000


@dataclass(frozen=True)
class Result:
    """One utterance's reference and hypothesis, both normalised."""

    id: str
    speaker: str
    duration: float
    reference: str
    hypothesis: str
    word_errors: int
    num_words: int


@dataclass(frozen=True)
class Failure:
    """An utterance that could not be recognised, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """Everything `evaluate` found."""

    results: tuple[Result, ...]
    """In the order of the manifest."""
    scores: Scores
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]
    duration: float
    """Seconds of audio recognised, by the manifest."""
    processing_seconds: float
    """Reading, features, network and decoding."""

    @property
    def rtf(self) -> float:
        """Real-time factor: processing time through audio time."""
        return self.processing_seconds / self.duration if self.duration else 0.0

    def worst(self, count: int = 10) -> list[Result]:
        """Return the utterances with the most word errors."""
        wrong = [result for result in self.results if result.word_errors]
        return sorted(wrong, key=lambda result: -result.word_errors)[:count]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object; substitutions to hits are words."""
        words, characters = self.scores.words, self.scores.characters
        return {
            "wer": words.rate,
            "wer_ci": list(words.interval),
            "cer": characters.rate,
            "cer_ci": list(characters.interval),
            "wer_yo": self.scores.wer_yo,
            "cer_yo": self.scores.cer_yo,
            "substitutions": words.substitutions,
            "deletions": words.deletions,
            "insertions": words.insertions,
            "hits": words.hits,
            "num_utterances": len(self.results),
            "num_words": words.num_reference,
            "num_characters": characters.num_reference,
            "duration": self.duration,
            "processing_seconds": self.processing_seconds,
            "rtf": self.rtf,
            "speakers": [asdict(speaker) for speaker in self.scores.speakers],
            "failures": [asdict(failure) for failure in self.failures],
            "warnings": list(self.warnings),
            "utterances": [asdict(result) for result in self.results],
        }


def evaluate(
    utterances: Sequence[Utterance],
    recognizer: Recognizer,
    decoder: str | Decoder = "greedy",
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Recognise all utterances, of audio or ready features, and compare with their texts.

    An utterance that cannot be read, or whose text has digits or Latin letters, is listed in ``failures`` and
    does not stop the others. `on_progress` is told (done, total). Raises ManifestError if nothing is left to
    score, ModelError or ConfigError if the model or the decoder is unusable.
    """
    decode = recognizer.decoder(decoder)
    letters = recognizer.model.alphabet.letters
    warnings: list[str] = []
    failures: list[tuple[int, Failure]] = []
    hypotheses: dict[int, str] = {}
    usable = []
    for i, utterance in enumerate(utterances):
        if utterance.text.strip() and not is_speakable(utterance.text, letters):
            reason = tr(
                "в тексте цифры, латиница или нет букв: запишите его русскими словами",
                "the text has digits, Latin letters or no letters: write it in Russian words",
            )
            if not recognizer.model.alphabet.is_russian:
                reason = tr(
                    f"в тексте не только буквы модели «{letters}»",
                    f"the text has more than the model's letters “{letters}”",
                )
            failures.append((i, Failure(utterance.id, reason)))
        else:
            usable.append(i)
    started = time.perf_counter()
    done = len(failures)
    for batch in _batches(utterances, usable):
        for i, outcome in _recognize([(i, utterances[i]) for i in batch], recognizer, decode, warnings):
            if isinstance(outcome, GovorError):
                failures.append((i, Failure(utterances[i].id, str(outcome))))
            else:
                hypotheses[i] = outcome
        done += len(batch)
        if on_progress is not None:
            on_progress(done, len(utterances))
    elapsed = time.perf_counter() - started
    if not hypotheses:
        first = f": {failures[0][1].id}: {failures[0][1].reason}" if failures else ""
        raise ManifestError(
            tr(f"нечего оценивать, ни одна запись не распознана{first}", f"nothing to evaluate{first}")
        )
    order = sorted(hypotheses)
    references = {i: normalize(utterances[i].text, letters) for i in order}
    scores = score(
        [references[i] for i in order],
        [hypotheses[i] for i in order],
        [utterances[i].speaker for i in order],
    )
    results = tuple(
        Result(
            utterances[i].id,
            utterances[i].speaker,
            utterances[i].duration,
            references[i],
            hypotheses[i],
            scores.words.utterance_errors[row],
            scores.words.utterance_lengths[row],
        )
        for row, i in enumerate(order)
    )
    return Evaluation(
        results,
        scores,
        tuple(failure for _, failure in sorted(failures, key=lambda item: item[0])),
        tuple(warnings),
        sum(result.duration for result in results),
        elapsed,
    )


def _batches(utterances: Sequence[Utterance], chosen: list[int]) -> Iterator[list[int]]:
    """Group feature utterances of like length; audio goes one by one, as the user's recordings do."""
    yield from ([i] for i in chosen if utterances[i].features is None)
    batch: list[int] = []
    by_length = [i for i in chosen if utterances[i].features is not None]
    for i in sorted(by_length, key=lambda i: utterances[i].duration):
        frames = (len(batch) + 1) * utterances[i].duration * 100
        if batch and frames > BATCH_FRAMES:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _recognize(
    batch: list[tuple[int, Utterance]], recognizer: Recognizer, decode: Decoder, warnings: list[str]
) -> Iterator[tuple[int, str | GovorError]]:
    loaded = []
    for i, utterance in batch:
        try:
            if utterance.features is not None:
                loaded.append((i, load_checked_features(utterance.features, recognizer)))
            elif utterance.audio_filepath is not None:
                transcript = recognizer.transcribe(utterance.audio_filepath, decode)
                warnings.extend(f"{utterance.id}: {warning}" for warning in transcript.warnings)
                yield i, transcript.text
        # One unreadable recording must not cost the figures of all the others.
        except GovorError as error:  # noqa: PERF203
            yield i, error
    log_probs = recognizer.model_for(decode).log_probs([values for _, values in loaded])
    for (i, _), frames in zip(loaded, log_probs, strict=True):
        yield i, decode(frames).text


def load_checked_features(path: Path, recognizer: Recognizer) -> NDArray[np.float32]:
    """Read features (T, F) for a model. Raises ManifestError if they have another width or are not finite."""
    values = load_features(path)
    width = recognizer.model.config.features.num_cepstra
    if values.ndim != 2 or values.shape[1] != width:
        raise ManifestError(
            tr(
                f"{path}: форма {values.shape}, а модели нужны признаки (T, {width})",
                f"{path}: shape {values.shape}, but the model needs features (T, {width})",
            )
        )
    if not np.isfinite(values).all():
        raise ManifestError(
            tr(f"{path}: в признаках NaN или бесконечность", f"{path}: some features are NaN or infinite")
        )
    return values
