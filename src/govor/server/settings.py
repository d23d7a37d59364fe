"""What the server is asked to do and how much of everything it allows."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from govor.errors import ConfigError
from govor.language import tr
from govor.server.addresses import is_loopback


@dataclass(frozen=True)
class Limits:
    """What one client, and all of them together, may take."""

    upload_mb: int = 200
    """Size of a request's body, megabytes of 10^6 bytes."""
    audio_minutes: float = 240.0
    """Length of an uploaded recording, and of one live stream."""
    streams: int = 128
    """Live streams open at a time."""
    uploads: int = 256
    """Recordings being received, waiting or recognised at a time."""
    client_streams: int = 64
    client_uploads: int = 32
    """The same for one client, that is one address."""
    requests_per_minute: int = 600
    """Requests and new streams of one client; as many may come at once."""
    connections: int = 1024
    client_connections: int = 256
    """HTTP connections and WebSockets open at a time, of everybody and of one client."""
    head_seconds: float = 10.0
    """Time to send a request's head."""
    body_seconds: float = 30.0
    """Time to send a body, and a second more for every 8 KiB of it."""
    idle_seconds: float = 60.0
    """A live stream that sends nothing for so long is ended."""
    answer_seconds: float = 3600.0
    """An upload that is not recognised by then is given up."""
    drain_seconds: float = 30.0
    """Time that SIGTERM leaves to what has begun."""
    message_kb: int = 1024
    """Size of a WebSocket message, KiB."""


@dataclass(frozen=True)
class ServerSettings:
    """All that ``govor serve`` can be told."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    """Clients must show it; without it only this machine is served."""
    model: Path | None = None
    """ONNX model; the shipped one if None."""
    decoder: str = "auto"
    language_model: Path | None = None
    """Of the beam search; the shipped one if None."""
    origins: tuple[str, ...] = ()
    """Pages of these origins may use the server as our own does: ``https://example.org``, or the one of a
    browser's extension."""
    vosk_port: int | None = None
    """Serve the Vosk protocol on a port of its own as well."""
    wyoming_port: int | None = None
    wyoming_from: tuple[str, ...] = ()
    """Networks whose clients Wyoming, which knows no token, serves besides this machine."""
    proxies: tuple[str, ...] = ()
    """Addresses of proxies whose ``X-Forwarded-For`` is believed."""
    workers: int = field(default_factory=lambda: num_cores())
    """Recognition threads."""
    log_text: bool = False
    """Write what was recognised into the log."""
    studio: Path | None = None
    """Folder for recordings made on the page; None: the studio is off."""
    limits: Limits = Limits()

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach the server."""
        return is_loopback(self.host)

    def check(self) -> None:
        """Raise ConfigError for settings that would be unsafe or make no sense."""
        if not self.is_local and not self.token:
            raise ConfigError(
                tr(
                    f"--host {self.host} открывает сервер другим машинам: "
                    "задайте --token или GOVOR_TOKEN, либо оставьте 127.0.0.1",
                    f"--host {self.host} opens the server to other machines: "
                    "give --token or GOVOR_TOKEN, or keep 127.0.0.1",
                )
            )
        if self.token is not None and (len(self.token) < 8 or not self.token.isascii()):
            raise ConfigError(
                tr(
                    "--token: нужно не меньше 8 знаков, латиница и цифры",
                    "--token: at least 8 ASCII characters are needed",
                )
            )
        ports = [port for port in (self.port, self.vosk_port, self.wyoming_port) if port]
        if len(set(ports)) < len(ports):
            listed = ", ".join(map(str, ports))
            raise ConfigError(tr(f"один порт дважды: {listed}", f"one port twice: {listed}"))
        for value in self.wyoming_from:
            _check_network("--wyoming-from", value)
        for value in self.proxies:
            _check_network("--proxy", value)
        for origin in self.origins:
            if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin):
                raise ConfigError(
                    tr(
                        f"--origin {origin}: нужно вида https://example.org, без пути",
                        f"--origin {origin}: must look like https://example.org, without a path",
                    )
                )


def _check_network(name: str, value: str) -> None:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise ConfigError(
            tr(
                f"{name} {value}: нужен адрес или сеть, например 192.168.1.0/24",
                f"{name} {value}: must be an address or network such as 192.168.1.0/24",
            )
        ) from error


def num_cores() -> int:
    """Return how many processors this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
