"""Below HTTP: a number of connections, and a time limit for a request's head, which uvicorn lacks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from govor.server.addresses import client_key, is_within
from govor.server.admission import Refused
from govor.server.logs import log_event
from govor.server.state import ServerState


def limited_protocols(state: ServerState) -> tuple[type[H11Protocol], type[WebSocketsSansIOProtocol]]:
    """Return uvicorn's HTTP and WebSocket within the limits of this server."""
    settings = state.settings

    def take_place(transport: Any) -> contextlib.ExitStack:
        """Count a connection. Raises Refused."""
        address = (transport.get_extra_info("peername") or ("",))[0]
        place = contextlib.ExitStack()
        # All clients come through the proxy: one of its connections must not count against another.
        client = f"proxy {id(place)}" if is_within(address, settings.proxies) else client_key(address)
        try:
            place.enter_context(state.admission.connections.place(client))
        except Refused as refused:
            state.metrics.refused.labels("connections").inc()
            log_event("connection_refused", level=30, client=client, reason=refused.reason)
            raise
        return place

    class LimitedHttp(H11Protocol):
        _place = contextlib.ExitStack()
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            try:
                self._place = take_place(transport)
            except Refused:
                transport.close()
                return
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_came()
            self._place.close()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
                self._await_head()
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._head_came()

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._head_came()
            # From here on the connection belongs to a LimitedWebSocket.
            self._place.close()
            super().handle_websocket_upgrade(event)

        def _await_head(self) -> None:
            self._head_timer = self.loop.call_later(settings.limits.head_seconds, self._too_slow)

        def _head_came(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _too_slow(self) -> None:
            log_event("head_timeout")
            self.transport.abort()

    class LimitedWebSocket(WebSocketsSansIOProtocol):
        _place = contextlib.ExitStack()

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._place = take_place(transport)

        async def send(self, message: Any) -> None:
            await super().send(message)
            # A refusal ends the handshake as well; uvicorn overlooks that and logs an error for each.
            if self.initial_response is not None and self.close_sent:
                self.handshake_complete = True

        def connection_lost(self, exc: Exception | None) -> None:
            self._place.close()
            super().connection_lost(exc)

    return LimitedHttp, LimitedWebSocket
