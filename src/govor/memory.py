"""Memory that is free but still held by the C library goes back to the system (glibc)."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def give_back() -> None:
    """Return free memory to the system where the C library can; it takes some milliseconds.

    Arrays of ever other sizes leave holes in glibc's heap, which grows by the hour although nothing is kept.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    except (OSError, TypeError):
        # Windows has no library without a name.
        return None
    return found
