"""Keep what a benchmark measured, for the tables of the documentation."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

MODELS = Path(__file__).resolve().parents[1] / "src" / "govor" / "models"


def keep(path: Path | None, figures: dict[str, Any]) -> None:
    """Write figures to a JSON file, if one was asked for; docs/tables.py shows them."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def shipped_digests(*names: str) -> dict[str, str]:
    """Return what tells one version of the models that ship from another."""
    return {name: hashlib.sha256((MODELS / name).read_bytes()).hexdigest()[:16] for name in names}
