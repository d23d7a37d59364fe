"""The rows that an importer left out, shown one a line."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from govor.cli.console import Terminal
from govor.language import tr

_SHOWN = 10


def show_dropped(output: Path, num_dropped: int, terminal: Terminal) -> None:
    """Show the first rows of ``dropped.jsonl`` and how many more there are."""
    with (output / "dropped.jsonl").open(encoding="utf-8") as stream:
        for line in islice(stream, _SHOWN):
            drop = json.loads(line)
            terminal.warn(f"{drop['id']}: {drop['reason']}")
    if num_dropped > _SHOWN:
        terminal.warn(tr(f"и ещё {num_dropped - _SHOWN}", f"and {num_dropped - _SHOWN} more"))
