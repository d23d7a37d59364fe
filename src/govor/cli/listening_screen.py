"""What ``govor listen`` shows: finished lines, below them the open utterance and a level meter, redrawn."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from govor.cli.console import redraws, results_are_seen
from govor.cli.recording_screen import draw_meter
from govor.language import tr
from govor.transcript import Segment

if TYPE_CHECKING:
    from govor.streaming import Partial

_REFRESH_SECONDS = 0.08
_PEAK_FALL_DB = 1.5
_QUIETEST_DB = -60.0
# Below it more words are wrong than right, if the model's confidences are calibrated.
_DOUBTFUL = 0.5


class Format(str, Enum):
    """What is printed for each utterance."""

    txt = "txt"
    jsonl = "jsonl"


class ListeningScreen:
    """Results on standard output; the part that is redrawn beside them, or on standard error under a pipe."""

    def __init__(self, format: Format, quiet: bool = False) -> None:
        """Prepare; without a terminal nothing is redrawn, under `quiet` no notes are shown either."""
        self._format = format
        self._results = Console(highlight=False, emoji=False, soft_wrap=True)
        notes = Console(stderr=True, highlight=False, emoji=False, quiet=quiet, soft_wrap=True)
        # On one and the same terminal finished lines must scroll above what is redrawn.
        self._shares = redraws(self._results.file) and format is Format.txt
        self._notes = self._results if self._shares and not quiet else notes
        self._live: Live | None = None
        self._partial = ""
        self._level_db = self._peak_db = _QUIETEST_DB
        self._speaking = False
        self._drawn = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Redraw the lower lines, if there is a terminal for them, until the end of the block."""
        if not redraws(self._notes.file) or self._notes.quiet:
            yield
            return
        # Not rich's own redirection: it would send errors of the sound libraries' watchers into the lines.
        with Live(
            Text(),
            console=self._notes,
            auto_refresh=False,
            transient=True,
            redirect_stdout=results_are_seen(),
            redirect_stderr=False,
        ) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def say(self, text: str, style: str = "dim") -> None:
        """Tell the user something that is not a result."""
        self._notes.print(Text(text, style=style), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Warn in one line; said even under ``--quiet``."""
        console = (
            self._notes
            if self._shares
            else Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
        )
        if self._live is not None:
            console = self._live.console
        wraps = self._live is None
        console.print(f"[yellow]{tr('внимание', 'warning')}:[/yellow] {escape(text)}", soft_wrap=wraps)

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Say that the model is being loaded."""
        if not redraws(self._notes.file) or self._notes.quiet:
            yield
            return
        with self._notes.status(tr("загружаю модель…", "loading the model…")):
            yield

    def show_level(self, level_db: float, speaking: bool) -> None:
        """Move the meter; it is redrawn at most a dozen times a second."""
        self._level_db, self._speaking = level_db, speaking
        self._peak_db = max(level_db, self._peak_db - _PEAK_FALL_DB)
        now = time.monotonic()
        if self._live is not None and now - self._drawn >= _REFRESH_SECONDS:
            self._drawn = now
            self._redraw()

    def show_waiting(self, text: str) -> None:
        """Show that there is no sound to listen to."""
        self._partial = ""
        if self._live is not None:
            self._live.update(Text(f"  {text}", style="yellow"), refresh=True)

    def show_partial(self, partial: Partial) -> None:
        """Replace the open utterance."""
        self._partial = partial.text
        if self._format is Format.jsonl:
            words = [word.to_json() for word in partial.words]
            span = {"start": round(partial.start, 3), "end": round(partial.end, 3)}
            self._write_row({"event": "partial", "text": partial.text, **span, "words": words})
        if self._live is not None:
            self._redraw()

    def show_final(self, segment: Segment, finished: str | None, saved: Path | None) -> None:
        """Print a finished utterance; `finished` is its text made pleasant to read."""
        self._partial = ""
        if self._format is Format.jsonl:
            row: dict[str, Any] = {"event": "final", **segment.to_json()}
            if segment.alternatives:
                row["alternatives"] = [alternative.to_json() for alternative in segment.alternatives]
            if finished is not None:
                row["finished"] = finished
            if saved is not None:
                row["audio_filepath"] = str(saved)
            self._write_row(row)
        elif self._shares:
            console = self._results if self._live is None else self._live.console
            # Wrapped between words, which the terminal itself would not do.
            console.print(_coloured(segment) if finished is None else Text(finished), soft_wrap=False)
        else:
            self._write_line(segment.text if finished is None else finished)
        if self._live is not None:
            self._redraw()

    def _write_row(self, row: dict[str, Any]) -> None:
        self._write_line(json.dumps(row, ensure_ascii=False))

    def _write_line(self, line: str) -> None:
        # At once: whoever reads the pipe waits for it.
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _redraw(self) -> None:
        if self._live is None:
            return
        size = self._live.console.size
        label = tr("● слышу ", "● hearing") if self._speaking else tr("○ слушаю", "○ listening")
        line = Text("  ", no_wrap=True, overflow="crop")
        line.append(f"{label:<9}  ", style="bold green" if self._speaking else "dim")
        line.append_text(draw_meter(self._level_db, self._peak_db))
        line.append(f" {self._level_db:4.0f} {tr('дБ', 'dB')}", style="dim")
        # The end of a text too long for the window is what is being said.
        room = max(size.width * (size.height - 3), size.width)
        shown = self._partial if len(self._partial) <= room else "…" + self._partial[-room + 1 :]
        lines = [Text(shown, style="italic cyan")] if shown else []
        self._live.update(Group(*lines, line), refresh=True)


def _coloured(segment: Segment) -> Text:
    """Return the text with doubtful words set off."""
    text = Text()
    for number, word in enumerate(segment.words):
        text.append(" " if number else "")
        text.append(word.text, style="yellow" if word.confidence < _DOUBTFUL else "bold")
    return text
