"""``govor tune``: the weights of the beam search for a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from govor.cli.console import ExitCode, Terminal, check_writable, require
from govor.cli.options import LanguageModel, Model, NoLanguageModel, Quiet, example
from govor.errors import ConfigError, ManifestError
from govor.language import tr

if TYPE_CHECKING:
    from rich.console import Console

    from govor.tuning import Tuning

HELP = example(
    "Настроить лучевой поиск на отложенных фразах и записать веса в файл модели.",
    "Tune the beam search on utterances held out and store the weights in the model file.",
    "govor tune --manifest data/dev.jsonl --model my.onnx",
)

# Fewer tell chance rather than the weights.
_FEW = 50


def tune(
    manifest: Annotated[
        Path,
        typer.Option(help=tr("Фразы с текстом, не из обучения.", "Utterances with texts, not trained on.")),
    ],
    model: Model = None,
    lm: LanguageModel = None,
    no_lm: NoLanguageModel = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help=tr("Новая модель; без неё та же.", "New model; the same if absent.")
        ),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Tune the beam search."""
    from govor.decoding.beam import named_language_model
    from govor.manifest import BadLine, read_manifest
    from govor.onnx.metadata import update_decoding
    from govor.onnx.model import shipped_models
    from govor.recognizer import load_model
    from govor.tuning import tune as run

    is_shipped = model is None or (str(model) in shipped_models() and not model.exists())
    target = output or (None if is_shipped else model)
    if target is None:
        raise ConfigError(
            tr(
                "поставляемая модель не меняется: укажите --output новая.onnx",
                "the shipped model is not changed: name --output new.onnx",
            )
        )
    if lm is not None and no_lm:
        raise ConfigError(tr("--lm и --no-lm вместе", "--lm and --no-lm together"))
    check_writable(target, suffix=".onnx" if output else "")
    require("train", "onnx")
    terminal = Terminal(quiet)
    recognizer = load_model(model)
    bad: list[BadLine] = []
    utterances = list(read_manifest(manifest, bad))
    terminal.fail_lines(bad)
    if not utterances:
        raise ManifestError(
            tr(
                f"{manifest}: ни одной фразы; нужны записи с текстом, не из обучения",
                f"{manifest}: no utterances; give recordings with texts, not trained on",
            )
        )
    if len(utterances) < _FEW:
        terminal.warn(
            tr(
                f"{manifest}: фраз всего {len(utterances)}: веса подойдут только к ним; возьмите {_FEW}",
                f"{manifest}: only {len(utterances)} utterances: weights will suit only these; take {_FEW}",
            )
        )
    chosen = recognizer.shipped_language_model() if lm is None else named_language_model(lm)
    language_model = None if no_lm else chosen
    tuning = run(utterances, recognizer, language_model, terminal.say)
    for failure in tuning.failures:
        terminal.fail_at(failure.id, failure.reason)
    _show(tuning, terminal.results)
    update_decoding(model, target, tuning.entries(language_model))
    terminal.say(tr(f"веса записаны: {target}", f"weights stored: {target}"))
    return ExitCode.SOME_FAILED if bad or tuning.failures else ExitCode.FINE


def _show(tuning: Tuning, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "alpha", "beta", tr("неизвестное", "unknown"), tr("луч", "beam"), "WER", "CER"):
        table.add_column(heading, justify="right")
    rows = [("greedy", tuning.greedy), (tr("было", "before"), tuning.untuned)]
    rows += [(tr("стало", "tuned") if trial is tuning.tuned else "", trial) for trial in tuning.widths]
    for name, trial in rows:
        settings = trial.settings
        weights = ["", "", "", ""]
        if settings is not None:
            weights = [f"{value:.3g}" for value in (settings.alpha, settings.beta, settings.unknown)]
            weights.append(str(settings.beam_width))
        table.add_row(name, *weights, f"{trial.wer:.4f}", f"{trial.cer:.4f}")
    console.print(table)
    console.print(tr(f"фраз {tuning.num_utterances}", f"{tuning.num_utterances} utterances"))
