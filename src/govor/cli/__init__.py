"""The ``govor`` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # It would look through every installed package for plugins of which Govor has none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from govor.cli.app import run

    code = run(sys.argv[1:])
    # A reader that closed the pipe early (head) must not make the interpreter complain while it shuts down.
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
