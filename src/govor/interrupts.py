"""Ctrl-C that waits: a step of a training, or the writing of its results, is never cut in half."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def delayed_interrupt() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the block is done, then raise KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
    for kind in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(kind) == signal.SIG_IGN:
            # Started with nohup or in the background: whoever did that wants no interrupts.
            continue
        before[kind] = signal.signal(kind, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    if arrived:
        raise KeyboardInterrupt
