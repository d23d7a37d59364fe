"""The training loop, read top to bottom: epochs of batches, CTC, checkpoints that can be resumed exactly.

Nothing random carries over from step to step: every draw is seeded by (seed, epoch, index), so a run that
was killed and resumed gives the same weights as one that was not.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from govor.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from govor.config import Config, TrainingConfig
from govor.dataset import Batch, Dataset
from govor.decoding import greedy
from govor.errors import ConfigError, ModelError
from govor.language import tr
from govor.metrics import score
from govor.model import AcousticNetwork
from govor.text import Alphabet


@dataclass(frozen=True)
class Example:
    """What the network makes of a dev utterance."""

    id: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class EpochReport:
    """Figures of one epoch, as written to ``metrics.jsonl``."""

    epoch: int
    train_loss: float
    """CTC loss per label, nats."""
    dev_loss: float
    dev_cer: float
    dev_wer: float
    learning_rate: float
    seconds: float
    """Spent in this process; a resumed epoch counts from its resumption."""
    hours: float
    """Speech seen in this epoch, pauses left out."""
    skipped_steps: int
    """Steps left out so far because the loss or its gradient was not finite."""
    best: bool
    examples: tuple[Example, ...] = field(repr=False, default=())


class Observer(Protocol):
    """Who hears of a training while it runs."""

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None:
        """Hear where the run begins or goes on."""

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None:
        """Hear of a batch that was trained on."""

    def on_epoch(self, report: EpochReport) -> None:
        """Hear of a finished epoch."""


@dataclass
class _Progress:
    """Where a run stands; saved in every checkpoint."""

    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that are done."""
    step: int = 0
    skipped_steps: int = 0
    best_cer: float = math.inf
    loss_sum: float = 0.0
    label_sum: int = 0


class Trainer:
    """Trains one network in one folder: ``last.safetensors``, ``best.safetensors``, ``metrics.jsonl``, ``tb/``."""

    def __init__(
        self,
        config: Config,
        train: Dataset,
        dev: Dataset,
        output: Path,
        *,
        alphabet: Alphabet,
        provenance: dict[str, Any] | None = None,
        init: Checkpoint | None = None,
    ) -> None:
        if not len(train):
            raise ConfigError(
                tr("в обучающих манифестах нет годных фраз", "no usable utterances in the training manifests")
            )
        if not len(dev):
            raise ConfigError(tr("в dev нет годных фраз", "no usable utterances in the dev manifest"))
        self.config, self.train_set, self.dev_set = config, train, dev
        self.output, self.alphabet = output, alphabet
        self.provenance = provenance or {}
        # Padding drives gradients into denormal numbers, which cost a CPU a factor of five.
        torch.set_flush_denormal(True)
        torch.manual_seed(config.training.seed)
        self.model = AcousticNetwork(config.network, len(alphabet))
        if init is not None:
            _check_compatible(init, config, alphabet)
            self.model.load_state_dict(init.build_model().state_dict())
        self.names = [name for name, _ in self.model.named_parameters()]
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.training.learning_rate,
            weight_decay=config.training.weight_decay,
        )
        self.average = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        self.progress = _Progress()
        self.saved_at = time.monotonic()

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.output / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights with the lowest dev CER."""
        return self.output / "best.safetensors"

    def resume(self) -> None:
        """Go on where ``last.safetensors`` stopped. Raises ModelError if it belongs to another configuration."""
        checkpoint = load_checkpoint(self.last)
        if checkpoint.config != self.config or checkpoint.alphabet != self.alphabet:
            raise ModelError(
                tr(
                    f"{self.last}: другая конфигурация; продолжать можно только с той же",
                    f"{self.last}: another configuration; a run resumes only with its own",
                )
            )
        if checkpoint.progress["num_utterances"] != len(self.train_set):
            raise ModelError(
                tr(
                    f"{self.last}: обучение шло на {checkpoint.progress['num_utterances']} фразах, "
                    f"теперь их {len(self.train_set)}; продолжать можно только на тех же",
                    f"{self.last}: trained on {checkpoint.progress['num_utterances']} utterances, "
                    f"now there are {len(self.train_set)}; a run resumes only on its own",
                )
            )
        state = checkpoint.state
        self.model.load_state_dict(
            {n.removeprefix("raw."): v for n, v in state.items() if n.startswith("raw.")}
        )
        self.average = {n: checkpoint.weights[n].clone() for n in self.names}
        restore_optimizer(self.optimizer, self.names, state)
        self.progress = _Progress(**checkpoint.progress["progress"])

    def run(self, observer: Observer) -> None:
        """Train to the last epoch. KeyboardInterrupt saves and is raised again."""
        writer = _tensorboard(self.output)
        observer.on_start(
            self.progress.epoch, self.progress.batch, sum(p.numel() for p in self.model.parameters())
        )
        try:
            while self.progress.epoch < self.config.training.epochs:
                started = time.monotonic()
                hours = self._train_epoch(observer)
                report = self._finish_epoch(time.monotonic() - started, hours)
                _write_report(self.output / "metrics.jsonl", report, writer)
                observer.on_epoch(report)
        except KeyboardInterrupt:
            self.save()
            raise
        finally:
            writer.close()

    def _train_epoch(self, observer: Observer) -> float:
        progress = self.progress
        plan = self.train_set.plan(progress.epoch)
        frames = 0
        self.model.train()
        for number in range(progress.batch, len(plan)):
            batch = self.train_set.batch(plan[number], progress.epoch)
            rate = learning_rate(
                self.config.training,
                progress.step,
                (progress.epoch + number / len(plan)) / self.config.training.epochs,
            )
            # An interrupt inside a step would leave half of it in the weights; it waits for the step's end.
            with _delayed_interrupt():
                loss = self._step(batch, rate)
                progress.batch = number + 1
                frames += int(batch.feature_lengths.sum())
                if time.monotonic() - self.saved_at > self.config.training.checkpoint_minutes * 60:
                    self.save()
            observer.on_step(progress.epoch, number + 1, len(plan), loss)
        return frames * self.config.features.frame_shift / 3600

    def _step(self, batch: Batch, rate: float) -> float:
        training, progress = self.config.training, self.progress
        # Seeds dropout, so that a resumed run drops what an uninterrupted one drops.
        torch.manual_seed(hash((training.seed, progress.step)) & 0x7FFFFFFF)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        losses = ctc_losses(self.model, batch, self.config.training.bfloat16)
        num_labels = int(batch.label_lengths.sum())
        loss = losses.sum() / num_labels
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.gradient_clip)
        progress.step += 1
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            progress.skipped_steps += 1
            return math.nan
        self.optimizer.step()
        self._update_average()
        value = float(loss.detach())
        progress.loss_sum += value * num_labels
        progress.label_sum += num_labels
        return value

    def _update_average(self) -> None:
        # A young average must not remember the random start: its memory grows with the steps made.
        step = self.progress.step
        decay = (
            min(self.config.training.ema_decay, step / (step + 10.0))
            if self.config.training.ema_decay
            else 0.0
        )
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                self.average[name].lerp_(parameter, 1.0 - decay)

    def _finish_epoch(self, seconds: float, hours: float) -> EpochReport:
        progress = self.progress
        model = AcousticNetwork(self.config.network, len(self.alphabet))
        model.load_state_dict(self.average)
        dev_loss, examples = evaluate_model(model, self.dev_set, self.alphabet, self.config.training.bfloat16)
        scores = score([e.reference for e in examples], [e.hypothesis for e in examples])
        cer, wer = scores.characters.rate, scores.words.rate
        best = cer < progress.best_cer
        progress.best_cer = min(cer, progress.best_cer)
        report = EpochReport(
            epoch=progress.epoch,
            train_loss=progress.loss_sum / max(progress.label_sum, 1),
            dev_loss=dev_loss,
            dev_cer=cer,
            dev_wer=wer,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=seconds,
            hours=hours,
            skipped_steps=progress.skipped_steps,
            best=best,
            examples=tuple(_spread(examples, self.config.training.show_utterances)),
        )
        progress.epoch += 1
        progress.batch = 0
        progress.loss_sum, progress.label_sum = 0.0, 0
        if best:
            self.provenance |= {"epoch": report.epoch, "dev_cer": cer, "dev_wer": wer}
            save_checkpoint(
                self.best, Checkpoint(self.config, self.alphabet, dict(self.average), self.provenance)
            )
        self.save()
        return report

    def save(self) -> None:
        """Write ``last.safetensors``."""
        raw = {f"raw.{name}": value.detach() for name, value in self.model.state_dict().items()}
        save_checkpoint(
            self.last,
            Checkpoint(
                self.config,
                self.alphabet,
                dict(self.average),
                self.provenance,
                raw | flatten_optimizer(self.optimizer, self.names),
                {"progress": asdict(self.progress), "num_utterances": len(self.train_set)},
            ),
        )
        self.saved_at = time.monotonic()


def learning_rate(config: TrainingConfig, step: int, done: float) -> float:
    """Return the rate at a step, `done` (0..1) of the run being over: linear warm-up, then a cosine."""
    floor = config.final_rate_fraction
    cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    return config.learning_rate * cosine * min(1.0, (step + 1) / max(config.warmup_steps, 1))


def ctc_losses(model: AcousticNetwork, batch: Batch, bfloat16: bool) -> Tensor:
    """Return the CTC loss of every utterance (B,), nats, summed over its labels."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        log_probs, lengths = model(batch.features, batch.feature_lengths)
    return torch.nn.functional.ctc_loss(
        log_probs, batch.labels, lengths, batch.label_lengths, blank=0, reduction="none"
    )


def evaluate_model(
    model: AcousticNetwork, dataset: Dataset, alphabet: Alphabet, bfloat16: bool
) -> tuple[float, list[Example]]:
    """Decode a dataset greedily; return the CTC loss per label and what was heard in each utterance."""
    model.eval()
    loss_sum, label_sum = 0.0, 0
    examples: list[Example] = []
    with torch.inference_mode():
        for items in dataset.in_order():
            batch = dataset.batch(items)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                log_probs, lengths = model(batch.features, batch.feature_lengths)
            losses = torch.nn.functional.ctc_loss(
                log_probs, batch.labels, lengths, batch.label_lengths, blank=0, reduction="none"
            )
            loss_sum += float(losses.sum())
            label_sum += int(batch.label_lengths.sum())
            for row, (name, text) in enumerate(zip(batch.ids, batch.texts, strict=True)):
                values = log_probs[: int(lengths[row]), row].numpy()
                examples.append(Example(name, text, greedy(values, alphabet).text))
    return loss_sum / max(label_sum, 1), examples


def _check_compatible(init: Checkpoint, config: Config, alphabet: Alphabet) -> None:
    same = init.config.network.model_dump(exclude={"dropout"}) == config.network.model_dump(
        exclude={"dropout"}
    )
    if not same or init.config.features != config.features or init.alphabet != alphabet:
        raise ModelError(
            tr(
                "начальная модель другой формы: сеть, признаки и алфавит должны совпадать с конфигурацией",
                "the initial model has another shape: network, features and alphabet must equal the configuration",
            )
        )


def _spread(examples: Sequence[Example], count: int) -> list[Example]:
    """Choose examples of all lengths, the same ones every epoch."""
    ordered = sorted(examples, key=lambda example: (len(example.reference), example.id))
    if not count or not ordered:
        return []
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered)) + 2)[1:-1]
    return [ordered[round(place)] for place in places]


def _write_report(path: Path, report: EpochReport, writer: Any) -> None:
    row = asdict(report)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    for name in ("train_loss", "dev_loss", "dev_cer", "dev_wer", "learning_rate", "hours", "seconds"):
        writer.add_scalar(name.replace("_", "/", 1), row[name], report.epoch)
    lines = [f"    {e.reference}\n    {e.hypothesis}" for e in report.examples]
    writer.add_text("dev/examples", "\n\n".join(lines), report.epoch)
    writer.flush()


def _tensorboard(output: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    output.mkdir(parents=True, exist_ok=True)
    return SummaryWriter(str(output / "tb"))


@contextlib.contextmanager
def _delayed_interrupt() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the block is done, then raise KeyboardInterrupt."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
    for kind in (signal.SIGINT, signal.SIGTERM):
        before[kind] = signal.signal(kind, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    if arrived:
        raise KeyboardInterrupt
