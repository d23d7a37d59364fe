"""What all commands share with the user: where words go, progress bars, and how a command ends."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING

from govor.errors import ConfigError, MissingExtraError, system_reason
from govor.language import tr

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from govor.manifest import BadLine

_LINES_SHOWN = 10


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
    _drawn_on: list[Console] = field(default_factory=list, init=False, repr=False, compare=False)
    """The console of the bar that is being shown, if one is."""

    @property
    def results(self) -> Console:
        """Console of results. Never wraps: a line is a line even in a narrow window or a pipe."""
        return _console()

    @property
    def notes(self) -> Console:
        """Console of notes; silent under ``--quiet``. Above the bar, if there is one."""
        return self._drawn_on[-1] if self._drawn_on else _console(stderr=True, quiet=self.quiet)

    @property
    def shows_bars(self) -> bool:
        """Whether somebody looks who would see a bar move."""
        return not self.quiet and redraws(sys.stderr)

    def say(self, text: str) -> None:
        """Tell the user something that is not a result."""
        if not self.quiet:
            self._print_line("", text)

    def warn(self, text: str) -> None:
        """Warn in one line; said even under ``--quiet``."""
        self._print_line(f"[yellow]{tr('внимание', 'warning')}:[/yellow] ", text)

    def fail(self, text: str) -> None:
        """Report an error in one line; said even under ``--quiet``."""
        self._print_line(f"[red]{tr('ошибка', 'error')}:[/red] ", " ".join(text.split()))

    def fail_at(self, place: str, reason: str) -> None:
        """Report an error of one input; a reason that names the place itself does not get it twice."""
        self.fail(reason if reason.startswith(place) else f"{place}: {reason}")

    def fail_lines(self, lines: Sequence[BadLine]) -> None:
        """Report bad lines of a manifest as errors: they were left out, and the command ends with 1.

        Only so many, for another file named by mistake may have thousands; and how many more there are.
        """
        for line in lines[:_LINES_SHOWN]:
            self.fail_at(line.place, line.reason)
        if (more := len(lines) - _LINES_SHOWN) > 0:
            self.fail(tr(f"и ещё негодных строк: {more}", f"and {more} more bad lines"))

    @contextlib.contextmanager
    def progress(self, what: str, unit: str = "") -> Iterator[Callable[[float, float], None]]:
        """Show a bar on a terminal; the context gives ``update(done, total)``.

        With `unit` "B" it counts bytes and shows their rate.
        """
        if not self.shows_bars:
            yield lambda done, total: None
            return
        from rich.markup import escape
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
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
        with self.bar(*columns) as bar:
            task = bar.add_task(escape(what), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    @contextlib.contextmanager
    def bar(self, *columns: ProgressColumn) -> Iterator[Progress]:
        """Show a bar of these columns until the end of the block; what is said meanwhile appears above it.

        Only where `shows_bars`.
        """
        from rich.progress import Progress

        console = self.notes
        with Progress(*columns, console=console, transient=True, redirect_stdout=results_are_seen()) as bar:
            self._drawn_on.append(console)
            try:
                yield bar
            finally:
                self._drawn_on.pop()

    def _print_line(self, label: str, text: str) -> None:
        from rich.markup import escape

        console = self._drawn_on[-1] if self._drawn_on else _console(stderr=True)
        console.print(label + escape("\n".join(map(printable, text.split("\n")))))


_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Return text with its control characters but tabs as ``\x1b``: names must not steer the terminal."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def results_are_seen() -> bool:
    """Tell whether standard output is a terminal.

    rich sends what is printed beside something it redraws to the terminal of that, so that it appears above;
    asked to do so for a file or a pipe, it would leave that empty.
    """
    return sys.stdout is not None and sys.stdout.isatty()


def redraws(stream: IO[str] | None) -> bool:
    """Tell whether a line shown there can be replaced by a later one, as a bar or a meter is.

    A pipe keeps every line, even where FORCE_COLOR asks for colours in it; so does a cell of a notebook,
    though its commands run on a terminal of their own. Jupyter names itself to what it starts.
    """
    return stream is not None and stream.isatty() and "JPY_PARENT_PID" not in os.environ


def _console(*, stderr: bool = False, quiet: bool = False) -> Console:
    from rich.console import Console

    # emoji: a name such as a:x:b.wav is shown as it is.
    return Console(stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True, emoji=False)


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


def check_writable(output: Path, option: str = "--output", suffix: str = "") -> None:
    """Raise ConfigError, before any work is done, for a file that could not be written after it.

    `option` is what the user named it by; `suffix` is how such files end, lest another kind be overwritten.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.is_dir() or not os.access(output if output.exists() else output.parent, os.W_OK):
            raise PermissionError(0, tr("нет прав на запись или это папка", "no right to write, or a folder"))
    except OSError as error:
        raise ConfigError(
            tr(
                f"{output} не записать ({system_reason(error)}); назовите другой: {option}",
                f"{output} cannot be written ({system_reason(error)}); name another: {option}",
            )
        ) from error
    if suffix and output.suffix != suffix:
        raise ConfigError(
            tr(f"{output}: имя должно кончаться на {suffix}", f"{output}: the name must end in {suffix}")
        )


def limit_threads() -> None:
    """Keep numeric libraries to one thread unless the user set a number; must run before they load."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
