"""Open STT: a CSV of recordings, texts and durations beside folders of ``.opus``, ``.mp3`` or ``.wav``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.places import is_file
from govor.corpora.tables import count_lines, parse_csv_line, read_lines
from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr

_SUFFIXES = (".opus", ".mp3", ".wav", ".ogg", ".flac")
_LONGEST_TEXT = 100_000


def read_open_stt(corpus: Path) -> Corpus:
    """Read the CSV files of a folder, or the one that is named.

    A line names a recording, its ``.txt`` and its seconds, in any order and with or without a heading, as the
    corpus's own manifests do. Paths may come from another disk or name ``.wav`` where the archive holds
    ``.opus`` or ``.mp3``. The corpus names no speakers. Raises InputNotFoundError if there is no CSV.
    """
    tables = [corpus] if corpus.is_file() else sorted(corpus.glob("*.csv"))
    if not tables:
        raise InputNotFoundError(
            tr(
                f"{corpus}: нет файла .csv; положите манифест Open STT рядом с папками записей",
                f"{corpus}: no .csv file; put the manifest of Open STT beside the folders of recordings",
            )
        )
    return Corpus(_rows(tables), sum(map(count_lines, tables)))


def _rows(tables: list[Path]) -> Iterator[Row | Dropped]:
    for table in tables:
        first = True
        for item in read_lines(table):
            if isinstance(item, Dropped):
                yield item
                continue
            place, line = item
            try:
                cells = [cell.strip() for cell in parse_csv_line(line)]
            except ManifestError as error:
                yield Dropped(place, str(error))
                continue
            audio = next((cell for cell in cells if cell.lower().endswith(_SUFFIXES)), None)
            text = next((cell for cell in cells if cell.lower().endswith(".txt")), None)
            heading, first = first and audio is None, False
            if heading:
                continue
            if audio is None or "\0" in line:
                reason = tr("в строке нет пути к записи", "the line has no path of a recording")
                yield Dropped(place, reason)
                continue
            recording = _find(table.parent, audio, _SUFFIXES)
            if recording is None:
                yield Dropped(audio, tr("нет такой записи", "no such recording"))
                continue
            try:
                words = _read_text(table.parent, text, recording)
            except UnicodeDecodeError:
                yield Dropped(audio, tr("текст не UTF-8; перекодируйте", "the text is not UTF-8; convert it"))
                continue
            except OSError as error:
                reason = f"{error.filename} ({system_reason(error)})"
                yield Dropped(audio, tr(f"нет текста {reason}", f"no text {reason}"))
                continue
            yield Row(
                id=PurePosixPath(audio).with_suffix("").as_posix().lstrip("./"),
                audio=recording,
                text=words,
                duration=_seconds(cells),
            )


def _seconds(cells: list[str]) -> float | None:
    # A duration has a fraction; a number of a row has none.
    for cell in cells:
        if "." in cell:
            try:
                value = float(cell)
            except ValueError:
                continue
            return value if 0 < value < 86400 else None
    return None


def _find(folder: Path, name: str, suffixes: tuple[str, ...]) -> Path | None:
    """Return the file that a manifest names, though folders before its own may differ and the suffix too."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    absolute = [Path(name)] if Path(name).is_absolute() else []
    for path in (*absolute, *(folder.joinpath(*parts[skipped:]) for skipped in range(len(parts)))):
        if not path.name:
            continue
        for candidate in (path, *(path.with_suffix(suffix) for suffix in suffixes)):
            if is_file(candidate):
                return candidate
    return None


def _read_text(folder: Path, name: str | None, recording: Path) -> str:
    path = _find(folder, name, (".txt",)) if name else None
    path = path or recording.with_suffix(".txt")
    with path.open("rb") as stream:
        return stream.read(_LONGEST_TEXT).decode("utf-8-sig").strip()
