"""The words a language model knows, read from its file alone."""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from govor.errors import InputNotFoundError, ModelError, system_reason
from govor.language import tr

MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
"""How a binary of KenLM begins."""
_SPECIAL = {"<unk>", "<s>", "</s>"}


def read_vocabulary(path: Path) -> list[str]:
    """Return the words of a KenLM binary of any kind or an ARPA file, plain or ``.gz``, but for ``<unk>``.

    Empty for a binary that was built without its words. Raises InputNotFoundError or ModelError.
    """
    return read_packed_vocabulary(path).decode("utf-8").split("\0")[:-1]


def read_packed_vocabulary(path: Path) -> bytes:
    """Return the same words as `read_vocabulary` in UTF-8, each ended by NUL; of a binary in a few ms.

    Raises InputNotFoundError or ModelError.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) == MAGIC:
                return _binary_words(stream)
            stream.seek(0)
            arpa = gzip.GzipFile(fileobj=stream) if path.suffix == ".gz" else stream
            return b"".join(word.encode() + b"\0" for word in _arpa_words(arpa) if word not in _SPECIAL)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        # What a codec says tells nobody anything.
        reason = tr("не текст", "no text") if isinstance(error, UnicodeDecodeError) else error
        raise ModelError(
            tr(
                f"{path}: не языковая модель ({reason}); годится .klm или .arpa",
                f"{path}: not a language model ({reason}); use a .klm or .arpa file",
            )
        ) from error
    except OSError as error:
        raise not_found(path, error) from error


def not_found(path: Path, error: OSError) -> InputNotFoundError:
    """Return the error for a language model's file that cannot be opened."""
    return InputNotFoundError(
        tr(
            f"нет языковой модели {path}: {system_reason(error)}",
            f"no language model {path}: {system_reason(error)}",
        )
    )


def _binary_words(stream: IO[bytes]) -> bytes:
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # The words close the file, <unk> first, without a NUL in front.
        start = data.rfind(b"<unk>\0")
        words = b"\0" + data[start:] if start >= 0 else b"\0"
    for word in _SPECIAL:
        words = words.replace(f"\0{word}\0".encode(), b"\0")
    words = words[1 : words.rindex(b"\0") + 1]
    words.decode("utf-8")
    return words


def _arpa_words(stream: Iterable[bytes]) -> Iterator[str]:
    inside = False
    for raw in stream:
        line = raw.decode("utf-8").rstrip("\r\n")
        if not inside:
            inside = line == "\\1-grams:"
            if len(raw) > 1000:
                break
        elif line.startswith("\\"):
            return
        elif line:
            fields = line.split("\t") if "\t" in line else line.split()
            if len(fields) < 2:
                raise ValueError(line[:40])
            yield fields[1]
    if not inside:
        raise ValueError(tr("нет строки \\1-grams:", "no line \\1-grams:"))
