"""What ``govor transcribe`` prints or says of each recording."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from govor.cli.console import Terminal, printable
from govor.errors import ConfigError
from govor.language import tr

if TYPE_CHECKING:
    from govor.jobs import JobResult
    from govor.transcript import Transcript

# Of these several in one stream would still be one sensible stream.
_PRINTABLE_TOGETHER = {"txt", "json", "jsonl"}


def check_formats(text: str) -> str:
    """Return ``srt,json`` without spaces and repetitions. Raises BadParameter for another format."""
    from govor.outputs import FORMATS

    formats = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        names = ", ".join(FORMATS)
        given = unknown[0] if unknown else text
        raise typer.BadParameter(tr(f"нет вида {given!r}: {names}", f"no format {given!r}: {names}"))
    return ",".join(formats)


def check_destination(formats: Sequence[str], output_dir: Path | None, num_recordings: int) -> None:
    """Make the folder; raise ConfigError if that fails, or what was asked for cannot go into one stream."""
    if output_dir is not None:
        from govor.outputs import make_folder

        make_folder(output_dir, "--output-dir")
        return
    if len(formats) > 1:
        raise ConfigError(
            tr(
                f"несколько видов ({','.join(formats)}) пишутся в файлы: добавьте --output-dir ПАПКА",
                f"several formats ({','.join(formats)}) go to files: add --output-dir FOLDER",
            )
        )
    if num_recordings > 1 and formats[0] not in _PRINTABLE_TOGETHER:
        raise ConfigError(
            tr(
                f"{formats[0]} нескольких записей пишется в файлы: добавьте --output-dir ПАПКА",
                f"{formats[0]} of several recordings goes to files: add --output-dir FOLDER",
            )
        )


class TranscriptPrinter:
    """Reports results as they come: transcripts on standard output or, if they are files, their names."""

    def __init__(self, terminal: Terminal, format: str, several: bool, to_files: bool) -> None:
        """Print in `format`, unless they go `to_files`; `several` recordings are told apart."""
        self.num_failed = 0
        self._terminal = terminal
        self._format = format
        self._several = several
        self._to_files = to_files
        self._rows: list[dict[str, object]] = []

    def show(self, result: JobResult) -> None:
        """Report one result: its problems as warnings, its error as an error, then the text."""
        transcript = result.transcript
        if transcript is not None and not self._terminal.quiet:
            for problem in transcript.problems:
                self._terminal.warn(f"{result.job.source}: {problem.message}")
        if result.error is not None:
            # What could be read is printed, yet a script must notice that it is not all.
            self._terminal.fail(result.error)
            self.num_failed += 1
        if transcript is None:
            return
        if result.job.output is not None:
            if result.written:
                # They differ in nothing but the last suffix.
                others = "".join(f", {path.suffix}" for path in result.written[1:])
                self._terminal.say(f"{result.job.source}: {result.written[0]}{others}")
        elif self._format == "json":
            self._rows.append(transcript.to_json())
        else:
            self._print(transcript)

    def finish(self) -> None:
        """Print what can only be printed when all is known."""
        if self._rows or (self._format == "json" and self._several and not self._to_files):
            # One recording is one object; several are a list, so that the output is always one JSON document.
            document = self._rows if self._several else self._rows[0]
            print(json.dumps(document, ensure_ascii=False, indent=2), flush=True)

    def _print(self, transcript: Transcript) -> None:
        from govor.outputs import render

        text = render(transcript, self._format)
        if self._format == "txt" and self._several:
            name = printable(str(transcript.audio_filepath))
            text = "".join(f"{name}: {line}\n" for line in text.splitlines() or [""])
        # Not by rich, which would make spaces of the tabs.
        sys.stdout.write(text)
        sys.stdout.flush()
