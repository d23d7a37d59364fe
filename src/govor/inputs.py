"""Files, folders and patterns, as the user names them, to recordings and the names of their outputs."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from govor.audio.raw import RAW_SUFFIXES
from govor.errors import system_reason
from govor.language import tr

STDIN = "-"
SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "w64", "flac", "mp3", "ogg", "oga", "opus", "spx", "m4a", "m4b", "aac", "wma"),
        *("aif", "aiff", "au", "caf", "amr", "awb", "gsm", "3gp", "wv", "ape", "mp2", "ac3"),
        *("mp4", "m4v", "mkv", "mka", "webm", "mov", "avi", "ts", "mts", "m2ts", "mpg", "mpeg", "vob"),
        *("wmv", "flv", "ogv"),
    )
)
"""What is taken from a folder; a file that is named itself may be called anything."""


@dataclass(frozen=True)
class Recording:
    """One recording to be transcribed."""

    source: str
    """Its path as it was named, or ``-`` for standard input."""
    stem: Path
    """Where its output files go below the output folder, without the suffix."""


@dataclass(frozen=True)
class Inputs:
    """What was found."""

    recordings: tuple[Recording, ...]
    """In the order they were named; a folder's are sorted."""
    errors: tuple[str, ...]
    """A line for each argument that stands for nothing."""


def find_recordings(arguments: Iterable[str], *, raw: bool = False, unique: bool = False) -> Inputs:
    """Find the recordings that files, folders (searched to the bottom), patterns and ``-`` stand for.

    With `raw` a folder's files without a header are taken, else those with a suffix of sound or film. With
    `unique` a recording that is named twice is taken once; standard input, which can be read once, always is.
    Files whose outputs would have the same name keep their suffix in it: ``a.mp3.txt`` beside ``a.wav.txt``.
    """
    found: list[tuple[str, Path]] = []
    errors: list[str] = []
    for argument in arguments:
        if re.match(r"https?://", argument, re.IGNORECASE):
            errors.append(
                tr(
                    f"{argument}: адрес, а нужен файл; сначала скачайте: curl -LO '{argument}'",
                    f"{argument}: an address, not a file; download it first: curl -LO '{argument}'",
                )
            )
            continue
        try:
            some = _expand(argument, RAW_SUFFIXES if raw else SUFFIXES)
        except OSError as error:
            errors.append(f"{argument}: {system_reason(error)}")
            continue
        if not some:
            errors.append(_nothing(argument, raw))
        found += some
    places = {(source, relative): _place(source) for source, relative in found}
    once: dict[object, tuple[str, Path]] = {}
    for number, pair in enumerate(found):
        once.setdefault(places[pair] if unique or pair[0] == STDIN else number, pair)
    found = list(once.values())
    first = {places[pair]: pair[1].with_suffix("") for pair in found}
    stems = Counter(first.values())
    return Inputs(
        tuple(
            Recording(source, relative if stems[relative.with_suffix("")] > 1 else relative.with_suffix(""))
            for source, relative in found
        ),
        tuple(errors),
    )


def _place(source: str) -> str:
    """Return what is the same for different names of one file."""
    return source if source == STDIN else str(Path(source).resolve())


def _expand(argument: str, suffixes: frozenset[str]) -> list[tuple[str, Path]]:
    """Return each recording with its path relative to the folder that was searched."""
    if argument == STDIN:
        return [(STDIN, Path("stdin"))]
    path = Path(argument)
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.is_file())
        visible = [file for file in files if not any(part[0] == "." for part in file.relative_to(path).parts)]
        return [(str(file), file.relative_to(path)) for file in sorted(visible)]
    if not path.exists() and glob.has_magic(argument):
        # A pattern that the shell has not expanded, as on Windows or in quotes.
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 -- absolute patterns, too
        return [pair for match in matches for pair in _expand_match(match, suffixes)]
    # Whatever is wrong with a file that was named is said where it is opened.
    return [(argument, Path(path.name))]


def _expand_match(match: str, suffixes: frozenset[str]) -> list[tuple[str, Path]]:
    return _expand(match, suffixes) if Path(match).is_dir() else [(match, Path(Path(match).name))]


def _nothing(argument: str, raw: bool) -> str:
    if not Path(argument).is_dir():
        return tr(
            f"{argument}: под этот образец не подходит ни один файл",
            f"{argument}: no file matches this pattern",
        )
    if raw or not _expand(argument, RAW_SUFFIXES):
        return tr(f"{argument}: в папке нет записей", f"{argument}: no recordings in this folder")
    return tr(
        f"{argument}: в папке только звук без заголовка; назовите его вид: --raw 16000:s16le",
        f"{argument}: only sound without a header in this folder; name its format: --raw 16000:s16le",
    )
