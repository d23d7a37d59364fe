"""The texts and the README of a VoxForge submission, in whatever encoding and spelling people left them."""

from __future__ import annotations

import codecs
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from govor.text.alphabet import is_speakable, normalize

# The author's spelling comes first: it keeps punctuation and case, and with them words such as «кто-то».
_PROMPT_FILES = (
    "prompts-original",
    "prompts_original",
    "prompts",
    "prompts.txt",
    "prompt.txt",
    "transcriptions.txt",
    "transcriptions",
    "transcription.txt",
    "transcripts.txt",
)
_READMES = ("readme", "readme.txt")
_LARGEST_FILE = 4 * 2**20

# «ru_0082 Текст», «NAME/mfc/ru_0082 ТЕКСТ», «ru_0082.wav<TAB>Текст», «ru_0082: Текст»
_PROMPT = re.compile(r"(?P<path>\S+?):?\s+(?P<text>.+)")
# «<s> текст </s> (ru_0082)»
_TRANSCRIPTION = re.compile(r"(?P<text>.*?)\s*\((?P<path>[^()\s]+)\)")
_TAG = re.compile(r"<[^<>]*>")
_AUDIO_END = re.compile(r"\.(wav|flac|mfc)$", re.IGNORECASE)
_JUNK = " \t\r\n[](){}<>;,.\"'«»"

# Shares of letters in Russian text, percent (National Corpus).
_LETTERS = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъ"
_PERCENTS = (
    "10.97 8.45 8.01 7.35 6.7 6.26 5.47 4.73 4.54 4.4 3.49 3.21 2.98 2.81 2.62 2.01 1.9 1.74 1.7 1.65 1.59 "
    "1.44 1.21 0.97 0.94 0.73 0.64 0.48 0.36 0.32 0.26 0.2 0.04"
)
_LOG_FREQUENCY = {
    letter: math.log(float(percent) / 100)
    for letter, percent in zip(_LETTERS, _PERCENTS.split(), strict=True)
}
# What a symbol that is no Russian letter costs; below the rarest letter.
_FOREIGN = math.log(1e-5)
_SINGLE_BYTE = ("cp1251", "koi8-r", "cp866")


@dataclass(frozen=True)
class Readme:
    """What a README says of its speaker; "" where it says nothing."""

    gender: str = ""
    """``male`` or ``female``."""
    age: str = ""
    """``youth``, ``adult``, ``senior``, or what stands there."""
    dialect: str = ""
    microphone: str = ""


@dataclass(frozen=True)
class Prompts:
    """The texts of a submission by recording id."""

    texts: dict[str, str]
    """As written."""
    ambiguous: frozenset[str] = frozenset()
    """Ids that one file gives different texts."""


def decode_text(data: bytes) -> str:
    """Decode UTF-8, UTF-16 with a mark, or the one of cp1251, KOI8-R and cp866 that looks most like Russian.

    It weighs letter frequencies and capitals inside words, so it needs a word or two. Never fails.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        candidates = [data.decode(encoding, "replace") for encoding in _SINGLE_BYTE]
        return max(candidates, key=_likelihood)


def _likelihood(text: str) -> float:
    total, before = 0.0, " "
    for symbol in text:
        if symbol > "\x7f":
            total += _LOG_FREQUENCY.get(symbol.lower(), _FOREIGN)
            # KOI8-R and cp1251 read as one another swap the case: «пРИВЕТ».
            if symbol.isupper() and before.islower():
                total += _FOREIGN
        before = symbol
    return total


def read_readme(submission: Path) -> Readme:
    """Read a submission's README; an absent one, or one that cannot be read, says nothing."""
    fields: dict[str, str] = {}
    for path in _files(submission, _READMES):
        for line in decode_text(_read(path)).splitlines():
            key, colon, value = line.partition(":")
            if colon:
                fields.setdefault(key.strip(_JUNK).lower(), value.strip(_JUNK))
    return Readme(
        gender=_gender(fields.get("gender", "") or fields.get("пол", "")),
        age=_age(fields.get("age range", "") or fields.get("возраст", "")),
        dialect=_plain(fields.get("pronunciation dialect", "")),
        microphone=_plain(fields.get("microphone type", "")),
    )


def read_prompts(submission: Path) -> Prompts:
    """Read all prompt files of a submission; of an id's texts the first speakable one counts."""
    texts: dict[str, str] = {}
    ambiguous: set[str] = set()
    for path in _files(submission, _PROMPT_FILES):
        here: dict[str, str] = {}
        doubtful: set[str] = set()
        for key, text in _parse(decode_text(_read(path))):
            if key in here and normalize(here[key]) != normalize(text):
                doubtful.add(key)
            here.setdefault(key, text)
        for key, text in here.items():
            if key not in texts or (is_speakable(text) and not is_speakable(texts[key])):
                texts[key] = text
                ambiguous.discard(key)
                if key in doubtful:
                    ambiguous.add(key)
    return Prompts(texts, frozenset(ambiguous))


def _parse(content: str) -> Iterator[tuple[str, str]]:
    for raw in content.splitlines():
        line = raw.strip()
        match = _TRANSCRIPTION.fullmatch(line) if line.startswith("<s>") else None
        match = match or _PROMPT.fullmatch(line) or _TRANSCRIPTION.fullmatch(line)
        if match:
            yield recording_id(match["path"]), _TAG.sub(" ", match["text"]).strip()


def recording_id(path: str) -> str:
    """Return the id in a path: ``NAME/mfc/ru_0082`` and ``ru_0082.wav`` are ``ru_0082``."""
    return _AUDIO_END.sub("", path.replace("\\", "/").rsplit("/", 1)[-1])


def _files(submission: Path, names: tuple[str, ...]) -> list[Path]:
    """Return the files of these names, in their order, in any case, in ``etc`` or beside it."""
    found: dict[str, Path] = {}
    folders = [child for child in _children(submission) if child.name.lower() == "etc"]
    for folder in (*folders, submission):
        for child in _children(folder):
            found.setdefault(child.name.lower(), child)
    return [found[name] for name in names if name in found and found[name].is_file()]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            # A plain read(limit) would set aside the whole limit.
            return stream.read(min(os.fstat(stream.fileno()).st_size, _LARGEST_FILE))
    except OSError:
        return b""


def _gender(value: str) -> str:
    first = value[:1].lower()
    return "male" if first and first in "мm" else "female" if first and first in "жf" else ""


def _age(value: str) -> str:
    known = {"взросл": "adult", "adult": "adult", "юнош": "youth", "юнос": "youth", "молод": "youth"}
    known |= {"подрост": "youth", "youth": "youth", "пожил": "senior", "senior": "senior", "стар": "senior"}
    lowered = value.lower()
    return next((age for start, age in known.items() if lowered.startswith(start)), _plain(value))


def _plain(value: str) -> str:
    """Fit a field into one column of one line."""
    return "".join(symbol if symbol.isprintable() else " " for symbol in value)[:80].strip()
