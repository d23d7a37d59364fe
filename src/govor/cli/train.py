"""``govor train``: manifests in, checkpoints and figures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from govor.cli.console import ExitCode, Terminal, require
from govor.cli.options import Quiet, example
from govor.errors import ConfigError, InputNotFoundError
from govor.language import tr

if TYPE_CHECKING:
    from govor.config import Config
    from govor.dataset import Dataset, Source
    from govor.manifest import BadLine
    from govor.training_report import EpochReport

HELP = example(
    "Обучить модель. После каждой эпохи показывает услышанное рядом с эталоном; Ctrl-C сохраняет.",
    "Train a model. After every epoch shows what it hears beside the reference; Ctrl-C saves.",
    "govor train --config small --train data/train.jsonl --dev data/dev.jsonl --output runs/my",
    "govor train --config small --train data/train.jsonl --dev data/dev.jsonl --output runs/my --resume",
)


def train(
    train: Annotated[
        list[str],
        typer.Option(
            help=tr(
                "Манифест; можно несколько. ПУТЬ@0.3 берёт каждую эпоху случайные 30 %.",
                "A manifest; may be repeated. PATH@0.3 draws a random 30 % every epoch.",
            )
        ),
    ],
    dev: Annotated[
        Path, typer.Option(help=tr("Манифест для выбора лучшей модели.", "Manifest to choose the best by."))
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Папка обучения.", "Folder of the run."))],
    config: Annotated[
        str, typer.Option(help=tr("small, seed или файл TOML.", "small, seed or a TOML file."))
    ] = "small",
    resume: Annotated[
        bool, typer.Option("--resume", help=tr("Продолжить с места остановки.", "Go on where it stopped."))
    ] = False,
    init: Annotated[
        Path | None,
        typer.Option(help=tr("Начать с весов этого чекпойнта.", "Start from this checkpoint's weights.")),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Train a model."""
    require("train", "torch", "safetensors", "tensorboard")
    import torch

    from govor.checkpoint import load_checkpoint
    from govor.dataset import Dataset
    from govor.text import Alphabet
    from govor.training import Trainer

    terminal = Terminal(quiet)
    settings = _settings(config)
    last = output / "last.safetensors"
    if last.exists() and not resume:
        raise ConfigError(
            tr(
                f"{last} уже есть: продолжить — --resume, начать заново — другая папка --output",
                f"{last} exists: go on with --resume, or start anew in another --output folder",
            )
        )
    # Threads wait for each other more than they help at this size; two runs use two cores better.
    torch.set_num_threads(1)
    alphabet = Alphabet()
    bad: list[BadLine] = []
    sources = [_source(name, bad) for name in train]
    dev_source = _source(str(dev), bad, share=False)
    for line in bad:
        terminal.fail(f"{line.place}: {line.reason}")
    with terminal.progress(tr("чтение обучающих фраз", "reading the training utterances")) as update:
        train_set = Dataset(sources, settings, alphabet, augment=True, on_progress=update)
    dev_set = Dataset([dev_source], settings, alphabet, augment=False)
    for name, dataset in (("train", train_set), ("dev", dev_set)):
        _tell(name, dataset, terminal)
    trainer = Trainer(
        settings,
        train_set,
        dev_set,
        output,
        alphabet=alphabet,
        provenance={"manifests": [Path(name).name for name in train], "hours": round(train_set.hours, 2)},
        init=load_checkpoint(init) if init else None,
    )
    if resume and last.exists():
        trainer.resume()
    with _Screen(terminal) as screen:
        trainer.run(screen)
    terminal.say(
        tr(f"лучшая модель: {trainer.best}. ", f"best model: {trainer.best}. ")
        + f"govor export {trainer.best} --output my.onnx"
    )
    return ExitCode.SOME_FAILED if bad else ExitCode.FINE


def _settings(name: str) -> Config:
    from govor.config import PRESETS, load_config

    return PRESETS[name] if name in PRESETS else load_config(Path(name))


def _source(name: str, bad: list[BadLine], share: bool = True) -> Source:
    from govor.dataset import Source
    from govor.manifest import read_manifest

    path, part = Path(name), 1.0
    if share and not path.exists() and "@" in name:
        head, _, tail = name.rpartition("@")
        try:
            path, part = Path(head), float(tail)
        except ValueError:
            raise InputNotFoundError(tr(f"нет манифеста {name}", f"no manifest {name}")) from None
    if not 0 < part <= 1:
        raise ConfigError(
            tr(f"{name}: доля должна быть от 0 до 1", f"{name}: the share must lie between 0 and 1")
        )
    return Source(list(read_manifest(path, bad)), part)


def _tell(name: str, dataset: Dataset, terminal: Terminal) -> None:
    terminal.say(
        tr(
            f"{name}: фраз {len(dataset)}, часов {dataset.hours:.2f}, негодных {len(dataset.left)}",
            f"{name}: {len(dataset)} utterances, {dataset.hours:.2f} h, unusable {len(dataset.left)}",
        )
    )
    shown = 20
    for left in dataset.left[:shown]:
        terminal.warn(f"{left.id}: {left.reason}")
    if len(dataset.left) > shown:
        terminal.warn(tr(f"и ещё {len(dataset.left) - shown}", f"and {len(dataset.left) - shown} more"))


class _Screen:
    """Shows a training on the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = terminal.notes
        self.console = console
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=terminal.quiet or not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=None)

    def __enter__(self) -> _Screen:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None:
        begin = tr(f"весов {num_parameters:,}", f"{num_parameters:,} weights")
        if first_epoch or first_batch:
            begin += tr(
                f"; продолжение: эпоха {first_epoch}, пакет {first_batch}",
                f"; going on at epoch {first_epoch}, batch {first_batch}",
            )
        self.console.print(begin)

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None:
        about = tr(f"эпоха {epoch}  потеря {loss:.3f}", f"epoch {epoch}  loss {loss:.3f}")
        self.bar.update(self.task, description=about, completed=batch, total=num_batches)

    def on_epoch(self, report: EpochReport) -> None:
        star = " [green]★[/green]" if report.best else ""
        self.console.print(
            tr(
                f"[bold]эпоха {report.epoch}[/bold]  потеря {report.train_loss:.3f}  "
                f"dev: потеря {report.dev_loss:.3f}  CER {report.dev_cer:.1%}  WER {report.dev_wer:.1%}  "
                f"{report.seconds:.0f} с{star}",
                f"[bold]epoch {report.epoch}[/bold]  loss {report.train_loss:.3f}  "
                f"dev: loss {report.dev_loss:.3f}  CER {report.dev_cer:.1%}  WER {report.dev_wer:.1%}  "
                f"{report.seconds:.0f} s{star}",
            )
        )
        if report.skipped_steps:
            self.console.print(
                tr(
                    f"  пропущено шагов с бесконечной потерей: {report.skipped_steps}",
                    f"  steps skipped for a non-finite loss: {report.skipped_steps}",
                )
            )
        reference, hypothesis = tr("эталон  ", "said "), tr("услышано", "heard")
        for shown in report.examples:
            self.console.print(f"  [dim]{reference}[/dim] {escape(shown.reference)}")
            self.console.print(f"  [dim]{hypothesis}[/dim] {escape(shown.hypothesis)}")
