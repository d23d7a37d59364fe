"""A file of phrases: one a line, with ``[optional]`` parts and ``(this|that)`` alternatives."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from govor.errors import InputNotFoundError, ManifestError, system_reason
from govor.language import tr
from govor.text.alphabet import is_speakable, normalize
from govor.text.encodings import wrong_encoding
from govor.text.numbers import MAX_NUMBER, digits_to_words

MAX_VARIANTS = 100_000
MAX_BYTES = 50_000_000
_LINES_SHOWN = 20
_LONGEST_SHOWN = 60
_TOKEN = re.compile(r"[\[\]()|]|[^\[\]()|]+")


@dataclass(frozen=True)
class Phrase:
    """One way to say one line of the list."""

    text: str
    """Normalised: Russian letters and single spaces."""
    pattern: str
    """The line it comes from, as it was written."""
    line: int


def read_phrases(path: Path) -> tuple[Phrase, ...]:
    """Read a phrase list in UTF-8; see `parse_phrases`.

    Raises InputNotFoundError if the file cannot be opened, ManifestError naming the line if it cannot be
    used.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ManifestError(
                tr(f"{path}: больше 50 МБ, не список фраз", f"{path}: over 50 MB, no phrase list")
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputNotFoundError(
            tr(
                f"список фраз {path} не открывается: {system_reason(error)}",
                f"the phrase list {path} cannot be opened: {system_reason(error)}",
            )
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise wrong_encoding(f"{path}:{number}", data) from error
    if "\0" in text:
        # UTF-16 without its mark is UTF-8, too.
        raise wrong_encoding(str(path), data)
    # A line ends as in any text: at LF, CR LF, or CR alone, of old Macs and some spreadsheets.
    return parse_phrases(io.StringIO(text, newline=None), str(path))


def parse_phrases(lines: Iterable[str], source: str = "") -> tuple[Phrase, ...]:
    """Expand the lines of a phrase list; empty lines and those that start with ``#`` are passed over.

    ``[пожалуйста] (включи|зажги) свет`` stands for four phrases. Numbers are said in words. A phrase met
    twice belongs to its first line. Raises ManifestError naming `source`, a file, and the line: Latin letters
    and signs that cannot be said, brackets that do not match, an empty phrase, no phrases, more than 100,000
    of them.
    """
    found: dict[str, Phrase] = {}
    bad: list[tuple[int, ManifestError]] = []
    for number, raw in enumerate(lines, 1):
        pattern = raw.strip()
        if not pattern or pattern.startswith("#"):
            continue
        try:
            for text in _Parser(pattern).variants():
                found.setdefault(text, Phrase(text, pattern, number))
                if len(found) > MAX_VARIANTS:
                    raise _too_many()
        except _TooManyError as error:
            # Before memory ends.
            raise ManifestError(f"{_place(source, number)}: {error}") from error
        except ManifestError as error:
            bad.append((number, error))
    if bad:
        raise ManifestError(f"{_place(source, bad[0][0])}: {bad[0][1]}{_others(bad[1:])}")
    if not found:
        where = f"{source}: " if source else ""
        raise ManifestError(
            tr(
                f"{where}ни одной фразы; напишите по фразе в строке",
                f"{where}no phrases; write one a line",
            )
        )
    return tuple(found.values())


def _place(source: str, number: int) -> str:
    return f"{source}:{number}" if source else tr(f"фразы, строка {number}", f"phrases, line {number}")


def _others(bad: Sequence[tuple[int, ManifestError]]) -> str:
    """Name the other bad lines, so that all can be mended at once."""
    if not bad:
        return ""
    numbers = ", ".join(str(number) for number, _ in bad[:_LINES_SHOWN]) + (
        "…" if len(bad) > _LINES_SHOWN else ""
    )
    return tr(f" (и ещё строки с ошибками: {numbers})", f" (and more lines with errors: {numbers})")


class _TooManyError(ManifestError):
    """The list would fill the memory."""


def _too_many() -> _TooManyError:
    return _TooManyError(
        tr(
            f"больше {MAX_VARIANTS} вариантов; разбейте список",
            f"more than {MAX_VARIANTS} variants; split the list",
        )
    )


class _Parser:
    """Recursive descent: alternatives of sequences of texts, ``[…]`` and ``(…)``."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tokens = _TOKEN.findall(pattern)
        self._position = 0

    def variants(self) -> Iterator[str]:
        texts = self._alternatives(depth=0)
        if self._position < len(self._tokens):
            raise self._mismatch()
        for text in texts:
            normal = normalize(text)
            if not normal:
                shown = _cut(self._pattern)
                raise ManifestError(
                    tr(
                        f"пустая фраза в «{shown}»: оставьте хоть одно слово без []",
                        f"an empty phrase in “{shown}”: leave a word outside []",
                    )
                )
            yield normal

    def _alternatives(self, depth: int) -> list[str]:
        if depth > 50:
            raise ManifestError(tr("скобки вложены глубже 50", "brackets nested deeper than 50"))
        options = self._sequence(depth)
        while self._peek() == "|":
            self._position += 1
            options += self._sequence(depth)
            if len(options) > MAX_VARIANTS:
                raise _too_many()
        return options

    def _sequence(self, depth: int) -> list[str]:
        texts = [""]
        while (token := self._peek()) is not None and token not in ("|", "]", ")"):
            self._position += 1
            if token in ("[", "("):
                inner = self._alternatives(depth + 1)
                if self._peek() != {"[": "]", "(": ")"}[token]:
                    raise self._mismatch()
                self._position += 1
                options = ["", *inner] if token == "[" else inner
            else:
                options = [_spoken(token)]
            if len(texts) * len(options) > MAX_VARIANTS:
                raise _too_many()
            texts = [first + second for first, second in product(texts, options)]
        return texts

    def _peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _mismatch(self) -> ManifestError:
        shown = _cut(self._pattern)
        return ManifestError(tr(f"скобки не сходятся в «{shown}»", f"brackets do not match in “{shown}”"))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _spoken(text: str) -> str:
    shown = _cut(text)
    try:
        words = digits_to_words(text)
    except ValueError as error:
        raise ManifestError(
            tr(
                f"число в «{shown}» не прочесть (до {MAX_NUMBER}, 5-й, 5-го); напишите его словами",
                f"a number in “{shown}” cannot be said (to {MAX_NUMBER}, 5-й, 5-го); write it in words",
            )
        ) from error
    # Signs such as % and № are spoken, so they must not vanish in silence as commas do.
    signs = [
        symbol for symbol in words if unicodedata.category(symbol) in ("Sm", "Sc", "So") or symbol in "%№&@#"
    ]
    if signs or (any(symbol.isalnum() for symbol in words) and not is_speakable(words)):
        raise ManifestError(
            tr(
                f"«{shown}»: латиница или знаки; напишите, как это произносят, русскими буквами",
                f"“{shown}”: Latin letters or signs; write it as it is said, in Russian letters",
            )
        )
    return words
