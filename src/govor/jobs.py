"""One recording to recognise and write: a description that can go to another process, and the work."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from govor.audio.loading import RawFormat, Source
from govor.decoding.greedy import Decoder
from govor.errors import AudioError, GovorError, system_error_text
from govor.inputs import STDIN
from govor.language import tr
from govor.outputs import render_pieces, write_whole
from govor.recognizer import Recognizer
from govor.text.finishing import finish
from govor.transcript import Transcript

Loader: TypeAlias = Callable[[], "tuple[Recognizer, str | Decoder]"]
"""Loads the model and makes the decoder, once a process; must be picklable to be sent to one."""


@dataclass(frozen=True)
class Job:
    """One recording and what is wanted of it; holds nothing but plain values."""

    source: str
    """A path, or ``-`` for standard input."""
    formats: tuple[str, ...] = ("txt",)
    """Of `govor.outputs.FORMATS`."""
    output: Path | None = None
    """Where the files go, without the suffix: ``out/talk`` gives ``out/talk.srt``. None writes no file."""
    raw: RawFormat | None = None
    """What its bytes mean, if it has no header."""
    split_channels: bool = False
    vad: bool = True
    """Cut at pauses of speech; else in overlapping windows."""
    strict: bool = False
    """Refuse a recording whose sound has problems."""
    finish_text: bool = False
    """Numbers in digits and the like: `govor.text.finishing`."""

    @property
    def output_paths(self) -> tuple[Path, ...]:
        """The files the job writes, one a format."""
        if self.output is None:
            return ()
        return tuple(self.output.with_name(f"{self.output.name}.{name}") for name in self.formats)

    @property
    def is_done(self) -> bool:
        """Whether all its files are there; they appear whole, so then nothing is left to do."""
        return bool(self.output_paths) and all(path.is_file() for path in self.output_paths)


@dataclass(frozen=True)
class JobResult:
    """What became of a job."""

    job: Job
    transcript: Transcript | None
    """None if nothing could be recognised."""
    error: str | None
    """One line if something failed, even if what could be read was recognised and written."""
    written: tuple[Path, ...]
    seconds: float
    """Time the work took."""


def run_job(
    job: Job,
    recognizer: Recognizer,
    decoder: str | Decoder = "auto",
    on_progress: Callable[[float], None] | None = None,
    data: bytes | None = None,
) -> JobResult:
    """Recognise one recording and write its files; a failure is a line in the result, never an exception.

    `decoder` and `on_progress` (seconds of audio done) are as `Recognizer.transcribe` takes them. `data` is
    the content of the recording where it was read elsewhere; the path then only names it.
    """
    started = time.perf_counter()
    transcript: Transcript | None = None
    written: list[Path] = []
    error: str | None = None
    try:
        found = recognizer.transcribe(
            _source(job, data),
            decoder,
            on_progress=on_progress,
            vad=job.vad,
            split_channels=job.split_channels,
            raw=job.raw,
        )
        if job.strict and found.problems:
            raise AudioError(f"{_name(job)}: " + "; ".join(problem.message for problem in found.problems))
        transcript = replace(found, audio_filepath=job.source)
        if job.finish_text:
            transcript = finish_transcript(transcript)
        if transcript.warnings:
            error = f"{_name(job)}: " + "; ".join(transcript.warnings)
        write_outputs(job, transcript, written)
    except (GovorError, OSError) as failure:
        error = failure_line(job, failure)
    return JobResult(job, transcript, error, tuple(written), time.perf_counter() - started)


def attempt(
    job: Job,
    recognizer: Recognizer,
    decoder: str | Decoder = "auto",
    on_progress: Callable[[float], None] | None = None,
    data: bytes | None = None,
) -> JobResult:
    """Run a job so that even a fault of the program itself costs this one only."""
    started = time.perf_counter()
    try:
        return run_job(job, recognizer, decoder, on_progress, data)
    except Exception as error:
        return failed(job, f"{type(error).__name__}: {error}", time.perf_counter() - started)


def failed(job: Job, reason: str, seconds: float = 0.0) -> JobResult:
    """Return the result of a job that gave nothing."""
    return JobResult(job, None, _line(job, reason), (), seconds)


def failure_line(job: Job, failure: Exception) -> str:
    """Return one line that names the recording and says what went wrong with it."""
    text = system_error_text(failure) if isinstance(failure, OSError) else str(failure)
    return _line(job, text)


def _line(job: Job, text: str) -> str:
    line = " ".join(text.split())
    # As it was opened it may be written otherwise, such as without the slash at the end of a folder.
    is_named = _name(job) in line or line.startswith(f"{Path(job.source)}: ")
    return line if is_named else f"{_name(job)}: {line}"


def _name(job: Job) -> str:
    return tr("стандартный ввод", "standard input") if job.source == STDIN else job.source


def write_outputs(job: Job, transcript: Transcript, written: list[Path]) -> None:
    """Write the files that a job asks for, each whole or not at all, and append them. Raises OSError."""
    for path, name in zip(job.output_paths, job.formats, strict=False):
        write_whole(path, render_pieces(transcript, name))
        written.append(path)


def finish_transcript(transcript: Transcript) -> Transcript:
    """Return the transcript with its finished text; channels that were recognised apart keep their lines."""
    if any(segment.channel is not None for segment in transcript.segments):
        lines = [f"[{segment.channel}] {finish(segment.text)}" for segment in transcript.segments]
        return replace(transcript, finished="\n".join(lines))
    return replace(transcript, finished=finish(transcript.text))


class _NamedBytes(io.BytesIO):
    name: str


def _source(job: Job, data: bytes | None) -> Source:
    if data is not None:
        # Messages name it as the user did.
        named = _NamedBytes(data)
        named.name = _name(job)
        return named
    return sys.stdin.buffer if job.source == STDIN else job.source
