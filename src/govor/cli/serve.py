"""``govor serve``: the server and its page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal, require
from govor.cli.decoder_choice import DecoderChoice
from govor.cli.options import Decoder, DecoderName, LanguageModel, Mix, Model, example
from govor.language import tr

if TYPE_CHECKING:
    from govor.server.runner import Addresses

HELP = example(
    "Сервер: OpenAI, Vosk, Wyoming, свой WebSocket и страница для браузера.",
    "Serve OpenAI, Vosk, Wyoming, a WebSocket of our own and a page for browsers.",
    "govor serve",
    "govor serve --vosk 2700 --wyoming 10300",
    "GOVOR_TOKEN=… govor serve --host 0.0.0.0 --wyoming 10300 --wyoming-from 192.168.1.0/24",
)

_LIMITS = tr("Пределы", "Limits")


def _limit(russian: str, english: str, minimum: float) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        rich_help_panel=_LIMITS, min=minimum, help=tr(russian, english)
    )
    return option


def serve(
    host: Annotated[
        str, typer.Option(help=tr("Адрес; не 127.0.0.1 — нужен --token.", "Address; others need --token."))
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help=tr("Порт.", "Port."))] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="GOVOR_TOKEN",
            help=tr("Ключ для клиентов; лучше в GOVOR_TOKEN.", "Clients' key; better in GOVOR_TOKEN."),
        ),
    ] = None,
    model: Model = None,
    decoder: Decoder = DecoderName.auto,
    lm: LanguageModel = None,
    mix: Mix = None,
    vosk: Annotated[
        int | None,
        typer.Option(
            "--vosk",
            min=0,
            max=65535,
            help=tr("Протокол Vosk и на своём порту.", "Vosk on its own port too."),
        ),
    ] = None,
    wyoming: Annotated[
        int | None,
        typer.Option("--wyoming", min=0, max=65535, help=tr("Порт Wyoming.", "Port of Wyoming.")),
    ] = None,
    wyoming_from: Annotated[
        list[str] | None,
        typer.Option(
            help=tr(
                "Сети, откуда пускать к Wyoming: ключа в нём нет.", "Networks Wyoming serves: it has no key."
            )
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help=tr("Чужая страница, которой можно.", "Another page that may use the server.")),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            help=tr("Прокси, чьему X-Forwarded-For верить.", "Proxies whose X-Forwarded-For is believed.")
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help=tr("Потоков; без него по ядрам.", "Threads; the cores if absent.")),
    ] = None,
    voice: Annotated[
        Path | None,
        typer.Option(
            help=tr(
                "Папка записей своего голоса; на 127.0.0.1 это my_voice, иначе их нет.",
                "Folder for recordings made on the page; my_voice on 127.0.0.1, else none.",
            )
        ),
    ] = None,
    log_text: Annotated[
        bool, typer.Option("--log-text", help=tr("Писать распознанное в журнал.", "Log what was recognised."))
    ] = False,
    max_upload_mb: Annotated[int, _limit("Размер записи, МБ.", "Size of an upload, MB.", 1)] = 200,
    max_minutes: Annotated[float, _limit("Длина записи и потока, мин.", "Length, minutes.", 0.01)] = 240.0,
    max_streams: Annotated[int, _limit("Живых потоков всего.", "Live streams in all.", 1)] = 128,
    max_uploads: Annotated[int, _limit("Записей сразу всего.", "Uploads at a time.", 1)] = 256,
    client_streams: Annotated[int, _limit("Потоков у одного клиента.", "Streams of a client.", 1)] = 64,
    client_uploads: Annotated[int, _limit("Записей у одного клиента.", "Uploads of a client.", 1)] = 32,
    requests_per_minute: Annotated[
        int, _limit("Запросов клиента в минуту.", "Requests of a client a minute.", 1)
    ] = 600,
    idle_seconds: Annotated[
        float, _limit("Молчание клиента потока, с.", "Silence of a stream's client, s.", 0.1)
    ] = 60.0,
    drain_seconds: Annotated[
        float, _limit("На доделывание при остановке, с.", "To finish when stopped, s.", 0.0)
    ] = 30.0,
) -> int:
    """Run the server until it is stopped."""
    require("server", "fastapi", "uvicorn", "websockets", "python_multipart", "wyoming", "prometheus_client")
    from govor.server.addresses import is_loopback
    from govor.server.logs import log_event, write_to_stderr
    from govor.server.runner import run_server
    from govor.server.settings import Limits, ServerSettings, num_cores

    choice = DecoderChoice(decoder=decoder, lm=lm, mix=mix)
    settings = ServerSettings(
        host=host,
        port=port,
        token=token,
        model=model,
        decoder=decoder.value,
        language_model=choice.own_language_model(),
        origins=tuple(origin or ()),
        vosk_port=vosk,
        wyoming_port=wyoming,
        wyoming_from=tuple(wyoming_from or ()),
        proxies=tuple(proxy or ()),
        workers=workers or num_cores(),
        log_text=log_text,
        # A page that others open must not let them record and switch the model unasked.
        studio=voice or (Path("my_voice") if is_loopback(host) else None),
        limits=Limits(
            upload_mb=max_upload_mb,
            audio_minutes=max_minutes,
            streams=max_streams,
            uploads=max_uploads,
            client_streams=client_streams,
            client_uploads=client_uploads,
            requests_per_minute=requests_per_minute,
            idle_seconds=idle_seconds,
            drain_seconds=drain_seconds,
        ),
    )
    settings.check()
    terminal = Terminal()

    def ready(addresses: Addresses) -> None:
        log_event("ready", http=addresses.http, vosk=addresses.vosk, wyoming=addresses.wyoming)
        if sys.stderr.isatty():
            terminal.say(
                tr(
                    f"Говор: {addresses.http} (остановить: Ctrl-C)",
                    f"Govor: {addresses.http} (stop it with Ctrl-C)",
                )
            )

    write_to_stderr()
    run_server(settings, ready)
    return ExitCode.FINE
