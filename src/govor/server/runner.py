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

from govor.errors import ServerError, system_reason
from govor.language import tr
from govor.server.app import create_app
from govor.server.body import Receive, Scope, Send
from govor.server.http_protocol import limited_protocols
from govor.server.logs import log_event
from govor.server.settings import Limits, ServerSettings
from govor.server.state import ServerState
from govor.server.wyoming_server import WyomingServer

_LAST_WORDS_SECONDS = 3.0


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
    servers = [(_Server(_config(app, state, lifespan="on")), http)]
    if vosk is not None:
        servers.append((_Server(_config(_OnlyVosk(app), state, lifespan="off")), vosk))
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
        _allow_files(settings.limits)
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
    # Not the open places: who has connected and not spoken yet has nothing to be waited for.
    while state.sessions or state.unfinished or state.admission.uploads.num_open or speaker.num_busy:
        if time.monotonic() - started > seconds:
            log_event("drain_timeout", level=30, streams=len(state.sessions), requests=len(state.unfinished))
            await _refuse_unfinished(state)
            break
        await asyncio.sleep(0.02)
    log_event("drained", seconds=round(time.monotonic() - started, 2))


async def _refuse_unfinished(state: ServerState) -> None:
    """Tell everybody who still waits that there will be no answer, and leave them the time to hear it."""
    for give_up in list(state.unfinished):
        give_up()
    deadline = time.monotonic() + _LAST_WORDS_SECONDS
    while state.unfinished and time.monotonic() < deadline:
        await asyncio.sleep(0.02)


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


def _config(app: Any, state: ServerState, lifespan: Any) -> uvicorn.Config:
    settings = state.settings
    http, websocket = limited_protocols(state)
    return uvicorn.Config(
        app,
        http=http,
        ws=websocket,
        ws_max_size=settings.limits.message_kb * 1024,
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


class _OnlyVosk:
    """For the port of its own: any WebSocket is a Vosk client, any request asks for the server's health."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = "/vosk" if scope["type"] == "websocket" else "/health"
        await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def _allow_files(limits: Limits) -> None:
    """Have this process allowed as many connections and uploaded files as its limits need, if that can be."""
    try:
        import resource
    except ImportError:
        # Windows counts otherwise.
        return
    needed = limits.connections + 2 * limits.uploads + 128
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in (resource.RLIM_INFINITY, -1) or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log_event("few_files_allowed", level=30, allowed=allowed, needed=needed)


def _listen(host: str, port: int) -> socket.socket:
    """Bind and listen. Raises ServerError."""
    name = "127.0.0.1" if host == "localhost" else host
    try:
        family, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, UnicodeError) as error:
        reason = system_reason(error)
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
