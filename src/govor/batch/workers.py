"""What workers are, wherever they run: jobs go in, events come out, and a lost worker costs no job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from govor.jobs import Job, JobResult, failed
from govor.language import tr

MAX_ATTEMPTS = 2
"""A job whose worker died is tried so many times in all: the second death is taken for its own fault."""
MAX_FAILED_STARTS = 3
"""So many workers in a row that die before they are ready are no accident."""


@dataclass(frozen=True)
class Progress:
    """A job is being worked on."""

    job: Job
    seconds: float
    """Of audio done."""


@dataclass(frozen=True)
class Note:
    """Something about the workers that the user should know, such as a decoder that is not there."""

    text: str


Event: TypeAlias = Progress | Note | JobResult


class Workers(Protocol):
    """Processes that recognise. Every job that is submitted comes back as just one `JobResult`."""

    @property
    def num_open(self) -> int:
        """Jobs submitted whose results have not come yet."""

    def submit(self, job: Job, data: bytes | None = None) -> None:
        """Take a job; `data` is the content of its recording where only the caller can read it."""

    def events(self, timeout: float | None = None) -> list[Event]:
        """Wait until something happens, `timeout` seconds at most, and return it.

        Raises what loading the model raised, and WorkerError if no worker can be started.
        """

    def drop_waiting(self) -> None:
        """Forget the jobs that no worker has begun."""

    def close(self) -> None:
        """End the workers at once; files are whole or not there."""


@dataclass
class Task:
    """A job on its way."""

    job: Job
    data: bytes | None
    attempts: int = 0


def lost(job: Job, how: str) -> JobResult:
    """Return the result of a job whose workers died."""
    return failed(
        job,
        tr(
            f"процесс, который её распознавал, умер {MAX_ATTEMPTS} раза ({how}); остальные целы",
            f"the process that recognised it died {MAX_ATTEMPTS} times ({how}); the others are unharmed",
        ),
    )
