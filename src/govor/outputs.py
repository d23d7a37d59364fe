"""A transcript in each of the formats it can be written in, and files that are whole or not there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from govor.subtitles import to_srt, to_vtt
from govor.transcript import Transcript


def _json(transcript: Transcript) -> str:
    return json.dumps(transcript.to_json(), ensure_ascii=False, indent=2) + "\n"


_WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": lambda transcript: transcript.to_txt() + "\n",
    "json": _json,
    "jsonl": lambda transcript: transcript.to_jsonl() + "\n",
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": lambda transcript: transcript.to_tsv(),
}
FORMATS = tuple(_WRITERS)


def render(transcript: Transcript, format: str) -> str:
    """Return the text of a file of that format, with its last line feed. ValueError for another format."""
    if format not in _WRITERS:
        raise ValueError(f"no format {format!r}: {', '.join(FORMATS)}")
    return _WRITERS[format](transcript)


def write_whole(path: Path, text: str) -> None:
    """Write a file in UTF-8 so that it never exists in part, even if the program is killed; makes its folder.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
