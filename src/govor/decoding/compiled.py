"""The search of ctc-beam-decoder over a language model, given its words as one block of bytes.

The package's own constructor turns each word into a C string by itself, which takes as long as all the rest
of starting up a decoder. A model of KenLM already holds its words as C strings, one after the other.
"""

from __future__ import annotations

import atexit
import ctypes
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_KNOWN_ABI = 2
_ERROR_BYTES = 512
_living: weakref.WeakSet[Any] = weakref.WeakSet()


def compiled_search(
    labels: Sequence[str], language_model: Path, words: bytes, alpha: float, beta: float, unknown: float
) -> Any:
    """Return a BeamSearchDecoder over `labels` with a language model and its words, each ended by NUL.

    The same as its constructor with ``unigrams``, which it calls itself where the package is another version
    than this was written for; but for each beam `decode_beams` gives the text and the score alone. Raises
    what the constructor does: ValueError for a model that is no model, ImportError, OSError or RuntimeError
    where the library is missing.
    """
    import ctc_beam_decoder as package

    if getattr(package, "_REQUIRED_ABI_VERSION", None) != _KNOWN_ABI:
        return package.BeamSearchDecoder(
            list(labels),
            kenlm_model_path=language_model,
            unigrams=words.decode("utf-8").split("\0")[:-1],
            alpha=alpha,
            beta=beta,
            unk_score_offset=unknown,
        )
    kind: Any = type("TextSearch", (package.BeamSearchDecoder,), {"_unpack": _texts_and_scores})
    decoder = kind.__new__(kind)
    capi = package._Capi(package._find_library(None))
    if not capi.lib.ctcbd_has_kenlm():
        raise RuntimeError("ctc-beam-decoder without KenLM")
    error = ctypes.create_string_buffer(_ERROR_BYTES)
    # The library copies what it needs, so `words` has to live only until it returns.
    pointers = _c_strings(words)
    handle = capi.lib.ctcbd_create_with_lm(
        package._string_array(list(labels)),
        len(labels),
        str(language_model).encode("utf-8"),
        pointers.ctypes.data_as(ctypes.POINTER(ctypes.c_char_p)),
        len(pointers),
        alpha,
        beta,
        unknown,
        1,
        error,
        _ERROR_BYTES,
    )
    if not handle:
        raise ValueError(error.value.decode("utf-8", "replace") or "language model")
    decoder._capi = capi
    decoder._handle = ctypes.c_void_p(handle)
    decoder._n_columns = capi.lib.ctcbd_n_columns(decoder._handle)
    decoder._blank_id = capi.lib.ctcbd_blank_id(decoder._handle)
    _living.add(decoder)
    return decoder


def _texts_and_scores(decoder: Any, result: Any) -> list[tuple[str, float]]:
    """Unpack a result without the words' frames, for which nobody asks; they cost a tenth of the search."""
    library = decoder._capi.lib
    num_beams, num_words, num_bytes = ctypes.c_int32(), ctypes.c_int32(), ctypes.c_int32()
    library.ctcbd_sizes(result, ctypes.byref(num_beams), ctypes.byref(num_words), ctypes.byref(num_bytes))
    texts = ctypes.create_string_buffer(max(num_bytes.value, 1))
    scores = np.empty(num_beams.value, np.float64)
    library.ctcbd_pack(
        result, texts, None, None, None, scores.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    )
    # Each text is ended by NUL.
    found = texts.raw[: num_bytes.value].decode("utf-8").split("\0")[: num_beams.value]
    return list(zip(found, scores.tolist(), strict=True))


@atexit.register
def _leave_to_the_system() -> None:
    """Keep an ending program from freeing every word of every language model by itself, 30 ms each."""
    for decoder in _living:
        decoder._handle = None


def _c_strings(words: bytes) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return the address of each word in a block of words that each end with NUL."""
    ends = np.flatnonzero(np.frombuffer(words, np.uint8) == 0).astype(np.uint64)
    address = ctypes.cast(ctypes.c_char_p(words), ctypes.c_void_p).value or 0
    starts = np.zeros_like(ends)
    starts[1:] = ends[:-1] + np.uint64(1)
    return starts + np.uint64(address)
