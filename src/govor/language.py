"""Which language the program speaks to its user: Russian or English, by locale."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

_asked: ContextVar[str] = ContextVar("govor_language", default="")


def speaks_russian() -> bool:
    """Tell whether messages should be Russian.

    `speaking` decides where it is in force; else the first of GOVOR_LANG, LC_ALL, LC_MESSAGES and LANG that
    is set, as in POSIX. Anything that does not start with ``ru`` means English.
    """
    if asked := _asked.get():
        return asked.lower().startswith("ru")
    for variable in ("GOVOR_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return value.lower().startswith("ru")
    return False


@contextlib.contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak `language` (``ru``, ``en-GB``, an Accept-Language header) in here; empty: as before.

    In force in this thread or asyncio task and in those that it starts with its context.
    """
    token = _asked.set(language.strip() or _asked.get())
    try:
        yield
    finally:
        _asked.reset(token)


def tr(russian: str, english: str) -> str:
    """Return the text in the user's language. Both stand side by side so that neither is forgotten."""
    return russian if speaks_russian() else english
