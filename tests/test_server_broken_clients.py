from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest

from running_server import (
    RunningServer,
    is_well,
    long_speech,
    num_uploads,
    raw_connection,
    read_all,
    running_server,
)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


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
    with raw_connection(server) as connection:
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
        with raw_connection(server) as connection:
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
        with raw_connection(server) as connection:
            connection.sendall(
                head + b"--b\r\nContent-Disposition: form-data; name=file; filename=x\r\n\r\nRIFF"
            )
            if ending == "half":
                connection.shutdown(socket.SHUT_WR)
                read_all(connection)
    deadline = time.monotonic() + 60
    while num_uploads(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert num_uploads(server) == 0
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
                with raw_connection(server) as connection:
                    connection.sendall(head % len(body) + body)
                    time.sleep(wait)
                    # Reset rather than end the connection.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        deadline = time.monotonic() + 60
        while num_uploads(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert num_uploads(server) == 0
        assert is_well(server)
    assert not [row for row in server.log if row["event"] == "RAW" or row["level"] == "error"]


def test_a_wyoming_client_that_leaves_in_the_middle_hurts_nobody(server: RunningServer) -> None:
    host, port = server.wyoming.removeprefix("tcp://").split(":")
    for data in (b'{"type": "audio-chunk", "payload_length": 50}\nabc', b'{"type": "desc', b""):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
    assert is_well(server)
    assert not server.events("RAW")
