"""Index files of corpora: lines of text, read as a stream, plain or gzip, broken lines told apart."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from govor.corpora.dropped import Dropped
from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr


def count_lines(path: Path) -> int:
    """Return about how many lines a file has, for a progress bar; 0 if it cannot be read."""
    try:
        with _opened(path) as stream:
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    except (OSError, EOFError, InputNotFoundError):
        return 0


def read_lines(path: Path) -> Iterator[tuple[str, str] | Dropped]:
    """Yield ``(FILE:NUMBER, line)`` of a UTF-8 file, ``.gz`` or not, without empty lines.

    A line that is not UTF-8 gives `Dropped`. Raises InputNotFoundError if the file cannot be opened, and
    ManifestError where its compression is broken or if all of it is UTF-16.
    """
    with _opened(path) as stream:
        number = 0
        while True:
            number += 1
            try:
                raw = stream.readline()
            except (OSError, EOFError) as error:
                raise ManifestError(
                    tr(
                        f"{path}: сжатый файл испорчен ({error})",
                        f"{path}: the compressed file is broken ({error})",
                    )
                ) from error
            if not raw:
                return
            if number == 1:
                if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise ManifestError(
                        tr(
                            f"{path}: файл в UTF-16; сохраните его в UTF-8",
                            f"{path}: the file is UTF-16; save it as UTF-8",
                        )
                    )
                raw = raw.removeprefix(codecs.BOM_UTF8)
            place = f"{path.name}:{number}"
            try:
                line = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                yield Dropped(
                    place,
                    tr("строка не UTF-8; перекодируйте файл", "the line is not UTF-8; convert the file"),
                )
                continue
            if line.strip():
                yield place, line


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]] | Dropped]:
    """Yield ``(FILE:NUMBER, object)`` of a JSONL file; raises what `read_lines` does."""
    for item in read_lines(path):
        if isinstance(item, Dropped):
            yield item
            continue
        place, line = item
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Dropped(place, tr(f"не JSON ({error})", f"not JSON ({error})"))
            continue
        if not isinstance(row, dict):
            yield Dropped(place, tr("строка не объект JSON", "the line is not a JSON object"))
            continue
        yield place, row


def read_tsv(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]] | Dropped]:
    """Yield ``(FILE:NUMBER, cells by heading)`` of a tab-separated file without quoting.

    Raises ManifestError if one of the headings `needed` is absent, and what `read_lines` does.
    """
    headings: list[str] | None = None
    for item in read_lines(path):
        if isinstance(item, Dropped):
            yield item
            continue
        place, line = item
        cells = line.split("\t")
        if headings is None:
            headings = cells
            absent = [name for name in needed if name not in headings]
            if absent:
                there = ", ".join(headings)[:200]
                raise ManifestError(
                    tr(
                        f"{path}: в первой строке нет столбца {absent[0]!r}; есть: {there}",
                        f"{path}: no column {absent[0]!r} in the first line; there are: {there}",
                    )
                )
            continue
        # One more is a tab within a text: half of it is lost and all that follows is shifted.
        if len(cells) != len(headings):
            yield Dropped(
                place,
                tr(
                    f"столбцов {len(cells)}, а в заголовке {len(headings)}",
                    f"{len(cells)} columns, the heading has {len(headings)}",
                ),
            )
            continue
        yield place, dict(zip(headings, cells, strict=True))


def parse_csv_line(line: str) -> list[str]:
    """Split one line of a comma-separated file, quotes or none. Raises ManifestError if it cannot be."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise ManifestError(tr(f"строка не CSV: {error}", f"the line is not CSV: {error}")) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        opened: Any = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
    except OSError as error:
        reason = system_reason(error)
        raise InputNotFoundError(
            tr(
                f"{path}: не открывается ({reason}); проверьте путь",
                f"{path}: cannot be opened ({reason}); check the path",
            )
        ) from error
    with opened as stream:
        yield stream
