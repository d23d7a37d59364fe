from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from running_server import MALE, RunningServer, dial, long_speech, pcm, rest_of, running_server

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


def raw(server: RunningServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=60)


def is_well(server: RunningServer) -> bool:
    return httpx.get(f"{server.http}/health", timeout=60).json()["status"] == "ok"


def govor_serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "govor", "serve", *options], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "--token"),
        (("--host", "::"), "--token"),
        (("--token", "short"), "8"),
        (("--wyoming", "8000"), "twice"),
        (("--wyoming-from", "home"), "192.168.1.0/24"),
        (("--origin", "example.org"), "https://example.org"),
        (("--model", "/nothing.onnx", "--port", "0"), "/nothing.onnx"),
    ],
)
def test_unsafe_or_senseless_options_are_refused_in_one_line(options: tuple[str, ...], words: str) -> None:
    result = govor_serve(*options)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert words in line


def test_a_port_that_is_taken_is_named(server: RunningServer) -> None:
    result = govor_serve("--port", str(server.port))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert str(server.port) in line


def test_without_the_token_only_health_and_the_page_are_open(locked: RunningServer) -> None:
    for path, status in (
        ("/health", 200),
        ("/v1/models", 401),
        ("/metrics", 401),
        ("/docs", 401),
        ("/x", 401),
    ):
        assert httpx.get(locked.http + path).status_code == status, path
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{locked.http}/v1/models", headers=headers).status_code == 200
    for wrong in (TOKEN[:-1], TOKEN + "x", "x"):
        answer = httpx.get(f"{locked.http}/v1/models", headers={"authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401
    assert httpx.get(f"{locked.http}/v1/models?token={TOKEN}").status_code == 401


def status_of(url: str, **headers: str) -> int:
    async def run() -> int:
        try:
            async with dial(url, additional_headers=headers):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    return asyncio.run(run())


def test_a_websocket_shows_its_token_in_a_header_or_the_address(locked: RunningServer) -> None:
    url = f"ws://127.0.0.1:{locked.port}/v1/stream"
    assert status_of(url) == 401
    assert status_of(f"{url}?token=wrong") == 401
    assert status_of(f"{url}?token={TOKEN}") == 101
    assert status_of(url, authorization=f"Bearer {TOKEN}") == 101
    assert status_of(url.replace("/v1/stream", "/vosk")) == 401


def test_only_our_own_page_and_those_named_may_open_a_websocket(
    server: RunningServer, locked: RunningServer
) -> None:
    for path in ("/v1/stream", "/vosk"):
        url = server.ws + path
        assert status_of(url, origin="https://evil.example") == 403
        assert status_of(url, origin="null") == 403
        assert status_of(url, origin=f"http://127.0.0.1:{server.port + 1}") == 403
        assert status_of(url, origin=server.http) == 101
    url = f"ws://127.0.0.1:{locked.port}/v1/stream?token={TOKEN}"
    assert status_of(url, origin="https://friend.example") == 101
    assert status_of(url, origin="https://friend.example.evil.example") == 403


@pytest.mark.parametrize("path", ["/", "/v1/audio/transcriptions", "/nothing"])
def test_a_websocket_where_there_is_none_is_told_where_they_are(server: RunningServer, path: str) -> None:
    async def run() -> Any:
        with pytest.raises(InvalidStatus) as caught:
            await dial(server.ws + path)
        return caught.value.response

    answer = asyncio.run(run())
    assert answer.status_code == 404
    assert "/v1/stream" in json.loads(answer.body)["error"]["message"]
    assert not [row for row in server.log if row["level"] == "error"]


def test_a_page_of_another_site_can_post_nothing(server: RunningServer) -> None:
    url = f"{server.http}/v1/audio/transcriptions"
    assert httpx.post(url, files=SPEECH, headers={"origin": "https://evil.example"}).status_code == 403
    assert httpx.post(url, files=SPEECH, headers={"origin": "http://["}).status_code == 403


def test_a_page_of_a_named_origin_may_read_answers_and_show_its_token(locked: RunningServer) -> None:
    url = f"{locked.http}/v1/models"
    friend = {"origin": "https://friend.example"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, x-a"}
    question = httpx.options(url, headers=friend | asked)
    assert question.status_code == 204
    assert question.headers["access-control-allow-origin"] == "https://friend.example"
    assert question.headers["access-control-allow-headers"] == "authorization, x-a"
    for headers, status in (({}, 401), ({"authorization": f"Bearer {TOKEN}"}, 200)):
        answer = httpx.get(url, headers=friend | headers)
        assert answer.status_code == status
        # Without this header the page could not even read why it was refused.
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
    stranger = httpx.options(url, headers=asked | {"origin": "https://evil.example"})
    assert stranger.status_code == 403
    assert "access-control-allow-origin" not in stranger.headers


def test_a_name_that_only_points_here_is_not_served(server: RunningServer) -> None:
    assert httpx.get(f"{server.http}/v1/models", headers={"host": "evil.example"}).status_code == 403
    assert (
        httpx.get(f"{server.http}/v1/models", headers={"host": f"localhost:{server.port}"}).status_code == 200
    )


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


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fpyproject.toml",
        "/%2e%2e/%2e%2e/app.py",
        "//etc/passwd",
        "/static/../app.py",
        "/%00",
        "/v1/models/..%2f..%2fapp.py",
        "/C:/Windows/win.ini",
    ],
)
def test_no_path_leads_out_of_the_page(server: RunningServer, path: str) -> None:
    with raw(server) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = read_all(connection)
    assert answer.split(b" ")[1] in (b"400", b"404", b"405")
    assert b"root:" not in answer
    assert b"import" not in answer


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\xfe rubbish \r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_malformed_requests_hurt_nobody(server: RunningServer, data: bytes) -> None:
    with raw(server) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = read_all(connection)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert b"Traceback" not in answer
    assert is_well(server)


def test_broken_websocket_frames_hurt_nobody(server: RunningServer) -> None:
    for frame in (b"\xff\xff\xff\xff", b"\x82\x05hello", b"\x81\x82\x00\x00\x00\x00\xff\xfe"):
        with raw(server) as connection:
            connection.sendall(
                b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 101")
            connection.sendall(frame)
            assert read_all(connection)[:1] == b"\x88"  # a close frame, then the end
    assert is_well(server)


def test_a_client_that_leaves_in_the_middle_of_its_upload_leaves_nothing_behind(
    server: RunningServer,
) -> None:
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    others = len(server.log)
    for ending in ("half", "whole"):
        with raw(server) as connection:
            connection.sendall(
                head + b"--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\nRIFF"
            )
            if ending == "half":
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)
    deadline = time.monotonic() + 60
    while uploads(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert uploads(server) == 0
    ours = server.log[others:]
    assert not [row for row in ours if row["event"] == "RAW" or row["level"] == "error"]


def test_a_client_that_resets_the_connection_while_it_is_recognised_hurts_nobody() -> None:
    with running_server() as server:
        head = (
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        for stream in (b"true", b"false"):
            body = (
                b"--b\r\nContent-Disposition: form-data; name=stream\r\n\r\n"
                + stream
                + b"\r\n--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\n"
                + long_speech(20)
                + b"\r\n--b--\r\n"
            )
            for wait in (0.0, 0.02, 0.1, 0.3):
                with raw(server) as connection:
                    connection.sendall(head % len(body) + body)
                    time.sleep(wait)
                    # Reset rather than end the connection.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        deadline = time.monotonic() + 60
        while uploads(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert uploads(server) == 0
        assert is_well(server)
    assert not [row for row in server.log if row["event"] == "RAW" or row["level"] == "error"]


def uploads(server: RunningServer) -> float:
    lines = httpx.get(f"{server.http}/metrics", timeout=60).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("govor_uploads "))


def test_a_wyoming_client_that_leaves_in_the_middle_hurts_nobody(server: RunningServer) -> None:
    host, port = server.wyoming.removeprefix("tcp://").split(":")
    for data in (b'{"type": "audio-chunk", "payload_length": 50}\nabc', b'{"type": "desc', b""):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
    assert is_well(server)
    assert not server.events("RAW")
