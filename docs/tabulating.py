"""Words, numbers and Markdown of the tables that docs/tables.py makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        """Write a number with the decimal mark of the language."""
        text = f"{value:.{places}f}"
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
