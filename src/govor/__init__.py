"""Govor (говор): Russian speech recognition small enough to own.

``from govor import load_model; load_model().transcribe("a.wav").text``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from govor.errors import GovorError
    from govor.recognizer import Recognizer, load_model
    from govor.transcript import Transcript

__all__ = ["GovorError", "Recognizer", "Transcript", "__version__", "load_model"]

__version__ = "0.1.0"

_HOMES = {
    "GovorError": "govor.errors",
    "Recognizer": "govor.recognizer",
    "Transcript": "govor.transcript",
    "load_model": "govor.recognizer",
}


def __getattr__(name: str) -> Any:
    # Every command imports this package; the recogniser with its libraries comes only when it is asked for.
    if name not in _HOMES:
        raise AttributeError(f"module 'govor' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
