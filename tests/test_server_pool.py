from __future__ import annotations

import asyncio
import gc
import io
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from govor import load_model
from govor.decoding.beam import BeamDecoder
from govor.errors import GovorError, ModelError, ServerError
from govor.language_model import build, write_kenlm
from govor.recognizer import Recognizer
from govor.server.addresses import client_key
from govor.server.admission import Places, RateLimiter, Refused
from govor.server.app import create_app
from govor.server.live import LATE_SECONDS, Ask, LiveSession, StreamConfig
from govor.server.pool import FairPool, Kind
from govor.server.settings import Limits, ServerSettings
from govor.server.state import ServerState, Wishes
from govor.server.uploads import NamedFile, TooLongError, UploadJob
from govor.streaming import Final, Partial
from running_server import FEMALE, MALE, long_speech, pcm


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load_model()


@pytest.fixture
def pool() -> Iterator[FairPool]:
    pool = FairPool(1)
    yield pool
    pool.close()


def hold(pool: FairPool) -> threading.Event:
    """Keep the only worker busy until the event is set: what is queued meanwhile is queued at once."""
    go, began = threading.Event(), threading.Event()

    def wait(waited: float) -> bool:
        began.set()
        return not go.wait(60)

    pool.submit("holder", Kind.LIVE, wait)
    assert began.wait(60)
    return go


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


def test_threads_that_share_the_search_give_the_texts_of_one_alone(recognizer: Recognizer) -> None:
    from govor.decoding.beam import shipped_language_model

    beam = recognizer.beam_decoder(shipped_language_model())
    decoders = [beam, beam.variant(hotwords=["бабушка"]), beam.variant(num_alternatives=5)]
    jobs = [(path, decoder) for path in (MALE, FEMALE) for decoder in decoders] * 4

    def text(job: Any) -> Any:
        transcript = recognizer.transcribe(*job)
        return transcript.text, transcript.alternatives

    alone = [text(job) for job in jobs]
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(text, jobs)) == alone


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


def test_an_upload_that_nobody_waits_for_any_more_is_given_up(recognizer: Recognizer, pool: FairPool) -> None:
    state = ServerState(ServerSettings(), recognizer, pool)
    file = io.BytesIO(long_speech(60))

    async def run() -> float:
        progress: asyncio.Queue[float] = asyncio.Queue()
        job = UploadJob(state, "c", file, Wishes(), protocol="test", on_progress=progress.put_nowait)
        task = asyncio.ensure_future(job.run())
        first = await asyncio.wait_for(progress.get(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return first

    assert 0 < asyncio.run(run()) < 60 * 4.1
    deadline = time.monotonic() + 60
    while any(thread.name == "govor-upload" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_upload_is_stopped_at_the_length_allowed(recognizer: Recognizer, pool: FairPool) -> None:
    import numpy as np

    state = ServerState(ServerSettings(limits=Limits(audio_minutes=0.05)), recognizer, pool)
    speech = np.frombuffer(pcm(MALE)[0], "<i2")

    async def run() -> None:
        await UploadJob(state, "c", speech, Wishes(), protocol="test", sample_rate=16000).run()

    with pytest.raises(TooLongError, match="split"):
        asyncio.run(run())


def test_a_language_model_of_ones_own_serves_every_wish(
    recognizer: Recognizer, pool: FairPool, tmp_path: Path
) -> None:
    path = tmp_path / "my.klm"
    write_kenlm(build([["а", "а"]] * 3), path)
    state = ServerState(ServerSettings(language_model=path), recognizer, pool)
    plain, hot = state.decoder(Wishes()), state.decoder(Wishes(hotwords=("дом",)))
    assert isinstance(plain, BeamDecoder)
    assert isinstance(hot, BeamDecoder)
    assert plain._search is hot._search
    assert state.decoder(Wishes("greedy")) == "greedy"
    (tmp_path / "bad.klm").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"bad\.klm"):
        create_app(ServerSettings(language_model=tmp_path / "bad.klm"), recognizer)


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes("magic"),
        Wishes(hotwords=("GPT",)),
        Wishes(hotwords=("слово",) * 201),
        Wishes(alternatives=21),
        Wishes(phrases=("да",) * 5001),
        Wishes(phrases=("(а|б|в|г|д|е|ж|з|и|к) " * 5,)),
        Wishes(phrases=("да " * 100_000,)),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_refused(
    recognizer: Recognizer, pool: FairPool, wishes: Wishes
) -> None:
    with pytest.raises(GovorError):
        ServerState(ServerSettings(), recognizer, pool).decoder(wishes)


def test_a_bucket_lets_a_minute_of_requests_through_and_fills_up_again() -> None:
    now = [0.0]
    limiter = RateLimiter(60, lambda: now[0])
    for _ in range(60):
        limiter.take("a")
    with pytest.raises(Refused) as caught:
        limiter.take("a")
    assert caught.value.retry_after == 2
    limiter.take("b")
    now[0] = 2.0
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(Refused):
        limiter.take("a")


def test_the_limiter_remembers_no_more_than_ten_thousand_clients() -> None:
    now = [0.0]
    limiter = RateLimiter(60, lambda: now[0])
    for number in range(25_000):
        limiter.take(str(number))
        now[0] += 0.001
    assert len(limiter._buckets) <= 10_000


def test_places_are_counted_by_client_and_in_all() -> None:
    places = Places(("потоки", "streams"), total=3, per_client=2)
    with places.place("a"), places.place("a"):
        with pytest.raises(Refused) as mine, places.place("a"):
            pass
        with places.place("b"), pytest.raises(Refused) as all_taken, places.place("c"):
            pass
    assert (mine.value.status, all_taken.value.status) == (429, 503)
    assert places.num_open == 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        (None, "local"),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(address: str | None, key: str) -> None:
    assert client_key(address) == key


def test_a_client_that_left_before_its_first_event_keeps_no_place(recognizer: Recognizer) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        + MALE.read_bytes()
        + b"\r\n--b--\r\n"
    )
    app = create_app(ServerSettings(workers=1), recognizer)
    state: ServerState = app.state.govor
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/audio/transcriptions",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")],
        "client": ("127.0.0.1", 5),
    }
    messages = [{"type": "http.request", "body": form}, {"type": "http.disconnect"}]
    sent: list[str] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])
        await asyncio.sleep(3600)

    try:
        asyncio.run(app(scope, receive, send))
    finally:
        state.pool.close()
    assert sent == ["http.response.start"]
    assert state.admission.uploads.num_open == 0


def test_a_file_whose_client_left_is_at_its_end() -> None:
    file = io.BytesIO(b"sound")
    named = NamedFile(file)
    assert (named.read(2), named.tell(), named.seek(0)) == (b"so", 2, 0)
    file.close()
    assert (named.read(2), named.tell(), named.seek(3)) == (b"", 0, 0)


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
