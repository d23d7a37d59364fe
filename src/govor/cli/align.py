"""``govor align``: when each word of a known text is said in a recording."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.options import Model, Quiet, example
from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr
from govor.text.encodings import wrong_encoding

HELP = example(
    "Найти, когда в записи сказано каждое слово известного текста.",
    "Find when each word of a known text is said in a recording.",
    'govor align speech.wav "добрый вечер" --format srt',
    "govor align chapter.mp3 chapter.txt --format textgrid --output chapter.TextGrid",
)

# Below this the text hardly fits what is heard.
DOUBTFUL_SCORE = -3.0


class AlignmentFormat(str, Enum):
    """What is written."""

    json = "json"
    srt = "srt"
    textgrid = "textgrid"


def align(
    file: Annotated[str, typer.Argument(help=tr("Запись.", "A recording."))],
    text: Annotated[
        str, typer.Argument(help=tr("Текст или файл .txt с ним.", "The text, or a .txt file of it."))
    ],
    format: Annotated[
        AlignmentFormat, typer.Option("--format", "-f", help=tr("Вид вывода.", "Form of the output."))
    ] = AlignmentFormat.json,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=tr("Файл; без него на экран.", "A file; printed if absent.")),
    ] = None,
    model: Model = None,
    quiet: Quiet = False,
) -> int:
    """Find when each word is said."""
    from govor.alignment import align_recording, spoken_text
    from govor.audio.loading import probe_duration
    from govor.recognizer import load_model

    terminal = Terminal(quiet)
    if output is not None:
        check_writable(output)
    wanted = _text(text)
    recognizer = load_model(model)
    try:
        wanted = spoken_text(wanted, recognizer.model.alphabet.letters)
    except ManifestError as error:
        raise ManifestError(f"{text}: {error}" if _is_file(text) else str(error)) from error
    total = probe_duration(file)
    with terminal.progress(tr("слушаю", "listening"), unit="s") as update:
        aligned = align_recording(recognizer, file, wanted, on_progress=lambda done: update(done, total))
    for damage in aligned.warnings:
        terminal.fail(f"{file}: {damage}")
    status = ExitCode.SOME_FAILED if aligned.warnings else ExitCode.FINE
    if aligned.score < DOUBTFUL_SCORE:
        terminal.warn(
            tr(
                f"{file}: текст плохо подходит к записи (оценка {aligned.score:.1f}), времена ненадёжны",
                f"{file}: the text hardly fits (score {aligned.score:.1f}), do not trust the times",
            )
        )
    document = aligned.render(format.value)
    if output is None:
        terminal.results.print(document, markup=False, end="")
        return status
    # A name that is no UTF-8 must not cost the result; JSON has `\udce3` for such bytes, too.
    output.write_text(document, encoding="utf-8", errors="backslashreplace")
    terminal.say(tr(f"слов {len(aligned.words)}: {output}", f"{len(aligned.words)} words: {output}"))
    return status


def _is_file(text: str) -> bool:
    return text.lower().endswith(".txt")


def _text(text: str) -> str:
    if not _is_file(text):
        return text
    try:
        return Path(text).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputNotFoundError(
            tr(
                f"нет текста {text} ({system_reason(error)}); проверьте путь",
                f"no text {text} ({system_reason(error)}); check the path",
            )
        ) from error
    except UnicodeDecodeError as error:
        raise wrong_encoding(text, error.object) from error
