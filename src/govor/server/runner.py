"""The process: sockets, time limits below HTTP, several servers in an event loop, a shutdown that drains."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from govor.errors import ServerError
from govor.language import tr
from govor.server.app import create_app
from govor.server.guard import Receive, Scope, Send
from govor.server.logs import log_event
from govor.server.settings import Limits, ServerSettings
from govor.server.state import ServerState
from govor.server.wyoming_server import WyomingServer


@dataclass(frozen=True)
class Addresses:
    """Where the server listens, ports as they turned out."""

    http: str
    vosk: str | None = None
    wyoming: str | None = None


def run_server(settings: ServerSettings, on_ready: Callable[[Addresses], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what has begun.

    Raises ConfigError, ModelError, ServerError for a port that cannot be had.
    """
    settings.check()
    # The event loop has many short turns; 5 ms before each, behind a busy worker, would add up.
    sys.setswitchinterval(0.001)
    with contextlib.ExitStack() as sockets:
        http = sockets.enter_context(_listen(settings.host, settings.port))
        vosk = wyoming = None
        if settings.vosk_port is not None:
            vosk = sockets.enter_context(_listen(settings.host, settings.vosk_port))
        if settings.wyoming_port is not None:
            wyoming = sockets.enter_context(_listen(settings.host, settings.wyoming_port))
        addresses = Addresses(
            f"http://{_address(http)}",
            f"ws://{_address(vosk)}" if vosk else None,
            f"tcp://{_address(wyoming)}" if wyoming else None,
        )
        app = create_app(settings)
        asyncio.run(_serve(app, settings, http, vosk, wyoming, lambda: on_ready and on_ready(addresses)))


async def _serve(
    app: FastAPI,
    settings: ServerSettings,
    http: socket.socket,
    vosk: socket.socket | None,
    wyoming: socket.socket | None,
    on_ready: Callable[[], object],
) -> None:
    state: ServerState = app.state.govor
    servers = [(_Server(_config(app, settings, lifespan="on")), http)]
    if vosk is not None:
        servers.append((_Server(_config(_OnlyVosk(app), settings, lifespan="off")), vosk))
    speaker = WyomingServer(state)
    if wyoming is not None:
        await speaker.start(wyoming)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with _signals(loop, stop):
        tasks = [asyncio.ensure_future(server.serve(sockets=[sock])) for server, sock in servers]
        while not all(server.started for server, _ in servers) and not any(task.done() for task in tasks):
            await asyncio.sleep(0.01)
        on_ready()
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        speaker.refuse()
        await _drain(state, speaker, settings.limits.drain_seconds)
        await speaker.close()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


async def _drain(state: ServerState, speaker: WyomingServer, seconds: float) -> None:
    """Take nothing new, have every stream send its final, and wait for the uploads that have begun."""
    started = time.monotonic()
    state.draining.set()
    log_event("draining", streams=len(state.sessions), uploads=state.admission.uploads.num_open)
    for session in list(state.sessions):
        session.drain()
    admission = state.admission
    while admission.streams.num_open or admission.uploads.num_open or speaker.num_busy:
        if time.monotonic() - started > seconds:
            log_event("drain_timeout", level=30, streams=len(state.sessions))
            break
        await asyncio.sleep(0.02)
    log_event("drained", seconds=round(time.monotonic() - started, 2))


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    wanted = [signal.SIGINT, signal.SIGTERM]

    def handle(*_: Any) -> None:
        if stop.is_set():
            # The second time is an order.
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(stop.set)

    previous = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _config(app: Any, settings: ServerSettings, lifespan: Any) -> uvicorn.Config:
    limits = settings.limits
    return uvicorn.Config(
        app,
        http=_patient_protocol(limits),
        ws="websockets-sansio",
        ws_max_size=limits.message_kb * 1024,
        ws_ping_interval=20,
        # Who does not send is ended after idle_seconds; a pong cannot be read while a backlog pauses reading.
        ws_ping_timeout=None,
        ws_per_message_deflate=False,
        lifespan=lifespan,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        backlog=512,
    )


class _Server(uvicorn.Server):
    """uvicorn's server; signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _patient_protocol(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's HTTP with what it lacks: a time limit for heads and a number of connections."""

    class PatientProtocol(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                log_event("connections_full", level=30)
                transport.close()
                return
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_came()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
                self._await_head()
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._head_came()

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._head_came()
            super().handle_websocket_upgrade(event)

        def _await_head(self) -> None:
            self._head_timer = self.loop.call_later(limits.head_seconds, self._too_slow)

        def _head_came(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _too_slow(self) -> None:
            log_event("head_timeout")
            self.transport.abort()

    return PatientProtocol


class _OnlyVosk:
    """For the port of its own: any WebSocket is a Vosk client, any request asks for the server's health."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = "/vosk" if scope["type"] == "websocket" else "/health"
        await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def _listen(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises ServerError."""
    name = "127.0.0.1" if host == "localhost" else host
    try:
        family, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServerError(
            tr(
                f"порт {port} на {host} не открывается: {reason}; возьмите другой: --port",
                f"port {port} on {host} cannot be opened: {reason}; take another: --port",
            )
        ) from error
    listener.setblocking(False)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ipaddress.ip_address(host.split("%")[0]).version == 6 else f"{host}:{port}"
