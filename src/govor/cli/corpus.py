"""``govor corpus …``: what is in a corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from govor.cli import corpus_export
from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.options import Model, Quiet, example
from govor.errors import ModelNotFoundError
from govor.language import tr
from govor.manifest import BadLine, Utterance, nothing_usable, read_manifest

app = typer.Typer(
    no_args_is_help=True,
    help=tr("Проверить корпус, записать его для других программ.", "Check a corpus, write it for others."),
)

app.command("export", help=corpus_export.HELP)(corpus_export.export)

AUDIT_HELP = example(
    "Проверить корпус: длительности, громкость, перегруз, тишина, темп, подозрительные тексты. Отчёт — одна "
    "страница HTML.",
    "Audit a corpus: durations, levels, clipping, silence, tempo, suspected texts. It makes an HTML page.",
    "govor corpus audit data/voxforge/manifest.jsonl --output audit.html",
)


@app.command("audit", help=AUDIT_HELP)
def audit(
    manifest: Annotated[Path, typer.Argument(help=tr("Манифест JSONL.", "JSONL manifest."))],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Страница HTML.", "HTML page."))],
    model: Model = None,
    no_model: Annotated[
        bool,
        typer.Option(
            "--no-model", help=tr("Не сверять тексты с распознанным (быстро).", "Do not check texts (quick).")
        ),
    ] = False,
    quiet: Quiet = False,
) -> int:
    """Audit a corpus."""
    from govor.corpora.audit import audit_corpus
    from govor.corpora.audit_page import render_page
    from govor.corpora.transfer import write_atomically

    terminal = Terminal(quiet)
    check_writable(output)
    recognize = None if no_model else _recognizer(model, terminal)
    bad_lines: list[BadLine] = []
    total = sum(1 for _ in read_manifest(manifest, bad_lines))
    if not total:
        terminal.fail_lines(bad_lines)
        raise nothing_usable(manifest)
    with terminal.progress(tr("проверка", "auditing")) as update:
        found = audit_corpus(read_manifest(manifest, []), recognize, lambda done: update(done, total))
    write_atomically(output, render_page(found, str(manifest)))
    terminal.fail_lines(bad_lines)
    suspicions = ", ".join(f"{kind} {count}" for kind, count in found.counts.items() if count) or "0"
    hours = f"{found.seconds / 3600:.1f}"
    terminal.say(
        tr(
            f"{output}: фраз {found.num_utterances}, часов {hours}, подозрения: {suspicions}",
            f"{output}: {found.num_utterances} utterances, {hours} h, suspicions: {suspicions}",
        )
    )
    failed = bool(bad_lines) or found.counts["unreadable"] > 0
    return ExitCode.SOME_FAILED if failed else ExitCode.FINE


def _recognizer(model: Path | None, terminal: Terminal) -> Callable[[Utterance], str] | None:
    from govor.features import load_features
    from govor.recognizer import load_model

    try:
        recognizer = load_model(model)
    except ModelNotFoundError as error:
        if model is not None:
            raise
        terminal.warn(f"{error}; {tr('тексты не сверяются', 'texts are not checked')}")
        return None

    def recognize(utterance: Utterance) -> str:
        if utterance.features is not None:
            return recognizer.transcribe_features(load_features(utterance.features)).text
        assert utterance.audio_filepath is not None
        return recognizer.transcribe(utterance.audio_filepath).text

    return recognize
