"""What all commands share with the user: where words go, progress bars, and how a command ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, TYPE_CHECKING

from govor.errors import MissingExtraError
from govor.language import tr

if TYPE_CHECKING:
    from rich.console import Console


class ExitCode(IntEnum):
    """How a command ended."""

    FINE = 0
    SOME_FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


@dataclass(frozen=True)
class Terminal:
    """Results go to standard output, all else to standard error, so that pipes stay clean.

    rich, which takes a twentieth of the time that a short recording does, is imported when it has to draw.
    """

    quiet: bool = False

    @property
    def results(self) -> Console:
        """Console of results. Never wraps: a line is a line even in a narrow window or a pipe."""
        return _console()

    @property
    def notes(self) -> Console:
        """Console of notes; silent under ``--quiet``."""
        return _console(stderr=True, quiet=self.quiet)

    def say(self, text: str) -> None:
        """Tell the user something that is not a result."""
        if not self.quiet:
            _print_line("", text)

    def warn(self, text: str) -> None:
        """Warn in one line; said even under ``--quiet``."""
        _print_line(f"[yellow]{tr('внимание', 'warning')}:[/yellow] ", text)

    def fail(self, text: str) -> None:
        """Report an error in one line; said even under ``--quiet``."""
        _print_line(f"[red]{tr('ошибка', 'error')}:[/red] ", " ".join(text.split()))

    def fail_at(self, place: str, reason: str) -> None:
        """Report an error of one input; a reason that names the place itself does not get it twice."""
        self.fail(reason if reason.startswith(place) else f"{place}: {reason}")

    @contextlib.contextmanager
    def progress(self, what: str, unit: str = "") -> Iterator[Callable[[float, float], None]]:
        """Show a bar on a terminal; the context gives ``update(done, total)``.

        With `unit` "B" it counts bytes and shows their rate.
        """
        if self.quiet or not redraws(sys.stderr):
            yield lambda done, total: None
            return
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
        if unit == "B":
            columns += [DownloadColumn(), TransferSpeedColumn()]
        elif not unit:
            columns.append(MofNCompleteColumn())
        columns += [TimeElapsedColumn(), TimeRemainingColumn(compact=True)]
        with Progress(*columns, console=self.notes, transient=True) as bar:
            task = bar.add_task(escape(what), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def redraws(stream: IO[str] | None) -> bool:
    """Tell whether a line shown there can be replaced by a later one, as a bar or a meter is.

    A pipe keeps every line, even where FORCE_COLOR asks for colours in it; so does a cell of a notebook,
    though its commands run on a terminal of their own. Jupyter names itself to what it starts.
    """
    return stream is not None and stream.isatty() and "JPY_PARENT_PID" not in os.environ


def _console(*, stderr: bool = False, quiet: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True)


def _print_line(label: str, text: str) -> None:
    from rich.markup import escape

    _console(stderr=True).print(label + escape(text))


def require(extra: str, *modules: str) -> None:
    """Raise MissingExtraError with the command that installs `extra` unless its modules are there."""
    from importlib.util import find_spec

    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        names = ", ".join(missing)
        raise MissingExtraError(
            tr(
                f"для этой команды нужны ещё {names}: pip install 'govor[{extra}]'",
                f"this command also needs {names}: pip install 'govor[{extra}]'",
            )
        )


def limit_threads() -> None:
    """Keep numeric libraries to one thread unless the user set a number; must run before they load."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
