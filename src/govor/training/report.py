"""What a training tells of every epoch: ``metrics.jsonl`` and TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


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
    left_out: int = 0
    """Utterances of shards that could not be trained on in this epoch."""
    examples: tuple[Example, ...] = field(repr=False, default=())


def spread(examples: Sequence[Example], count: int) -> list[Example]:
    """Choose examples of all lengths, the same ones every epoch."""
    ordered = sorted(examples, key=lambda example: (len(example.reference), example.id))
    if not count or not ordered:
        return []
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered)) + 2)[1:-1]
    return [ordered[round(place)] for place in places]


def write_report(path: Path, report: EpochReport, writer: Any) -> None:
    """Add an epoch to ``metrics.jsonl`` and TensorBoard, in place of what a killed run wrote of it."""
    row = asdict(report)
    # JSON knows no NaN and no infinity.
    safe = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
    rows = [*_earlier_rows(path, report.epoch), json.dumps(safe, ensure_ascii=False)]
    temporary = path.with_name(path.name + ".part")
    temporary.write_text("\n".join(rows) + "\n", encoding="utf-8")
    temporary.replace(path)
    for name in ("train_loss", "dev_loss", "dev_cer", "dev_wer", "learning_rate", "hours", "seconds"):
        writer.add_scalar(name.replace("_", "/", 1), row[name], report.epoch)
    lines = [f"    {e.reference}\n    {e.hypothesis}" for e in report.examples]
    writer.add_text("dev/examples", "\n\n".join(lines), report.epoch)
    writer.flush()


def _earlier_rows(path: Path, epoch: int) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if _epoch_of(line) < epoch]


def _epoch_of(line: str) -> float:
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, KeyError, TypeError):
        # A broken line is left out.
        return math.inf


def tensorboard_writer(output: Path, first_epoch: int) -> Any:
    """Open the event files of a run; figures from `first_epoch` on, of a run that was killed, are hidden."""
    from torch.utils.tensorboard import SummaryWriter

    output.mkdir(parents=True, exist_ok=True)
    return SummaryWriter(str(output / "tb"), purge_step=first_epoch)
