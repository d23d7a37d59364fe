"""Plain text files as the sentences a language model is counted from."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from govor.errors import InputNotFoundError, ManifestError
from govor.language import tr
from govor.language_model.ngrams import SPECIAL_WORDS, UNKNOWN
from govor.text import RUSSIAN_LETTERS, is_speakable, normalize

# A closing quote or bracket may follow; a comma or a dash does not end a sentence.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'»”)\]]*(?:\s|$)")
_FOREIGN = re.compile(r"[^\W_а-яёА-ЯЁ\u0300\u0301]")
# Text that is normalised already needs no more than cutting into words: eight times as fast.
_PLAIN = re.compile(r"[а-яё ]*\n?")
# Longer lines are read in parts, so that a file without line feeds needs no more memory.
_LONGEST_LINE = 1 << 16


def sentences(
    paths: Sequence[Path],
    on_progress: Callable[[int, int], None] | None = None,
    letters: str = RUSSIAN_LETTERS,
) -> Iterator[list[str]]:
    """Read normalised sentences, each a list of words, from UTF-8 text: plain, ``.gz`` or ``.xz``.

    Numbers and words of other alphabets become ``<unk>``, as nobody knows how they are said. `on_progress` is
    told the bytes read and their total. Raises InputNotFoundError, or ManifestError where a file is empty,
    not UTF-8, or holds no word of `letters`.
    """
    for path in paths:
        if not path.is_file():
            raise InputNotFoundError(tr(f"нет текста {path}", f"no text {path}"))
    total = sum(path.stat().st_size for path in paths)
    before = 0
    for path in paths:
        with path.open("rb") as raw:
            any_text = any_russian = False
            for number, line in enumerate(_lines(path, raw), start=1):
                any_text = any_text or bool(line.strip())
                for sentence in split_sentences(line, letters):
                    any_russian = True
                    yield sentence
                if on_progress is not None and number % 4096 == 0:
                    on_progress(before + raw.tell(), total)
        before += path.stat().st_size
        if not any_text:
            raise ManifestError(tr(f"{path}: пустой файл", f"{path}: the file is empty"))
        if not any_russian:
            raise ManifestError(
                tr(
                    f"{path}: нет ни одного русского слова; нужен русский текст в UTF-8",
                    f"{path}: not one Russian word; the text must be Russian, in UTF-8",
                )
                if letters == RUSSIAN_LETTERS
                else tr(
                    f"{path}: ни одного слова из букв «{letters}»",
                    f"{path}: not one word of the letters “{letters}”",
                )
            )
    if on_progress is not None:
        on_progress(total, total)


def split_sentences(line: str, letters: str = RUSSIAN_LETTERS) -> Iterator[list[str]]:
    """Cut a line at the ends of sentences; leave out those without a word of `letters`."""
    russian = letters == RUSSIAN_LETTERS
    if russian and _PLAIN.fullmatch(line):
        if words := line.split():
            yield words
        return
    for part in _SENTENCE_END.split(line):
        if not russian or _FOREIGN.search(part):
            words = [word for token in part.split() for word in _words(token, letters)]
        else:
            words = normalize(part).split()
        if any(word != SPECIAL_WORDS[UNKNOWN] for word in words):
            yield words


def _words(token: str, letters: str) -> list[str]:
    if is_speakable(token, letters):
        return normalize(token, letters).split()
    return [SPECIAL_WORDS[UNKNOWN]] if any(map(str.isalnum, token)) else []


def _lines(path: Path, raw: IO[bytes]) -> Iterator[str]:
    opened: Any = raw
    if path.suffix == ".xz":
        opened = lzma.LZMAFile(raw)  # noqa: SIM115
    elif path.suffix == ".gz":
        opened = gzip.GzipFile(fileobj=raw)
    text = io.TextIOWrapper(opened, encoding="utf-8-sig")
    try:
        while line := text.readline(_LONGEST_LINE):
            yield line
    except UnicodeDecodeError as error:
        raise ManifestError(_wrong_encoding(path, error.object)) from error
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile) as error:
        raise ManifestError(
            tr(f"{path}: не распаковывается ({error})", f"{path}: cannot unpack ({error})")
        ) from error
    finally:
        # Whoever opened the file closes it, and asks it how far it has been read.
        text.detach()


def _wrong_encoding(path: Path, sample: bytes) -> str:
    encoding = ""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        russian = sample.decode("cp1251", "ignore").lower()
        # In Russian text of Windows-1251 most bytes are small letters of it.
        if sum("а" <= letter <= "я" for letter in russian) > len(sample) / 2:
            encoding = "cp1251"
    guess = tr(f", похоже на {encoding}", f", it looks like {encoding}") if encoding else ""
    return tr(
        f"{path}: не UTF-8{guess}; перекодируйте: iconv -f {encoding or 'cp1251'} -t utf-8",
        f"{path}: not UTF-8{guess}; convert it: iconv -f {encoding or 'cp1251'} -t utf-8",
    )
