"""Whether a binary of KenLM is whole: KenLM maps it and follows its pointers unchecked, past its end too."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.errors import ModelError
from govor.language import tr
from govor.language_model.kenlm import LAYOUT, bits_for, unpacked
from govor.language_model.vocabulary import MAGIC, not_found

_MAX_ORDER = 6


def check_binary(path: Path) -> None:
    """Raise ModelError if a KenLM binary is cut short or its pointers lead astray; anything else passes.

    Pointers are looked at in files of the kind that ``govor lm build`` writes, at some 10 million n-grams a
    second; of other kinds only the size is. Raises InputNotFoundError if it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                return
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                whole = _is_whole(data)
    except OSError as error:
        raise not_found(path, error) from error
    if not whole:
        raise ModelError(
            tr(
                f"языковая модель {path} обрывается или испорчена; сделайте её заново: govor lm build",
                f"language model {path} is truncated or damaged; make it anew: govor lm build",
            )
        )


def _is_whole(data: mmap.mmap) -> bool:
    fixed = len(LAYOUT.sanity) + struct.calcsize(LAYOUT.parameters)
    if len(data) < fixed or data[: len(LAYOUT.sanity)] != LAYOUT.sanity:
        return False
    order, _, kind, _, version = struct.unpack_from(LAYOUT.parameters, data, len(LAYOUT.sanity))
    if not 1 <= order <= _MAX_ORDER or len(data) < fixed + 8 * order:
        return False
    counts = struct.unpack_from(f"<{order}Q", data, fixed)
    # No kind of KenLM stores an n-gram in less than a byte.
    if not counts[0] or any(not 0 < count < len(data) for count in counts) or sum(counts) > len(data):
        return False
    if (kind, version) != (LAYOUT.quantized_trie, LAYOUT.search_version) or order < 2:
        return True
    return _pointers_stay_inside(data, counts, (fixed + 8 * order + 7) // 8 * 8)


def _pointers_stay_inside(data: mmap.mmap, counts: tuple[int, ...], place: int) -> bool:
    """Walk through the parts in their order, with `place` after the header."""
    order, words = len(counts), counts[0]
    # The hashes of all words but <unk>, with their number before them and eight spare bytes behind.
    if data[place : place + 8] != struct.pack("<Q", words - 1):
        return False
    place += 8 + 8 * words
    if data[place : place + 3] != bytes([LAYOUT.quantization_version, LAYOUT.bits, LAYOUT.bits]):
        return False
    # All but the longest n-grams have a second table, that of the back-offs.
    place += 8 + 4 * (1 << LAYOUT.bits) * (2 * (order - 2) + 1)
    unigrams_end = place + (words + 2) * LAYOUT.unigram.itemsize
    if unigrams_end > len(data):
        return False
    starts = np.frombuffer(data, LAYOUT.unigram, words + 1, place)["next"].copy()
    if not _ascend(starts, counts[1]):
        return False
    place = unigrams_end
    for length in range(2, order + 1):
        count = counts[length - 1]
        widths = [bits_for(words), LAYOUT.bits]
        if length < order:
            widths += [LAYOUT.bits, bits_for(counts[length])]
        size = ((count + 1) * sum(widths) + 7) // 8 + 8
        if place + size > len(data):
            return False
        if length < order and not _ascend(
            unpacked(data[place : place + size], 0, count + 1, widths)[3], counts[length]
        ):
            return False
        place += size
    return True


def _ascend(starts: NDArray[np.uint64], end: int) -> bool:
    return bool((starts[:-1] <= starts[1:]).all() and starts[-1] <= end)
