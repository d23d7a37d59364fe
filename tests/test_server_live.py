from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from govor.recognizer import Recognizer
from govor.server.live import LATE_SECONDS, Ask, LiveSession, StreamConfig
from govor.server.pool import FairPool
from govor.server.settings import ServerSettings
from govor.server.state import ServerState
from govor.streaming import Final, Partial
from occupied_pool import hold
from running_server import MALE, pcm


def session_events(state: ServerState, sound: bytes, *, late: bool) -> list[Any]:
    async def run() -> list[Any]:
        session = LiveSession(state, "client", StreamConfig(), "test")
        events: list[Any] = []
        for first in range(0, len(sound), 16_000):
            go = hold(state.pool) if late else None
            session.push(sound[first : first + 16_000])
            if go is not None:
                await asyncio.sleep(LATE_SECONDS * 1.2)
                go.set()
            events += (await session.outcomes.get()).events
        session.ask(Ask.END)
        outcome = await session.outcomes.get()
        assert outcome.error is None
        session.close()
        return [*events, *outcome.events]

    return asyncio.run(run())


def test_a_stream_that_is_behind_loses_its_partials_but_no_final(
    recognizer: Recognizer, pool: FairPool
) -> None:
    state = ServerState(ServerSettings(), recognizer, pool)
    sound = pcm(MALE)[0]
    late = session_events(state, sound, late=True)
    assert [event for event in late if isinstance(event, Partial) and event.text] == []
    prompt = session_events(state, sound, late=False)
    finals = [
        [event.segment.text for event in events if isinstance(event, Final)] for events in (late, prompt)
    ]
    assert finals[0] == finals[1] != []


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is not freed at once is not freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_closed_session_leaves_no_stream_to_the_garbage_collector(
    recognizer: Recognizer, pool: FairPool, no_collector: None
) -> None:
    state = ServerState(ServerSettings(), recognizer, pool)

    class Owner:
        def __init__(self) -> None:
            self.session = LiveSession(state, "c", StreamConfig(), "test")
            self.session.on_drain(self.stop)

        def stop(self) -> None:
            pass

    async def run(busy: bool) -> weakref.ref[Any]:
        owner = Owner()
        owner.session.push(pcm(MALE)[0])
        await owner.session.outcomes.get()
        stream = weakref.ref(owner.session._stream)
        assert stream() is not None
        if busy:
            owner.session.push(pcm(MALE)[0])
        owner.session.close()
        del owner
        # The step that is under way may hold it until it ends.
        while stream() is not None and pool._flows:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return stream

    assert asyncio.run(run(False))() is None
    assert asyncio.run(run(True))() is None
