"""Text as the recogniser knows it: lower case letters, by default Russian, words parted by one space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from govor.errors import ModelError
from govor.language import tr

RUSSIAN_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
BLANK = "<blank>"

# Stress marks, and what is not seen inside a word: the soft hyphen, zero-width joiners.
_STRESS = "\u0300\u0301"
_UNSEEN = "\u00ad\u200c\u200d\u2060"


def normalize(text: str, letters: str = RUSSIAN_LETTERS) -> str:
    """Lower the case, turn all but the letters into single spaces, trim.

    ``«Ещё бы!»`` becomes ``ещё бы``; ``кто-то`` becomes ``кто то``; stress marks vanish. Latin letters and
    digits vanish too, so ask `is_speakable` first where that would change what was said.
    """
    return _patterns(letters)[0].sub(" ", _compose(text, letters)).strip()


@lru_cache(maxsize=8)
def _patterns(letters: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what is no letter, and what is left out of words."""
    # In é of other languages the mark belongs to the letter.
    marks = set(_STRESS) - set(unicodedata.normalize("NFD", letters))
    return re.compile(f"[^{re.escape(letters)}]+"), re.compile(f"[{_UNSEEN}{''.join(sorted(marks))}]")


def _compose(text: str, letters: str) -> str:
    # Taken apart first: ѐ and ѝ are single characters that hold a stress mark.
    bare = _patterns(letters)[1].sub("", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", bare).lower()


def is_speakable(text: str, letters: str = RUSSIAN_LETTERS) -> bool:
    """Tell whether `normalize` keeps every spoken word: only the letters, no digits, no other alphabet."""
    foreign = any(symbol.isalnum() and symbol not in letters for symbol in _compose(text, letters))
    return not foreign and bool(normalize(text, letters))


@dataclass(frozen=True)
class Alphabet:
    """The network's outputs: index 0 is the CTC blank, then a space, then the letters."""

    symbols: tuple[str, ...] = (BLANK, " ", *RUSSIAN_LETTERS)
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        letters = self.symbols[1:]
        unusable = [symbol for symbol in letters if len(symbol) != 1]
        if self.symbols[:1] != (BLANK,) or unusable or len(set(letters)) != len(letters):
            raise ModelError(
                tr(
                    f"алфавит должен начинаться с {BLANK}, дальше разные одиночные символы: {self.symbols}",
                    f"an alphabet starts with {BLANK}, then distinct single symbols: {self.symbols}",
                )
            )
        object.__setattr__(self, "_index", {symbol: i for i, symbol in enumerate(self.symbols)})

    @classmethod
    def of(cls, letters: str | None) -> Alphabet:
        """Return the alphabet of these letters; None is Russian."""
        return cls() if letters is None else cls((BLANK, " ", *letters))

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def letters(self) -> str:
        """The letters, without blank and space."""
        return "".join(symbol for symbol in self.symbols[1:] if symbol != " ")

    @property
    def is_russian(self) -> bool:
        """Whether all its letters are Russian, so that the shipped language model knows its words."""
        return set(self.letters) <= set(RUSSIAN_LETTERS)

    @property
    def blank(self) -> int:
        """Index of the CTC blank."""
        return 0

    def encode(self, text: str) -> list[int]:
        """Turn a normalised text into labels (L,). Raises KeyError naming a symbol that is not in it."""
        return [self._index[symbol] for symbol in text]

    def decode(self, labels: Sequence[int]) -> str:
        """Turn labels without blanks into text."""
        return "".join(self.symbols[label] for label in labels)

    def missing(self, text: str) -> set[str]:
        """Return the symbols of `text` that this alphabet cannot write."""
        return {symbol for symbol in text if symbol not in self._index}
