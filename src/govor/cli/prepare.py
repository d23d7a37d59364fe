"""``govor prepare …``: corpora become manifests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from govor.cli import (
    prepare_cuts,
    prepare_import,
    prepare_recombined,
    prepare_shards,
    prepare_synthetic,
    prepare_untranscribed,
)
from govor.cli.console import ExitCode, Terminal
from govor.cli.dropped_rows import show_dropped
from govor.cli.options import Quiet, example
from govor.errors import InputNotFoundError, ManifestError, system_reason
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
app.command("cuts", help=prepare_cuts.CUTS_HELP)(prepare_cuts.cuts)
app.command("recombined", help=prepare_recombined.HELP)(prepare_recombined.recombined)
app.command("untranscribed", help=prepare_untranscribed.HELP)(prepare_untranscribed.untranscribed)
app.command("shards", help=prepare_shards.HELP)(prepare_shards.shards)
prepare_import.register(app)

SPHINX_HELP = example(
    "Прочитать корпус признаков CMU Sphinx: feat/…/*.mfc и etc/PROMPTS_all.",
    "Read a CMU Sphinx feature corpus: feat/…/*.mfc and etc/PROMPTS_all.",
    "govor prepare sphinx voxforge_ru --output data/voxforge",
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
                'JSON {"train": [id, …], "dev": […]}; без него части выбираются по голосам и текстам.',
                'JSON {"train": [id, …], "dev": […]}; without it parts are chosen by speaker and text.',
            )
        ),
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Read a CMU Sphinx feature corpus."""
    from govor.corpora.sphinx import prepare_sphinx

    terminal = Terminal(quiet)
    parts = _read_splits(splits) if splits else None
    with terminal.progress(tr("чтение корпуса", "reading the corpus")) as update:
        prepared = prepare_sphinx(corpus, update)
    write_manifest(output / "manifest.jsonl", prepared.utterances)
    # A dropped file's name may be no UTF-8.
    with (output / "dropped.jsonl").open("w", encoding="utf-8", errors="replace") as stream:
        for drop in prepared.dropped:
            stream.write(json.dumps({"id": drop.id, "reason": drop.reason}, ensure_ascii=False) + "\n")
    show_dropped(output, len(prepared.dropped), terminal)
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
    _write_splits(parts or _choose_splits(prepared.utterances), prepared.utterances, output, terminal)
    return ExitCode.FINE if prepared.utterances else ExitCode.SOME_FAILED


VOXFORGE_HELP = example(
    "Прочитать записи VoxForge: ИМЯ/wav или ИМЯ/flac, ИМЯ/etc/PROMPTS. В папку манифестов пишутся "
    "manifest.jsonl, части train, dev, test_unseen_speaker, test_unseen_text, "
    "таблица speakers.tsv и dropped.jsonl.",
    "Read VoxForge recordings: NAME/wav or NAME/flac, NAME/etc/PROMPTS. The folder of manifests gets "
    "manifest.jsonl, the parts train, dev, test_unseen_speaker, test_unseen_text, the table speakers.tsv and "
    "dropped.jsonl.",
    "govor prepare voxforge voxforge --output data/voxforge",
)


@app.command("voxforge", help=VOXFORGE_HELP)
def voxforge(
    corpus: Annotated[
        Path, typer.Argument(help=tr("Папка с папками записей.", "Folder of submission folders."))
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка манифестов.", "Folder of manifests."))
    ],
    seed: Annotated[
        int,
        typer.Option(
            help=tr("Зерно разбиения на части.", "Seed of the choice of held-out speakers and texts.")
        ),
    ] = 1,
    quiet: Quiet = False,
) -> int:
    """Read VoxForge submissions."""
    from govor.corpora.splits import SplitRule
    from govor.corpora.voxforge import prepare_voxforge

    terminal = Terminal(quiet)
    with terminal.progress(tr("чтение корпуса", "reading the corpus")) as update:
        done = prepare_voxforge(corpus, output, SplitRule(seed=seed), update)
    show_dropped(output, done.num_dropped, terminal)
    rates = ", ".join(
        tr(f"{rate} Гц — {count}", f"{count} at {rate} Hz") for rate, count in done.rates.items()
    )
    hours = f"{done.seconds / 3600:.1f}"
    terminal.say(
        tr(
            f"{output / 'manifest.jsonl'}: фраз {done.num_utterances} ({rates}), часов {hours}, "
            f"голосов {done.num_speakers} (speakers.tsv); отброшено {done.num_dropped} (dropped.jsonl)",
            f"{output / 'manifest.jsonl'}: {done.num_utterances} utterances ({rates}), "
            f"{hours} h, {done.num_speakers} speakers (speakers.tsv); "
            f"dropped {done.num_dropped} (dropped.jsonl)",
        )
    )
    for name, (count, seconds) in done.parts.items():
        terminal.say(
            f"{output / name}.jsonl: {count}" + tr(f", минут {seconds / 60:.1f}", f", {seconds / 60:.1f} min")
        )
    empty = [name for name, (count, _) in done.parts.items() if not count]
    if empty and done.num_utterances:
        terminal.warn(
            tr(
                f"в частях {', '.join(empty)} пусто: голосов мало; скачайте больше или смените --seed",
                f"{', '.join(empty)}: empty, as there are few speakers; download more or change --seed",
            )
        )
    return ExitCode.FINE if done.num_utterances else ExitCode.SOME_FAILED


def _read_splits(path: Path) -> dict[str, list[str]]:
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputNotFoundError(f"{path}: {system_reason(error)}") from error
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


def _choose_splits(utterances: Sequence[Utterance]) -> dict[str, list[str]]:
    from govor.corpora.splits import PARTS, SplitRule

    rule = SplitRule()
    parts: dict[str, list[str]] = {name: [] for name in PARTS}
    for utterance in utterances:
        parts[rule.part_of_utterance(utterance)].append(utterance.id)
    return parts


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
