"""Adapt a trained model to one person's recordings without forgetting everybody else.

Four things keep what was known: rehearsal of other speech in every epoch, a pull towards the old weights,
an early stop, and at the end a mixture of the old and the new weights (Wortsman et al., WiSE-FT, CVPR 2022)
as far towards the new ones as the rehearsal allows.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor

from govor.checkpoint import Checkpoint
from govor.config import AdaptationConfig, Config
from govor.dataset.batches import Batch, Dataset, Left, Source
from govor.errors import ManifestError
from govor.language import tr
from govor.manifest import Utterance
from govor.metrics import score
from govor.model import AcousticNetwork, flushed_denormals, frame_mask
from govor.training.ctc import ctc_losses, evaluate_model
from govor.training.denominator import denominator_of
from govor.training.report import Example

Weights: TypeAlias = dict[str, Tensor]
MIXTURES = (1.0, 0.75, 0.5, 0.25)
MIN_UTTERANCES = 5


@dataclass(frozen=True)
class Figures:
    """How one set of utterances is recognised."""

    name: str
    num_utterances: int
    loss: float
    """CTC loss per label, nats."""
    cer: float
    wer: float
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Adaptation:
    """An adapted model and what it was worth."""

    checkpoint: Checkpoint
    before: tuple[Figures, ...]
    after: tuple[Figures, ...]
    """The same sets in the same order: own phrases held out, then general speech."""
    num_trained: int
    """Own phrases that were trained on."""
    best_epoch: int
    mixture: float
    """Part of the new weights in the result; the rest are the old ones."""
    seconds: float
    left: tuple[Left, ...]
    """Own recordings that could not be used."""


def hold_out(utterances: Sequence[Utterance], share: float) -> tuple[list[Utterance], list[Utterance]]:
    """Part utterances into those to train on and those to measure with, by sentence.

    The hash of the text decides the order, so that the parting stays when phrases are added in front.
    """
    texts = sorted({utterance.text for utterance in utterances}, key=_text_hash)
    count = max(1, round(len(texts) * share)) if share and len(texts) > 1 else 0
    held = set(texts[:count])
    return [u for u in utterances if u.text not in held], [u for u in utterances if u.text in held]


def _text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@flushed_denormals()
def adapt(
    base: Checkpoint,
    own: Sequence[Utterance],
    rehearsal: Sequence[Utterance],
    settings: AdaptationConfig,
    on_epoch: Callable[[int, int, float], None] = lambda epoch, epochs, loss: None,
) -> Adaptation:
    """Train `base` further on `own` recordings, `rehearsal` mixed in, and keep what suits both.

    A quarter of `rehearsal` is not trained on: it stands for general speech in the figures. `on_epoch` hears
    (epoch, epochs, loss on the phrases held out). Raises ManifestError with fewer than five usable phrases.
    """
    started = time.monotonic()
    config = _training_config(base.config, settings)
    train_own, held = hold_out(own, settings.held_out)
    general, practised = hold_out(rehearsal, 0.75) if rehearsal else ([], [])
    datasets = {
        name: Dataset([Source(rows)], config, base.alphabet, augment=name in ("own", "practised"))
        for name, rows in (("own", train_own), ("held", held), ("practised", practised), ("general", general))
    }
    usable = len(datasets["own"]) + len(datasets["held"])
    if usable < MIN_UTTERANCES or not len(datasets["own"]):
        raise ManifestError(
            tr(
                f"для дообучения нужно хотя бы {MIN_UTTERANCES} годных фраз, а их {usable}",
                f"adapting needs at least {MIN_UTTERANCES} usable phrases, there are {usable}",
            )
        )
    model = base.build_model()
    old = {name: value.clone() for name, value in model.state_dict().items()}
    # Too few phrases to hold any out: the training phrases themselves must tell when to stop.
    judge = datasets["held"] if len(datasets["held"]) else datasets["own"]
    new, best_epoch = _fine_tune(
        model, datasets["own"], datasets["practised"], judge, base, settings, on_epoch
    )
    measured = [("own", judge)] + ([("general", datasets["general"])] if len(datasets["general"]) else [])
    before = tuple(_figures(name, old, data, base, config) for name, data in measured)
    mixture, after = _choose_mixture(old, new, before, measured, base, config, settings)
    provenance = {
        **base.provenance,
        "adapted": {"utterances": len(datasets["own"]), "epochs": best_epoch, "mixture": mixture},
    }
    left = tuple(left for name in ("own", "held") for left in datasets[name].left)
    return Adaptation(
        checkpoint=Checkpoint(
            base.config, base.alphabet, _mix(old, new, mixture), provenance, decoding=base.decoding
        ),
        before=before,
        after=after,
        num_trained=len(datasets["own"]),
        best_epoch=best_epoch,
        mixture=mixture,
        seconds=time.monotonic() - started,
        left=left,
    )


def _training_config(config: Config, settings: AdaptationConfig) -> Config:
    training = config.training.model_copy(
        update={
            "batch_seconds": settings.batch_seconds,
            "max_readings": 0,
            "curriculum_epochs": 0,
            "seed": settings.seed,
        }
    )
    return config.model_copy(update={"augment": settings.augment, "training": training})


def _fine_tune(
    model: AcousticNetwork,
    own: Dataset,
    practised: Dataset,
    judge: Dataset,
    base: Checkpoint,
    settings: AdaptationConfig,
    on_epoch: Callable[[int, int, float], None],
) -> tuple[Weights, int]:
    """Return the weights of the epoch with the lowest loss on `judge`, and its number."""
    # A network without a front has nothing but its recurrent layers to adapt.
    everything = settings.recurrent or model.front is None
    trained = [
        parameter
        for name, parameter in model.named_parameters()
        if everything or not name.startswith("layers.")
    ]
    teacher = base.build_model().eval()
    denominator = denominator_of(base.config, chain(own.texts(), practised.texts()), base.alphabet)
    anchor = [parameter.detach().clone() for parameter in trained]
    optimizer = torch.optim.Adam(trained, lr=settings.learning_rate)
    best_loss, best_epoch = math.inf, 0
    best = {name: value.clone() for name, value in model.state_dict().items()}
    wanted = own.hours * settings.rehearsal_ratio
    share = min(1.0, wanted / practised.hours) if len(practised) else 0.0
    for epoch in range(settings.epochs):
        done = epoch / settings.epochs
        rate = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        torch.manual_seed(settings.seed * 1000 + epoch)
        batches = [(own, items) for items in own.plan(epoch)]
        rehearsed = practised.plan(epoch) if share else []
        count = max(1, round(len(rehearsed) * share)) if rehearsed else 0
        for source, items in _interleave(batches, [(practised, items) for items in rehearsed[:count]]):
            batch = source.batch(items, epoch)
            optimizer.zero_grad(set_to_none=True)
            if source is practised and settings.distill:
                loss = settings.distill * _distillation_loss(model, teacher, batch)
            else:
                losses = ctc_losses(model, batch, base.config.training.bfloat16, denominator)
                loss = losses.sum() / batch.label_lengths.sum()
            torch.autograd.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
            if not (torch.isfinite(loss) and torch.isfinite(norm)):
                continue
            optimizer.step()
            with torch.no_grad():
                for parameter, home in zip(trained, anchor, strict=True):
                    parameter.lerp_(home, settings.anchor * rate / settings.learning_rate)
        judged, _ = evaluate_model(model, judge, base.alphabet, base.config.training.bfloat16)
        on_epoch(epoch + 1, settings.epochs, judged)
        if judged < best_loss:
            best_loss, best_epoch = judged, epoch + 1
            best = {name: value.clone() for name, value in model.state_dict().items()}
        elif epoch + 1 - best_epoch >= settings.patience:
            break
    return best, best_epoch


def _distillation_loss(model: AcousticNetwork, teacher: AcousticNetwork, batch: Batch) -> Tensor:
    """Return how far the model's outputs have moved from the teacher's: divergence per label, nats.

    What is rehearsed is not learned again but kept as it was (Li & Hoiem, Learning without Forgetting, 2016).
    """
    with torch.no_grad():
        *wanted, lengths = teacher.forward_both(batch.features, batch.feature_lengths)
    *found, _ = model.forward_both(batch.features, batch.feature_lengths)
    divergences = [
        (old.exp() * (old - new)).sum(dim=2)
        for old, new in zip(wanted, found, strict=True)
        if old is not None and new is not None
    ]
    total = torch.stack(divergences).sum(dim=0)
    inside = frame_mask(lengths, total.shape[0]).T
    per_label: Tensor = (total * inside).sum() / batch.label_lengths.sum()
    return per_label


def _interleave(
    first: list[tuple[Dataset, list[tuple[int, ...]]]], second: list[tuple[Dataset, list[tuple[int, ...]]]]
) -> list[tuple[Dataset, list[tuple[int, ...]]]]:
    placed = [((i + 0.5) / len(first), item) for i, item in enumerate(first)]
    placed += [((i + 0.5) / len(second), item) for i, item in enumerate(second)]
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def _choose_mixture(
    old: Weights,
    new: Weights,
    before: tuple[Figures, ...],
    measured: Sequence[tuple[str, Dataset]],
    base: Checkpoint,
    config: Config,
    settings: AdaptationConfig,
) -> tuple[float, tuple[Figures, ...]]:
    """Return the largest mixture that helps the user and costs the rest no more than allowed, or 0."""
    for mixture in MIXTURES:
        after = tuple(_figures(name, _mix(old, new, mixture), data, base, config) for name, data in measured)
        general_holds = all(
            now.loss <= then.loss * (1 + settings.max_general_loss)
            for then, now in zip(before[1:], after[1:], strict=True)
        )
        if after[0].loss < before[0].loss and general_holds:
            return mixture, after
    return 0.0, before


def _mix(old: Weights, new: Weights, mixture: float) -> Weights:
    return {name: torch.lerp(value, new[name], mixture) for name, value in old.items()}


def _figures(name: str, weights: Weights, data: Dataset, base: Checkpoint, config: Config) -> Figures:
    model = AcousticNetwork(base.config.network, len(base.alphabet))
    model.load_state_dict(weights)
    loss, examples = evaluate_model(model, data, base.alphabet, config.training.bfloat16)
    scores = score([e.reference for e in examples], [e.hypothesis for e in examples])
    return Figures(name, len(examples), loss, scores.characters.rate, scores.words.rate, tuple(examples))
