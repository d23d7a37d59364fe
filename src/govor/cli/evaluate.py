"""``govor evaluate``: how well a model hears a manifest."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.decoder_choice import DecoderChoice, decoder_options
from govor.cli.options import Model, Quiet, example
from govor.language import tr

if TYPE_CHECKING:
    from rich.console import Console

    from govor.evaluation import Evaluation
    from govor.phrases.spotting import PhraseSpotting, WordSpotting

HELP = example(
    "Измерить точность на манифесте: WER и CER с доверительными интервалами, голоса, худшие фразы.",
    "Measure the accuracy on a manifest: WER and CER with confidence intervals, speakers, worst utterances.",
    "govor evaluate data/dev.jsonl --json dev.json",
)


@decoder_options("alternatives")
def evaluate(
    manifest: Annotated[Path, typer.Argument(help=tr("Манифест JSONL.", "A JSONL manifest."))],
    model: Model = None,
    choice: DecoderChoice = DecoderChoice(),
    json_output: Annotated[
        Path | None,
        typer.Option(
            "--json", help=tr("Записать всё найденное в JSON.", "Write all findings to a JSON file.")
        ),
    ] = None,
    worst: Annotated[
        int,
        typer.Option(
            min=0,
            help=tr("Сколько худших фраз и голосов показать.", "Worst utterances and speakers to show."),
        ),
    ] = 5,
    quiet: Quiet = False,
) -> int:
    """Measure the accuracy on a manifest."""
    from govor.evaluation import evaluate as run
    from govor.manifest import BadLine, nothing_usable, read_manifest
    from govor.phrases.patterns import read_phrases
    from govor.phrases.spotting import spot_phrases, spot_words
    from govor.recognizer import load_model

    terminal = Terminal(quiet)
    if json_output is not None:
        check_writable(json_output, "--json")
    bad: list[BadLine] = []
    utterances = list(read_manifest(manifest, bad))
    terminal.fail_lines(bad)
    if not utterances:
        raise nothing_usable(manifest)
    recognizer = load_model(model)
    decoder = choice.make(recognizer)
    with terminal.progress(tr("распознавание", "recognising")) as update:
        evaluation = run(utterances, recognizer, decoder, update)
    for failure in evaluation.failures:
        terminal.fail_at(failure.id, failure.reason)
    for warning in evaluation.warnings:
        terminal.fail(warning)
    pairs = [(result.reference, result.hypothesis) for result in evaluation.results]
    details = evaluation.to_json()
    if choice.phrases is None:
        _show(evaluation, worst, terminal.results)
    else:
        spotted = spot_phrases(pairs, read_phrases(choice.phrases))
        details["phrases"] = spotted.to_json()
        _show_phrases(spotted, worst, terminal.results)
    if choice.hotwords is not None:
        found = spot_words(pairs, choice.hotwords.split(","))
        details["hotwords"] = [asdict(word) for word in found]
        _show_hotwords(found, terminal.results)
    if json_output is not None:
        report = json.dumps(details, ensure_ascii=False, indent=1)
        json_output.write_text(report + "\n", encoding="utf-8")
        terminal.say(tr(f"подробности: {json_output}", f"details: {json_output}"))
    return ExitCode.SOME_FAILED if bad or evaluation.warnings or evaluation.failures else ExitCode.FINE


def _show(evaluation: Evaluation, worst: int, console: Console) -> None:
    scores = evaluation.scores
    table = Table(box=None, pad_edge=False)
    for heading in (
        "",
        tr("ошибка", "error"),
        "95 %",
        tr("ё = е", "ё = е"),
        tr("замен", "sub"),
        tr("пропусков", "del"),
        tr("вставок", "ins"),
        tr("всего", "of"),
    ):
        table.add_column(heading, justify="right")
    for name, rate, flat in (
        ("WER", scores.words, scores.wer_yo),
        ("CER", scores.characters, scores.cer_yo),
    ):
        low, high = rate.interval
        counts = (rate.substitutions, rate.deletions, rate.insertions, rate.num_reference)
        table.add_row(
            f"[bold]{name}[/bold]",
            f"[bold]{rate.rate:.4f}[/bold]",
            f"{low:.4f}–{high:.4f}",
            f"{flat:.4f}",
            *(str(count) for count in counts),
        )
    console.print(table)
    speed = f"{1 / evaluation.rtf:.0f}" if evaluation.rtf else "—"
    console.print(
        tr(
            f"фраз {len(evaluation.results)}, минут {evaluation.duration / 60:.1f}; "
            f"RTF {evaluation.rtf:.5f}, в {speed} раз быстрее речи",
            f"{len(evaluation.results)} utterances, {evaluation.duration / 60:.1f} min; "
            f"RTF {evaluation.rtf:.5f}, {speed} times faster than speech",
        )
    )
    if worst and len(scores.speakers) > 1:
        _show_speakers(evaluation, worst, console)
    if worst and evaluation.worst(1):
        _show_worst(evaluation, worst, console)


def _show_phrases(spotted: PhraseSpotting, worst: int, console: Console) -> None:
    def part(count: int, total: int) -> str:
        return f"{count} / {total}" + (f" = {count / total:.1%}" if total else "")

    confused = spotted.num_listed - spotted.right - spotted.rejected
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, count, total in (
        (tr("фразы списка: узнаны", "listed phrases: right"), spotted.right, spotted.num_listed),
        (tr("не приняты", "rejected"), spotted.rejected, spotted.num_listed),
        (tr("приняты за другую", "taken for another"), confused, spotted.num_listed),
        (
            tr("чужая речь: ложно принята", "other speech: false accepts"),
            spotted.false_accepts,
            spotted.num_other,
        ),
    ):
        table.add_row(name, part(count, total))
    console.print(table)
    for confusion in spotted.confusions[: 4 * worst]:
        times = f" × {confusion.count}" if confusion.count > 1 else ""
        console.print(f"  {confusion.said or '—'} → {confusion.heard}{times}", markup=False)


def _show_hotwords(found: tuple[WordSpotting, ...], console: Console) -> None:
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column(tr("горячее слово", "hot word"))
    for heading in (tr("сказано", "said"), tr("узнано", "found"), tr("лишних", "inserted")):
        table.add_column(heading, justify="right")
    for word in found:
        table.add_row(escape(word.word), str(word.said), str(word.found), str(word.inserted))
    if len(found) > 1:
        sums = [sum(getattr(word, name) for word in found) for name in ("said", "found", "inserted")]
        table.add_row(f"[bold]{tr('все', 'all')}[/bold]", *(str(total) for total in sums))
    console.print(table)


def _show_speakers(evaluation: Evaluation, count: int, console: Console) -> None:
    speakers = evaluation.scores.speakers
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column(tr("голос", "speaker"))
    for heading in (tr("фраз", "utterances"), tr("слов", "words"), "WER", "CER"):
        table.add_column(heading, justify="right")
    hidden = max(len(speakers) - 2 * count, 0)
    shown = speakers if not hidden else (*speakers[:count], *speakers[-count:])
    for number, row in enumerate(shown):
        if hidden and number == count:
            table.add_row(f"[dim]… {tr('ещё', 'and')} {hidden}[/dim]")
        counts = (str(row.num_utterances), str(row.num_words))
        table.add_row(escape(row.speaker), *counts, f"{row.wer:.3f}", f"{row.cer:.3f}")
    console.print(table)


def _show_worst(evaluation: Evaluation, count: int, console: Console) -> None:
    from govor.metrics import aligned_lines

    console.print()
    console.print(tr("худшие фразы", "worst utterances"))
    for result in evaluation.worst(count):
        errors = f"{result.word_errors}/{result.num_words}"
        console.print(f"[dim]{escape(result.id)}  {errors}[/dim]")
        for line in aligned_lines(result.reference, result.hypothesis):
            console.print(f"  {line}", markup=False)
