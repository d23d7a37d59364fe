"""Words, numbers and Markdown of the tables that docs/tables.py makes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
MEASURED = BENCHMARKS / "measured"
sys.path.insert(0, str(BENCHMARKS))

from keeping import shipped_digests

Figures = Any
Row = Sequence[str]


class Language:
    """Words and numbers of one of the two languages."""

    def __init__(self, code: str) -> None:
        """Take "ru" or "en"."""
        self.code = code

    def __call__(self, russian: str, english: str) -> str:
        """Choose."""
        return russian if self.code == "ru" else english

    def number(self, value: float, places: int = 0) -> str:
        """Write a number with the decimal mark of the language; -1 places: to the next ten."""
        text = f"{round(value, places):.{max(places, 0)}f}"
        return text.replace(".", ",") if self.code == "ru" else text

    def whole(self, value: int) -> str:
        """Write a whole number with its thousands apart."""
        return f"{value:,}".replace(",", " ") if self.code == "ru" else f"{value:,}"

    def percent(self, value: float, places: int = 0) -> str:
        """Write a share."""
        return f"{self.number(100 * value, places)} %"

    def pair(self, values: Sequence[float], places: int = 0) -> str:
        """Write numbers with slashes between."""
        return " / ".join(self.number(value, places) for value in values)


def table(head: Row, rows: Sequence[Row], numbers: bool = True, words: int = 1) -> str:
    """Return Markdown; all columns but the first ``words`` are numbers, unless told otherwise."""
    rule = ["---"] * words + ["---:" if numbers else "---"] * (len(head) - words)
    lines = [f"| {' | '.join(head)} |".replace("|  |", "| |"), f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def figures(name: str, folder: Path | None = None) -> Figures:
    """Return what a benchmark has measured."""
    path = BENCHMARKS / "speed.json" if name == "speed" else (folder or MEASURED) / f"{name}.json"
    return json.loads(path.read_text("utf-8"))


def is_stale(run: Figures) -> bool:
    """Tell whether these figures are of other models than those that ship."""
    models = run.get("models", {})
    return not models or shipped_digests(*models) != models


def stale_note(runs: Sequence[Figures], tr: Language) -> str:
    """Return the sentence that such figures are shown with, or ""."""
    if not any(map(is_stale, runs)):
        return ""
    return tr(
        "*Измерено с прежними моделями: с нынешними `make bench` ещё не делали.*",
        "*Measured with the models before: `make bench` has not been run with these yet.*",
    )
