"""``govor adapt``: the model learns one person's voice."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from govor.cli.console import ExitCode, Terminal, check_writable, require
from govor.cli.options import Model, Quiet, example
from govor.language import tr

if TYPE_CHECKING:
    from rich.console import Console

    from govor.adaptation import Adaptation

HELP = example(
    "Дообучить модель на своих записях: 30 фраз, пара минут. Показывает, что было и что стало.",
    "Adapt the model to your recordings: 30 phrases, a few minutes. Shows what was and what is.",
    "govor adapt --manifest my_voice/manifest.jsonl --output mine.onnx",
)


def adapt(
    manifest: Annotated[
        Path, typer.Option(help=tr("Манифест своих записей.", "Manifest of your recordings."))
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Новая модель.", "The new model."))],
    model: Model = None,
    rehearsal: Annotated[
        Path | None,
        typer.Option(
            help=tr(
                "Манифест чужой речи, которую нельзя забыть; без него поставляемый набор.",
                "Manifest of other speech that must not be forgotten; the shipped set if absent.",
            )
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help=tr("Эпох самое большее.", "Epochs at the most."))] = 40,
    json_output: Annotated[
        Path | None,
        typer.Option("--json", help=tr("Записать таблицу в JSON.", "Write the table to a JSON file.")),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Adapt the model to one's own recordings."""
    require("train", "torch", "safetensors", "onnx")
    import torch

    from govor.adaptation import adapt as run
    from govor.config import AdaptationConfig
    from govor.corpora.rehearsal import unpack_rehearsal
    from govor.manifest import BadLine, read_manifest
    from govor.onnx.export import export_onnx
    from govor.onnx.weights import read_onnx

    terminal = Terminal(quiet)
    check_writable(output, suffix=".onnx")
    if json_output is not None:
        check_writable(json_output, "--json")
    torch.set_num_threads(1)
    bad: list[BadLine] = []
    own = list(read_manifest(manifest, bad))
    terminal.fail_lines(bad)
    base = read_onnx(model)
    with tempfile.TemporaryDirectory() as folder, terminal.progress(tr("дообучение", "adapting")) as update:
        practice = list(read_manifest(rehearsal)) if rehearsal else unpack_rehearsal(Path(folder))
        settings = AdaptationConfig(epochs=epochs)
        result = run(base, own, practice, settings, lambda epoch, total, _loss: update(epoch, total))
    for left in result.left:
        terminal.fail_at(left.id, left.reason)
    _show(result, terminal.results)
    if result.mixture == 0:
        terminal.warn(
            tr(
                "дообучение не помогло, сохранена прежняя модель; запишите больше фраз",
                "adapting did not help, the model is saved as it was; record more phrases",
            )
        )
    export_onnx(result.checkpoint, output)
    if json_output is not None:
        json_output.write_text(
            json.dumps(_figures(result), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    terminal.say(
        tr(
            f"{output}: govor transcribe ФАЙЛ --model {output}",
            f"{output}: govor transcribe FILE --model {output}",
        )
    )
    return ExitCode.SOME_FAILED if bad or result.left else ExitCode.FINE


def _show(result: Adaptation, console: Console) -> None:
    titles = {
        "own": tr("ваши фразы (отложенные)", "your phrases (held out)"),
        "general": tr("прочая речь", "other speech"),
    }
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in (
        tr("фраз", "phrases"),
        tr("CER было", "CER before"),
        tr("стало", "after"),
        tr("WER было", "WER before"),
        tr("стало", "after"),
    ):
        table.add_column(heading, justify="right")
    for then, now in zip(result.before, result.after, strict=True):
        table.add_row(
            titles[then.name],
            str(then.num_utterances),
            f"{then.cer:.1%}",
            f"{now.cer:.1%}",
            f"{then.wer:.1%}",
            f"{now.wer:.1%}",
        )
    console.print(table)
    console.print(
        tr(
            f"обучено на фразах: {result.num_trained}, за {result.seconds:.0f} с; "
            f"доля новых весов {result.mixture:.0%}",
            f"trained on {result.num_trained} phrases in {result.seconds:.0f} s; "
            f"share of the new weights {result.mixture:.0%}",
        )
    )


def _figures(result: Adaptation) -> dict[str, object]:
    return {
        "before": [asdict(figures) for figures in result.before],
        "after": [asdict(figures) for figures in result.after],
        "num_trained": result.num_trained,
        "best_epoch": result.best_epoch,
        "mixture": result.mixture,
        "seconds": result.seconds,
    }
