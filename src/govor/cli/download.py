"""``govor download …``: corpora from the network."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal, require
from govor.cli.options import Quiet, example
from govor.language import tr

app = typer.Typer(
    no_args_is_help=True,
    help=tr("Скачать корпус речи.", "Download a speech corpus."),
)


class Rate(str, Enum):
    """Folders of the classic repository."""

    WIDE = "16kHz_16bit"
    TELEPHONE = "8kHz_16bit"
    ORIGINAL = "48kHz_16bit"


class SourceName(str, Enum):
    """Kinds of sources."""

    CLASSIC = "classic"
    MIRROR = "mirror"
    ARCHIVE = "archive"


VOXFORGE_HELP = example(
    "Скачать VoxForge-ru. Прерванная загрузка продолжается той же командой; готовое не трогается. "
    "Источники пробуются по порядку: классический сервер, зеркало (--url), единый архив (--archive); если "
    "названо зеркало или архив, классический сервер — только по --source classic.",
    "Download VoxForge-ru. The same command resumes an interrupted download; what is complete is left alone. "
    "Sources are tried in order: the classic server, a mirror (--url), one archive (--archive); when a "
    "mirror or an archive is named, the classic server only with --source classic.",
    "govor download voxforge-ru --output voxforge",
    "govor download voxforge-ru --output voxforge --limit-speakers 20",
    "govor download voxforge-ru --output voxforge --archive voxforge-russian.tar.gz --sha256 HEX",
)


@app.command("voxforge-ru", help=VOXFORGE_HELP)
def voxforge_ru(
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка корпуса.", "Folder of the corpus."))
    ],
    source: Annotated[
        list[SourceName] | None,
        typer.Option(help=tr("Источник; можно повторить.", "A source; may be repeated.")),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help=tr("Сервер с классической раскладкой.", "Server with the classic layout.")),
    ] = None,
    rate: Annotated[
        Rate, typer.Option(help=tr("Какие записи брать.", "Which recordings to take."))
    ] = Rate.WIDE,
    url: Annotated[
        str | None,
        typer.Option(
            help=tr(
                "Зеркало: адрес папки с файлами ИМЯ.tgz.", "Mirror: address of a folder of NAME.tgz files."
            )
        ),
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option(
            help=tr("Файл или адрес единого архива.", "File or address of one archive of everything.")
        ),
    ] = None,
    sha256: Annotated[
        str,
        typer.Option(help=tr("Его SHA-256; для адреса обязательна.", "Its SHA-256; a must for an address.")),
    ] = "",
    limit_speakers: Annotated[
        int | None, typer.Option(min=1, help=tr("Только первые N голосов.", "Only the first N speakers."))
    ] = None,
    limit_gb: Annotated[
        float | None, typer.Option(min=0.001, help=tr("Не больше стольких ГБ.", "At most so many GB."))
    ] = None,
    parallel: Annotated[
        int, typer.Option(min=1, max=16, help=tr("Сколько файлов сразу.", "How many files at a time."))
    ] = 4,
    quiet: Quiet = False,
) -> int:
    """Download VoxForge-ru."""
    require("download", "httpx")
    from govor.corpora.download import (
        Progress,
        Selection,
        Source,
        archive_source,
        classic_source,
        download_voxforge,
        mirror_source,
    )
    from govor.corpora.sources import CLASSIC_HOST

    if sha256 and (len(sha256) != 64 or not set(sha256.lower()) <= set("0123456789abcdef")):
        raise typer.BadParameter(
            tr("--sha256: нужно 64 шестнадцатеричных знака", "--sha256: needs 64 hex digits")
        )
    if archive and archive.startswith(("http://", "https://")) and not sha256:
        raise typer.BadParameter(
            tr("к адресу архива нужна --sha256", "the address of an archive needs --sha256")
        )
    if url and not url.startswith(("http://", "https://")):
        raise typer.BadParameter(
            tr(f"--url {url}: нужен адрес http(s)://…", f"--url {url}: must be http(s)://…")
        )
    named: dict[SourceName, Source] = {}
    if host or source or not (url or archive):
        named[SourceName.CLASSIC] = classic_source(host or CLASSIC_HOST, rate.value)
    if url:
        named[SourceName.MIRROR] = mirror_source(url)
    if archive:
        named[SourceName.ARCHIVE] = archive_source(archive, sha256)
    for name in source or ():
        if name not in named:
            option = {"mirror": "--url", "archive": "--archive"}[name.value]
            raise typer.BadParameter(
                tr(f"--source {name.value}: укажите {option}", f"--source {name.value}: give {option}")
            )
    sources = [named[name] for name in dict.fromkeys(source or named)]

    terminal = Terminal(quiet)
    with terminal.progress(tr("загрузка", "downloading"), "B") as update:

        def show(progress: Progress) -> None:
            update(progress.bytes_done, progress.bytes_total)

        done = download_voxforge(
            output,
            sources,
            Selection(limit_speakers, limit_gb),
            parallel=parallel,
            on_progress=show,
            on_note=terminal.warn,
        )
    terminal.say(
        tr(
            f"{output}: новых {len(done.new)}, уже было {done.num_present}, не удалось {len(done.failed)}",
            f"{output}: {len(done.new)} new, {done.num_present} there before, {len(done.failed)} failed",
        )
    )
    if done.failed:
        log = output / "failures.jsonl"
        terminal.fail(
            tr(
                f"не скачано {len(done.failed)}, причины в {log}; повторите ту же команду",
                f"{len(done.failed)} not downloaded, see {log}; run the same command again",
            )
        )
        return ExitCode.SOME_FAILED
    return ExitCode.FINE
