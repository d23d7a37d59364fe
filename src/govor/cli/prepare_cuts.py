"""``govor prepare cuts``: where recordings may be cut between words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.options import Model, Quiet, example
from govor.language import tr
from govor.manifest import BadLine, Utterance, nothing_usable, read_manifest, write_manifest

CUTS_HELP = example(
    "Найти границы слов в записях, чтобы обучение собирало из них новые предложения (splice).",
    "Find where words end in recordings, so that training makes new sentences of them (splice).",
    "govor prepare cuts data/train.jsonl --output data/train_cuts.jsonl",
)


def cuts(
    manifest: Annotated[Path, typer.Argument(help=tr("Манифест с текстами.", "A manifest with texts."))],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Новый манифест.", "The new manifest."))],
    model: Model = None,
    quiet: Quiet = False,
) -> int:
    """Find where words end."""
    from govor.onnx.model import load_onnx_model
    from govor.word_cuts import find_cuts

    terminal = Terminal(quiet)
    check_writable(output)
    bad: list[BadLine] = []
    total = sum(1 for _ in read_manifest(manifest, bad))
    terminal.fail_lines(bad)
    if not total:
        raise nothing_usable(manifest)
    num_cut = 0

    def counted(found: Iterator[Utterance]) -> Iterator[Utterance]:
        nonlocal num_cut
        with terminal.progress(tr("границы слов", "word ends"), unit="") as update:
            for done, utterance in enumerate(found, 1):
                num_cut += bool(utterance.cuts)
                update(done, total)
                yield utterance

    written = write_manifest(output, counted(find_cuts(load_onnx_model(model), read_manifest(manifest, []))))
    terminal.say(
        tr(
            f"{output}: фраз {written}, с границами слов {num_cut}",
            f"{output}: {written} utterances, {num_cut} with cuts",
        )
    )
    return ExitCode.SOME_FAILED if bad else ExitCode.FINE
