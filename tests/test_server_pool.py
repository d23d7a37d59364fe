from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from govor.errors import ServerError
from govor.server.pool import FairPool, Kind
from occupied_pool import hold


def test_a_client_with_one_step_does_not_wait_for_one_with_a_hundred(pool: FairPool) -> None:
    order: list[str] = []
    done = threading.Event()

    def step(name: str) -> Any:
        def run(waited: float) -> bool:
            time.sleep(0.002)
            order.append(name)
            if len(order) == 101:
                done.set()
            return False

        return run

    go = hold(pool)
    for _ in range(100):
        pool.submit("greedy", Kind.UPLOAD, step("greedy"))
    pool.submit("modest", Kind.UPLOAD, step("modest"))
    go.set()
    assert done.wait(60)
    assert order.index("modest") <= 2


def test_clients_share_the_time_not_the_turns(pool: FairPool) -> None:
    used: Counter[str] = Counter()
    stop = threading.Event()

    def step(name: str, seconds: float) -> Any:
        def run(waited: float) -> bool:
            started = time.monotonic()
            time.sleep(seconds)
            used[name] += time.monotonic() - started
            return not stop.is_set()

        return run

    go = hold(pool)
    pool.submit("long", Kind.UPLOAD, step("long", 0.02))
    pool.submit("short", Kind.UPLOAD, step("short", 0.002))
    pool.submit("live", Kind.LIVE, step("live", 0.005))
    go.set()
    time.sleep(2)
    stop.set()
    # Equal shares but for a step of 0.02 s, more on a busy machine; a live flow has four times as much.
    assert used["long"] == pytest.approx(used["short"], rel=0.4)
    assert 2.5 < used["live"] / used["short"] < 6


def test_uploads_of_a_client_are_done_one_after_the_other(pool: FairPool) -> None:
    order: list[int] = []
    done = threading.Event()

    def step(number: int) -> Any:
        left = [3]

        def run(waited: float) -> bool:
            order.append(number)
            left[0] -= 1
            if number == 2 and not left[0]:
                done.set()
            return left[0] > 0

        return run

    go = hold(pool)
    for number in range(3):
        pool.submit("one", Kind.UPLOAD, step(number))
    go.set()
    assert done.wait(60)
    assert order == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_step_that_fails_does_not_take_its_worker_along(pool: FairPool) -> None:
    done = threading.Event()

    def fail(waited: float) -> bool:
        raise ValueError("unforeseen")

    def work(waited: float) -> bool:
        done.set()
        return False

    pool.submit("a", Kind.LIVE, fail)
    pool.submit("b", Kind.LIVE, work)
    assert done.wait(60)


def test_work_in_a_turn_gives_its_result_or_its_error_and_ends_with_the_pool(pool: FairPool) -> None:
    assert pool.run("a", Kind.UPLOAD, lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        pool.run("a", Kind.UPLOAD, lambda: 1 // 0)
    assert pool.run("a", Kind.UPLOAD, lambda: "still there") == "still there"
    pool.close()
    with pytest.raises(ServerError):
        pool.run("a", Kind.UPLOAD, lambda: 42)


def test_idle_flows_are_forgotten(pool: FairPool) -> None:
    for number in range(500):
        pool.submit(f"client {number}", Kind.LIVE, lambda waited: False)
    done = threading.Event()
    pool.submit("last", Kind.LIVE, lambda waited: done.set() or False)
    assert done.wait(60)
    deadline = time.monotonic() + 60
    while len(pool._flows) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(pool._flows) <= 1
