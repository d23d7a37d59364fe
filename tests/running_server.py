"""A real ``govor serve`` in a process of its own, on ports that are free."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from govor import load_model
from govor.streaming import Final

ROOT = Path(__file__).resolve().parents[1]
MALE = ROOT / "examples" / "male.wav"
FEMALE = ROOT / "examples" / "female.wav"


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    http: str
    vosk: str
    wyoming: str
    log: list[dict[str, Any]] = field(default_factory=list)
    """What it has logged, line by line."""

    @property
    def host(self) -> str:
        return urlsplit(self.http).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.http).port or 0

    @property
    def ws(self) -> str:
        return self.http.replace("http", "ws", 1)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.log if row["event"] == name]

    def stop(self, seconds: float = 30) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def running_server(*options: str, **environment: str) -> Iterator[RunningServer]:
    arguments = ["serve", "--port", "0", "--vosk", "0", "--wyoming", "0", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "govor", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stderr is not None
    reader = None
    try:
        ready = json.loads(process.stderr.readline())
        assert ready["event"] == "ready", ready
        server = RunningServer(process, ready["http"], ready["vosk"], ready["wyoming"])

        def read(lines: Any) -> None:
            for line in lines:
                # A traceback or anything else that is no JSON fails the tests that look at the log.
                server.log.append(
                    json.loads(line) if line.startswith("{") else {"event": "RAW", "line": line}
                )

        reader = threading.Thread(target=read, args=(process.stderr,), daemon=True)
        reader.start()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if reader is not None:
            reader.join()
        process.stderr.close()


def dial(url: str, **options: Any) -> connect:
    """A WebSocket whose own time limits do not mind a slow machine."""
    return connect(url, open_timeout=120, ping_interval=None, close_timeout=60, **options)


async def rest_of(socket: Any) -> list[dict[str, Any]]:
    """All messages until the server closes, whatever the close code."""
    rows = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            rows.append(json.loads(await socket.recv()))
    return rows


def long_speech(times: int = 30) -> bytes:
    """A wav with the male recording so many times over, 4.2 s each."""
    sound, rate = pcm(MALE)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(sound * times)
    return file.getvalue()


def pcm(path: Path) -> tuple[bytes, int]:
    """The samples of a 16-bit mono wav, and their rate."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.readframes(file.getnframes()), file.getframerate()


def said_by_the_library() -> list[str]:
    """What a stream of the library makes of the male recording and two seconds of silence after it."""
    sound, rate = pcm(MALE)
    stream = load_model().stream(sample_rate=rate)
    events = stream.feed(sound + bytes(2 * 2 * rate)) + stream.finish()
    return [event.segment.text for event in events if isinstance(event, Final)]


def raw_connection(server: RunningServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=60)


def is_well(server: RunningServer) -> bool:
    return httpx.get(f"{server.http}/health", timeout=60).json()["status"] == "ok"


def read_all(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while data := connection.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


def num_uploads(server: RunningServer) -> float:
    lines = httpx.get(f"{server.http}/metrics", timeout=60).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("govor_uploads "))
