"""``govor export``: a trained checkpoint becomes one ONNX file, or a model a folder for another runtime."""

from __future__ import annotations

import tempfile
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import Terminal, check_writable, require
from govor.cli.options import Quiet, example
from govor.errors import ConfigError
from govor.language import tr

HELP = example(
    "Превратить чекпойнт в один файл ONNX со всей его конфигурацией внутри; с --to — модель в папку, которую "
    "загрузит sherpa-onnx (телефоны, браузер, десяток языков) или onnx-asr.",
    "Turn a checkpoint into one ONNX file with its whole configuration inside; with --to, a model into a "
    "folder that sherpa-onnx (telephones, browsers, a dozen languages) or onnx-asr loads.",
    "govor export runs/my/best.safetensors --output my.onnx",
    "govor export --to sherpa-onnx my.onnx for-sherpa",
    "govor export --to onnx-asr --output for-onnx-asr",
)


class Precision(str, Enum):
    """How the weights are stored."""

    fp32 = "fp32"
    int8 = "int8"


class ForeignRuntime(str, Enum):
    """Programs that can load what is exported."""

    sherpa_onnx = "sherpa-onnx"
    onnx_asr = "onnx-asr"


def export(
    model: Annotated[
        Path | None,
        typer.Argument(
            help=tr(
                "Файл .safetensors; с --to ещё и .onnx, без него поставляемая модель.",
                "A .safetensors file; with --to an .onnx too, and the shipped model without any.",
            )
        ),
    ] = None,
    place: Annotated[
        Path | None,
        typer.Argument(
            metavar=tr("ВЫХОД", "OUTPUT"), help=tr("То же, что --output.", "The same as --output.")
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=tr("Файл .onnx; с --to папка.", "The .onnx file; with --to a folder.")
        ),
    ] = None,
    to: Annotated[
        ForeignRuntime | None,
        typer.Option(
            "--to", help=tr("Программа, которая будет распознавать.", "The program that will recognise.")
        ),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            help=tr("Как хранить веса: int8 вчетверо меньше.", "How weights are stored: int8 is a quarter.")
        ),
    ] = Precision.int8,
    quiet: Quiet = False,
) -> None:
    """Turn a checkpoint into an ONNX model, or a model into a folder for another runtime."""
    terminal = Terminal(quiet)
    if output is not None and place is not None:
        raise typer.BadParameter(
            tr(f"{place} и --output {output}: нужно одно", f"{place} and --output {output}: give one of them")
        )
    output = output or place
    if output is None:
        raise typer.BadParameter(
            tr("куда писать? добавьте --output", "where to? add --output"), param_hint="--output"
        )
    if to is not None:
        _export_folder(model, to, output, precision, terminal)
        return
    if model is None:
        raise typer.BadParameter(tr("нужен файл .safetensors", "a .safetensors file is needed"))
    if model.suffix.lower() == ".onnx":
        raise ConfigError(
            tr(
                f"{model}: уже ONNX; папку для другой программы делает --to",
                f"{model}: is ONNX already; --to makes a folder for another program",
            )
        )
    check_writable(output, suffix=".onnx")
    _export_file(model, output, precision)
    megabytes = output.stat().st_size / 1e6
    terminal.say(
        tr(
            f"{output}: {megabytes:.2f} МБ. Проверить: govor transcribe ФАЙЛ --model {output}",
            f"{output}: {megabytes:.2f} MB. Try it: govor transcribe FILE --model {output}",
        )
    )


def _export_file(checkpoint: Path, output: Path, precision: Precision) -> None:
    require("train", "torch", "safetensors", "onnx")
    from govor.checkpoint import load_checkpoint
    from govor.onnx.export import export_onnx

    export_onnx(load_checkpoint(checkpoint), output, precision.value)


def _export_folder(
    model: Path | None, to: ForeignRuntime, output: Path, precision: Precision, terminal: Terminal
) -> None:
    require("train", "onnx")
    from govor.foreign.folders import export_folder

    with tempfile.TemporaryDirectory() as folder:
        if model is not None and model.suffix.lower() == ".safetensors":
            whole = Path(folder) / f"{model.stem}.onnx"
            _export_file(model, whole, precision)
            model = whole
        made = export_folder(model, to.value, output)
    terminal.say(
        tr(
            f"{output}: {made.num_bytes / 1e6:.2f} МБ для {to.value}. Как загрузить:\n\n{made.usage}",
            f"{output}: {made.num_bytes / 1e6:.2f} MB for {to.value}. How to load it:\n\n{made.usage}",
        )
    )
