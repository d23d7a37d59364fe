"""Keep what a benchmark measured, for the tables of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def keep(path: Path | None, figures: dict[str, Any]) -> None:
    """Write figures to a JSON file, if one was asked for; docs/tables.py shows them."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
