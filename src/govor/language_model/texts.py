"""Plain text files as the sentences a language model is counted from."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from govor.errors import ConfigError, GovorError, InputNotFoundError, ManifestError
from govor.language import tr
from govor.language_model.ngrams import SPECIAL_WORDS, UNKNOWN
from govor.text.alphabet import RUSSIAN_LETTERS, is_speakable, normalize
from govor.text.encodings import guessed_encoding, wrong_encoding

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
    on_error: Callable[[GovorError], None] | None = None,
) -> Iterator[list[str]]:
    """Read normalised sentences, each a list of words, from UTF-8 text: plain, ``.gz`` or ``.xz``.

    Numbers and words of other alphabets become ``<unk>``, as nobody knows how they are said. `on_progress` is
    told the bytes read and their total. Raises InputNotFoundError, or ManifestError where a file is empty,
    not UTF-8, or holds no word of `letters`; with `on_error` that is told instead, and the other files are
    read.
    """
    if not letters.strip():
        raise ConfigError(
            tr("букв нет: назовите их одной строкой", "there are no letters: name them in one string")
        )
    found = []
    for path in paths:
        if path.is_file():
            found.append(path)
        elif on_error is None:
            raise _missing(path)
        else:
            on_error(_missing(path))
    total = sum(path.stat().st_size for path in found)
    before = 0
    for path in found:
        size = path.stat().st_size
        try:
            for sentence, place in _sentences_of(path, letters):
                if sentence:
                    yield sentence
                elif on_progress is not None:
                    on_progress(before + place, total)
        except ManifestError as error:
            if on_error is None:
                raise
            on_error(error)
        before += size
    if on_progress is not None:
        on_progress(total, total)


def _sentences_of(path: Path, letters: str) -> Iterator[tuple[list[str], int]]:
    """Read the sentences of one file; now and then an empty one with the place in the file, in bytes."""
    with path.open("rb") as raw:
        any_text = any_known = False
        for number, line in enumerate(_lines(path, raw), start=1):
            any_text = any_text or bool(line.strip())
            for sentence in split_sentences(line, letters):
                any_known = True
                yield sentence, 0
            if number % 4096 == 0:
                yield [], raw.tell()
        if any_known:
            return
        raw.seek(0)
        beginning = raw.read(1000)
    if guessed_encoding(beginning).startswith("utf-16"):
        # It can be read as UTF-8, with a NUL beside every letter.
        raise wrong_encoding(str(path), beginning)
    if not any_text:
        raise ManifestError(
            tr(
                f"{path}: пустой файл; впишите в него предложения",
                f"{path}: the file is empty; write sentences into it",
            )
        )
    raise ManifestError(
        tr(
            f"{path}: нет ни одного русского слова; нужен русский текст в UTF-8",
            f"{path}: not one Russian word; the text must be Russian, in UTF-8",
        )
        if letters == RUSSIAN_LETTERS
        else tr(
            f"{path}: ни одного слова из букв «{letters}»; проверьте --letters",
            f"{path}: not one word of the letters “{letters}”; check --letters",
        )
    )


def _missing(path: Path) -> InputNotFoundError:
    return InputNotFoundError(
        tr(
            f"{path}: папка, а не текст; назовите файлы: {path}/*.txt",
            f"{path}: a folder, not a text; name the files: {path}/*.txt",
        )
        if path.is_dir()
        else tr(f"нет текста {path}; проверьте путь", f"no text {path}; check the path")
    )


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
        raise wrong_encoding(str(path), error.object) from error
    except (lzma.LZMAError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ManifestError(
            tr(
                f"{path}: не распаковывается ({error}); сожмите или скачайте заново",
                f"{path}: cannot unpack ({error}); pack or download it anew",
            )
        ) from error
    finally:
        # Whoever opened the file closes it, and asks it how far it has been read.
        text.detach()
