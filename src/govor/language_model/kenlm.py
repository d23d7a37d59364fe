"""KenLM's binary trie: written without KenLM, read by it through mmap.

The layout is that of KenLM's ``build_binary -q 8 -b 8 trie`` (Heafield, WMT 2011; format version 5, search
version 1): header, hashes of the words, quantisation tables, unigrams, bit-packed n-grams by order with the
words in reverse, and the words themselves.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.errors import ModelError
from govor.language import tr
from govor.language_model.ngrams import (
    SPECIAL_WORDS,
    WORD_BITS,
    Floats,
    Grams,
    Keys,
    NgramModel,
    context_of,
    find,
    last_word_of,
)
from govor.language_model.vocabulary import MAGIC, not_found

_SANITY = MAGIC.ljust(56, b"\0") + struct.pack("<fffIIIQ", 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
_PARAMETERS = "<B3xfiB3xI"
_QUANTIZED_TRIE = 3
_SEARCH_VERSION = 1
_QUANTIZATION_VERSION = 2
_BITS = 8
_LEVELS = 1 << _BITS
_UNIGRAM = np.dtype([("log_prob", "<f4"), ("backoff", "<f4"), ("next", "<u8")])


@dataclass(frozen=True)
class Layout:
    """The constants of the format."""

    sanity: bytes = _SANITY
    parameters: str = _PARAMETERS
    quantized_trie: int = _QUANTIZED_TRIE
    search_version: int = _SEARCH_VERSION
    quantization_version: int = _QUANTIZATION_VERSION
    bits: int = _BITS
    unigram: np.dtype[np.void] = _UNIGRAM


LAYOUT = Layout()
# Records packed at a time; a multiple of 8, so that each lot begins at a byte.
_LOT = 1 << 16


def write_kenlm(model: NgramModel, path: Path) -> None:
    """Write the model, 8 bits for each probability and back-off. Every suffix of an n-gram must be there.

    Raises ConfigError for a model of single words only.
    """
    model = model.shortened()
    hashes = murmur_hashes([word.encode() for word in model.words[1:]])
    by_hash = np.argsort(hashes)
    # <unk> is word 0 of KenLM, the others follow in the order of their hashes.
    ids = np.zeros(len(model.words), np.uint64)
    ids[by_hash + 1] = np.arange(1, len(model.words), dtype=np.uint64)
    tries = [_reversed(grams.keys, order, ids) for order, grams in enumerate(model.grams, start=1)]
    header = (
        _SANITY
        + struct.pack(_PARAMETERS, model.order, 1.5, _QUANTIZED_TRIE, True, _SEARCH_VERSION)
        + struct.pack(f"<{model.order}Q", *model.counts)
    )
    parts = [header.ljust(aligned(len(header)), b"\0")]
    parts.append(struct.pack("<Q", len(hashes)) + hashes[by_hash].astype("<u8").tobytes() + bytes(8))
    tables, packed = [], []
    for order in range(2, model.order + 1):
        table, codes = _quantized(model, order)
        tables.append(table)
        keys, rows = tries[order - 1]
        fields = [((keys & np.uint64((1 << WORD_BITS) - 1)), bits_for(len(model.words)))]
        fields += [(codes[name][rows], _BITS) for name in codes]
        if order < model.order:
            longer = tries[order][0] >> np.uint64(WORD_BITS)
            fields.append((_first_children(keys, longer), bits_for(len(longer))))
        packed.append(_packed(fields))
    parts.append(bytes([_QUANTIZATION_VERSION, _BITS, _BITS, 0, 0, 0, 0, 0]))
    parts += tables
    unigrams = np.zeros(len(model.words) + 2, _UNIGRAM)
    rows = tries[0][1]
    unigrams["log_prob"][:-2] = model.grams[0].log_probs[rows]
    unigrams["backoff"][:-2] = _signed_zeros(model, 1)[rows]
    children = _first_children(tries[0][0], tries[1][0] >> np.uint64(WORD_BITS))
    unigrams["next"][: len(children)] = children
    parts.append(unigrams.tobytes())
    parts += packed
    parts += [model.words[row].encode() + b"\0" for row in rows]
    path.write_bytes(b"".join(parts))


def aligned(size: int) -> int:
    """Return the size in bytes, rounded up to whole words of 8."""
    return (size + 7) // 8 * 8


def bits_for(largest: int) -> int:
    """Return how many bits hold the numbers up to `largest`."""
    return max(int(largest).bit_length(), 0)


def _reversed(keys: Keys, order: int, ids: Keys) -> tuple[Keys, NDArray[np.int64]]:
    """Return the keys in KenLM's word ids, last word first, ascending; and which row each came from."""
    result = np.zeros(len(keys), np.uint64)
    for place in range(order):
        word = ids[last_word_of(keys >> np.uint64(WORD_BITS * place))]
        result |= word << np.uint64(WORD_BITS * (order - 1 - place))
    rows = np.argsort(result, kind="stable")
    return result[rows], rows


def _first_children(keys: Keys, parents: Keys) -> Keys:
    """Return the place of each n-gram's first longer one, and, at the end, how many there are."""
    starts = np.searchsorted(parents, keys, side="left")
    return np.append(starts, len(parents)).astype(np.uint64)


def _signed_zeros(model: NgramModel, order: int) -> Floats:
    """Return the back-offs of an order; -0.0 tells KenLM that an n-gram is nobody's context."""
    lower, upper = model.grams[order - 1], model.grams[order]
    context, _ = find(lower.keys, context_of(upper.keys))
    is_context = np.bincount(context, minlength=len(lower)) > 0
    # Adding zero turns a computed -0.0 into 0.0.
    return np.where(is_context, lower.backoffs + 0.0, -0.0)


def _quantized(model: NgramModel, order: int) -> tuple[bytes, dict[str, Keys]]:
    """Return the table of one order and the codes of each n-gram, lowest bits first."""
    grams = model.grams[order - 1]
    probs = _centers(grams.log_probs, _LEVELS)
    coded = {"log_prob": _nearest(probs, grams.log_probs)}
    if order == model.order:
        return probs.astype("<f4").tobytes(), coded
    backoffs = _signed_zeros(model, order)
    nonzero = backoffs != 0.0
    centers = _centers(backoffs[nonzero], _LEVELS - 2)
    codes = np.where(np.signbit(backoffs), 0, 1).astype(np.uint64)
    codes[nonzero] = _nearest(centers, backoffs[nonzero]) + np.uint64(2)
    table = np.concatenate([probs, [-0.0, 0.0], centers])
    return table.astype("<f4").tobytes(), {"backoff": codes, **coded}


def _centers(values: Floats, levels: int) -> Floats:
    """Return the means of equally filled bins (Federico and Bertoldi, 2006), ascending."""
    if not len(values):
        return np.zeros(levels)
    edges = len(values) * np.arange(levels + 1) // levels
    total = np.concatenate([[0.0], np.cumsum(np.sort(values))])
    sizes = np.diff(edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        centers = np.diff(total[edges]) / sizes
    # An empty bin repeats the one before; the first bins of few values repeat the smallest.
    filled = np.maximum.accumulate(np.where(sizes > 0, np.arange(levels), -1))
    return centers[np.where(filled < 0, np.flatnonzero(sizes)[0], filled)]


def _nearest(centers: Floats, values: Floats) -> Keys:
    middles = (centers[1:] + centers[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.uint64)


def _packed(fields: list[tuple[Keys, int]]) -> bytes:
    """Pack records of bit fields, lowest bits first, one record more for the last pointer, 8 bytes spare."""
    count = len(fields[0][0])
    width = sum(bits for _, bits in fields)
    records = np.zeros(count + 1, np.uint64)
    shift = 0
    for values, bits in fields:
        records[: len(values)] |= values << np.uint64(shift)
        shift += bits
    places = np.arange(width, dtype=np.uint64)
    lots = [
        np.packbits(
            ((records[i : i + _LOT, None] >> places) & np.uint64(1)).astype(np.uint8), bitorder="little"
        )
        for i in range(0, count + 1, _LOT)
    ]
    packed = b"".join(lot.tobytes() for lot in lots)
    return packed.ljust(((count + 1) * width + 7) // 8, b"\0") + bytes(8)


def murmur_hashes(words: list[bytes]) -> NDArray[np.uint64]:
    """Return MurmurHash64A of each word, seed 0, as KenLM hashes its vocabulary."""
    result = np.zeros(len(words), np.uint64)
    lengths = np.array([len(word) for word in words], np.int64)
    factor = np.uint64(0xC6A4A7935BD1E995)
    shift = np.uint64(47)
    with np.errstate(over="ignore"):
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            padded = b"".join(words[row].ljust(aligned(length), b"\0") for row in rows)
            blocks = np.frombuffer(padded, "<u8").reshape(len(rows), -1)
            value = np.full(len(rows), np.uint64(length) * factor)
            for place in range(length // 8):
                block = blocks[:, place] * factor
                value = (value ^ ((block ^ (block >> shift)) * factor)) * factor
            if length % 8:
                value = (value ^ blocks[:, -1]) * factor
            value = (value ^ (value >> shift)) * factor
            result[rows] = value ^ (value >> shift)
    return result


def read_kenlm(path: Path) -> NgramModel:
    """Read a model that `write_kenlm` wrote. Raises InputNotFoundError or ModelError."""
    data = read_bytes(path)
    fixed = len(_SANITY) + struct.calcsize(_PARAMETERS)
    if not data.startswith(_SANITY) or len(data) < fixed:
        raise _foreign(path)
    order, _, kind, has_words, version = struct.unpack_from(_PARAMETERS, data, len(_SANITY))
    if (kind, has_words, version) != (_QUANTIZED_TRIE, 1, _SEARCH_VERSION) or not 2 <= order <= 3:
        raise _foreign(path)
    try:
        counts = struct.unpack_from(f"<{order}Q", data, fixed)
        if sum(counts) > len(data):
            raise ValueError(f"counts {counts}")
        return _parse(data, order, counts, aligned(fixed + 8 * order))
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise ModelError(
            tr(f"языковая модель {path} повреждена ({error})", f"language model {path} is damaged ({error})")
        ) from error


def _parse(data: bytes, order: int, counts: tuple[int, ...], place: int) -> NgramModel:
    place += 8 + 8 * counts[0]
    if data[place : place + 3] != bytes([_QUANTIZATION_VERSION, _BITS, _BITS]):
        raise ValueError("quantization")
    place += 8
    tables = []
    for length in range(2, order + 1):
        columns = 1 if length == order else 2
        tables.append(np.frombuffer(data, "<f4", _LEVELS * columns, place).reshape(columns, _LEVELS))
        place += 4 * _LEVELS * columns
    unigrams = np.frombuffer(data, _UNIGRAM, counts[0] + 1, place)
    place += (counts[0] + 2) * _UNIGRAM.itemsize
    keys = [np.arange(counts[0], dtype=np.uint64)]
    values = [(unigrams["log_prob"][:-1].astype(np.float64), unigrams["backoff"][:-1].astype(np.float64))]
    children = unigrams["next"].astype(np.int64)
    for length in range(2, order + 1):
        widths = [bits_for(counts[0]), _BITS]
        if length < order:
            widths += [_BITS, bits_for(counts[length])]
        fields = unpacked(data, place, counts[length - 1] + 1, widths)
        place += ((counts[length - 1] + 1) * sum(widths) + 7) // 8 + 8
        if (np.diff(children) < 0).any() or children[-1] > counts[length - 1]:
            raise ValueError("pointers")
        parents = np.repeat(keys[-1], np.diff(children))
        keys.append(parents << np.uint64(WORD_BITS) | fields[0][:-1])
        table = tables[length - 2]
        if length == order:
            values.append((table[0][fields[1][:-1]].astype(np.float64), np.zeros(counts[length - 1])))
        else:
            log_probs = table[0][fields[2][:-1]].astype(np.float64)
            values.append((log_probs, table[1][fields[1][:-1]].astype(np.float64) + 0.0))
            children = fields[3].astype(np.int64)
    words = data[place:].decode("utf-8").split("\0")[:-1]
    if len(words) != counts[0]:
        raise ValueError("vocabulary")
    return _forward(words, keys, values)


def _forward(words: list[str], keys: list[Keys], values: list[tuple[Floats, Floats]]) -> NgramModel:
    """Undo the reversal, and give <unk>, <s> and </s> their ids of ours."""
    places = {word: i for i, word in enumerate(words)}
    special = [places[word] for word in SPECIAL_WORDS]
    order_of = [*special, *(i for i in range(len(words)) if i not in special)]
    ids = np.zeros(len(words), np.uint64)
    ids[order_of] = np.arange(len(words), dtype=np.uint64)
    grams = []
    for order, (own, (log_probs, backoffs)) in enumerate(zip(keys, values, strict=True), start=1):
        forward, rows = _reversed(own, order, ids)
        grams.append(Grams(forward, log_probs[rows], backoffs[rows] + 0.0))
    return NgramModel(tuple(words[i] for i in order_of), tuple(grams))


def unpacked(data: bytes, place: int, count: int, widths: list[int]) -> list[Keys]:
    """Return the fields of bit-packed records that begin at byte `place`; 8 bytes must follow them."""
    raw = np.frombuffer(data, np.uint8, (count * sum(widths) + 7) // 8 + 8, place)
    fields = [np.empty(count, np.uint64) for _ in widths]
    for first in range(0, count, _LOT):
        rows = np.arange(first, min(first + _LOT, count), dtype=np.int64) * sum(widths)
        records = np.ascontiguousarray(raw[(rows >> 3)[:, None] + np.arange(8)]).view("<u8")[:, 0]
        records = records >> (rows & 7).astype(np.uint64)
        for field, bits in zip(fields, widths, strict=True):
            field[first : first + _LOT] = records & np.uint64((1 << bits) - 1)
            records = records >> np.uint64(bits)
    return fields


def read_bytes(path: Path) -> bytes:
    """Return the content of a language model's file, or raise InputNotFoundError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise not_found(path, error) from error


def _foreign(path: Path) -> ModelError:
    return ModelError(
        tr(
            f"{path}: не .klm от govor lm build, а смешать и измерить можно только такую; "
            "сделайте её: govor lm build ТЕКСТ -o my.klm",
            f"{path}: no .klm of govor lm build, and only such can be mixed and measured; "
            "make one: govor lm build TEXT -o my.klm",
        )
    )
