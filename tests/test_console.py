"""Bars and meters are drawn where a line can be replaced, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from govor.cli.console import redraws

pty = pytest.importorskip("pty", reason="a terminal of Unix")

TRAINING = """
from govor.cli.console import Terminal
from govor.cli.training_screen import TrainingScreen
with TrainingScreen(Terminal()) as screen:
    screen.on_start(0, 0, 1234)
    for batch in range(50):
        screen.on_step(0, batch, 50, 1.0)
"""


def shown_on_a_terminal(**variables: str) -> str:
    """What the training writes to a terminal with these environment variables."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"} | {
        "GOVOR_LANG": "en"
    }
    command = [sys.executable, "-c", TRAINING]
    with os.fdopen(theirs, "wb") as terminal, os.fdopen(ours, "rb", buffering=0) as reading:
        subprocess.run(
            command,
            env=environment | {"TERM": "xterm"} | variables,
            stderr=terminal,
            stdin=terminal,
            check=True,
        )
        os.set_blocking(reading.fileno(), False)
        return reading.read().decode()


def test_a_terminal_gets_a_bar() -> None:
    assert "\x1b[?25l" in shown_on_a_terminal()


def test_a_cell_of_a_notebook_gets_lines_only() -> None:
    assert shown_on_a_terminal(JPY_PARENT_PID="1") == "1,234 weights\r\n"


def test_a_pipe_that_wants_colours_gets_no_bar() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAINING],
        env=os.environ | {"FORCE_COLOR": "1", "GOVOR_LANG": "en"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == "1,234 weights\n"


def test_a_file_and_a_closed_stream_are_not_redrawn(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        assert not redraws(stream)
    assert not redraws(None)
