"""Send to WebSocket clients that may have stopped reading."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import WebSocket

# A client that reads nothing for so long, with its buffers full, is given up.
_SEND_SECONDS = 60.0
_GOODBYE_SECONDS = 5.0


class ClientDeafError(Exception):
    """The client does not read what it is sent."""


async def send_text(socket: WebSocket, text: str) -> None:
    """Send. Raises ClientDeafError if that takes too long."""
    try:
        await asyncio.wait_for(socket.send_text(text), _SEND_SECONDS)
    except asyncio.TimeoutError as error:
        raise ClientDeafError("the client does not read") from error


async def say_goodbye(socket: WebSocket, code: int, reason: str = "", text: str | None = None) -> None:
    """Send a last text, if there is one, and close, as far as the client still listens."""

    async def speak() -> None:
        if text is not None:
            await socket.send_text(text)
        # A close frame has room for 123 bytes of reason.
        await socket.close(code, reason.encode()[:120].decode("utf-8", "ignore"))

    with contextlib.suppress(RuntimeError, OSError, asyncio.TimeoutError):
        await asyncio.wait_for(speak(), _GOODBYE_SECONDS)
