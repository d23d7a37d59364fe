"""Recognition threads, one for each core, shared fairly between clients.

Work is done in steps of a fraction of a second. The next step is taken from the flow (a client's live streams
or its uploads) that has used the least processor time so far: start-time fair queueing (Goyal, Vin, Cheng,
SIGCOMM 1996). Streams of a client take turns; its uploads are done in their order, which bounds the memory.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, TypeVar

from govor.errors import ServerError
from govor.language import tr

Step: TypeAlias = Callable[[float], bool]
"""Do a piece of work, told how many seconds it waited; true: there is more to do."""

T = TypeVar("T")
_LOOK_SECONDS = 0.5


class Kind(Enum):
    """What a flow consists of."""

    LIVE = "live"
    UPLOAD = "upload"

    @property
    def weight(self) -> float:
        """How much of the processor time such a flow gets, compared with others, when several wait."""
        return 4.0 if self is Kind.LIVE else 1.0


_log = logging.getLogger("govor.server")


@dataclass
class _Flow:
    used: float
    """Seconds of a worker, divided by the weight."""
    waiting: deque[tuple[Step, float]] = field(default_factory=deque)
    running: int = 0


class FairPool:
    """Threads that run steps; use from any thread."""

    def __init__(self, num_workers: int) -> None:
        """Start `num_workers` threads."""
        self.num_workers = num_workers
        self._changed = threading.Condition()
        self._flows: dict[tuple[str, Kind], _Flow] = {}
        self._clock = 0.0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"govor-worker-{i}", daemon=True)
            for i in range(num_workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, client: str, kind: Kind, step: Step) -> None:
        """Queue a step of a client; as long as it returns true it is queued again."""
        with self._changed:
            name = (client, kind)
            flow = self._flows.get(name)
            if flow is None:
                flow = self._flows[name] = _Flow(self._clock)
            elif not flow.waiting and not flow.running:
                # Idleness earns no credit, and leaving does not wash off what was used.
                flow.used = max(flow.used, self._clock)
            flow.waiting.append((step, time.monotonic()))
            self._changed.notify()

    def run(self, client: str, kind: Kind, work: Callable[[], T]) -> T:
        """Do a piece of work in the client's turn and return what comes of it; never in the event loop.

        Raises what the work raises, ServerError if the pool is closed before its turn comes.
        """
        done: Future[T] = Future()
        context = contextvars.copy_context()

        def step(waited: float) -> bool:
            try:
                done.set_result(context.run(work))
            # It is for the thread that waits to see to it, whatever it is.
            except BaseException as error:
                done.set_exception(error)
            return False

        self.submit(client, kind, step)
        while not wait([done], _LOOK_SECONDS).done:
            if self._closed:
                raise ServerError(tr("сервер остановлен", "the server has stopped"))
        return done.result()

    @property
    def num_waiting(self) -> int:
        """Steps that wait for a thread."""
        with self._changed:
            return sum(len(flow.waiting) for flow in self._flows.values())

    def close(self) -> None:
        """Stop the threads after the steps they are at; what waits is forgotten."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (found := self._next()):
                    if self._closed:
                        return
                    self._changed.wait()
                if self._closed:
                    return
            name, flow, step, since = found
            started = time.monotonic()
            try:
                more = step(time.monotonic() - since)
            except Exception:
                # A step answers for its own errors; a worker must outlive those it did not foresee.
                _log.exception("step_failed")
                more = False
            used = time.monotonic() - started
            with self._changed:
                flow.running -= 1
                flow.used += used / name[1].weight
                if more:
                    again = (step, time.monotonic())
                    if name[1] is Kind.LIVE:
                        flow.waiting.append(again)
                    else:
                        flow.waiting.appendleft(again)
                    self._changed.notify()
                elif not any(flow.waiting or flow.running for flow in self._flows.values()):
                    # Nobody competes any more, so nobody owes anybody anything.
                    self._flows.clear()

    def _next(self) -> tuple[tuple[str, Kind], _Flow, Step, float] | None:
        best: tuple[str, Kind] | None = None
        for name, flow in list(self._flows.items()):
            if flow.waiting:
                if best is None or flow.used < self._flows[best].used:
                    best = name
            elif not flow.running and flow.used <= self._clock:
                del self._flows[name]
        if best is None:
            return None
        flow = self._flows[best]
        self._clock = max(self._clock, flow.used)
        step, since = flow.waiting.popleft()
        flow.running += 1
        return best, flow, step, since
