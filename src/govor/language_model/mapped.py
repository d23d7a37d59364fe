"""Look words up in a language model where it lies on the disk, without KenLM.

Reads the layout that `govor.language_model.kenlm` writes, record by record through mmap: opening takes
no time and memory only for the list of words; a look-up takes some 20 µs.
"""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from govor.errors import ModelError
from govor.language import tr
from govor.language_model.kenlm import LAYOUT, aligned, bits_for
from govor.language_model.ngrams import UNKNOWN
from govor.language_model.vocabulary import MAGIC, not_found

_UNIGRAM = struct.Struct("<ffQ")
_CODE = (1 << LAYOUT.bits) - 1
# log10 of the last word's probability, of the back-off, and the range of the n-grams one word longer.
_Found = tuple[float, float, int, int]


@dataclass(frozen=True)
class _PackedOrder:
    """The n-grams of one order above 1, bit-packed, lowest bits first; as a sequence, their first words."""

    data: mmap.mmap
    start: int
    count: int
    word_bits: int
    width: int
    log_probs: tuple[float, ...]
    backoffs: tuple[float, ...]
    """Empty in the highest order, whose n-grams have no longer ones."""

    def record(self, place: int) -> int:
        first = place * self.width
        start = self.start + (first >> 3)
        return int.from_bytes(self.data[start : start + 8], "little") >> (first & 7)

    def __getitem__(self, place: int) -> int:
        return self.record(place) & ((1 << self.word_bits) - 1)

    def __len__(self) -> int:
        return self.count

    def find(self, word: int, first: int, last: int) -> _Found | None:
        """Return what is stored of the n-gram that puts `word` before those of the range, if it is there."""
        place = bisect_left(self, word, first, last)
        if place == last or self[place] != word:
            return None
        codes = self.record(place) >> self.word_bits
        if not self.backoffs:
            return self.log_probs[codes & _CODE], 0.0, 0, 0
        shift = self.word_bits + 2 * LAYOUT.bits
        mask = (1 << (self.width - shift)) - 1
        first, last = (self.record(at) >> shift & mask for at in (place, place + 1))
        return self.log_probs[codes >> LAYOUT.bits & _CODE], self.backoffs[codes & _CODE], first, last


class MappedModel:
    """The n-grams of a file made by ``govor lm build``; ids are KenLM's, 0 for an unknown word.

    Raises InputNotFoundError or ModelError, for a file of another kind too.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    raise _foreign(path)
                self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise not_found(path, error) from error
        kind = struct.unpack_from(LAYOUT.parameters, self._data, len(LAYOUT.sanity))
        self.order = kind[0]
        if kind[2:] != (LAYOUT.quantized_trie, 1, LAYOUT.search_version) or self.order < 2:
            raise _foreign(path)
        place = len(LAYOUT.sanity) + struct.calcsize(LAYOUT.parameters)
        counts = struct.unpack_from(f"<{self.order}Q", self._data, place)
        place = aligned(place + 8 * self.order) + 8 + 8 * counts[0]
        if self._data[place : place + 3] != bytes([LAYOUT.quantization_version, LAYOUT.bits, LAYOUT.bits]):
            raise _foreign(path)
        self._orders, self._unigrams = self._find_orders(counts, place + 8)
        self.words: list[str] = self._read_words(counts[0])
        """Place is id: ``<unk>`` first, the others by hash."""

    def _find_orders(self, counts: tuple[int, ...], place: int) -> tuple[list[_PackedOrder], int]:
        levels = struct.Struct(f"<{1 << LAYOUT.bits}f")
        tables: list[list[tuple[float, ...]]] = []
        for order in range(2, self.order + 1):
            tables.append([])
            for _ in range(1 if order == self.order else 2):
                tables[-1].append(levels.unpack_from(self._data, place))
                place += levels.size
        unigrams = place
        place += (counts[0] + 2) * _UNIGRAM.size
        word_bits = bits_for(counts[0])
        orders = []
        for order, (log_probs, *backoffs) in enumerate(tables, start=2):
            count = counts[order - 1]
            width = word_bits + LAYOUT.bits
            if backoffs:
                width += LAYOUT.bits + bits_for(counts[order])
            packed = _PackedOrder(self._data, place, count, word_bits, width, log_probs, *backoffs or [()])
            orders.append(packed)
            place += ((count + 1) * width + 7) // 8 + 8
        return orders, unigrams

    def _read_words(self, count: int) -> list[str]:
        start = self._data.rfind(b"<unk>\0")
        return self._data[start:].decode("utf-8").split("\0")[:count] if start >= 0 else []

    def extend(self, context: tuple[int, ...], word: int) -> tuple[float, tuple[int, ...]]:
        """Return log10 p(word | context), the latest word of the context last, and the next context."""
        # An unknown word hides what stands before it, as in KenLM.
        after = () if word == UNKNOWN else (*context, word)[1 - self.order :]
        return self._log_prob(context, word), after

    def _log_prob(self, context: tuple[int, ...], word: int) -> float:
        log_prob, _, first, last = self._unigram(word)
        matched = 0
        for earlier in reversed(context):
            found = self._orders[matched].find(earlier, first, last)
            if found is None:
                break
            matched += 1
            log_prob, _, first, last = found
        for length in range(matched + 1, len(context) + 1):
            log_prob += self._backoff(context[len(context) - length :])
        return log_prob

    def _backoff(self, words: tuple[int, ...]) -> float:
        _, backoff, first, last = self._unigram(words[-1])
        for depth, earlier in enumerate(reversed(words[:-1])):
            found = self._orders[depth].find(earlier, first, last)
            if found is None:
                return 0.0
            _, backoff, first, last = found
        return backoff

    def _unigram(self, word: int) -> _Found:
        place = self._unigrams + _UNIGRAM.size * word
        log_prob, backoff, first = _UNIGRAM.unpack_from(self._data, place)
        return log_prob, backoff, first, _UNIGRAM.unpack_from(self._data, place + _UNIGRAM.size)[2]


def _foreign(path: Path) -> ModelError:
    return ModelError(
        tr(
            f"{path}: без пакета ctc-beam-decoder читается только языковая модель команды govor lm build",
            f"{path}: without the package ctc-beam-decoder only a language model of govor lm build is read",
        )
    )
