"""The ``govor`` command."""

from __future__ import annotations

import gc
import io
import os
import sys

# Objects that make the collector look for garbage. Imports make hundreds of thousands and no garbage, and by
# its own 700 it spends an eighth of the time a short recording takes on looking through them.
_GARBAGE_THRESHOLD = 50_000


def main() -> None:
    """Run the command line and exit with its code."""
    # It would look through every installed package for plugins of which Govor has none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(_GARBAGE_THRESHOLD)
    _open_standard_streams()
    from govor.cli.app import run

    code = run(sys.argv[1:])
    # A reader that closed the pipe early (head) must not make the interpreter complain while it shuts down.
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # The same for the last look, as the interpreter goes.
    gc.freeze()
    sys.exit(code)


def _open_standard_streams() -> None:
    """Put nothing where the caller left nothing (``<&-``), or the next file opened would get its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(handle, mode, encoding="utf-8"))
    # As standard error does: a name that the stream cannot write must not cost the text.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
