from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from running_server import MALE, RunningServer, dial, is_well, pcm, read_all, rest_of, running_server

TOKEN = "correct-horse-battery"
SPEECH = {"file": ("x.wav", MALE.read_bytes())}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Small limits, so that they can be met."""
    with running_server("--max-upload-mb", "1", "--max-minutes", "0.05", "--idle-seconds", "2") as running:
        yield running


@pytest.fixture(scope="module")
def locked() -> Iterator[RunningServer]:
    """For other machines as well, with a token, and few places."""
    options = ("--host", "0.0.0.0", "--origin", "https://friend.example", "--client-streams", "2")
    with running_server(*options, "--requests-per-minute", "60", GOVOR_TOKEN=TOKEN) as running:
        running.http = f"http://127.0.0.1:{running.port}"
        yield running


def test_too_large_a_body_is_refused_whether_it_says_its_size_or_not(server: RunningServer) -> None:
    url = f"{server.http}/v1/audio/transcriptions"
    large = {"file": ("x.wav", bytes(1_200_000))}
    assert httpx.post(url, files=large, timeout=60).status_code == 413
    body = b"--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\n" + bytes(2_000_000)
    parts = (body[first : first + 60_000] for first in range(0, len(body), 60_000))
    kind = {"content-type": "multipart/form-data; boundary=b"}
    # It may hang up while we are still sending; what matters is that it does not take it.
    with contextlib.suppress(httpx.ReadError, httpx.WriteError):
        assert httpx.post(url, content=parts, headers=kind, timeout=60).status_code == 413
    assert is_well(server)


def test_only_recordings_may_be_large(locked: RunningServer) -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    answer = httpx.post(f"{locked.http}/v1/voice/prompts", content=bytes(4_100_000), headers=headers)
    assert answer.status_code == 413


def test_too_long_a_recording_is_refused(server: RunningServer) -> None:
    answer = httpx.post(f"{server.http}/v1/audio/transcriptions", files=SPEECH, timeout=60)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_long")
    streamed = httpx.post(
        f"{server.http}/v1/audio/transcriptions", files=SPEECH, data={"stream": "true"}, timeout=60
    )
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert events == [{"type": "error", **answer.json()}]


def test_too_large_a_message_closes_the_websocket(server: RunningServer) -> None:
    async def run() -> int | None:
        async with dial(f"{server.ws}/v1/stream") as stream:
            await stream.send(bytes(1_200_000))
            await stream.wait_closed()
            return stream.close_code

    assert asyncio.run(run()) == 1009


def test_a_client_that_falls_silent_is_ended_but_gets_its_final(server: RunningServer) -> None:
    async def run() -> list[dict[str, Any]]:
        async with dial(f"{server.ws}/v1/stream") as stream:
            await stream.send(pcm(MALE)[0][: 2 * 16000 * 2])
            return await rest_of(stream)

    rows = asyncio.run(run())
    kinds = [row["type"] for row in rows]
    assert kinds[-2:] == ["final", "error"]
    assert rows[-1]["code"] == "idle"


def test_a_wyoming_client_that_falls_silent_is_told_why_it_is_left(server: RunningServer) -> None:
    host, port = server.wyoming.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b'{"type": "audio-sta')
        header, _, data = read_all(connection).partition(b"\n")
    assert json.loads(header)["type"] == "error"
    assert json.loads(data) == {"text": "nothing came for 2 s", "code": "ProtocolError"}


def test_a_client_has_no_more_streams_than_it_may(locked: RunningServer) -> None:
    async def run() -> dict[str, Any]:
        url = f"ws://127.0.0.1:{locked.port}/v1/stream?token={TOKEN}"
        async with dial(url) as first, dial(url) as second:
            for stream in (first, second):
                await stream.send('{"type": "start"}')
                assert json.loads(await stream.recv())["type"] == "ready"
            async with dial(url) as third:
                refused: dict[str, Any] = json.loads(await third.recv())
        async with dial(url) as again:
            await again.send('{"type": "start"}')
            assert json.loads(await again.recv())["type"] == "ready"
        return refused

    assert asyncio.run(run())["code"] == "client_full"


def test_a_client_that_asks_too_often_is_told_when_to_come_again(locked: RunningServer) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with httpx.Client(headers=headers, timeout=60) as client:
        answers = [client.get(f"{locked.http}/v1/models") for _ in range(90)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    # Others are not concerned: another address is another client.
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(headers=headers, transport=elsewhere) as other:
        assert other.get(f"{locked.http}/v1/models").status_code == 200


def test_a_client_that_guesses_tokens_is_slowed_down(locked: RunningServer) -> None:
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.7")
    with httpx.Client(transport=elsewhere, timeout=60) as client:
        statuses = {
            client.get(
                f"{locked.http}/v1/models", headers={"authorization": f"Bearer guess-{number}"}
            ).status_code
            for number in range(90)
        }
    assert statuses == {401, 429}
