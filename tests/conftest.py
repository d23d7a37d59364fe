from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from govor.recognizer import Recognizer
    from govor.server.pool import FairPool

# Their assertions are to show their values as those of the tests do.
pytest.register_assert_rewrite("beam_truth", "kept_recordings")

# Must be set before any numeric library loads; more threads only make tiny tests slower.
os.environ["OMP_NUM_THREADS"] = "1"
# Messages are English whatever the locale of whoever runs the tests, from the first import on.
for _variable in ("GOVOR_LANG", "LC_MESSAGES", "LANG"):
    os.environ.pop(_variable, None)
os.environ["LC_ALL"] = "C.UTF-8"

# A runner that was started in the background hands down an ignored Ctrl-C, and every command started here
# would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    """The shipped model."""
    from govor import load_model

    return load_model()


@pytest.fixture
def pool() -> Iterator[FairPool]:
    """A pool of the server with one worker."""
    from govor.server.pool import FairPool

    pool = FairPool(1)
    yield pool
    pool.close()
