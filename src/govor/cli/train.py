"""``govor train``: manifests or shards in, checkpoints and figures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal, require
from govor.cli.options import Quiet, example
from govor.cli.training_data import read_source, read_training_data
from govor.cli.training_screen import TrainingScreen
from govor.errors import ConfigError
from govor.language import tr

if TYPE_CHECKING:
    from govor.checkpoint import Checkpoint
    from govor.config import Config
    from govor.dataset.batches import Dataset
    from govor.dataset.sharded import ShardDataset
    from govor.manifest import BadLine
    from govor.ranks import Ranks

HELP = example(
    "Обучить модель. После каждой эпохи показывает услышанное рядом с эталоном; Ctrl-C сохраняет. "
    "Несколькими процессами: torchrun --nproc-per-node 2 -m govor train …",
    "Train a model. After every epoch shows what it hears beside the reference; Ctrl-C saves. "
    "With several processes: torchrun --nproc-per-node 2 -m govor train …",
    "govor train --config small --train data/train.jsonl --dev data/dev.jsonl --output runs/my",
    "govor train --config small --train data/train.jsonl --dev data/dev.jsonl --output runs/my --resume",
)


def train(
    train: Annotated[
        list[str],
        typer.Option(
            help=tr(
                "Манифест или шарды (папка, *.tar); можно несколько. ПУТЬ@0.3 берёт каждую эпоху "
                "случайные 30 %.",
                "A manifest or shards (a folder, *.tar); may be repeated. PATH@0.3 draws a random 30 % "
                "every epoch.",
            )
        ),
    ],
    dev: Annotated[
        Path, typer.Option(help=tr("Манифест для выбора лучшей модели.", "Manifest to choose the best by."))
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Папка обучения.", "Folder of the run."))],
    more: Annotated[
        list[str] | None,
        typer.Argument(
            show_default=False,
            help=tr(
                "Ещё обучающие данные: --train shards/*.tar без кавычек.",
                "More to train on: --train shards/*.tar without quotes.",
            ),
        ),
    ] = None,
    config: Annotated[
        str, typer.Option(help=tr("small, seed или файл TOML.", "small, seed or a TOML file."))
    ] = "small",
    resume: Annotated[
        bool, typer.Option("--resume", help=tr("Продолжить с места остановки.", "Go on where it stopped."))
    ] = False,
    init: Annotated[
        str | None,
        typer.Option(
            help=tr(
                "Начать с весов этого чекпойнта или модели (файл .onnx, small); сеть может быть шире.",
                "Start from the weights of this checkpoint or model (an .onnx file, small); the network may "
                "be wider.",
            )
        ),
    ] = None,
    device: Annotated[str, typer.Option(help=tr("auto, cpu или cuda.", "auto, cpu or cuda."))] = "auto",
    loaders: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=tr(
                "Процессов, готовящих пакеты заранее; без него 0, а с видеокартой 4.",
                "Processes that prepare batches ahead; by default 0, or 4 beside a GPU.",
            ),
        ),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Train a model."""
    require("train", "torch", "safetensors", "tensorboard", "webdataset")
    import torch

    from govor.ranks import RankLostError, ToldByLeaderError, join

    # Threads wait for each other more than they help at this size; processes use many cores better.
    torch.set_num_threads(1)
    with join(device) as ranks:
        if loaders is None:
            loaders = 4 if ranks.device.type == "cuda" else 0
        terminal = Terminal(quiet or not ranks.leads)
        try:
            return _train(
                [*train, *(more or [])], dev, output, config, resume, init, loaders, ranks, terminal
            )
        except (RankLostError, ToldByLeaderError):
            if ranks.leads:
                raise
            # One error is told once: by the first process.
            ranks.outlive_leader()
            return ExitCode.SOME_FAILED


def _train(
    train: list[str],
    dev: Path,
    output: Path,
    config: str,
    resume: bool,
    init: str | None,
    loaders: int,
    ranks: Ranks,
    terminal: Terminal,
) -> int:
    from govor.dataset.batches import Dataset
    from govor.ranks import restarted
    from govor.text.alphabet import Alphabet
    from govor.training.loop import Trainer

    settings = _settings(config)
    goes_on = ranks.from_leader(lambda: _goes_on(output / "last.safetensors", resume or restarted()))
    alphabet = Alphabet.of(settings.letters)
    bad: list[BadLine] = []
    train_set = read_training_data(train, settings, alphabet, bad, terminal)
    dev_set = Dataset([read_source(str(dev), bad, share=False)], settings, alphabet, augment=False)
    if ranks.leads:
        terminal.fail_lines(bad)
        _tell("train", train_set, terminal)
        _tell("dev", dev_set, terminal)
    trainer = Trainer(
        settings,
        train_set,
        dev_set,
        output,
        alphabet=alphabet,
        provenance={"manifests": [Path(name).name for name in train], "hours": round(train_set.hours, 2)},
        init=_initial(init) if init else None,
        ranks=ranks,
        num_loaders=loaders,
    )
    if goes_on:
        trainer.resume()
    with TrainingScreen(terminal) as screen:
        trainer.run(screen)
    terminal.say(
        tr(f"лучшая модель: {trainer.best}. ", f"best model: {trainer.best}. ")
        + f"govor export {trainer.best} --output my.onnx"
    )
    return ExitCode.SOME_FAILED if bad else ExitCode.FINE


def _initial(name: str) -> Checkpoint:
    if name.endswith(".safetensors"):
        from govor.checkpoint import load_checkpoint

        return load_checkpoint(Path(name))
    from govor.onnx.weights import read_onnx

    return read_onnx(name)


def _goes_on(last: Path, resume: bool) -> bool:
    if last.exists() and not resume:
        raise ConfigError(
            tr(
                f"{last} уже есть: продолжить — --resume, начать заново — другая папка --output",
                f"{last} exists: go on with --resume, or start anew in another --output folder",
            )
        )
    return last.exists()


def _settings(name: str) -> Config:
    from govor.config import PRESETS, load_config

    return PRESETS[name] if name in PRESETS else load_config(Path(name))


def _tell(name: str, dataset: Dataset | ShardDataset, terminal: Terminal) -> None:
    from govor.dataset.batches import Dataset

    num_left = len(dataset.left) if isinstance(dataset, Dataset) else 0
    terminal.say(
        tr(
            f"{name}: фраз {len(dataset)}, часов {dataset.hours:.2f}, негодных {num_left}",
            f"{name}: {len(dataset)} utterances, {dataset.hours:.2f} h, unusable {num_left}",
        )
    )
    if not isinstance(dataset, Dataset):
        return
    shown = 20
    for left in dataset.left[:shown]:
        terminal.warn(f"{left.id}: {left.reason}")
    if num_left > shown:
        terminal.warn(tr(f"и ещё {num_left - shown}", f"and {num_left - shown} more"))
