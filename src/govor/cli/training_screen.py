"""What a training shows on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from govor.cli.console import Terminal, redraws
from govor.language import tr

if TYPE_CHECKING:
    from govor.training.report import EpochReport


class TrainingScreen:
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
            disable=terminal.quiet or not redraws(console.file),
        )
        self.task = self.bar.add_task("", total=None)

    def __enter__(self) -> TrainingScreen:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def on_start(self, first_epoch: int, first_batch: int, num_parameters: int) -> None:
        """Say where the run begins."""
        begin = tr(f"весов {num_parameters:,}", f"{num_parameters:,} weights")
        if first_epoch or first_batch:
            begin += tr(
                f"; продолжение: эпоха {first_epoch}, пакет {first_batch}",
                f"; going on at epoch {first_epoch}, batch {first_batch}",
            )
        self.console.print(begin)

    def on_step(self, epoch: int, batch: int, num_batches: int, loss: float) -> None:
        """Move the bar."""
        about = tr(f"эпоха {epoch}  потеря {loss:.3f}", f"epoch {epoch}  loss {loss:.3f}")
        self.bar.update(self.task, description=about, completed=batch, total=num_batches)

    def on_epoch(self, report: EpochReport) -> None:
        """Print the figures of an epoch and what was heard."""
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
        if report.left_out:
            self.console.print(
                tr(
                    f"  фраз шардов не использовано: {report.left_out} (испорчены или короче своего текста)",
                    f"  of the shards left out: {report.left_out} (damaged or too short for their text)",
                )
            )
        reference, hypothesis = tr("эталон  ", "said "), tr("услышано", "heard")
        for shown in report.examples:
            self.console.print(f"  [dim]{reference}[/dim] {escape(shown.reference)}")
            self.console.print(f"  [dim]{hypothesis}[/dim] {escape(shown.hypothesis)}")
