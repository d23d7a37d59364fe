"""Workers that are processes of this machine, each with a model of its own and one thread."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from dataclasses import dataclass
from multiprocessing import connection as mp_connection
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

from govor.batch.workers import MAX_ATTEMPTS, MAX_FAILED_STARTS, Event, Progress, Task, lost
from govor.errors import WorkerError
from govor.jobs import Job, JobResult, Loader, attempt
from govor.language import tr

_GOODBYE_SECONDS = 5.0


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    ready: bool = False
    task: Task | None = None


class ProcessWorkers:
    """`Workers` that are spawned processes. One that dies is replaced, and its job tried once more."""

    def __init__(self, loader: Loader, num_workers: int) -> None:
        """Start none yet: processes start as jobs come, `num_workers` at most, each calling `loader`."""
        self._loader = loader
        self._num_workers = num_workers
        # A fork would share the threads' locks of the libraries, and there is none on Windows.
        self._context = get_context("spawn")
        self._workers: list[_Worker] = []
        self._waiting: deque[Task] = deque()
        self._failed_starts = 0

    def __enter__(self) -> ProcessWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_open(self) -> int:
        """Jobs submitted whose results have not come yet."""
        return len(self._waiting) + sum(worker.task is not None for worker in self._workers)

    @property
    def running(self) -> dict[int, Job]:
        """The job of each process that has one, by process id."""
        return {worker.process.pid: worker.task.job for worker in self._workers if worker.task is not None}

    def submit(self, job: Job, data: bytes | None = None) -> None:
        """Take a job; `data` is the content of its recording where only the caller can read it."""
        self._waiting.append(Task(job, data))
        self._hand_out()

    def events(self, timeout: float | None = None) -> list[Event]:
        """Wait until something happens, `timeout` seconds at most, and return it.

        Raises what loading the model raised, and WorkerError if no worker can be started.
        """
        found: list[Event] = []
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in mp_connection.wait(list(pipes), timeout):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                found += self._bury(worker)
                continue
            found += self._take(worker, kind, value)
        self._hand_out()
        return found

    def drop_waiting(self) -> None:
        """Forget the jobs that no worker has begun."""
        self._waiting.clear()

    def close(self) -> None:
        """End the workers at once; files are whole or not there."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_GOODBYE_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            # Not before: one that still wants to send something would complain.
            worker.pipe.close()
            worker.process.close()
        self._workers = []
        self._waiting.clear()

    def _hand_out(self) -> None:
        for worker in [worker for worker in self._workers if worker.ready and worker.task is None]:
            if not self._waiting:
                return
            worker.task = self._waiting.popleft()
            try:
                worker.pipe.send((worker.task.job, worker.task.data))
            except OSError:
                # It died idle, so the job is not to blame; `events` finds the dead one.
                self._waiting.appendleft(worker.task)
                worker.task = None
                worker.ready = False
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._num_workers and starting < len(self._waiting):
            self._start()
            starting += 1

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._loader), daemon=True)
        process.start()
        # With our copy open, its death would not close the pipe.
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def _take(self, worker: _Worker, kind: str, value: Any) -> list[Event]:
        if kind == "progress" and worker.task is not None:
            return [Progress(worker.task.job, value)]
        if kind == "done":
            worker.task = None
            return [value]
        if kind == "ready":
            worker.ready = True
            self._failed_starts = 0
        if kind == "failed":
            raise value
        return []

    def _bury(self, worker: _Worker) -> list[Event]:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join(_GOODBYE_SECONDS)
        how = _cause(worker.process.exitcode)
        task = worker.task
        if task is None:
            self._failed_starts += not worker.ready
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise WorkerError(
                    tr(
                        f"процессы распознавания умирают при запуске ({how}); попробуйте -j 1",
                        f"the recognising processes die while they start ({how}); try -j 1",
                    )
                )
            return []
        task.attempts += 1
        if task.attempts < MAX_ATTEMPTS:
            self._waiting.appendleft(task)
            return []
        return [lost(task.job, how)]


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        try:
            return signal.Signals(-exit_code).name
        except ValueError:
            return str(exit_code)
    return tr(f"код {exit_code}", f"code {exit_code}")


def _work(pipe: Connection, loader: Loader) -> None:
    # Without a parent nobody waits for the rest; that is no fault to be shown.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _serve(pipe, loader)


def _serve(pipe: Connection, loader: Loader) -> None:
    # Ctrl-C reaches the whole group of processes; what it means is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        recognizer, decoder = loader()
        # A decoder that cannot be made is no fault of every recording.
        recognizer.decoder(decoder)
    except Exception as error:
        pipe.send(("failed", error))
        return
    pipe.send(("ready", None))
    while True:
        job, data = pipe.recv()
        result: JobResult = attempt(
            job, recognizer, decoder, lambda done: pipe.send(("progress", done)), data
        )
        pipe.send(("done", result))


def _end_with_parent() -> None:
    """Leave at once when the parent is gone: whoever starts it again must not meet its old workers."""
    parent = parent_process()
    if parent is not None:
        mp_connection.wait([parent.sentinel])
        os._exit(1)
