"""Find the weights of the beam search that suit a model and a language model, on utterances held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.decoding.beam import BeamDecoder, BeamSettings
from govor.decoding.greedy import Decoded, greedy
from govor.errors import ManifestError
from govor.evaluation import Failure, evaluate
from govor.language import tr
from govor.manifest import Utterance
from govor.metrics import score
from govor.recognizer import Recognizer
from govor.text.alphabet import normalize

# First steps of the search; each is halved when no step helps any more.
_STEPS = {"alpha": 0.2, "beta": 1.0, "unknown": 3.0, "blank": 1.0}
_RANGES = {"alpha": (0.0, 3.0), "beta": (-5.0, 10.0), "unknown": (-30.0, 0.0), "blank": (-2.0, 4.0)}
_HALVINGS = 2
_WIDTHS = (8, 16, 32, 64, 128)
# A narrower beam that costs no more errors than this is taken.
_TOLERANCE = 0.001


@dataclass(frozen=True)
class Trial:
    """Error rates with one set of weights; None is the greedy decoder."""

    settings: BeamSettings | None
    wer: float
    cer: float

    @property
    def loss(self) -> float:
        """What is minimised. CER too: by WER alone a weak model learns to say nothing when in doubt."""
        return (self.wer + self.cer) / 2


@dataclass(frozen=True)
class Tuning:
    """The best weights, with all the evidence."""

    settings: BeamSettings
    greedy: Trial
    untuned: Trial
    """With the weights that the model had before."""
    tuned: Trial
    widths: tuple[Trial, ...]
    """The best weights at several beam widths."""
    trials: tuple[Trial, ...]
    """The search, on a part of the utterances."""
    num_utterances: int
    failures: tuple[Failure, ...]

    def entries(self, language_model: Path | None) -> dict[str, Any]:
        """Return what to write into the model's ``decoding``."""
        weights = asdict(self.settings)
        del weights["hotword_weight"]
        return {**weights, "language_model": language_model.name if language_model else None}


def tune(
    utterances: Sequence[Utterance],
    recognizer: Recognizer,
    language_model: Path | None,
    on_progress: Callable[[str], None] | None = None,
    *,
    search_utterances: int = 600,
    max_trials: int = 50,
) -> Tuning:
    """Minimise the mean of WER and CER by a pattern search over alpha, beta and the penalty of unknown words.

    The network runs once. The search sees every n-th utterance, `search_utterances` at the most; the figures
    given back are of all. `on_progress` is told a line of what goes on. Raises ManifestError if nothing can
    be read, and what `BeamDecoder` raises.
    """
    say = on_progress or (lambda _: None)
    say(tr("сеть", "network"))
    heard, failures = _run_network(utterances, recognizer, language_model is not None)
    if not heard:
        reason = f": {failures[0].id}: {failures[0].reason}" if failures else ""
        raise ManifestError(tr(f"не на чем настраивать{reason}", f"nothing to tune on{reason}"))
    sample = heard[:: -(-len(heard) // search_utterances)]
    start = recognizer.beam_decoder(language_model).settings
    known: dict[BeamSettings, Trial] = {}

    def attempt(settings: BeamSettings, on: Sequence[_Heard] = sample) -> Trial:
        decoder = BeamDecoder(recognizer.model.alphabet, language_model, settings)
        trial = _measure(on, decoder.text, settings)
        say(
            f"alpha {settings.alpha:.3g}  beta {settings.beta:.3g}  unknown {settings.unknown:.3g}  "
            f"blank {settings.blank:.3g}  "
            f"beam {settings.beam_width}:  WER {trial.wer:.2%}  CER {trial.cer:.2%}"
        )
        return trial

    steps = dict(_STEPS) if language_model is not None else {}
    known[start] = best = attempt(start)
    halved = 0
    while steps and halved <= _HALVINGS and len(known) < max_trials:
        before = best
        for name, step in steps.items():
            for settings in _neighbours(best.settings or start, name, step):
                if settings not in known and len(known) < max_trials:
                    known[settings] = attempt(settings)
                    if known[settings].loss < best.loss:
                        best = known[settings]
                        # The other direction is uphill, or was seen.
                        break
        if best is before:
            steps = {name: step / 2 for name, step in steps.items()}
            halved += 1
    found = best.settings or start
    untuned = attempt(start, heard)
    widths = tuple(attempt(replace(found, beam_width=width), heard) for width in _WIDTHS)
    if untuned.loss < min(trial.loss for trial in widths):
        # What is best for the part of the utterances that was searched is not so for all of them.
        found = start
        widths = tuple(attempt(replace(found, beam_width=width), heard) for width in _WIDTHS)
    lowest = min(trial.loss for trial in widths)
    tuned = next(trial for trial in widths if trial.loss <= lowest + _TOLERANCE)
    letters = _run_network(utterances, recognizer, False)[0] if language_model is not None else heard
    plain = _measure(letters, lambda log_probs: greedy(log_probs, recognizer.model.alphabet).text, None)
    return Tuning(
        tuned.settings or found,
        plain,
        untuned,
        tuned,
        widths,
        tuple(known.values()),
        len(heard),
        tuple(failures),
    )


@dataclass(frozen=True)
class _Heard:
    reference: str
    parts: tuple[NDArray[np.float32], ...]
    """log_probs (T, V) of each window of the recording."""


class _Keep:
    """A decoder that only keeps what it is given."""

    def __init__(self, for_search: bool) -> None:
        self.reads_search_output = for_search
        self.parts: list[NDArray[np.float32]] = []

    def __call__(self, log_probs: NDArray[np.float32]) -> Decoded:
        self.parts.append(log_probs)
        return Decoded("", (), 0.0)


def _run_network(
    utterances: Sequence[Utterance], recognizer: Recognizer, for_search: bool
) -> tuple[list[_Heard], list[Failure]]:
    heard: list[_Heard] = []
    failures: list[Failure] = []
    for utterance in utterances:
        keep = _Keep(for_search)
        try:
            failures += evaluate([utterance], recognizer, keep).failures
        except ManifestError as error:
            failures.append(Failure(utterance.id, str(error)))
            continue
        heard.append(_Heard(normalize(utterance.text), tuple(keep.parts)))
    return heard, failures


def _measure(
    heard: Sequence[_Heard], decode: Callable[[NDArray[np.float32]], str], settings: BeamSettings | None
) -> Trial:
    texts = [" ".join(" ".join(decode(part) for part in one.parts).split()) for one in heard]
    scores = score([one.reference for one in heard], texts)
    return Trial(settings, scores.words.rate, scores.characters.rate)


def _neighbours(settings: BeamSettings, name: str, step: float) -> Iterator[BeamSettings]:
    low, high = _RANGES[name]
    value = getattr(settings, name)
    for changed in (value + step, value - step):
        if low <= changed <= high:
            yield replace(settings, **{name: round(changed, 4)})
