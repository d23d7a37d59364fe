"""Manifests of NVIDIA NeMo: JSONL with pieces of longer recordings, which our own manifests do not have.

The keys are those of ``nemo.collections.common.parts.preprocessing.manifest``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from govor.corpora.dropped import Dropped
from govor.corpora.importing import Corpus, Row
from govor.corpora.places import find_recording
from govor.corpora.tables import count_lines, read_json_lines
from govor.errors import InputNotFoundError
from govor.language import tr

_LONGEST_SECONDS = 1e9
_LONGEST_TEXT = 100_000


def read_nemo(manifest: Path) -> Corpus:
    """Read a manifest of NeMo, or the ``*.json`` and ``*.jsonl`` of a folder.

    A line with ``offset`` is a piece of a recording and is cut out of it. Raises InputNotFoundError if there
    is no manifest.
    """
    if manifest.is_file():
        manifests = [manifest]
    else:
        manifests = sorted(path for path in manifest.glob("*.json*") if path.suffix in (".json", ".jsonl"))
    if not manifests:
        raise InputNotFoundError(
            tr(
                f"{manifest}: нет манифеста NeMo; укажите файл .json или .jsonl",
                f"{manifest}: no manifest of NeMo; name a .json or .jsonl file",
            )
        )
    return Corpus(_rows(manifests), sum(map(count_lines, manifests)))


def _rows(manifests: list[Path]) -> Iterator[Row | Dropped]:
    for manifest in manifests:
        for item in read_json_lines(manifest):
            yield item if isinstance(item, Dropped) else read_row(item[0], item[1], manifest.parent)


def read_row(place: str, row: dict[str, Any], folder: Path, suffixes: tuple[str, ...] = ()) -> Row | Dropped:
    """Read one line of a manifest that lies in `folder`; recordings may have got one of `suffixes` since."""
    name = row.get("audio_filepath", row.get("audio_filename"))
    if not isinstance(name, str) or not name or "\0" in name:
        return Dropped(place, tr("нет audio_filepath", "no audio_filepath"))
    text = _text(row, folder)
    if text is None:
        return Dropped(name, tr("нет text", "no text"))
    start, duration = _seconds(row.get("offset")), _seconds(row.get("duration")) or None
    if start is None and row.get("offset") is not None:
        found = str(row["offset"])[:20]
        reason = tr(
            f"offset «{found}», а нужны секунды от начала записи",
            f"offset “{found}”; seconds from the start of the recording are needed",
        )
        return Dropped(name, reason)
    if start and duration is None:
        return Dropped(name, tr("есть offset, но нет duration", "there is an offset, but no duration"))
    # Several pieces of one recording need names of their own; they say where the piece lies.
    piece = f"-{start:.2f}-{start + duration:.2f}" if start is not None and duration else ""
    return Row(
        id=str(row.get("id") or f"{name}{piece}"),
        audio=find_recording(folder, name, suffixes),
        text=text,
        speaker=str(row.get("speaker") or ""),
        duration=duration,
        start=start if piece else None,
    )


def _text(row: dict[str, Any], folder: Path) -> str | None:
    text = row.get("text", row.get("normalized_text"))
    if isinstance(text, str):
        return text
    name = row.get("text_filepath")
    if not isinstance(name, str):
        return None
    try:
        with find_recording(folder, name).open("rb") as stream:
            return stream.read(_LONGEST_TEXT).decode("utf-8-sig").replace("\n", " ").strip()
    except (OSError, ValueError):
        return None


def _seconds(value: object) -> float | None:
    """Return a number of seconds, None if it is none: JSON of others holds NaN, Infinity, 400 digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _LONGEST_SECONDS:
        return None
    return float(value) if math.isfinite(value) else None
