"""A transcript in each of the formats it can be written in, and files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from govor.errors import ConfigError, system_reason
from govor.language import tr
from govor.subtitles import to_srt, to_vtt
from govor.text.finishing import finish
from govor.transcript import Transcript


def _json(transcript: Transcript) -> str:
    return "".join(render_pieces(transcript, "json"))


def _tsv(transcript: Transcript) -> str:
    return transcript.to_tsv() if transcript.finished is None else transcript.to_tsv(finish)


_WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": lambda transcript: transcript.to_txt() + "\n",
    "json": _json,
    "jsonl": lambda transcript: transcript.to_jsonl() + "\n",
    "srt": to_srt,
    "vtt": to_vtt,
    "tsv": _tsv,
}
FORMATS = tuple(_WRITERS)


def render(transcript: Transcript, format: str) -> str:
    """Return the text of a file of that format, with its last line feed. ValueError for another format."""
    if format not in _WRITERS:
        raise ValueError(f"no format {format!r}: {', '.join(FORMATS)}")
    return _WRITERS[format](transcript)


def render_pieces(transcript: Transcript, format: str) -> Iterator[str]:
    """Yield what `render` returns in pieces: the JSON of a long recording is never in memory whole."""
    if format == "json":
        yield from transcript.json_pieces()
        yield "\n"
    else:
        yield render(transcript, format)


def make_folder(folder: Path, option: str) -> None:
    """Make a folder and try that files can be written there, before any work is done for it.

    `option` is what the user named it by. Raises ConfigError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            tr(
                f"{option} {folder}: писать туда нельзя ({system_reason(error)}); назовите другую папку",
                f"{option} {folder}: cannot be written to ({system_reason(error)}); name another folder",
            )
        ) from error


def write_whole(path: Path, text: Iterable[str]) -> None:
    r"""Write a file in UTF-8, never in part, even if the program is killed; makes its folder.

    `text` is a string or pieces of one. Bytes of a file name that are no UTF-8 become ``\udcff``, as JSON has
    them; they would be refused otherwise, and the text be lost.
    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_beside(path, text)
    except OSError as error:
        # Nobody asked for the file it was to become; and a full disk names no file at all.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_beside(path: Path, text: Iterable[str]) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.writelines([text] if isinstance(text, str) else text)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
