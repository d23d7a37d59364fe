"""Russian text as the recogniser knows it: lower case letters а-я and ё, words parted by one space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from govor.errors import ModelError
from govor.language import tr

RUSSIAN_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
BLANK = "<blank>"

_NOT_LETTERS = re.compile(f"[^{RUSSIAN_LETTERS}]+")
# Accents, and what is not seen inside a word: the soft hyphen, zero-width joiners.
_INSIDE_WORDS = re.compile("[\u0300\u0301\u00ad\u200c\u200d\u2060]")


def normalize(text: str) -> str:
    """Lower the case, turn all but Russian letters into single spaces, trim.

    ``«Ещё бы!»`` becomes ``ещё бы``; ``кто-то`` becomes ``кто то``; stress marks vanish. Latin letters and
    digits vanish too, so ask `is_speakable` first where that would change what was said.
    """
    return _NOT_LETTERS.sub(" ", _compose(text)).strip()


def _compose(text: str) -> str:
    # Taken apart first: ѐ and ѝ are single characters that hold a stress mark.
    return unicodedata.normalize("NFC", _INSIDE_WORDS.sub("", unicodedata.normalize("NFD", text))).lower()


def is_speakable(text: str) -> bool:
    """Tell whether `normalize` keeps every spoken word: Russian letters, no digits, no other alphabet."""
    foreign = any(symbol.isalnum() and symbol not in RUSSIAN_LETTERS for symbol in _compose(text))
    return not foreign and bool(normalize(text))


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

    def __len__(self) -> int:
        return len(self.symbols)

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
