"""A plain folder of recordings, each with its text in a ``.txt`` file of the same name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.places import is_file
from govor.corpora.submission import decode_text
from govor.errors import InputNotFoundError, system_reason
from govor.language import tr

_SUFFIXES = frozenset((".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".amr", ".webm"))
# A folder so named holds one kind of file, not one person's recordings.
_KINDS = frozenset(
    ("wav", "wavs", "audio", "sound", "clips", "flac", "mp3", "recordings", "train", "dev", "test")
)
_TEXT_FOLDERS = ("txt", "text", "texts", "transcripts")
_LONGEST_TEXT = 100_000


def read_folder(corpus: Path, speakers: bool = True) -> Corpus:
    """Read ``NAME.wav`` (or any other kind) with ``NAME.txt`` beside it or in a folder ``txt`` next to its.

    With `speakers` the innermost folder under `corpus` that is not called ``wav``, ``audio`` and the like is
    the speaker's name. Recordings right in `corpus` have no speaker. Texts may be in any Russian encoding.
    Texts without a recording and links to folders, which are not followed, are told of. Raises
    InputNotFoundError if there is no recording.
    """
    if not corpus.is_dir():
        raise InputNotFoundError(tr(f"нет папки {corpus}", f"no folder {corpus}"))
    total = sum(1 for _ in _recordings(corpus))
    if not total:
        raise InputNotFoundError(
            tr(
                f"{corpus}: нет записей; нужны пары ИМЯ.wav и ИМЯ.txt",
                f"{corpus}: no recordings; pairs of NAME.wav and NAME.txt are needed",
            )
        )
    return Corpus(_rows(corpus, speakers), total)


def _recordings(corpus: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(corpus):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in _SUFFIXES:
                yield Path(root) / name


def _rows(corpus: Path, speakers: bool) -> Iterator[Row | Dropped]:
    used: set[int] = set()
    for path in _recordings(corpus):
        name = path.relative_to(corpus)
        place = _text_of(path)
        if place is None:
            reason = tr(
                f"нет текста: положите рядом {path.stem}.txt", f"no text: put {path.stem}.txt beside it"
            )
            yield Dropped(name.as_posix(), reason)
            continue
        used.add(hash(place))
        try:
            with place.open("rb") as stream:
                text = decode_text(stream.read(_LONGEST_TEXT)).strip()
        except OSError as error:
            reason = tr(
                f"текст не читается: {system_reason(error)}", f"unreadable text: {system_reason(error)}"
            )
            yield Dropped(name.as_posix(), reason)
            continue
        people = [part for part in name.parts[:-1] if part.lower() not in _KINDS]
        yield Row(
            id=name.with_suffix("").as_posix() if _is_only(path) else name.as_posix(),
            audio=path,
            text=text,
            speaker=people[-1] if speakers and people else "",
        )
    yield from _left_over(corpus, used)


def _left_over(corpus: Path, used: set[int]) -> Iterator[Dropped]:
    """Tell what somebody put there to be read and was not: texts of no recording, folders."""
    closed: list[OSError] = []
    for root, folders, names in os.walk(corpus, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(root) / name for name in folders):
            if path.is_symlink():
                reason = tr(
                    "ссылка на папку, по ней не хожу; назовите саму папку",
                    "a link to a folder is not followed; name the folder itself",
                )
                yield Dropped(path.relative_to(corpus).as_posix(), reason)
        for path in (Path(root) / name for name in sorted(names) if not name.startswith(".")):
            if path.suffix.lower() == ".txt" and hash(path) not in used:
                kinds = ", ".join(sorted(suffix[1:] for suffix in _SUFFIXES))
                reason = tr(f"нет записи с этим именем ({kinds})", f"no recording of this name ({kinds})")
                yield Dropped(path.relative_to(corpus).as_posix(), reason)
    for error in closed:
        yield Dropped(str(error.filename), tr("папка не читается", "the folder cannot be read"))


def _is_only(path: Path) -> bool:
    """Tell whether no other recording has the same name with another suffix."""
    return not any(is_file(path.with_suffix(suffix)) for suffix in _SUFFIXES if suffix != path.suffix)


def _text_of(path: Path) -> Path | None:
    places = [path.with_suffix(".txt"), path.with_suffix(".TXT"), path.with_name(path.name + ".txt")]
    places += [path.parent.parent / name / f"{path.stem}.txt" for name in _TEXT_FOLDERS]
    return next(filter(is_file, places), None)
