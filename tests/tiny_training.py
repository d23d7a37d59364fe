"""A training of the made-up corpus, and one who listens to it."""

from __future__ import annotations

from pathlib import Path

from govor.config import Config
from govor.training.loop import Trainer
from govor.training.report import EpochReport
from tiny_corpus import ALPHABET, CONFIG, dataset, make


class Listener:
    """Remembers what a training told."""

    def __init__(self) -> None:
        self.starts: list[tuple[int, int]] = []
        self.losses: list[float] = []
        self.reports: list[EpochReport] = []

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None:
        self.starts.append((first_epoch, first_batch))

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None:
        self.losses.append(loss)

    def on_epoch(self, report: EpochReport) -> None:
        self.reports.append(report)


def trainer(folder: Path, config: Config = CONFIG, output: str = "run", **options: object) -> Trainer:
    if not (folder / "m.jsonl").exists():
        make(folder)
    data = [dataset(make(folder), config, augment=augment) for augment in (True, False)]
    return Trainer(config, *data, folder / output, alphabet=ALPHABET, **options)  # type: ignore[arg-type]
