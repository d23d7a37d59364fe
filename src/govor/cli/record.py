"""``govor record``: read phrases aloud and grow a corpus of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.options import Quiet, example
from govor.errors import GovorError, ManifestError
from govor.language import tr

if TYPE_CHECKING:
    from govor.cli.recording_session import Session
    from govor.corpora.recordings import RecordingFolder

HELP = example(
    "Записать свои фразы с микрофона: показать фразу, записать, проверить, сохранить.",
    "Record phrases of your own with the microphone: show one, record, check, save.",
    "govor record --output my-voice --propose 30",
    "govor record --output my-voice --prompts phrases.txt --auto",
)


class Gender(str, Enum):
    """As VoxForge asks."""

    male = "male"
    female = "female"


def record(
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка своих записей.", "Folder of your recordings."))
    ],
    prompts: Annotated[
        Path | None,
        typer.Option(help=tr("Файл фраз, по одной на строку, UTF-8.", "File of phrases, one a line, UTF-8.")),
    ] = None,
    propose: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=tr(
                "Предложить столько фраз с ещё не записанными звуками.",
                "Propose so many phrases with sounds not recorded yet.",
            ),
        ),
    ] = None,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto",
            "--yes",
            help=tr(
                "Без клавиш: записывать подряд и сохранять всё, что прошло проверку.",
                "No keys: record one after another and keep all that passes the checks.",
            ),
        ),
    ] = False,
    attempts: Annotated[
        int,
        typer.Option(min=1, help=tr("Попыток на фразу при --auto.", "Attempts per phrase with --auto.")),
    ] = 3,
    speaker: Annotated[
        str | None,
        typer.Option(help=tr("Имя диктора; без него имя входа.", "Speaker; the login name if absent.")),
    ] = None,
    gender: Annotated[Gender | None, typer.Option(help=tr("Пол диктора.", "Gender of the speaker."))] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            help=tr("Микрофон: номер или часть имени.", "Microphone: number or part of the name."),
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=1.0,
            max=600.0,
            help=tr("Сколько секунд ждать начала речи.", "Seconds to wait for speech to start."),
        ),
    ] = 10.0,
    quiet: Quiet = False,
) -> int:
    """Record phrases of your own."""
    from govor.audio.microphone import Microphone, native_messages_hidden
    from govor.cli.recording_screen import Screen
    from govor.cli.recording_session import Session
    from govor.corpora.recordings import RecordingFolder, Speaker, login_name

    _check_choice(prompts, propose, auto)
    listed = _list_prompts(prompts)
    who = Speaker(speaker or login_name(), gender.value if gender else "")
    with native_messages_hidden():
        screen = Screen(quiet)
        with Microphone(device) as microphone:
            name = microphone.device.name
            with RecordingFolder(output, who, microphone.sample_rate, name) as folder:
                session = Session(microphone, folder, screen, timeout, attempts)
                screen.say(tr(f"микрофон: {name}; диктор: {who.name}", f"microphone: {name}; {who.name}"))
                try:
                    return _run(session, folder, listed, propose, auto)
                finally:
                    session.show_summary()


def _check_choice(prompts: Path | None, propose: int | None, auto: bool) -> None:
    if prompts is not None and propose is not None:
        raise typer.BadParameter(
            tr("выберите одно: --prompts или --propose", "choose one: --prompts or --propose")
        )
    if auto and prompts is None and propose is None:
        raise typer.BadParameter(
            tr("с --auto нужны --prompts или --propose", "--auto needs --prompts or --propose")
        )
    if not auto and not sys.stdin.isatty():
        raise GovorError(
            tr(
                "для записи по клавишам нужен терминал; без него добавьте --auto",
                "recording by keys needs a terminal; without one add --auto",
            )
        )


def _list_prompts(path: Path | None) -> list[str] | None:
    from govor.corpora.prompts import read_phrases

    return None if path is None else read_phrases(path)


def _run(
    session: Session, folder: RecordingFolder, listed: list[str] | None, propose: int | None, auto: bool
) -> int:
    from govor.corpora.prompts import propose as choose
    from govor.text.alphabet import normalize

    done = folder.recorded_texts()
    if propose is not None:
        listed = choose(propose, done)
    if listed is None:
        session.run_by_keys(_type_phrases(session), None)
        return ExitCode.FINE
    phrases = [phrase for phrase in listed if normalize(phrase) not in done]
    if len(phrases) < len(listed):
        count = len(listed) - len(phrases)
        session.screen.say(tr(f"уже записано раньше: {count}", f"recorded before: {count}"), "dim")
    if not phrases:
        session.screen.say(tr("записывать больше нечего", "there is nothing left to record"))
        return ExitCode.FINE
    if auto:
        return ExitCode.SOME_FAILED if session.run_alone(phrases) else ExitCode.FINE
    session.run_by_keys(iter(phrases), len(phrases))
    return ExitCode.FINE


def _type_phrases(session: Session) -> Iterator[str]:
    import contextlib

    from govor.corpora.prompts import check_phrase

    # Loading it gives line editing that knows Cyrillic letters; Windows has its own.
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
    session.screen.say(
        tr("Наберите фразу и нажмите Enter; пустая строка — конец.", "Type a phrase, Enter; empty ends.")
    )
    while True:
        try:
            typed = input(tr("\nФраза: ", "\nPhrase: "))
        except EOFError:
            return
        if not typed.strip():
            return
        try:
            yield check_phrase(typed)
        except ManifestError as error:
            Terminal().fail(str(error))
