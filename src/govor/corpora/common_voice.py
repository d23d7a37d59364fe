"""Mozilla Common Voice: ``validated.tsv`` and ``clips/*.mp3``, as a release for one language unpacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.submission import Readme
from govor.corpora.tables import count_lines, read_tsv
from govor.errors import InputNotFoundError
from govor.language import tr

_COLUMNS = ("client_id", "path", "sentence")
_HELD_OUT = ("dev", "test")
_AGES = {
    "teens": "youth",
    "sixties": "senior",
    "seventies": "senior",
    "eighties": "senior",
    "nineties": "senior",
}


def read_common_voice(corpus: Path, index: str = "validated") -> Corpus:
    """Read ``INDEX.tsv`` of a release; with ``dev.tsv`` and ``test.tsv`` there, its own parts are kept.

    Those two are read whatever the index is. They hold few recordings of their speakers; the others of these
    speakers are dropped, so that no speaker is both in ``train`` and in a held-out part. Without them the
    parts are chosen by speaker. `corpus` may be the folder of the language or the one above it. Raises
    InputNotFoundError if there is no such index.
    """
    folder = _language_folder(corpus, index)
    table = folder / f"{index}.tsv"
    held_out = [folder / f"{part}.tsv" for part in _HELD_OUT]
    own_parts = all(path.exists() for path in held_out)
    parts, held_speakers = _held_out(folder) if own_parts else ({}, set())
    tables = [table, *(path for path in held_out if own_parts and path != table)]
    return Corpus(_rows(folder, tables, own_parts, parts, held_speakers), count_lines(table), own_parts)


def _language_folder(corpus: Path, index: str) -> Path:
    name = f"{index}.tsv"
    places = [corpus, *sorted(corpus.glob("ru")), *sorted(corpus.glob("*/ru"))]
    for place in places:
        if (place / name).is_file():
            return place
    raise InputNotFoundError(
        tr(
            f"{corpus}: нет {name}; укажите папку ru, где лежат {name} и clips/",
            f"{corpus}: no {name}; name the folder ru that holds {name} and clips/",
        )
    )


def _held_out(folder: Path) -> tuple[dict[str, str], set[str]]:
    """Return the parts of held-out clips, and their speakers."""
    parts: dict[str, str] = {}
    speakers: set[str] = set()
    for part in _HELD_OUT:
        for item in read_tsv(folder / f"{part}.tsv", _COLUMNS):
            # A broken line is told of by `_rows`.
            if not isinstance(item, Dropped):
                parts[item[1]["path"].strip()] = part
                speakers.add(item[1]["client_id"])
    return parts, speakers


def _rows(
    folder: Path, tables: list[Path], own_parts: bool, parts: dict[str, str], held_speakers: set[str]
) -> Iterator[Row | Dropped]:
    durations = _durations(folder / "clip_durations.tsv")
    told: set[str] = set()
    for table in tables:
        # The index of all that is validated holds the held-out parts too.
        earlier = frozenset(told)
        for item in read_tsv(table, _COLUMNS):
            if isinstance(item, Dropped):
                yield item
                continue
            place, cells = item
            name, speaker = cells["path"].strip(), cells["client_id"]
            if name in earlier:
                continue
            if name in parts:
                told.add(name)
            if not Path(name).name or Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
                yield Dropped(place, tr(f"негодный путь {name!r}", f"unusable path {name!r}"))
                continue
            part = parts.get(name, "train") if own_parts else ""
            if part == "train" and speaker in held_speakers:
                yield Dropped(name, tr("голос есть в dev или test", "the speaker is in dev or test"))
                continue
            yield _row(folder, name, cells, durations.get(name), part)


def _row(folder: Path, name: str, cells: dict[str, str], duration: float | None, part: str) -> Row:
    # Early releases leave the suffix out.
    path = folder / "clips" / (name if Path(name).suffix else f"{name}.mp3")
    speaker = cells["client_id"]
    return Row(
        id=Path(name).stem,
        audio=path,
        text=cells["sentence"],
        # The id of a client is 128 hex digits; fewer tell people apart as well.
        speaker=f"cv-{speaker[:20]}" if speaker else "",
        duration=duration,
        part=part,
        about=Readme(gender=_gender(cells), age=_age(cells)),
    )


def _gender(cells: dict[str, str]) -> str:
    gender = cells.get("gender", "")
    return next((kind for kind in ("female", "male") if gender.startswith(kind)), "")


def _age(cells: dict[str, str]) -> str:
    age = cells.get("age", "")
    return _AGES.get(age, "adult" if age else "")


def _durations(path: Path) -> dict[str, float]:
    """Return the seconds of clips that a release lists, in milliseconds, since version 14."""
    if not path.exists():
        return {}
    found: dict[str, float] = {}
    for item in read_tsv(path, ("clip",)):
        if isinstance(item, Dropped):
            continue
        value = next((cell for heading, cell in item[1].items() if heading.startswith("duration")), "")
        if value.isdecimal():
            found[item[1]["clip"]] = int(value) / 1000
    return found
