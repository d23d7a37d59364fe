"""The training loop, read top to bottom: epochs of batches, CTC, checkpoints that can be resumed exactly.

Nothing random carries over from step to step: every draw is seeded by (seed, epoch, index), so a run that
was killed and resumed gives the same weights as one that was not. Several processes may train one model
(`govor.ranks`): each gives its share of a step's batches, the gradients are added up, and all take the step.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from govor.checkpoint import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from govor.config import Config, TrainingConfig
from govor.dataset.batches import Batch, Block, Dataset, TrainingData
from govor.errors import ConfigError, ManifestError
from govor.interrupts import delayed_interrupt
from govor.language import tr
from govor.metrics import score
from govor.model import AcousticNetwork, flushed_denormals
from govor.ranks import RankLostError, Ranks
from govor.text.alphabet import Alphabet
from govor.training.ctc import ctc_losses, evaluate_model
from govor.training.denominator import denominator_of
from govor.training.loading import load_steps
from govor.training.optimizer import make_optimizer
from govor.training.report import EpochReport, Example, spread, tensorboard_writer, write_report
from govor.training.state import Progress, check_resumable, choose_num_parts, initial_weights


class Observer(Protocol):
    """Who hears of a training while it runs."""

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None:
        """Hear where the run begins or goes on."""

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None:
        """Hear of a batch that was trained on."""

    def on_epoch(self, report: EpochReport) -> None:
        """Hear of a finished epoch."""


class Trainer:
    """Trains one network: ``last.safetensors``, ``best.safetensors``, ``metrics.jsonl``, ``tb/``."""

    def __init__(
        self,
        config: Config,
        train: TrainingData,
        dev: Dataset,
        output: Path,
        *,
        alphabet: Alphabet,
        provenance: dict[str, Any] | None = None,
        init: Checkpoint | None = None,
        ranks: Ranks | None = None,
        num_loaders: int = 0,
    ) -> None:
        """Make the network and its optimiser.

        `ranks` says which of several processes this is and on which device it computes; `num_loaders` further
        processes prepare batches ahead. Raises ConfigError if there is nothing to train on.
        """
        if not len(train):
            raise ConfigError(
                tr("в обучающих манифестах нет годных фраз", "no usable utterances in the training manifests")
            )
        if not len(dev):
            raise ConfigError(tr("в dev нет годных фраз", "no usable utterances in the dev manifest"))
        self.config, self.train_set, self.dev_set = config, train, dev
        self.output, self.alphabet = output, alphabet
        self.provenance = provenance or {}
        self.ranks, self.num_loaders = ranks or Ranks(), num_loaders
        self.bfloat16 = config.training.bfloat16 and (
            self.ranks.device.type == "cpu" or torch.cuda.is_bf16_supported()
        )
        torch.manual_seed(config.training.seed)
        self.model = AcousticNetwork(config.network, len(alphabet))
        if init is not None:
            self.model.load_state_dict(initial_weights(init, config, alphabet))
        self.model.to(self.ranks.device)
        self.denominator = denominator_of(config, train.texts(), alphabet)
        if self.denominator is not None:
            self.denominator.to(self.ranks.device)
        self.names = [name for name, _ in self.model.named_parameters()]
        self.optimizer = make_optimizer(config.training, self.model, self.bfloat16)
        self.average = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        self.progress = Progress(
            num_parts=choose_num_parts(config.training.batches_per_step, self.ranks.size)
        )
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
        """Go on where ``last.safetensors`` stopped; only the first process needs to have it.

        Raises ModelError if it is of another configuration or other data, or was not saved by a training.
        """
        checkpoint = self.ranks.from_leader(self._load_last)
        state = checkpoint.state
        self.model.load_state_dict(
            {n.removeprefix("raw."): v for n, v in state.items() if n.startswith("raw.")}
        )
        self.average = {n: checkpoint.weights[n].to(self.ranks.device, copy=True) for n in self.names}
        restore_optimizer(self.optimizer, self.names, state)
        self.progress = Progress(**checkpoint.progress["progress"])

    def _load_last(self) -> Checkpoint:
        checkpoint = load_checkpoint(self.last)
        check_resumable(
            self.last,
            checkpoint,
            self.config,
            self.alphabet,
            self.train_set.fingerprint,
            len(self.train_set),
            self.ranks.size,
        )
        return checkpoint

    def _check_same_everywhere(self) -> None:
        weights = hashlib.sha256()
        for value in self.model.state_dict().values():
            weights.update(value.cpu().contiguous().numpy().tobytes())
        self.ranks.check_same(
            {
                tr("конфигурация", "the configuration"): self.config.model_dump_json(),
                tr("обучающие данные (--train)", "the training data (--train)"): self.train_set.fingerprint,
                tr("данные dev (--dev)", "the dev data (--dev)"): self.dev_set.fingerprint,
                tr("начальные веса (--init)", "the initial weights (--init)"): weights.hexdigest(),
            }
        )

    @flushed_denormals()
    def run(self, observer: Observer) -> None:
        """Train to the last epoch. KeyboardInterrupt saves and is raised again.

        Of several processes all call it, and the first one's observer hears of it. Raises ConfigError if
        they have not the same data, RankLostError if one is lost; what was trained till then is saved.
        """
        self._check_same_everywhere()
        if not self.ranks.leads:
            observer = _Nobody()
        writer = tensorboard_writer(self.output, self.progress.epoch) if self.ranks.leads else None
        observer.on_start(
            self.progress.epoch, self.progress.batch, sum(p.numel() for p in self.model.parameters())
        )
        try:
            while self.progress.epoch < self.config.training.epochs:
                started = time.monotonic()
                self._train_epoch(observer)
                dev_loss, examples = self._evaluate()
                with delayed_interrupt():
                    report = self._finish_epoch(time.monotonic() - started, dev_loss, examples, writer)
                observer.on_epoch(report)
        except (KeyboardInterrupt, RankLostError):
            self.save()
            raise
        finally:
            if writer is not None:
                writer.close()

    def _train_epoch(self, observer: Observer) -> None:
        progress, data = self.progress, self.train_set
        num_blocks = data.num_blocks(progress.num_parts)
        self.model.train()
        for number in range(progress.block, num_blocks):
            block = data.block(progress.epoch, number, progress.num_parts, self.ranks)
            self._train_block(block, number, num_blocks, observer)
            with delayed_interrupt():
                progress.block, progress.batch = number + 1, 0
                progress.left_out += block.left_out
            # Memory is to hold one block, not the old one beside the new.
            del block
        if progress.left_out >= len(data):
            raise ManifestError(
                tr("ни одной фразы шардов не прочитать", "not one utterance of the shards can be read")
            )

    def _train_block(self, block: Block, number: int, num_blocks: int, observer: Observer) -> None:
        progress, num_steps = self.progress, len(block.steps)
        first = progress.batch
        loaded = load_steps(block.steps[first:], progress.epoch, self.num_loaders)
        for done, batches in enumerate(loaded, first):
            part_of_epoch = (number + done / num_steps) / num_blocks
            rate = learning_rate(
                self.config.training,
                progress.step,
                (progress.epoch + part_of_epoch) / self.config.training.epochs,
            )
            # An interrupt inside a step would leave half of it in the weights; it waits for the step's end.
            with delayed_interrupt():
                loss = self._step(batches, rate)
                progress.batch = done + 1
                if time.monotonic() - self.saved_at > self.config.training.checkpoint_minutes * 60:
                    self.save()
            # The next block may be a little longer or shorter; of data in memory there is but one.
            observer.on_step(progress.epoch, number * num_steps + done + 1, num_steps * num_blocks, loss)

    def _step(self, batches: Sequence[tuple[int, Batch]], rate: float) -> float:
        """Take a step from this process's (part, batch) and those of the others; return the loss per label.

        The gradient is that of the sum of all losses over the number of all labels, so it does not depend on
        how batches are divided among processes.
        """
        training, progress = self.config.training, self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        progress.learning_rate = rate
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(3, dtype=torch.float64)
        for part, batch in batches:
            # Seeds dropout, so that a resumed run drops what an uninterrupted one drops.
            draw = (training.seed, progress.step, part) if part else (training.seed, progress.step)
            torch.manual_seed(hash(draw) & 0x7FFFFFFF)
            loss = ctc_losses(
                self.model,
                batch.to(self.ranks.device),
                self.bfloat16,
                self.denominator,
            ).sum()
            torch.autograd.backward(loss)
            sums += torch.tensor(
                [float(loss.detach()), int(batch.label_lengths.sum()), int(batch.feature_lengths.sum())],
                dtype=torch.float64,
            )
        self._add_up_gradients()
        loss_sum, num_labels, num_frames = self.ranks.add_up(sums).tolist()
        for parameter in self.model.parameters():
            assert parameter.grad is not None
            parameter.grad.div_(max(num_labels, 1))
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.gradient_clip)
        progress.step += 1
        progress.frame_sum += int(num_frames)
        if not (math.isfinite(loss_sum) and torch.isfinite(norm)):
            progress.skipped_steps += 1
            return math.nan
        self.optimizer.step()
        self._update_average()
        progress.loss_sum += loss_sum
        progress.label_sum += int(num_labels)
        return float(loss_sum / max(num_labels, 1))

    def _add_up_gradients(self) -> None:
        parameters = list(self.model.parameters())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.ranks.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        # One message instead of dozens.
        flat = self.ranks.add_up(torch.cat([gradient.flatten() for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, total in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(total.view_as(gradient))

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
        model.to(self.ranks.device)
        return evaluate_model(model, self.dev_set, self.alphabet, self.bfloat16, self.ranks)

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
            left_out=progress.left_out,
            examples=tuple(spread(examples, self.config.training.show_utterances)),
        )
        # The figures and the best model first: killed before the save below, the epoch ends once more and
        # writes the same again.
        if self.ranks.leads:
            write_report(self.output / "metrics.jsonl", report, writer)
        progress.epoch += 1
        progress.block, progress.batch, progress.left_out = 0, 0, 0
        progress.loss_sum, progress.label_sum, progress.frame_sum = 0.0, 0, 0
        if best and self.ranks.leads:
            self.provenance |= {"epoch": report.epoch, "dev_cer": cer, "dev_wer": wer}
            save_checkpoint(
                self.best, Checkpoint(self.config, self.alphabet, dict(self.average), self.provenance)
            )
        self.save()
        return report

    def save(self) -> None:
        """Write ``last.safetensors``, if this is the first process."""
        if not self.ranks.leads:
            return
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


class _Nobody:
    """Observes for the processes that do not lead."""

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None: ...

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None: ...

    def on_epoch(self, report: EpochReport) -> None: ...
