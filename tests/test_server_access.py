from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from running_server import MALE, RunningServer, dial, raw_connection, read_all, running_server

TOKEN = "correct-horse-battery"
SPEECH = {"file": ("x.wav", MALE.read_bytes())}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def locked() -> Iterator[RunningServer]:
    """For other machines as well, with a token."""
    options = ("--host", "0.0.0.0", "--origin", "https://friend.example")
    with running_server(*options, GOVOR_TOKEN=TOKEN) as running:
        running.http = f"http://127.0.0.1:{running.port}"
        yield running


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
    with raw_connection(server) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = read_all(connection)
    assert answer.split(b" ")[1] in (b"400", b"404", b"405")
    assert b"root:" not in answer
    assert b"import" not in answer
