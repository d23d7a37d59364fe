"""What ``govor transcribe`` has done so far: counted, shown as a bar meanwhile and as a table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from govor.cli.console import Terminal
from govor.language import tr

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from govor.jobs import Job, JobResult

_SCREEN_LINES = 20


@dataclass
class Tally:
    """What has been done, for the bar and the table."""

    started: float = field(default_factory=time.monotonic)
    num_done: int = 0
    num_skipped: int = 0
    seconds: float = 0.0
    """Of audio recognised, all that is finished."""
    failures: list[tuple[str, str]] = field(default_factory=list)
    """A recording and what was wrong with it."""
    _open: dict[str, float] = field(default_factory=dict)
    """Seconds done of the recordings that are being worked on."""
    _lengths: dict[str, float] = field(default_factory=dict)
    """What their files declare; 0 where they do not say."""

    def progress(self, job: Job, seconds: float) -> None:
        """Note how far a recording is."""
        self._open[job.source] = seconds

    def result(self, result: JobResult) -> None:
        """Count a recording that is through."""
        self._open.pop(result.job.source, None)
        self._lengths.pop(result.job.source, None)
        if result.transcript is not None:
            self.seconds += result.transcript.duration
        if result.error is None:
            self.num_done += 1
        else:
            self.failures.append((result.job.source, result.error))

    def begin_again(self, job: Job) -> None:
        """Forget that a recording failed: it has changed since, as one does that was not whole yet."""
        self.failures = [(source, line) for source, line in self.failures if source != job.source]

    @property
    def num_through(self) -> int:
        """Recordings that need no more work."""
        return self.num_done + len(self.failures)

    @property
    def num_begun(self) -> float:
        """Recordings that are being worked on, each counted as the part of it that is done."""
        parts = ((seconds, self._length(source)) for source, seconds in self._open.items())
        return sum(min(seconds / length, 1.0) for seconds, length in parts if length)

    @property
    def speed(self) -> float:
        """Seconds of audio a second, of all processes together."""
        passed = max(time.monotonic() - self.started, 1e-3)
        return (self.seconds + sum(self._open.values())) / passed

    def show(self, terminal: Terminal) -> None:
        """Print the table, and below it what failed."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        passed = time.monotonic() - self.started
        for name, value in (
            (tr("распознано", "recognised"), str(self.num_done)),
            (tr("пропущено", "skipped"), str(self.num_skipped)),
            (tr("с ошибками", "with errors"), str(len(self.failures))),
            (tr("звука", "audio"), _clock(self.seconds)),
            (tr("времени", "time"), _clock(passed)),
            (tr("быстрее речи", "times real time"), f"{self.speed:.1f}"),
        ):
            table.add_row(name, value)
        terminal.notes.print(table)
        # Each was named when it failed; of a long run that is out of sight by now.
        if self.num_through > _SCREEN_LINES:
            for _, line in self.failures:
                terminal.say(f"  {line}")

    def _length(self, source: str) -> float:
        from govor.audio.loading import probe_duration

        if source not in self._lengths:
            self._lengths[source] = probe_duration(source)
        return self._lengths[source]


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


@contextmanager
def tally_bar(terminal: Terminal, jobs: Sequence[Job], tally: Tally) -> Iterator[Callable[[], None]]:
    """Show how far `tally` is with the jobs; the context gives a function that redraws it."""
    if not terminal.shows_bars:
        yield lambda: None
        return
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    single = len(jobs) == 1
    columns: list[ProgressColumn] = [BarColumn(), TaskProgressColumn() if single else MofNCompleteColumn()]
    if single:
        columns.insert(0, TextColumn(escape(Path(jobs[0].source).name)))
    columns += [TextColumn("{task.description}"), TimeElapsedColumn(), TimeRemainingColumn(compact=True)]
    with terminal.bar(*columns) as bar:
        task = bar.add_task("", total=None if single else len(jobs))

        def update() -> None:
            failed = len(tally.failures)
            what = tr(f"×{tally.speed:.0f} к речи", f"{tally.speed:.0f}x real time")
            done = tally.num_through + tally.num_begun
            bar.update(
                task,
                # A pipe, or a file that does not say how long it is: the bar only moves.
                total=None if single and done < 1e-6 else len(jobs),
                completed=done,
                description=what + (tr(f", ошибок {failed}", f", {failed} failed") if failed else ""),
            )

        yield update
