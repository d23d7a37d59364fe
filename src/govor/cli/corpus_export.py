"""``govor corpus export``: our manifest in the layout of another toolkit."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.options import Quiet, example
from govor.language import tr
from govor.manifest import BadLine, nothing_usable, read_manifest

HELP = example(
    "Записать манифест так, как его читают NVIDIA NeMo, lhotse (k2, icefall) или Kaldi.",
    "Write a manifest as NVIDIA NeMo, lhotse (k2, icefall) or Kaldi read it.",
    "govor corpus export data/voxforge/train.jsonl lhotse --to lhotse",
)


class Layout(str, Enum):
    """Toolkits whose layouts can be written."""

    nemo = "nemo"
    lhotse = "lhotse"
    kaldi = "kaldi"


def export(
    manifest: Annotated[Path, typer.Argument(help=tr("Манифест JSONL.", "JSONL manifest."))],
    output: Annotated[Path, typer.Argument(help=tr("Папка, куда писать.", "Folder to write to."))],
    to: Annotated[Layout, typer.Option("--to", help=tr("Для какой программы.", "For which toolkit."))],
    quiet: Quiet = False,
) -> int:
    """Write a manifest in another layout."""
    from govor.corpora.exporting import export_corpus

    terminal = Terminal(quiet)
    bad: list[BadLine] = []
    total = sum(1 for _ in read_manifest(manifest, bad))
    if not total:
        terminal.fail_lines(bad)
        raise nothing_usable(manifest)
    with terminal.progress(tr("запись", "writing")) as update:
        made = export_corpus(manifest, to.value, output, lambda done: update(done, total))
    for drop in made.dropped[:10]:
        terminal.warn(f"{drop.id}: {drop.reason}")
    if len(made.dropped) > 10:
        terminal.warn(tr(f"и ещё {len(made.dropped) - 10}", f"and {len(made.dropped) - 10} more"))
    names = ", ".join(path.name for path in made.files)
    terminal.say(
        tr(
            f"{output}: {names}; фраз {made.num_utterances}, пропущено {len(made.dropped)}",
            f"{output}: {names}; {made.num_utterances} utterances, left out {len(made.dropped)}",
        )
    )
    return ExitCode.SOME_FAILED if made.dropped or not made.num_utterances else ExitCode.FINE
