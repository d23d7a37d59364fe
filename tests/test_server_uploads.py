from __future__ import annotations

import asyncio
import io
import threading
import time
from typing import Any

import numpy as np
import pytest

from govor.recognizer import Recognizer
from govor.server.app import create_app
from govor.server.pool import FairPool
from govor.server.settings import Limits, ServerSettings
from govor.server.state import ServerState, Wishes
from govor.server.uploads import NamedFile, TooLongError, UploadJob
from running_server import MALE, long_speech, pcm


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
    state = ServerState(ServerSettings(limits=Limits(audio_minutes=0.05)), recognizer, pool)
    speech = np.frombuffer(pcm(MALE)[0], "<i2")

    async def run() -> None:
        await UploadJob(state, "c", speech, Wishes(), protocol="test", sample_rate=16000).run()

    with pytest.raises(TooLongError, match="split"):
        asyncio.run(run())


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
