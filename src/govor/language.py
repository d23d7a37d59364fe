"""Which language the program speaks to its user: Russian or English, by locale."""

from __future__ import annotations

import os


def speaks_russian() -> bool:
    """Tell whether messages should be Russian.

    The first of GOVOR_LANG, LC_ALL, LC_MESSAGES and LANG that is set decides, as in POSIX; anything that
    does not start with ``ru`` means English.
    """
    for variable in ("GOVOR_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return value.lower().startswith("ru")
    return False


def tr(russian: str, english: str) -> str:
    """Return the text in the user's language. Both stand side by side so that neither is forgotten."""
    return russian if speaks_russian() else english
