"""``govor export``: a trained checkpoint becomes one ONNX file."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import Terminal, require
from govor.cli.options import Quiet, example
from govor.language import tr

HELP = example(
    "Превратить чекпойнт в один файл ONNX со всей его конфигурацией внутри.",
    "Turn a checkpoint into one ONNX file with its whole configuration inside.",
    "govor export runs/my/best.safetensors --output my.onnx",
)


class Precision(str, Enum):
    """How the weights are stored."""

    fp32 = "fp32"
    int8 = "int8"


def export(
    checkpoint: Annotated[Path, typer.Argument(help=tr("Файл .safetensors.", "A .safetensors file."))],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Файл .onnx.", "The .onnx file."))],
    precision: Annotated[
        Precision,
        typer.Option(
            help=tr("Как хранить веса: int8 вчетверо меньше.", "How weights are stored: int8 is a quarter.")
        ),
    ] = Precision.int8,
    quiet: Quiet = False,
) -> None:
    """Turn a checkpoint into an ONNX model."""
    require("train", "torch", "safetensors", "onnx")
    from govor.checkpoint import load_checkpoint
    from govor.export import export_onnx

    export_onnx(load_checkpoint(checkpoint), output, precision.value)
    megabytes = output.stat().st_size / 1e6
    Terminal(quiet).say(
        tr(
            f"{output}: {megabytes:.2f} МБ. Проверить: govor transcribe ФАЙЛ --model {output}",
            f"{output}: {megabytes:.2f} MB. Try it: govor transcribe FILE --model {output}",
        )
    )
