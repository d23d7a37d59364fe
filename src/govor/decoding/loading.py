"""From a language model's file to a search: that of ctc-beam-decoder, or ours where it has no wheel."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from govor.decoding.compiled import compiled_search
from govor.decoding.portable import PortableSearch, Search
from govor.errors import InputNotFoundError, ModelError
from govor.language import tr
from govor.language_model.soundness import check_binary
from govor.language_model.vocabulary import read_packed_vocabulary
from govor.text.alphabet import Alphabet

SHIPPED_LANGUAGE_MODEL = "ru.klm"
# No wheel, no library inside it, or one built for a newer system.
_ABSENT = (ImportError, OSError, RuntimeError)


def shipped_language_model() -> Path | None:
    """Return the path of the language model that comes with Govor, or None in an installation without it."""
    from importlib.resources import files

    path = Path(str(files("govor").joinpath("models", SHIPPED_LANGUAGE_MODEL)))
    return path if path.is_file() else None


def named_language_model(path: Path) -> Path:
    """Return the shipped language model for its bare name, unless a file is called so; else `path`."""
    if str(path) == SHIPPED_LANGUAGE_MODEL and not path.exists():
        return shipped_language_model() or path
    return path


def has_compiled_search() -> bool:
    """Whether ctc-beam-decoder is there and works; if not, `load_search` takes `PortableSearch`."""
    try:
        _compiled(["", " ", "а"])
    except _ABSENT:
        return False
    return True


def load_search(
    alphabet: Alphabet, language_model: Path | None, alpha: float, beta: float, unknown: float
) -> Future[Search]:
    """Return a search; that with the shipped language model may still be loading.

    Raises InputNotFoundError, ModelError.
    """
    # The empty string is what the package takes for the blank.
    labels = ["", *alphabet.symbols[1:]]
    if language_model is None:
        return _done(lambda: _plain_search(labels))
    if not language_model.is_file():
        raise InputNotFoundError(
            tr(f"нет языковой модели {language_model}", f"no language model {language_model}")
        )

    def load() -> Search:
        # Without its words every unfinished word would be punished as unknown.
        words = _vocabulary(language_model, alphabet)
        try:
            search: Search = compiled_search(labels, language_model, words, alpha, beta, unknown)
        except _ABSENT:
            return PortableSearch(labels, language_model, alpha, beta, unknown)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                tr(
                    f"языковая модель {language_model} не читается: {reason}",
                    f"language model {language_model} cannot be read: {reason}",
                )
            ) from error
        return search

    if language_model == shipped_language_model():
        # It came whole from the package: nothing need be known before the first decoding.
        return _beside(load)
    check_binary(language_model)
    return _done(load)


def _done(load: Callable[[], Search]) -> Future[Search]:
    future: Future[Search] = Future()
    future.set_result(load())
    return future


def _beside(load: Callable[[], Search]) -> Future[Search]:
    """Load in a thread of its own: the index of words takes 0.1 s, nearly all of it without Python's lock."""
    future: Future[Search] = Future()

    def run() -> None:
        try:
            future.set_result(load())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="govor-language-model").start()
    return future


def _plain_search(labels: Sequence[str]) -> Search:
    try:
        return _compiled(labels)
    except _ABSENT:
        return PortableSearch(labels)


def _compiled(labels: Sequence[str]) -> Search:
    from ctc_beam_decoder import BeamSearchDecoder

    search: Search = BeamSearchDecoder(list(labels))
    return search


def _vocabulary(language_model: Path, alphabet: Alphabet) -> bytes:
    words = read_packed_vocabulary(language_model)
    letters = "|".join(alphabet.symbols[2:])
    if re.search(f"(?:^|\0)(?:{letters})+\0".encode(), words) is None:
        sample = words[:60].decode("utf-8", "ignore").replace("\0", " ").strip()
        raise ModelError(
            tr(
                f"языковая модель {language_model} не русская или без словаря ({sample}); "
                "сделайте свою: govor lm build",
                f"language model {language_model} is not Russian or has no vocabulary ({sample}); "
                "make one: govor lm build",
            )
        )
    return words
