"""Workers that are actors of a Ray cluster: each holds the model, recordings go through the object store."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from govor.batch.workers import MAX_ATTEMPTS, MAX_FAILED_STARTS, Event, Note, Task, lost
from govor.decoding.greedy import Decoder
from govor.errors import GovorError, MissingExtraError, WorkerError, system_reason
from govor.jobs import Job, JobResult, attempt, failed, write_outputs
from govor.language import tr
from govor.recognizer import Recognizer

LOCAL = "local"
"""The address that starts a Ray of this machine, to try things out."""
# A node of a cluster may go for reasons that no recording is to blame for.
_PATIENCE_SECONDS = 30.0
_ANSWER_SECONDS = 5.0


class PortableLoader(Protocol):
    """A `govor.jobs.Loader` whose files can be brought to another machine."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads: model, language model, phrase list."""

    def moved(self, places: Mapping[Path, Path]) -> PortableLoader:
        """Return the same with its files elsewhere."""

    def __call__(self) -> tuple[Recognizer, str | Decoder]:
        """Load."""


class _Recogniser:
    """The actor."""

    def __init__(self, loader: PortableLoader, names: tuple[Path, ...], *contents: bytes) -> None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self._folder = tempfile.TemporaryDirectory(prefix="govor-")
        places = {}
        for number, (name, content) in enumerate(zip(names, contents, strict=True)):
            # Two files of different folders may have the same name.
            places[name] = Path(self._folder.name) / f"{number}-{name.name}"
            places[name].write_bytes(content)
        self._error: GovorError | None = None
        try:
            self._recognizer, self._decoder = loader.moved(places)()
            # One that cannot be made is no fault of every recording.
            self._recognizer.decoder(self._decoder)
        except GovorError as error:
            # Raised here it would look like a broken actor, and be started again and again.
            self._error = error

    def ready(self) -> tuple[int, GovorError | None]:
        """Return the process id and what went wrong."""
        return os.getpid(), self._error

    def run(self, job: Job, data: bytes) -> JobResult:
        """Recognise a recording; writing its files is for whoever asked."""
        return attempt(job, self._recognizer, self._decoder, data=data)


@dataclass
class _Actor:
    handle: Any
    reference: Any
    """Of what it is doing now; None while it is idle."""
    pid: int = 0
    task: Task | None = None


class RayWorkers:
    """`Workers` on a Ray cluster. The files are written here, so machines need not share a disk."""

    def __init__(self, loader: PortableLoader, address: str, num_workers: int = 0) -> None:
        """Connect to ``host:port``, ``ray://host:port``, ``auto`` or start a ``local`` Ray.

        `num_workers` of 0 takes as many as the cluster has processors. Raises MissingExtraError, WorkerError.
        """
        self._ray = _connect(address, num_workers)
        self._loader = loader
        processors = int(self._ray.cluster_resources().get("CPU", 1))
        self._num_workers = num_workers or max(processors, 1)
        self._files = [self._ray.put(path.read_bytes()) for path in loader.files]
        self._actors: list[_Actor] = []
        self._waiting: deque[Task] = deque()
        self._failed_starts = 0
        self._note_given = False
        self._quiet_since = time.monotonic()

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_open(self) -> int:
        """Jobs submitted whose results have not come yet."""
        return len(self._waiting) + sum(actor.task is not None for actor in self._actors)

    @property
    def running(self) -> dict[int, Job]:
        """The job of each actor that has one, by its process id on its machine."""
        return {actor.pid: actor.task.job for actor in self._actors if actor.task is not None}

    def submit(self, job: Job, data: bytes | None = None) -> None:
        """Take a job; `data` is the content of its recording where that is no file."""
        self._waiting.append(Task(job, data))

    def events(self, timeout: float | None = None) -> list[Event]:
        """Wait until something happens, `timeout` seconds at most, and return it.

        Raises what loading the model raised, and WorkerError if no worker can be started.
        """
        found: list[Event] = self._hand_out()
        busy = {actor.reference: actor for actor in self._actors if actor.reference is not None}
        if busy:
            done, _ = self._ray.wait(list(busy), timeout=0 if found else timeout)
            for reference in done:
                found += self._take(busy[reference])
            if not done and not any(actor.pid for actor in self._actors):
                found += self._complain_of_waiting()
        return found + self._hand_out()

    def drop_waiting(self) -> None:
        """Forget the jobs that no worker has begun."""
        self._waiting.clear()

    def close(self) -> None:
        """End the actors and leave the cluster; one that was started here ends, too."""
        for actor in self._actors:
            with contextlib.suppress(Exception):
                self._ray.kill(actor.handle)
        self._actors = []
        self._waiting.clear()
        self._ray.shutdown()

    def _hand_out(self) -> list[Event]:
        found: list[Event] = []
        for actor in [actor for actor in self._actors if actor.pid and actor.task is None]:
            while self._waiting:
                task = self._waiting.popleft()
                try:
                    # Only now: the object store need not hold what nobody works on yet.
                    data = Path(task.job.source).read_bytes() if task.data is None else task.data
                except OSError as error:
                    found.append(failed(task.job, system_reason(error)))
                    continue
                job = replace(task.job, output=None)
                actor.reference, actor.task = actor.handle.run.remote(job, self._ray.put(data)), task
                break
        starting = sum(not actor.pid for actor in self._actors)
        while len(self._actors) < self._num_workers and starting < len(self._waiting):
            remote = self._ray.remote(num_cpus=1, max_restarts=0)(_Recogniser)
            handle = remote.remote(self._loader, self._loader.files, *self._files)
            self._actors.append(_Actor(handle, handle.ready.remote()))
            starting += 1
        return found

    def _take(self, actor: _Actor) -> list[Event]:
        reference, actor.reference = actor.reference, None
        try:
            value = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            # What the actor raises itself comes as this; `attempt` leaves only what is wrong with the node.
            raise WorkerError(" ".join(str(error.cause).split())) from error
        except (self._ray.exceptions.RayError, OSError) as error:
            return self._bury(actor, error)
        if actor.task is None:
            actor.pid, fault = value
            if fault is not None:
                raise fault
            self._failed_starts = 0
            return []
        task, actor.task = actor.task, None
        return [_written(task.job, value)]

    def _bury(self, actor: _Actor, error: Exception) -> list[Event]:
        self._actors.remove(actor)
        with contextlib.suppress(Exception):
            self._ray.kill(actor.handle)
        how = type(error).__name__
        task = actor.task
        if task is None:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                reason = " ".join(str(error).split())[:300]
                raise WorkerError(
                    tr(
                        f"процессы Ray не запускаются ({reason}); хватает ли памяти, тот ли там Govor?",
                        f"Ray's workers do not start ({reason}); is there memory, and the same Govor?",
                    )
                )
            return []
        task.attempts += 1
        if task.attempts < MAX_ATTEMPTS:
            self._waiting.appendleft(task)
            return []
        return [lost(task.job, how)]

    def _complain_of_waiting(self) -> list[Event]:
        if time.monotonic() - self._quiet_since < _PATIENCE_SECONDS or self._note_given:
            return []
        self._note_given = True
        return [
            Note(
                tr(
                    "кластер Ray пока не дал ни одного процессора; ждём (ray status)",
                    "the Ray cluster has not given a processor yet; waiting (ray status)",
                )
            )
        ]


def _connect(address: str, num_workers: int) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            tr(
                "нет Ray; поставьте: pip install 'govor[distributed]'",
                "no Ray; install it: pip install 'govor[distributed]'",
            )
        ) from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    if address == LOCAL:
        # Without an address Ray would join what RAY_ADDRESS or a leftover of an earlier cluster names.
        options |= {"address": "local", "num_cpus": num_workers or None}
    else:
        options |= {"address": address}
        del options["include_dashboard"]
        _check_reachable(address)
    try:
        ray.init(**options)
    # Its client raises gRPC's own errors among others.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise WorkerError(
            tr(
                f"кластер Ray {address} не пускает ({reason}); если он с ключом: RAY_AUTH_MODE=token",
                f"Ray cluster {address} refuses us ({reason}); if it has a token, set RAY_AUTH_MODE=token",
            )
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Raise WorkerError if nothing answers at an address that names a machine: Ray would try for a minute."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = system_reason(error)
        raise WorkerError(
            tr(
                f"кластер Ray {address} недоступен ({reason}); запущен ли он: ray start --head?",
                f"Ray cluster {address} cannot be reached ({reason}); is it running: ray start --head?",
            )
        ) from error


def _written(job: Job, result: JobResult) -> JobResult:
    """Write the files of a result that came from another machine."""
    written: list[Path] = []
    fault = result.error
    if result.transcript is not None:
        try:
            write_outputs(job, result.transcript, written)
        except OSError as error:
            fault = f"{job.source}: {error}"
    return replace(result, job=job, error=fault, written=tuple(written))
