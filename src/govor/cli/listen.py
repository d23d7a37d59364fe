"""``govor listen``: the microphone in, text out while you speak."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode
from govor.cli.decoder_choice import DecoderChoice, decoder_options
from govor.cli.listening_screen import Format
from govor.cli.options import FormatText, Model, Quiet, example
from govor.language import tr

HELP = example(
    "Распознавать речь с микрофона: текст растёт, пока вы говорите, и готов после паузы.",
    "Recognise speech from the microphone: the text grows as you speak and is final after a pause.",
    "govor listen",
    "govor listen --phrases commands.txt --format jsonl | my-program",
)


@decoder_options()
def listen(
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help=tr("txt — готовые строки; jsonl — все события.", "txt: final lines; jsonl: all events."),
        ),
    ] = Format.txt,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            help=tr(
                "Микрофон: номер или часть имени (список: govor devices).",
                "Microphone: number or part of the name (list: govor devices).",
            ),
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            help=tr(
                "Папка, куда писать каждую фразу: wav и строка manifest.jsonl.",
                "Folder for each utterance: a wav and a line of manifest.jsonl.",
            ),
        ),
    ] = None,
    pause: Annotated[
        float,
        typer.Option(
            "--pause",
            min=0.2,
            max=5.0,
            help=tr(
                "Пауза в секундах, после которой фраза готова.", "Pause in seconds that ends an utterance."
            ),
        ),
    ] = 0.8,
    partials: Annotated[
        bool,
        typer.Option(
            "--partials/--no-partials",
            help=tr("Показывать текст, пока вы говорите.", "Show the text while you speak."),
        ),
    ] = True,
    model: Model = None,
    choice: DecoderChoice = DecoderChoice(),
    format_text: FormatText = False,
    quiet: Quiet = False,
) -> int:
    """Recognise speech from the microphone."""
    from govor.audio.microphone import list_devices, native_messages_hidden
    from govor.cli.listening_screen import ListeningScreen
    from govor.cli.listening_session import Listening
    from govor.recognizer import load_model
    from govor.streaming import live_endpoints
    from govor.text.finishing import finish

    with native_messages_hidden():
        # A missing library is told at once, before the model is loaded.
        list_devices()
        screen = ListeningScreen(format, quiet)
        with screen.loading():
            recognizer = load_model(model)
            decoder = choice.make(recognizer)
            stream = recognizer.stream(decoder, partials=partials, endpoints=live_endpoints(pause))
        listening = Listening(stream, screen, device, save, finish if format_text else None)
        listening.run()
    return ExitCode.SOME_FAILED if listening.num_unsaved else ExitCode.FINE
