"""The training loop, read top to bottom: epochs of batches, CTC, checkpoints that can be resumed exactly.

Nothing random carries over from step to step: every draw is seeded by (seed, epoch, index), so a run that
was killed and resumed gives the same weights as one that was not.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

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
from govor.model import AcousticNetwork, flushed_denormals
from govor.text import Alphabet
from govor.training_report import EpochReport, Example, spread, tensorboard_writer, write_report


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
    frame_sum: int = 0
    learning_rate: float = 0.0


class Trainer:
    """Trains one network: ``last.safetensors``, ``best.safetensors``, ``metrics.jsonl``, ``tb/``."""

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
        """Go on where ``last.safetensors`` stopped.

        Raises ModelError if it is of another configuration or other data, or was not saved by a training.
        """
        checkpoint = load_checkpoint(self.last)
        if "progress" not in checkpoint.progress:
            raise ModelError(
                tr(
                    f"{self.last}: готовая модель без состояния обучения; начните с неё новое: --init",
                    f"{self.last}: a finished model without the state of a training; begin a new one: --init",
                )
            )
        if checkpoint.config != self.config or checkpoint.alphabet != self.alphabet:
            changed = ", ".join(_differences(checkpoint.config, self.config)) or "alphabet"
            raise ModelError(
                tr(
                    f"{self.last}: другая конфигурация ({changed}); продолжать можно только с той же",
                    f"{self.last}: another configuration ({changed}); a run resumes only with its own",
                )
            )
        before, now = checkpoint.progress["num_utterances"], len(self.train_set)
        if checkpoint.progress.get("data", "") != self.train_set.fingerprint:
            raise ModelError(
                tr(
                    f"{self.last}: обучение шло на других данных (фраз {before}, теперь {now}); "
                    "продолжать можно только на тех же",
                    f"{self.last}: trained on other data ({before} utterances, now {now}); "
                    "a run resumes only on its own",
                )
            )
        state = checkpoint.state
        self.model.load_state_dict(
            {n.removeprefix("raw."): v for n, v in state.items() if n.startswith("raw.")}
        )
        self.average = {n: checkpoint.weights[n].clone() for n in self.names}
        restore_optimizer(self.optimizer, self.names, state)
        self.progress = _Progress(**checkpoint.progress["progress"])

    @flushed_denormals()
    def run(self, observer: Observer) -> None:
        """Train to the last epoch. KeyboardInterrupt saves and is raised again."""
        writer = tensorboard_writer(self.output, self.progress.epoch)
        observer.on_start(
            self.progress.epoch, self.progress.batch, sum(p.numel() for p in self.model.parameters())
        )
        try:
            while self.progress.epoch < self.config.training.epochs:
                started = time.monotonic()
                self._train_epoch(observer)
                dev_loss, examples = self._evaluate()
                with _delayed_interrupt():
                    report = self._finish_epoch(time.monotonic() - started, dev_loss, examples, writer)
                observer.on_epoch(report)
        except KeyboardInterrupt:
            self.save()
            raise
        finally:
            writer.close()

    def _train_epoch(self, observer: Observer) -> None:
        progress = self.progress
        plan = self.train_set.plan(progress.epoch)
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
                progress.frame_sum += int(batch.feature_lengths.sum())
                if time.monotonic() - self.saved_at > self.config.training.checkpoint_minutes * 60:
                    self.save()
            observer.on_step(progress.epoch, number + 1, len(plan), loss)

    def _step(self, batch: Batch, rate: float) -> float:
        training, progress = self.config.training, self.progress
        # Seeds dropout, so that a resumed run drops what an uninterrupted one drops.
        torch.manual_seed(hash((training.seed, progress.step)) & 0x7FFFFFFF)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        progress.learning_rate = rate
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

    def _evaluate(self) -> tuple[float, list[Example]]:
        model = AcousticNetwork(self.config.network, len(self.alphabet))
        model.load_state_dict(self.average)
        return evaluate_model(model, self.dev_set, self.alphabet, self.config.training.bfloat16)

    def _finish_epoch(
        self, seconds: float, dev_loss: float, examples: Sequence[Example], writer: Any
    ) -> EpochReport:
        progress = self.progress
        scores = score([e.reference for e in examples], [e.hypothesis for e in examples])
        cer, wer = scores.characters.rate, scores.words.rate
        best = cer < progress.best_cer
        progress.best_cer = min(cer, progress.best_cer)
        report = EpochReport(
            epoch=progress.epoch,
            train_loss=progress.loss_sum / progress.label_sum if progress.label_sum else math.nan,
            dev_loss=dev_loss,
            dev_cer=cer,
            dev_wer=wer,
            learning_rate=progress.learning_rate,
            seconds=seconds,
            hours=progress.frame_sum * self.config.features.frame_shift / 3600,
            skipped_steps=progress.skipped_steps,
            best=best,
            examples=tuple(spread(examples, self.config.training.show_utterances)),
        )
        # The figures and the best model first: killed before the save below, the epoch ends once more and
        # writes the same again.
        write_report(self.output / "metrics.jsonl", report, writer)
        progress.epoch += 1
        progress.batch = 0
        progress.loss_sum, progress.label_sum, progress.frame_sum = 0.0, 0, 0
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
                {
                    "progress": asdict(self.progress),
                    "num_utterances": len(self.train_set),
                    "data": self.train_set.fingerprint,
                },
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
    return _forward(model, batch, bfloat16)[2]


def _forward(model: AcousticNetwork, batch: Batch, bfloat16: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-probs (T', B, V), their lengths (B,) and the CTC losses (B,)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        log_probs, lengths = model(batch.features, batch.feature_lengths)
    losses = torch.nn.functional.ctc_loss(
        log_probs, batch.labels, lengths, batch.label_lengths, blank=0, reduction="none"
    )
    return log_probs, lengths, losses


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
            log_probs, lengths, losses = _forward(model, batch, bfloat16)
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
                "the initial model has another shape: network, features or alphabet differ",
            )
        )


def _differences(one: Config, other: Config) -> list[str]:
    """Name the settings in which two configurations differ."""
    return [
        f"{section}.{key}"
        for section, values in one.model_dump().items()
        for key, value in values.items()
        if value != other.model_dump()[section][key]
    ]


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
        if signal.getsignal(kind) == signal.SIG_IGN:
            # Started with nohup or in the background: whoever did that wants no interrupts.
            continue
        before[kind] = signal.signal(kind, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    if arrived:
        raise KeyboardInterrupt
