"""Single key presses from the terminal, without waiting for Enter."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

# What the same key gives in the Russian layout.
_SAME_KEY = {"к": "r", "ы": "s", "й": "q", "\n": "\r"}


class Keys:
    """Poll the keyboard inside `pressed_keys`; a key is a lower-case character, Enter is ``\\r``."""

    def poll(self) -> str:
        """Return a key that was pressed, or an empty string."""
        key = _read_key().lower()
        return _SAME_KEY.get(key, key)

    def forget(self) -> None:
        """Drop the keys pressed so far."""
        while _read_key():
            pass


@contextlib.contextmanager
def pressed_keys() -> Iterator[Keys]:
    """Switch the terminal to single keys without echo, and back. Ctrl-C works as always."""
    if sys.platform == "win32":
        yield Keys()
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield Keys()
    finally:
        # Keys pressed meanwhile must not become the start of the next typed phrase.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _read_key() -> str:
    if sys.platform == "win32":
        import msvcrt

        console: Any = msvcrt
        return str(console.getwch()) if console.kbhit() else ""
    import os
    import select

    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], 0)[0]:
        return ""
    first = os.read(descriptor, 1)
    if not first:
        # The terminal was closed: without this the program would wait for a key for ever.
        raise EOFError
    # The first byte of UTF-8 says how many follow.
    following = sum(first[0] >= limit for limit in (0xC0, 0xE0, 0xF0))
    return (first + os.read(descriptor, following) if following else first).decode("utf-8", "replace")
