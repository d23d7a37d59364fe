"""Recognised words made pleasant to read: ё restored, numbers in digits, a capital at the start."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from govor.text.number_reading import words_to_digits


@lru_cache(maxsize=1)
def yo_words() -> Mapping[str, str]:
    """Return the words that are always written with ё, by their spelling with е."""
    from importlib.resources import files

    lines = files("govor").joinpath("data", "yo_words.txt").read_text(encoding="utf-8").splitlines()
    return {word.replace("ё", "е"): word for word in lines if not word.startswith("#")}


def restore_yo(text: str, known: Mapping[str, str] | None = None) -> str:
    """Write ё where no other word can be meant: ``еще елка`` -> ``ещё ёлка``; ``все`` and ``небо`` stay.

    `known` are the words with ё by their spelling with е; by default `yo_words`, the dictionary of eyo-kernel
    cut to 10,000 words. Lower case, words parted by single spaces.
    """
    known = yo_words() if known is None else known
    return " ".join(word if "ё" in word else known.get(word, word) for word in text.split(" "))


def finish(text: str) -> str:
    """Finish a recognised text: ё, then digits, then the capital. ``еще двадцать пять`` -> ``Ещё 25``."""
    finished = words_to_digits(restore_yo(text))
    return finished[:1].upper() + finished[1:]
