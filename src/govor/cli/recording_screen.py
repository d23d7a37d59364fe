"""What ``govor record`` shows: the phrase, a live level meter in one line, the verdict."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from rich.align import Align
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from govor.cli.console import redraws
from govor.corpora.takes import Problem, Progress, Take
from govor.language import tr

_QUIETEST_DB, _LOUDEST_DB = -60.0, 0.0
_METER_WIDTH = 30
# Share of the meter that is green and yellow; the rest is red, where clipping is near.
_GREEN, _YELLOW = 0.75, 0.9
_REFRESH_SECONDS = 0.08
_PEAK_FALL_DB = 1.5


class Screen:
    """Draws on the standard error stream; without a terminal it prints plain lines and no meter."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
        self._live: Live | None = None
        self._drawn = 0.0
        self._peak_db = _QUIETEST_DB

    @property
    def is_live(self) -> bool:
        """Whether there is a terminal to redraw a line in."""
        return redraws(self.console.file)

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    def show_phrase(self, phrase: str, number: int, total: int | None) -> None:
        """Show the phrase to read, large on a terminal."""
        of = f"{number}" if total is None else tr(f"{number} из {total}", f"{number} of {total}")
        title = tr(f"Фраза {of}", f"Phrase {of}")
        if not self.is_live:
            self.console.print(f"{title}: {escape(phrase)}", soft_wrap=True)
            return
        text = Align.center(Text(phrase, style="bold", justify="center"))
        self.console.print()
        self.console.print(Panel(Padding(text, (1, 2)), title=title, border_style="cyan"))

    @contextlib.contextmanager
    def meter(self) -> Iterator[None]:
        """Keep one line for `show_level`; it vanishes at the end."""
        if not self.is_live:
            yield
            return
        self._peak_db = _QUIETEST_DB
        self._drawn = 0.0
        with Live(Text(), console=self.console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show_level(self, label: str, progress: Progress, style: str = "") -> None:
        """Redraw the line of the meter, at most a dozen times a second."""
        self._peak_db = max(progress.level_db, self._peak_db - _PEAK_FALL_DB)
        now = time.monotonic()
        if self._live is None or now - self._drawn < _REFRESH_SECONDS:
            return
        self._drawn = now
        line = Text("  ", no_wrap=True, overflow="crop").append(f"{label:<12}", style=style)
        line.append_text(draw_meter(progress.level_db, self._peak_db))
        unit = tr("дБ", "dB")
        line.append(f" {progress.level_db:4.0f} {unit}", style="dim")
        if progress.seconds:
            line.append(f"  {progress.seconds:4.1f} {tr('с', 's')}", style="dim")
        self._live.update(line, refresh=True)

    def show_take(self, take: Take) -> None:
        """Print what was measured on an accepted take."""
        line = tr(
            f"записано {take.duration:.1f} с, речь {take.speech_db:.0f} дБ, шум {take.noise_db:.0f} дБ",
            f"recorded {take.duration:.1f} s, speech {take.speech_db:.0f} dB, noise {take.noise_db:.0f} dB",
        )
        self.console.print(f"  [green]✓[/green] {line}", soft_wrap=True)

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Print why a take is refused."""
        for problem in problems:
            self.console.print(f"  [red]✗[/red] {escape(problem.message)}", soft_wrap=True)

    def show_keys(self, *keys: tuple[str, str]) -> None:
        """Print which keys do what."""
        shown = "   ".join(f"[bold cyan]{escape(key)}[/bold cyan] {escape(what)}" for key, what in keys)
        self.console.print(f"  {shown}", soft_wrap=True)


def draw_meter(level_db: float, peak_db: float, width: int = _METER_WIDTH) -> Text:
    """Return a bar of `width` cells from -60 to 0 dB with a mark at the recent peak."""
    filled = _cells(level_db, width)
    peak = max(_cells(peak_db, width), filled)
    bar = Text("▕")
    for cell in range(width):
        share = (cell + 1) / width
        style = "green" if share <= _GREEN else "yellow" if share <= _YELLOW else "red"
        if cell < filled:
            bar.append("█", style=style)
        elif cell == peak - 1:
            bar.append("▏", style=style)
        else:
            bar.append("·", style="dim")
    return bar.append("▏")


def _cells(decibels: float, width: int) -> int:
    share = (decibels - _QUIETEST_DB) / (_LOUDEST_DB - _QUIETEST_DB)
    return round(min(max(share, 0.0), 1.0) * width)
