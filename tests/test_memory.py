from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from govor.memory import give_back


def resident_megabytes() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1e3


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can give memory back")
def test_what_is_free_between_arrays_that_are_kept_goes_back_to_the_system() -> None:
    # Each too small for pages of its own; every other one stays and keeps the heap from shrinking.
    arrays = [np.ones(8000) for _ in range(2000)]
    kept = arrays[::2]
    del arrays
    before = resident_megabytes()
    give_back()
    # 64 MB were free; what other tests left behind may go back, too.
    assert before - resident_megabytes() > 40
    assert all(array.all() for array in kept)
