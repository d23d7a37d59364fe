"""A request's body: how large it may be and how slowly it may come."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException

from govor.language import tr
from govor.server.settings import Limits

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

# Only this route takes recordings of any length; the studio's takes have a minute at most, which is 1.9 MB.
_UPLOAD_PATH = "/v1/audio/transcriptions"
_OTHER_MB = 4
# A body that comes slower than this is a client that holds a place rather than uses it.
_SLOWEST_BYTES_PER_SECOND = 8192
_LINGER_SECONDS = 2.0


class LimitedBody:
    """Counts a request's body and gives up on one that is too large or too slow."""

    def __init__(self, receive: Receive, path: str, headers: dict[str, str], limits: Limits) -> None:
        """Read from `receive` what was sent to `path`."""
        self._receive = receive
        megabytes = limits.upload_mb if path == _UPLOAD_PATH else min(_OTHER_MB, limits.upload_mb)
        self._limit = megabytes * 1_000_000
        self._grace = limits.body_seconds
        self._started = time.monotonic()
        self._complete = False
        self.received = 0
        declared = headers.get("content-length", "0")
        self._too_large = declared.isdigit() and int(declared) > self._limit

    async def receive(self) -> Message:
        """Receive as ASGI does. Raises HTTPException 408 or 413."""
        if self._complete:
            return await self._receive()
        if self._too_large:
            raise self._large()
        deadline = self._started + self._grace + self.received / _SLOWEST_BYTES_PER_SECOND
        try:
            message = await asyncio.wait_for(self._receive(), max(0.01, deadline - time.monotonic()))
        except asyncio.TimeoutError as error:
            raise HTTPException(
                408,
                tr(
                    f"тело запроса идёт слишком медленно: {self.received} байт",
                    f"the request's body comes too slowly: {self.received} bytes",
                ),
            ) from error
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self.received > self._limit:
                self._too_large = True
                raise self._large()
        else:
            self._complete = True
        return message

    async def linger(self) -> None:
        """Read on for moments, for nothing: the answer is on its way while the client still sends.

        A connection closed over bytes that nobody read is reset, and what was answered may be lost with it.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._read_out(), _LINGER_SECONDS)

    async def _read_out(self) -> None:
        while not self._complete:
            message = await self._receive()
            self._complete = message["type"] != "http.request" or not message.get("more_body", False)

    def _large(self) -> HTTPException:
        megabytes = self._limit // 1_000_000
        return HTTPException(
            413,
            tr(f"больше {megabytes} МБ; разделите запись", f"more than {megabytes} MB; split the recording"),
        )
