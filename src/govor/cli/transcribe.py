"""``govor transcribe``: recordings in, text out."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.decoder_choice import DecoderChoice
from govor.cli.options import (
    Alpha,
    Alternatives,
    BeamWidth,
    Beta,
    Decoder,
    DecoderName,
    FalseAccepts,
    FormatText,
    HotWords,
    HotWordWeight,
    LanguageModel,
    Model,
    NoLanguageModel,
    Phrases,
    Quiet,
    example,
)
from govor.errors import GovorError
from govor.language import tr

if TYPE_CHECKING:
    from govor.decoding import Decoder as DecodeFunction
    from govor.recognizer import Recognizer
    from govor.transcript import Transcript

HELP = example(
    "Распознать записи: любой формат, частота и число каналов.",
    "Recognise recordings of any format, rate and number of channels.",
    "govor transcribe interview.m4a",
    "govor transcribe *.wav --format jsonl > texts.jsonl",
)


class Format(str, Enum):
    """What is printed for each recording."""

    txt = "txt"
    json = "json"
    jsonl = "jsonl"


def transcribe(
    files: Annotated[list[str], typer.Argument(help=tr("Записи.", "Recordings."))],
    format: Annotated[
        Format, typer.Option("--format", "-f", help=tr("Вид вывода.", "Form of the output."))
    ] = Format.txt,
    model: Model = None,
    decoder: Decoder = DecoderName.auto,
    lm: LanguageModel = None,
    no_lm: NoLanguageModel = False,
    hotwords: HotWords = None,
    hotword_weight: HotWordWeight = None,
    alternatives: Alternatives = 1,
    beam_width: BeamWidth = None,
    alpha: Alpha = None,
    beta: Beta = None,
    phrases: Phrases = None,
    false_accepts: FalseAccepts = None,
    format_text: FormatText = False,
    quiet: Quiet = False,
) -> int:
    """Recognise recordings."""
    from govor.recognizer import load_model
    from govor.text_finishing import finish

    terminal = Terminal(quiet)
    recognizer = load_model(model)
    choice = DecoderChoice(
        decoder,
        lm,
        no_lm,
        hotwords,
        hotword_weight,
        alternatives,
        beam_width,
        alpha,
        beta,
        phrases,
        false_accepts,
    ).decoder(recognizer)
    _, note = recognizer.decoder(choice)
    if note:
        terminal.warn(note)
    failed = 0
    printed: list[Transcript] = []
    for path in files:
        try:
            transcript = _recognize(recognizer, path, choice, terminal)
            if format_text:
                transcript = replace(transcript, finished=finish(transcript.text))
        except GovorError as error:
            terminal.fail(str(error))
            failed += 1
            continue
        damage = [warning for warning in transcript.warnings if warning != note]
        if damage:
            # What could be read is printed, yet a script must notice that it is not all.
            terminal.fail(f"{path}: " + "; ".join(damage))
            failed += 1
        if format is Format.json:
            printed.append(transcript)
        else:
            _print_line(transcript, format, len(files) > 1, terminal)
    if format is Format.json:
        rows = [transcript.to_json() for transcript in printed]
        # One recording is one object; several are a list, so that the output is always one JSON document.
        document = rows[0] if len(files) == 1 and rows else rows
        if rows or len(files) > 1:
            terminal.results.print(json.dumps(document, ensure_ascii=False, indent=2), markup=False)
    if failed and len(files) > 1:
        terminal.say(tr(f"с ошибками: {failed} из {len(files)}", f"with errors: {failed} of {len(files)}"))
    return ExitCode.SOME_FAILED if failed else ExitCode.FINE


def _recognize(
    recognizer: Recognizer, path: str, decoder: str | DecodeFunction, terminal: Terminal
) -> Transcript:
    from govor.audio import probe_duration

    total = probe_duration(path)
    with terminal.progress(Path(path).name, unit="s") as update:
        return recognizer.transcribe(path, decoder, on_progress=lambda done: update(done, max(total, done)))


def _print_line(transcript: Transcript, format: Format, several: bool, terminal: Terminal) -> None:
    if format is Format.jsonl:
        line = transcript.to_jsonl()
    elif several:
        line = f"{transcript.audio_filepath}: {transcript.to_txt()}"
    else:
        line = transcript.to_txt()
    terminal.results.print(line, markup=False)
