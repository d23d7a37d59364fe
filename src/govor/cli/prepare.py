"""``govor prepare …``: corpora become manifests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from govor.cli import prepare_synthetic
from govor.cli.console import ExitCode, Terminal
from govor.cli.options import Quiet, example
from govor.errors import InputNotFoundError, ManifestError
from govor.language import tr
from govor.manifest import Utterance, write_manifest

app = typer.Typer(
    no_args_is_help=True,
    help=tr(
        "Подготовить корпус: манифест JSONL для обучения.", "Prepare a corpus: a JSONL manifest to train on."
    ),
)

app.command("synthetic", help=prepare_synthetic.SYNTHETIC_HELP)(prepare_synthetic.synthetic)
app.command("features", help=prepare_synthetic.FEATURES_HELP)(prepare_synthetic.features)

SPHINX_HELP = example(
    "Прочитать корпус признаков CMU Sphinx: feat/…/*.mfc и etc/PROMPTS_all.",
    "Read a CMU Sphinx feature corpus: feat/…/*.mfc and etc/PROMPTS_all.",
    "govor prepare sphinx voxforge_ru --output data/voxforge --splits splits.json",
)


@app.command("sphinx", help=SPHINX_HELP)
def sphinx(
    corpus: Annotated[Path, typer.Argument(help=tr("Папка с feat/ и etc/.", "Folder with feat/ and etc/."))],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка манифестов.", "Folder of manifests."))
    ],
    splits: Annotated[
        Path | None,
        typer.Option(
            help=tr(
                'JSON {"train": [id, …], "dev": […]}: ещё по манифесту на каждую часть.',
                'JSON {"train": [id, …], "dev": […]}: also a manifest for each part.',
            )
        ),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Read a CMU Sphinx feature corpus."""
    from govor.corpora.sphinx import prepare_sphinx

    terminal = Terminal(quiet)
    parts = _read_splits(splits) if splits else {}
    with terminal.progress(tr("чтение корпуса", "reading the corpus")) as update:
        prepared = prepare_sphinx(corpus, update)
    write_manifest(output / "manifest.jsonl", prepared.utterances)
    # A dropped file's name may be no UTF-8.
    with (output / "dropped.jsonl").open("w", encoding="utf-8", errors="replace") as stream:
        for drop in prepared.dropped:
            stream.write(json.dumps({"id": drop.id, "reason": drop.reason}, ensure_ascii=False) + "\n")
    shown = 10
    for drop in prepared.dropped[:shown]:
        terminal.warn(f"{drop.id}: {drop.reason}")
    if len(prepared.dropped) > shown:
        terminal.warn(
            tr(f"и ещё {len(prepared.dropped) - shown}", f"and {len(prepared.dropped) - shown} more")
        )
    hours = sum(u.duration for u in prepared.utterances) / 3600
    speakers = len({u.speaker for u in prepared.utterances})
    terminal.say(
        tr(
            f"{output / 'manifest.jsonl'}: фраз {len(prepared.utterances)}, часов {hours:.1f}, "
            f"голосов {speakers}; отброшено {len(prepared.dropped)} (dropped.jsonl)",
            f"{output / 'manifest.jsonl'}: {len(prepared.utterances)} utterances, {hours:.1f} h, "
            f"{speakers} speakers; dropped {len(prepared.dropped)} (dropped.jsonl)",
        )
    )
    _write_splits(parts, prepared.utterances, output, terminal)
    return ExitCode.FINE if prepared.utterances else ExitCode.SOME_FAILED


def _read_splits(path: Path) -> dict[str, list[str]]:
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputNotFoundError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ManifestError(f"{path}: {tr('не JSON', 'not JSON')} ({error})") from error
    fine = isinstance(parts, dict) and all(
        isinstance(ids, list) and all(isinstance(name, str) for name in ids) for ids in parts.values()
    )
    if not fine:
        raise ManifestError(
            tr(f'{path}: нужен объект {{"часть": [id, …]}}', f'{path}: needs an object {{"part": [id, …]}}')
        )
    return dict(parts)


def _write_splits(
    parts: Mapping[str, Sequence[str]], utterances: Sequence[Utterance], output: Path, terminal: Terminal
) -> None:
    known = {utterance.id: utterance for utterance in utterances}
    for name, ids in parts.items():
        rows = [known[one] for one in ids if one in known]
        write_manifest(output / f"{Path(name).name}.jsonl", rows)
        missing = len(ids) - len(rows)
        if missing:
            terminal.warn(
                tr(
                    f"{name}: нет в корпусе {missing} из {len(ids)}",
                    f"{name}: {missing} of {len(ids)} not there",
                )
            )
        terminal.say(f"{output / Path(name).name}.jsonl: {len(rows)}")
