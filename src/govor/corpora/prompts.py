"""Which phrases to record: checked, read from a file, or proposed for what has not been covered yet."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from govor.corpora.prompts_ru import PROMPTS
from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr
from govor.text.alphabet import is_speakable, normalize

MAX_LETTERS = 300
"""Longest phrase; more cannot be read aloud in one breath, and training has no use for it."""


def check_phrase(text: str) -> str:
    """Return a phrase tidied (one line, single spaces, composed letters) or raise ManifestError.

    Digits and letters of other alphabets are refused, as nobody knows how they are read aloud.
    """
    tidy = " ".join(unicodedata.normalize("NFC", text).split())
    if not normalize(tidy):
        raise ManifestError(tr("во фразе нет русских букв", "the phrase has no Russian letters"))
    if len(tidy) > MAX_LETTERS:
        raise ManifestError(
            tr(
                f"фраза длиной {len(tidy)} знаков, а можно {MAX_LETTERS}; разбейте её на части",
                f"the phrase has {len(tidy)} characters, at most {MAX_LETTERS} are allowed; split it",
            )
        )
    unreadable = sorted({symbol for symbol in tidy if not symbol.isprintable()})
    if unreadable:
        raise ManifestError(tr("во фразе есть управляющие знаки", "the phrase has control characters"))
    if not is_speakable(tidy):
        symbols = {symbol: None for symbol in tidy if symbol.isalnum() and not is_speakable(symbol)}
        shown = "".join(symbols)[:10]
        raise ManifestError(
            tr(
                f"знаки «{shown}» не читаются однозначно; напишите числа и чужие слова русскими буквами",
                f"“{shown}” cannot be read in one way; write numbers and foreign words in Russian letters",
            )
        )
    return tidy


def read_phrases(path: Path) -> list[str]:
    """Read a prompt file: UTF-8, one phrase a line; empty lines and repeated phrases are left out.

    Raises InputNotFoundError, or ManifestError naming the first line that is not usable.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise InputNotFoundError(
            tr(
                f"нет файла фраз {path}: {system_reason(error)}",
                f"no prompt file {path}: {system_reason(error)}",
            )
        ) from error
    phrases: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            phrase = _read_phrase(line, f"{path}:{number}")
            phrases.setdefault(normalize(phrase), phrase)
    if not phrases:
        raise ManifestError(
            tr(
                f"{path}: нет ни одной фразы; нужна одна на строку",
                f"{path}: no phrases in it; one a line is needed",
            )
        )
    return list(phrases.values())


def _read_phrase(line: bytes, place: str) -> str:
    try:
        return check_phrase(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ManifestError(
            tr(f"{place}: не UTF-8; пересохраните файл", f"{place}: not UTF-8; save the file anew")
        ) from error
    except ManifestError as error:
        raise ManifestError(f"{place}: {error}") from error


def propose(count: int, recorded: Iterable[str] = (), pool: Sequence[str] = PROMPTS) -> list[str]:
    """Return up to `count` phrases of `pool` that add the most letter trigrams not `recorded` yet.

    Greedy: each time the phrase with the most new trigrams for its length (ten letters are added to each
    length, as a short phrase also costs a breath). Phrases recorded already are never proposed.
    """
    done = {normalize(text) for text in recorded}
    covered: set[str] = set()
    for text in done:
        covered |= _trigrams(text)
    left = {phrase: normalize(phrase) for phrase in pool if normalize(phrase) not in done}
    chosen: list[str] = []
    while left and len(chosen) < count:
        # max() keeps the first of equals, so only the order of the pool decides.
        best = max(left, key=lambda phrase: len(_trigrams(left[phrase]) - covered) / (len(left[phrase]) + 10))
        chosen.append(best)
        covered |= _trigrams(left.pop(best))
    return chosen


def _trigrams(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[start : start + 3] for start in range(len(padded) - 2)}
