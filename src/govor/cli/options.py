"""Options that several commands share, each worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govor.language import tr

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help=tr("Только результат и ошибки.", "Only the result and errors.")),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        help=tr("Файл модели ONNX; без него поставляемая.", "ONNX model file; the shipped one if absent."),
    ),
]


def example(russian: str, english: str, *commands: str) -> str:
    """Return the help of a command: what it does, then how it is called."""
    lines = "\n\n".join(f"    [green]{command}[/green]" for command in commands)
    return f"{tr(russian, english)}\n\n{tr('Пример', 'Example')}:\n\n{lines}"
