"""Our own live protocol, ``/v1/stream``: described in asyncapi.yaml."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocketState

from govor.errors import GovorError
from govor.language import tr
from govor.server.admission import Refused
from govor.server.live import Ask, LiveSession, Outcome, StreamConfig
from govor.server.logs import log_event
from govor.server.sending import ClientDeafError, say_goodbye, send_text
from govor.server.state import ServerState, Wishes, client_of, state_of
from govor.streaming import Event, Final
from govor.text.finishing import finish

router = APIRouter()

# Close codes: RFC 6455, 7.4.1 and the IANA registry.
NORMAL, BAD_DATA, POLICY, INTERNAL, RESTART, LATER = 1000, 1007, 1008, 1011, 1012, 1013


class Start(BaseModel):
    """The first message, if the defaults do not fit."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["start"]
    sample_rate: int = 16000
    partials: bool = True
    decoder: Literal["auto", "greedy", "beam"] | None = None
    hotwords: list[str] = Field(default_factory=list, max_length=200)
    phrases: list[str] = Field(default_factory=list, max_length=5000)
    alternatives: int = Field(1, ge=1, le=20)
    format_text: bool = False


class StreamError(Exception):
    """The client has done something that ends the stream."""

    def __init__(self, message: str, code: str, close: int) -> None:
        super().__init__(message)
        self.code = code
        self.close = close


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """Serve one stream."""
    state = state_of(socket)
    client = client_of(socket.scope)
    await socket.accept()
    try:
        with state.admission.streams.place(client):
            await _Conversation(socket, state, client).run()
    except Refused as refused:
        state.metrics.refused.labels(refused.reason).inc()
        await _say_error(socket, StreamError(str(refused), refused.reason, LATER))
    except StreamError as error:
        await _say_error(socket, error)
    except (WebSocketDisconnect, ClientDeafError):
        # It left, or listens no more, while it was being answered.
        pass


async def _say_error(socket: WebSocket, error: StreamError) -> None:
    row = {"type": "error", "code": error.code, "message": str(error)}
    await say_goodbye(socket, error.close, error.code, json.dumps(row, ensure_ascii=False))


class _Conversation:
    """Two tasks for a socket: one reads and pushes, one waits for outcomes and sends."""

    def __init__(self, socket: WebSocket, state: ServerState, client: str) -> None:
        self._socket = socket
        self._state = state
        self._client = client
        self._session: LiveSession | None = None
        self._format_text = False
        self._num_finals = 0
        self._started = asyncio.Event()
        self._ending = False
        self._draining = False
        self._limit: StreamError | None = None

    async def run(self) -> None:
        reading = asyncio.ensure_future(self._read())
        sending = asyncio.ensure_future(self._send())
        try:
            await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not sending.done():
                if reading.exception() is None and not self._ending:
                    return
                if reading.exception() is None:
                    await sending
                reading.result()
            sending.result()
        finally:
            for task in (reading, sending):
                task.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)
            if self._session is not None:
                self._session.close()
            log_event(
                "stream_closed",
                client=self._client,
                protocol="stream",
                audio_seconds=round(self._session.seconds_sent, 2) if self._session else 0.0,
                finals=self._num_finals,
            )

    async def _read(self) -> None:
        """Read until the client ends the stream or leaves."""
        limits = self._state.settings.limits
        while not self._ending:
            try:
                message = await asyncio.wait_for(self._socket.receive(), limits.idle_seconds)
            except asyncio.TimeoutError:
                text = tr(
                    f"{limits.idle_seconds:g} с ничего не приходило",
                    f"nothing came for {limits.idle_seconds:g} s",
                )
                self._end_at_limit(StreamError(text, "idle", POLICY))
                return
            if message["type"] == "websocket.disconnect":
                return
            if (data := message.get("bytes")) is not None:
                session = self._session or self._open(Start(type="start"))
                session.push(data)
                if session.seconds_sent > 60 * limits.audio_minutes:
                    text = tr(
                        f"дольше {limits.audio_minutes:g} мин", f"over {limits.audio_minutes:g} minutes"
                    )
                    self._end_at_limit(StreamError(text, "too_long", POLICY))
                    return
                await session.room()
            else:
                self._command(message.get("text") or "")

    def _command(self, text: str) -> None:
        try:
            row = json.loads(text)
            kind = row["type"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StreamError(
                tr("нужен объект JSON с полем type", "must be a JSON object with a type"),
                "bad_message",
                BAD_DATA,
            ) from error
        if kind == "start":
            if self._session is not None:
                raise StreamError(tr("start пришёл не первым", "start was not first"), "bad_message", POLICY)
            try:
                self._open(Start.model_validate(row))
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise StreamError(f"{place}: {first['msg']}", "bad_message", BAD_DATA) from error
        elif kind in ("flush", "reset", "end"):
            session = self._session or self._open(Start(type="start"))
            session.ask(Ask(kind))
            self._ending = kind == "end"
        else:
            raise StreamError(
                tr(f"неизвестное сообщение {kind!r:.40}", f"unknown message {kind!r:.40}"),
                "bad_message",
                BAD_DATA,
            )

    def _open(self, start: Start) -> LiveSession:
        wishes = Wishes(start.decoder or "", tuple(start.hotwords), tuple(start.phrases), start.alternatives)
        try:
            config = StreamConfig(start.sample_rate, wishes, start.partials)
        except ValueError as error:
            raise StreamError(str(error), "bad_message", BAD_DATA) from error
        self._format_text = start.format_text
        self._session = LiveSession(self._state, self._client, config, "stream")
        self._session.on_drain(self._drain)
        self._started.set()
        return self._session

    def _drain(self) -> None:
        """The server stops: what was heard so far is finished and sent."""
        if self._session is not None and not self._ending:
            self._ending = self._draining = True
            self._session.ask(Ask.END)

    def _end_at_limit(self, limit: StreamError) -> None:
        """End the stream, but not without the final of what was said until now."""
        if self._session is None:
            raise limit
        self._limit = limit
        self._ending = True
        self._session.ask(Ask.END)

    async def _send(self) -> None:
        await self._started.wait()
        session = self._session
        assert session is not None
        await self._say({"type": "ready"})
        while True:
            outcome = await session.outcomes.get()
            if outcome.error is not None:
                raise _stream_error(outcome.error)
            for event in outcome.events:
                await self._say(self._row(event))
            if outcome.ask in (Ask.FLUSH, Ask.RESET):
                await self._say({"type": outcome.ask.value, "seconds": round(outcome.seconds, 3)})
            elif outcome.ask is Ask.END:
                await self._done(outcome)
                return

    async def _done(self, outcome: Outcome) -> None:
        if self._limit is not None:
            raise self._limit
        await self._say({"type": "done", "seconds": round(outcome.seconds, 3)})
        await self._socket.close(RESTART if self._draining else NORMAL)

    async def _say(self, row: dict[str, Any]) -> None:
        if self._socket.client_state is WebSocketState.CONNECTED:
            await send_text(self._socket, json.dumps(row, ensure_ascii=False))

    def _row(self, event: Event) -> dict[str, Any]:
        if isinstance(event, Final):
            self._num_finals += 1
            segment = event.segment
            row = {"type": "final", **segment.to_json()}
            if segment.alternatives:
                row["alternatives"] = [alternative.to_json() for alternative in segment.alternatives]
            if self._format_text:
                row["finished"] = finish(segment.text)
            if self._state.settings.log_text:
                log_event("final", client=self._client, text=segment.text)
            return row
        return {
            "type": "partial",
            "text": event.text,
            "start": round(event.start, 3),
            "end": round(event.end, 3),
            "words": [word.to_json() for word in event.words],
        }


def _stream_error(error: Exception) -> StreamError:
    if isinstance(error, GovorError):
        return StreamError(str(error), "bad_request", BAD_DATA)
    log_event("unforeseen_error", level=40, error=f"{type(error).__name__}: {error}")
    return StreamError(tr("внутренняя ошибка сервера", "internal server error"), "internal", INTERNAL)
