"""What every request passes before it reaches a route: who asks, from what page, how much and how slowly."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from govor.language import speaking, tr
from govor.server.addresses import is_loopback
from govor.server.admission import Refused, stopping
from govor.server.body import LimitedBody, Message, Receive, Scope, Send
from govor.server.cors import is_preflight, preflight_headers, sharing_headers
from govor.server.logs import log_event
from govor.server.state import ServerState, client_of

# The page plays recordings of its own (blob:) and draws icons inline (data:); nothing comes from elsewhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
}

_MAX_HEAD_BYTES = 65_536


class Guard:
    """ASGI middleware around everything."""

    def __init__(
        self, app: Any, state: ServerState, open_paths: frozenset[str], socket_paths: frozenset[str]
    ) -> None:
        """Guard `app`; the `open_paths` can be read without a token, the `socket_paths` take WebSockets."""
        self._app = app
        self._state = state
        self._open_paths = open_paths
        self._socket_paths = socket_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a connection through or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin", "")
        is_friend = origin in self._state.settings.origins
        send = _adding(SECURITY_HEADERS | (sharing_headers(origin) if is_friend else {}), send)
        body = LimitedBody(receive, scope["path"], headers, self._state.settings.limits)
        with speaking(headers.get("accept-language", "")):
            try:
                if is_friend and is_preflight(scope.get("method", ""), headers):
                    self._state.admission.rate.take(client_of(scope))
                    await _answer(send, 204, preflight_headers(headers))
                    return
                self._check(scope, headers)
            except Refused as refused:
                await self._refuse(scope, receive, send, refused, body)
                return
            if scope["type"] == "http":
                await self._http(scope, body, send)
            else:
                await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        settings = self._state.settings
        path = scope["path"]
        host = headers.get("host", "")
        # uvicorn's own limit holds only for heads that come in several pieces.
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _MAX_HEAD_BYTES:
            raise Refused(tr("заголовки слишком длинны", "the headers are too long"), "head", status=431)
        # A page of another site can give its name our address (DNS rebinding); its Host gives it away.
        if settings.is_local and not settings.token and not is_loopback(_host_name(host)):
            raise Refused(
                tr(
                    f"адрес {host!r} не этой машины; для других нужны --host и --token",
                    f"{host!r} is not this machine; others need --host and --token",
                ),
                "host",
                status=403,
            )
        origin = headers.get("origin")
        if origin is not None and not self._is_known(origin, host):
            raise Refused(
                tr(
                    f"странице {origin} не разрешено; разрешить: --origin",
                    f"the page {origin} is not allowed; allow it by --origin",
                ),
                "origin",
                status=403,
            )
        is_open = path in self._open_paths and scope.get("method") in ("GET", "HEAD")
        if not is_open:
            # Before the token is looked at: who guesses it is slowed down as well.
            self._state.admission.rate.take(client_of(scope))
        if settings.token and not is_open and not _has_token(scope, headers, settings.token):
            raise Refused(
                tr(
                    "нужен ключ: Authorization: Bearer КЛЮЧ, для WebSocket ещё ?token=КЛЮЧ",
                    "a token is needed: Authorization: Bearer TOKEN, for a WebSocket also ?token=TOKEN",
                ),
                "token",
                status=401,
            )
        if scope["type"] == "websocket" and path not in self._socket_paths:
            listed = ", ".join(sorted(self._socket_paths))
            raise Refused(
                tr(
                    f"{path}: здесь нет WebSocket, он есть на {listed}",
                    f"no WebSocket at {path}; there is at {listed}",
                ),
                "path",
                status=404,
            )
        if self._state.draining.is_set() and path != "/health":
            raise stopping()

    def _is_known(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            # No browser sends such a one.
            return False
        return origin in self._state.settings.origins or (
            parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
        )

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, refused: Refused, sent: LimitedBody
    ) -> None:
        self._state.metrics.refused.labels(refused.reason).inc()
        log_event("refused", client=client_of(scope), path=scope["path"], reason=refused.reason)
        body = json.dumps(
            error_body(str(refused), refused.status, refused.reason), ensure_ascii=False
        ).encode()
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            # The rest of a body that nobody will read must not be taken for a next request.
            "connection": "close",
        }
        if refused.status in (429, 503):
            headers["retry-after"] = str(refused.retry_after)
        if refused.status == 401:
            headers["www-authenticate"] = "Bearer"
        kind = "http.response"
        if scope["type"] == "websocket":
            await receive()
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": 1008, "reason": refused.reason})
                return
            kind = "websocket.http.response"
        else:
            send = _lingering(sent, send)
        await _answer(send, refused.status, headers, body, kind)

    async def _http(self, scope: Scope, body: LimitedBody, send: Send) -> None:
        started = time.monotonic()
        status = 0
        is_late = False

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status in (408, 413):
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await (lingering if status in (408, 413) else send)(message)

        def give_up() -> None:
            nonlocal is_late
            # What is being answered already has an end of its own.
            if not status:
                is_late = True
                work.cancel()

        lingering = _lingering(body, send)
        method = scope["method"]
        # Whoever only asks for the head, as health checks do, gets that of GET; uvicorn leaves out the body.
        scope = {**scope, "method": "GET" if method == "HEAD" else method}
        work = asyncio.ensure_future(self._app(scope, body.receive, answer))
        self._state.unfinished.add(give_up)
        try:
            await work
        except asyncio.CancelledError:
            if not is_late:
                raise
            await self._refuse(scope, body.receive, answer, stopping(), body)
        finally:
            self._state.unfinished.discard(give_up)
            route = getattr(scope.get("route"), "path", "static" if status < 400 else "none")
            self._state.metrics.requests.labels(method, route, status).inc()
            log_event(
                "request",
                client=client_of(scope),
                method=method,
                route=route,
                status=status,
                seconds=round(time.monotonic() - started, 3),
                bytes=body.received,
            )


def _adding(headers: dict[str, str], send: Send) -> Send:
    """Return a `send` that gives every answer these headers, unless the answer has its own."""

    async def sending(message: Message) -> None:
        if message["type"].endswith("http.response.start"):
            given = [(name.lower(), value) for name, value in message["headers"]]
            names = {name for name, _ in given}
            added = [(name.encode(), value.encode()) for name, value in headers.items()]
            message["headers"] = given + [(name, value) for name, value in added if name not in names]
        await send(message)

    return sending


def _lingering(body: LimitedBody, send: Send) -> Send:
    """Return a `send` that ends an answer only when the client has heard it out, or after moments."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await send({**message, "more_body": True})
            await body.linger()
            message = {"type": "http.response.body"}
        await send(message)

    return sending


async def _answer(
    send: Send, status: int, headers: dict[str, str], body: bytes = b"", kind: str = "http.response"
) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": f"{kind}.start", "status": status, "headers": pairs})
    await send({"type": f"{kind}.body", "body": body})


def error_body(
    message: str, status: int, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """Return an error as the OpenAI interface writes it; all our HTTP errors look like this."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _has_token(scope: Scope, headers: dict[str, str], token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = ""
        if scope["type"] == "websocket":
            # A browser cannot give a WebSocket a header.
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            given = query.get("token", [""])[0]
    return hmac.compare_digest(given.strip().encode(), token.encode())
