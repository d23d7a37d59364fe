"""Pronunciation dictionaries: words with their phones, ``слово P H O N`` a line, as CMU Sphinx reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable

Phones = tuple[str, ...]

_VARIANT = re.compile(r"\(\d+\)$")
# VoxForge-ru writes long sounds with a small l; a long sound begins and ends like a short one.
_RARE = {"J": "J0", "E": "E0", "O": "O0", "GH": "KH", "DZ": "TS", "DZ0": "TS", "DZH": "TSH0"}


def read_pronunciations(lines: Iterable[str]) -> dict[str, Phones]:
    """Return word -> phones; of several pronunciations ``word(2)`` the first one.

    Lines without phones are left out. Long phones are taken for short ones, and phones too rare to be learnt
    for their nearest neighbours.
    """
    found: dict[str, Phones] = {}
    for line in lines:
        word, *phones = line.split() or [""]
        word = _VARIANT.sub("", word)
        if word and phones:
            found.setdefault(word, tuple(_plain(phone) for phone in phones))
    return found


def _plain(phone: str) -> str:
    short = phone.removesuffix("l")
    return _RARE.get(short, short)
