"""The side of ``govor transcribe`` that works on many recordings: processes, a cluster, a watched folder."""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.decoder_choice import DecoderChoice
from govor.cli.tally import Tally, tally_bar
from govor.errors import ConfigError, system_error_text
from govor.language import tr

if TYPE_CHECKING:
    from govor.batch import Workers
    from govor.batch.journal import Journal
    from govor.cli.transcript_output import TranscriptPrinter
    from govor.decoding.greedy import Decoder
    from govor.inputs import Recording
    from govor.jobs import Job, JobResult
    from govor.recognizer import Recognizer

PANEL = tr("Много записей", "Many recordings")

Processes = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        min=0,
        max=1024,
        rich_help_panel=PANEL,
        help=tr("Процессов сразу; 0 — по числу ядер.", "Processes at a time; 0: one a core."),
    ),
]
SkipExisting = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        rich_help_panel=PANEL,
        help=tr(
            "Пропустить то, что уже записано в --output-dir: продолжить прерванное.",
            "Leave out what --output-dir holds already: go on after an interruption.",
        ),
    ),
]
Watch = Annotated[
    Path | None,
    typer.Option(
        "--watch",
        metavar=tr("ПАПКА", "FOLDER"),
        rich_help_panel=PANEL,
        help=tr(
            "Распознавать то, что появляется в папке, пока не нажать Ctrl-C.",
            "Recognise what appears in a folder, until Ctrl-C.",
        ),
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar=tr("АДРЕС", "ADDRESS"),
        rich_help_panel=PANEL,
        help=tr(
            "Кластер Ray: auto, машина:порт, ray://машина:порт или local.",
            "Ray cluster: auto, host:port, ray://host:port or local.",
        ),
    ),
]
_TICK_SECONDS = 0.5
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class ModelLoader:
    """What a process needs to get ready: a `govor.jobs.Loader` and a `govor.batch.cluster.PortableLoader`."""

    model: Path | None
    choice: DecoderChoice

    def __call__(self) -> tuple[Recognizer, str | Decoder]:
        """Load the model and make the decoder."""
        from govor.recognizer import load_model

        recognizer = load_model(self.model)
        return recognizer, self.choice.make(recognizer)

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads."""
        chosen = [getattr(self.choice, one.name) for one in fields(self.choice)]
        return tuple(value for value in (self.model, *chosen) if isinstance(value, Path))

    def moved(self, places: Mapping[Path, Path]) -> ModelLoader:
        """Return the same with its files elsewhere."""
        chosen: dict[str, Any] = {one.name: getattr(self.choice, one.name) for one in fields(self.choice)}
        paths: dict[str, Any] = {
            name: places[value] for name, value in chosen.items() if isinstance(value, Path)
        }
        return ModelLoader(self.model and places[self.model], replace(self.choice, **paths))


def check_batch_options(
    files: Sequence[str],
    output_dir: Path | None,
    skip_existing: bool,
    watch: Path | None,
    context: typer.Context | None = None,
) -> None:
    """Raise ConfigError if the options contradict, BadParameter if there is nothing to work on."""
    if skip_existing and output_dir is None:
        raise ConfigError(
            tr("--skip-existing требует --output-dir ПАПКА", "--skip-existing needs --output-dir FOLDER")
        )
    if watch is None and not files:
        # Not ConfigError: a command line without its argument gets the help and exit code of wrong usage.
        raise typer.BadParameter(
            tr("нет записей: назовите файлы или папку", "no recordings: name files or a folder"), ctx=context
        )
    if watch is not None and files:
        raise ConfigError(
            tr(
                "--watch берёт записи из своей папки: уберите файлы",
                "--watch takes its folder's: name no files",
            )
        )
    if watch is not None and not watch.is_dir():
        raise ConfigError(tr(f"--watch {watch}: нет такой папки", f"--watch {watch}: no such folder"))


def make_workers(loader: ModelLoader, processes: int, ray: str | None) -> Workers:
    """Return the workers that were asked for. Raises MissingExtraError, WorkerError."""
    import os

    if ray is not None:
        from govor.batch.cluster import RayWorkers

        # One process is what is meant by not saying anything.
        return RayWorkers(loader, ray, 0 if processes == 1 else processes)
    from govor.batch import ProcessWorkers

    return ProcessWorkers(loader, processes or os.cpu_count() or 1)


def run_all(
    workers: Workers, jobs: Sequence[Job], printer: TranscriptPrinter, terminal: Terminal, tally: Tally
) -> None:
    """Recognise all jobs and show each result in the order of the jobs. Ends the workers."""
    from govor.inputs import STDIN
    from govor.jobs import JobResult

    order = deque(jobs)
    # The same recording may have been named twice.
    waiting: dict[str, deque[JobResult]] = {}
    with _ended(workers), tally_bar(terminal, jobs, tally) as update:
        for job in jobs:
            workers.submit(job, sys.stdin.buffer.read() if job.source == STDIN else None)
        while workers.num_open:
            for event in workers.events(_TICK_SECONDS):
                if isinstance(event, JobResult):
                    tally.result(event)
                    waiting.setdefault(event.job.source, deque()).append(event)
                else:
                    _tell(event, terminal, tally)
            update()
            while order and waiting.get(order[0].source):
                printer.show(waiting[order.popleft().source].popleft())


def run_watch(
    workers: Workers,
    watch: Path,
    raw: bool,
    output_dir: Path | None,
    make_job: Callable[[Recording], Job],
    printer: TranscriptPrinter,
    terminal: Terminal,
    tally: Tally,
) -> None:
    """Recognise what appears in a folder until Ctrl-C; then finish what has been begun. Ends the workers."""
    from govor.batch import FolderWatcher
    from govor.batch.journal import Journal, signature_of
    from govor.jobs import JobResult

    watcher = FolderWatcher(watch, raw=raw)
    journal = None if output_dir is None else Journal(output_dir)
    # As they were before the work: what changes meanwhile is another recording.
    signatures: dict[str, tuple[int, int] | None] = {}
    terminal.say(
        tr(f"жду записей в {watch}; конец: Ctrl-C", f"waiting for recordings in {watch}; Ctrl-C ends")
    )
    next_look = 0.0
    begun: set[str] = set()
    with _ended(workers), _asked_to_stop() as stopping:
        while True:
            if stopping():
                workers.drop_waiting()
                if not workers.num_open:
                    return
            now = time.monotonic()
            if now >= next_look and not stopping():
                next_look = now + _LOOK_SECONDS
                for recording in watcher.look():
                    job = make_job(recording)
                    # One seen to change is another recording, whatever age it brought from elsewhere.
                    if job.source not in begun and journal is not None and _is_fresh(job, journal):
                        tally.num_skipped += 1
                    else:
                        tally.begin_again(job)
                        signatures[job.source] = signature_of(job.source)
                        workers.submit(job)
                    begun.add(job.source)
            began = time.monotonic()
            for event in workers.events(_TICK_SECONDS):
                if isinstance(event, JobResult):
                    tally.result(event)
                    printer.show(event)
                    if journal is not None:
                        _note_done(event, signatures.get(event.job.source), journal, terminal)
                else:
                    _tell(event, terminal, tally)
            if not workers.num_open:
                # Nothing to wait for: `events` came back at once.
                time.sleep(max(0.0, _TICK_SECONDS - (time.monotonic() - began)))


def _is_fresh(job: Job, journal: Journal) -> bool:
    """Tell whether the files of a job are there and were made of the recording that is there now."""
    from govor.batch.journal import signature_of

    if not job.is_done:
        return False
    made_of = journal.signature(job.source)
    if made_of is not None:
        return made_of == signature_of(job.source)
    try:
        # Made without a journal: only the ages can tell, and not of one moved here with the age that it had.
        changed = Path(job.source).stat().st_mtime
        return all(path.stat().st_mtime >= changed for path in job.output_paths)
    except FileNotFoundError:
        # Taken away just now: the job says so, if the recording is what is gone.
        return False


def _note_done(
    result: JobResult, made_of: tuple[int, int] | None, journal: Journal, terminal: Terminal
) -> None:
    if made_of is None or not result.written or not result.job.is_done:
        return
    try:
        journal.note(result.job.source, made_of)
    except OSError as error:
        # The texts are there; only a restart may do this recording once more.
        terminal.warn(system_error_text(error))


def _tell(event: object, terminal: Terminal, tally: Tally) -> None:
    from govor.batch import Note, Progress

    if isinstance(event, Note):
        terminal.warn(event.text)
    elif isinstance(event, Progress):
        tally.progress(event.job, event.seconds)


@contextmanager
def _ended(workers: Workers) -> Iterator[None]:
    try:
        yield
    finally:
        workers.close()


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Take the first Ctrl-C or SIGTERM for a wish to end, the second for a demand."""
    asked: list[int] = []

    def note(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {
        kind: signal.signal(kind, note)
        for kind in (signal.SIGINT, signal.SIGTERM)
        # Started with nohup or in the background: whoever did that wants no interrupts.
        if signal.getsignal(kind) != signal.SIG_IGN
    }
    try:
        yield lambda: bool(asked)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def exit_code(tally: Tally, num_bad_inputs: int) -> ExitCode:
    """Return what the program ends with."""
    return ExitCode.SOME_FAILED if tally.failures or num_bad_inputs else ExitCode.FINE
