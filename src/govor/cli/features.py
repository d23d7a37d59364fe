"""``govor features``: the feature matrix of a recording, for looking and comparing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.options import Quiet, example
from govor.language import tr

HELP = example(
    "Сохранить признаки записи: матрица (T, F) float32 в файле .npy.",
    "Save the features of a recording: a matrix (T, F) float32 in an .npy file.",
    "govor features recording.wav --config sphinx8k --output recording.npy",
)


def features(
    file: Annotated[Path, typer.Argument(help=tr("Запись любого формата.", "A recording of any format."))],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Файл .npy.", "The .npy file."))],
    config: Annotated[
        str,
        typer.Option(help=tr("seed, sphinx8k или файл TOML.", "seed, sphinx8k or a TOML file.")),
    ] = "sphinx8k",
    quiet: Quiet = False,
) -> int:
    """Save the features of a recording."""
    import numpy as np

    from govor.audio.loading import load_audio
    from govor.config import FEATURE_PRESETS, load_config
    from govor.features import extract

    check_writable(output, suffix=".npy")
    front_end = FEATURE_PRESETS.get(config) or load_config(Path(config), FEATURE_PRESETS).features
    waveform = load_audio(file, front_end.sample_rate)
    values = extract(waveform.samples, front_end).values
    with output.open("wb") as stream:
        np.save(stream, values)
    frames, width = values.shape
    Terminal(quiet).say(
        tr(f"{output}: кадров {frames}, признаков {width}", f"{output}: {frames} frames of {width} features")
    )
    for damage in waveform.warnings:
        Terminal(quiet).fail(f"{file}: {damage}")
    return ExitCode.SOME_FAILED if waveform.warnings else ExitCode.FINE
