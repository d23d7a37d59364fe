"""What all commands share with the user: where words go, progress bars, and how a command ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from rich.console import Console
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

from govor.errors import MissingExtraError
from govor.language import tr


class ExitCode(IntEnum):
    """How a command ended."""

    FINE = 0
    SOME_FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


@dataclass(frozen=True)
class Terminal:
    """Results go to standard output, all else to standard error, so that pipes stay clean."""

    quiet: bool = False

    @property
    def results(self) -> Console:
        """Console of results. Never wraps: a line is a line even in a narrow window or a pipe."""
        return Console(soft_wrap=True, highlight=False)

    @property
    def notes(self) -> Console:
        """Console of notes; silent under ``--quiet``."""
        return Console(stderr=True, highlight=False, quiet=self.quiet, soft_wrap=True)

    def say(self, text: str) -> None:
        """Tell the user something that is not a result."""
        self.notes.print(escape(text))

    def warn(self, text: str) -> None:
        """Warn in one line; said even under ``--quiet``."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[yellow]{tr('внимание', 'warning')}:[/yellow] {escape(text)}"
        )

    def fail(self, text: str) -> None:
        """Report an error in one line; said even under ``--quiet``."""
        one_line = " ".join(text.split())
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[red]{tr('ошибка', 'error')}:[/red] {escape(one_line)}"
        )

    def fail_at(self, place: str, reason: str) -> None:
        """Report an error of one input; a reason that names the place itself does not get it twice."""
        self.fail(reason if reason.startswith(place) else f"{place}: {reason}")

    @contextlib.contextmanager
    def progress(self, what: str, unit: str = "") -> Iterator[Callable[[float, float], None]]:
        """Show a bar on a terminal; the context gives ``update(done, total)``.

        With `unit` "B" it counts bytes and shows their rate.
        """
        console = self.notes
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
        if unit == "B":
            columns += [DownloadColumn(), TransferSpeedColumn()]
        elif not unit:
            columns.append(MofNCompleteColumn())
        columns += [TimeElapsedColumn(), TimeRemainingColumn(compact=True)]
        with Progress(
            *columns, console=console, transient=True, disable=self.quiet or not console.is_terminal
        ) as bar:
            task = bar.add_task(escape(what), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


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
