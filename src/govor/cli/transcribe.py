"""``govor transcribe``: recordings in, text out."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.batch import (
    ModelLoader,
    Processes,
    Ray,
    SkipExisting,
    Watch,
    check_batch_options,
    exit_code,
    make_workers,
    run_all,
    run_watch,
)
from govor.cli.console import Terminal
from govor.cli.decoder_choice import DecoderChoice, decoder_options
from govor.cli.options import FormatText, Model, Quiet, example
from govor.cli.tally import Tally, tally_bar
from govor.cli.transcript_output import TranscriptPrinter, check_destination, check_formats
from govor.language import tr

if TYPE_CHECKING:
    from govor.inputs import Recording
    from govor.jobs import Job

HELP = example(
    "Распознать записи: любой формат, частота, длина и число каналов.",
    "Recognise recordings of any format, rate, length and number of channels.",
    "govor transcribe interview.m4a",
    "govor transcribe calls/ --channels split --format srt,json --output-dir texts",
)


class Channels(str, Enum):
    """What becomes of a recording's channels."""

    mixed = "mix"
    apart = "split"


_INPUT = tr("Вход", "Input")
_OUTPUT = tr("Вывод", "Output")


@decoder_options()
def transcribe(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help=tr(
                "Записи, папки, образцы в кавычках; - — стандартный ввод.",
                "Recordings, folders, quoted patterns; - is standard input.",
            )
        ),
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            callback=check_formats,
            rich_help_panel=_OUTPUT,
            help=tr(
                "txt, json, jsonl, srt, vtt, tsv; несколько через запятую.",
                "txt, json, jsonl, srt, vtt, tsv; several parted by commas.",
            ),
        ),
    ] = "txt",
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            rich_help_panel=_OUTPUT,
            help=tr("Папка для файлов; без неё на экран.", "Folder for the files; printed if absent."),
        ),
    ] = None,
    channels: Annotated[
        Channels,
        typer.Option(
            rich_help_panel=_INPUT,
            help=tr(
                "Смешать каналы или распознать каждый отдельно.",
                "Mix the channels or recognise each alone.",
            ),
        ),
    ] = Channels.mixed,
    raw: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_INPUT,
            help=tr(
                "Звук без заголовка: ЧАСТОТА:ВИД:КАНАЛЫ, как 16000:s16le.",
                "Sound without a header: RATE:ENCODING:CHANNELS, such as 16000:s16le.",
            ),
        ),
    ] = None,
    no_vad: Annotated[
        bool,
        typer.Option(
            "--no-vad",
            rich_help_panel=_INPUT,
            help=tr(
                "Не искать паузы, не пропускать тишину: окна внахлёст.",
                "Look for no pauses, skip no silence: overlapping windows.",
            ),
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            rich_help_panel=_INPUT,
            help=tr("Плохой звук — ошибка, а не предупреждение.", "Bad sound is an error, not a warning."),
        ),
    ] = False,
    processes: Processes = 1,
    skip_existing: SkipExisting = False,
    watch: Watch = None,
    ray: Ray = None,
    model: Model = None,
    choice: DecoderChoice = DecoderChoice(),
    format_text: FormatText = False,
    quiet: Quiet = False,
) -> int:
    """Recognise recordings."""
    from govor.audio.raw import parse_raw_format
    from govor.inputs import find_recordings
    from govor.jobs import Job

    terminal = Terminal(quiet)
    formats = tuple(format.split(","))
    raw_format = None if raw is None else parse_raw_format(raw)
    files = files or []
    check_batch_options(files, output_dir, skip_existing, watch, context)
    if choice.alternatives > 1 and not {"json", "jsonl"} & set(formats):
        terminal.warn(
            tr(
                f"в {format} виден только лучший текст; все варианты: --format json",
                f"{format} shows the best text alone; for all alternatives: --format json",
            )
        )
    inputs = find_recordings(files, raw=raw_format is not None, unique=output_dir is not None)
    for line in inputs.errors:
        terminal.fail(line)
    several = len(inputs.recordings) > 1 or len(files) > 1 or watch is not None
    check_destination(formats, output_dir, 2 if watch is not None else len(inputs.recordings))

    def make_job(recording: Recording) -> Job:
        return Job(
            recording.source,
            formats,
            None if output_dir is None else output_dir / recording.stem,
            raw=raw_format,
            split_channels=channels is Channels.apart,
            vad=not no_vad,
            strict=strict,
            finish_text=format_text,
        )

    jobs = [make_job(recording) for recording in inputs.recordings]
    todo = [job for job in jobs if not (skip_existing and job.is_done)]
    tally = Tally(num_skipped=len(jobs) - len(todo))
    printer = TranscriptPrinter(terminal, formats[0], several, output_dir is not None)
    loader = ModelLoader(model, choice)
    if watch is not None:
        workers = make_workers(loader, processes, ray)
        run_watch(workers, watch, raw_format is not None, output_dir, make_job, printer, terminal, tally)
    elif ray is not None or processes != 1:
        if todo:
            run_all(make_workers(loader, processes, ray), todo, printer, terminal, tally)
    elif todo:
        _run_here(loader, todo, printer, terminal, tally)
    printer.finish()
    failed = len(tally.failures) + len(inputs.errors)
    if several and (output_dir is not None or processes != 1 or ray is not None):
        tally.show(terminal)
    elif failed and several:
        total = len(jobs) + len(inputs.errors)
        terminal.say(tr(f"с ошибками: {failed} из {total}", f"with errors: {failed} of {total}"))
    return exit_code(tally, len(inputs.errors))


def _run_here(
    loader: ModelLoader, jobs: list[Job], printer: TranscriptPrinter, terminal: Terminal, tally: Tally
) -> None:
    from govor.jobs import attempt

    recognizer, decoder = loader()
    # A decoder that cannot be made is no fault of every recording.
    recognizer.decoder(decoder)
    with tally_bar(terminal, jobs, tally) as update:
        for job in jobs:

            def on_progress(seconds: float, job: Job = job) -> None:
                tally.progress(job, seconds)
                update()

            result = attempt(job, recognizer, decoder, on_progress)
            tally.result(result)
            update()
            printer.show(result)
