"""The Vosk WebSocket protocol: every message with sound gets just one answer.

Written from its description, https://alphacephei.com/vosk/server; existing clients wait for one answer a
message and for one after ``eof``, and for none after ``config``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from govor.errors import ConfigError, GovorError
from govor.language import tr
from govor.server.admission import Refused
from govor.server.live import Ask, LiveSession, Outcome, StreamConfig
from govor.server.logs import log_event
from govor.server.sending import ClientDeafError, say_goodbye, send_text
from govor.server.state import ServerState, Wishes, client_of, state_of
from govor.streaming import Final, Partial
from govor.transcript import Segment, Transcript, Word

router = APIRouter()

_UNKNOWN = "[unk]"
_COMMANDS = ("config", "eof", "reset")
_LONGEST_COMMAND = 65_536


@dataclass(frozen=True)
class _Config:
    stream: StreamConfig = field(default_factory=StreamConfig)
    words: bool = True
    alternatives: int = 0


@router.websocket("/vosk")
async def vosk(socket: WebSocket) -> None:
    """Serve one Vosk client."""
    state = state_of(socket)
    client = client_of(socket.scope)
    await socket.accept()
    conversation = _Conversation(socket, state, client)
    try:
        with state.admission.streams.place(client):
            await conversation.run()
    except (Refused, GovorError) as error:
        reason = error.reason if isinstance(error, Refused) else type(error).__name__
        state.metrics.refused.labels(reason).inc()
        # The protocol knows no errors.
        await say_goodbye(socket, 1013 if isinstance(error, Refused) else 1007, str(error))
    except (WebSocketDisconnect, ClientDeafError):
        # It left, or listens no more, while it was being answered.
        pass


class _Conversation:
    """One client: a message, an answer, a message, an answer."""

    def __init__(self, socket: WebSocket, state: ServerState, client: str) -> None:
        self._socket = socket
        self._state = state
        self._client = client
        self._session: LiveSession | None = None
        self._given: dict[str, Any] = {}
        self._wanted = self._config = _Config()
        self._seconds = 0.0
        """Of the sessions before this one: times of words go on, whatever config comes."""
        self._partial = ""
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while True:
                reading = asyncio.ensure_future(self._socket.receive())
                done, _ = await asyncio.wait(
                    {reading, stopping},
                    timeout=self._state.settings.limits.idle_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if reading not in done:
                    reading.cancel()
                    await self._end(1012 if stopping in done else 1008)
                    return
                message = reading.result()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("bytes")
                if data is None:
                    if await self._command(_parsed(message.get("text") or "")):
                        return
                # Some clients send all their messages as binary ones.
                elif (row := _hidden_command(data)) is None:
                    await send_text(self._socket, await self._hear(data))
                elif await self._command(row):
                    return
        finally:
            stopping.cancel()
            if self._session is not None:
                self._session.close()
            log_event(
                "stream_closed",
                client=self._client,
                protocol="vosk",
                audio_seconds=round(self._seconds_sent, 2),
            )

    async def _hear(self, data: bytes) -> str:
        session = self._open()
        minutes = self._state.settings.limits.audio_minutes
        if self._seconds_sent > 60 * minutes:
            raise ConfigError(tr(f"дольше {minutes:g} мин", f"over {minutes:g} minutes"))
        session.push(data)
        outcome = await self._outcome(session)
        finals = [event.segment for event in outcome.events if isinstance(event, Final)]
        for event in outcome.events:
            self._partial = event.text if isinstance(event, Partial) else ""
        return self._result(finals) if finals else json.dumps({"partial": self._partial}, ensure_ascii=False)

    async def _command(self, row: Any) -> bool:
        """Obey a text message; true: the conversation is over."""
        if not isinstance(row, dict):
            raise ConfigError(tr("нужен объект JSON", "must be a JSON object"))
        if "config" in row:
            self._configure(row["config"])
            return False
        if row.get("eof"):
            await self._end(1000)
            return True
        if row.get("reset"):
            await send_text(self._socket, self._result(await self._finals(Ask.FLUSH)))
            self._partial = ""
            self._renew()
        return False

    async def _end(self, code: int) -> None:
        """Send the last result and close."""
        await say_goodbye(self._socket, code, text=self._result(await self._finals(Ask.END)))

    async def _finals(self, ask: Ask) -> list[Segment]:
        """End the utterance and return what there was of it."""
        if self._session is None:
            return []
        self._session.ask(ask)
        outcome = await self._outcome(self._session)
        return [event.segment for event in outcome.events if isinstance(event, Final)]

    async def _outcome(self, session: LiveSession) -> Outcome:
        outcome = await session.outcomes.get()
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def _open(self) -> LiveSession:
        if self._session is None:
            self._session = LiveSession(self._state, self._client, self._config.stream, "vosk")
            self._session.on_drain(self._stopping.set)
        return self._session

    def _renew(self) -> None:
        """Between two utterances a config that came after sound takes effect."""
        if self._session is not None and self._wanted != self._config:
            self._seconds = self._seconds_sent
            self._session.close()
            self._session = None
            self._config = self._wanted

    @property
    def _seconds_sent(self) -> float:
        return self._seconds + (self._session.seconds_sent if self._session else 0.0)

    def _configure(self, config: Any) -> None:
        """Keep what the client wants; what it leaves out stays as it was."""
        if not isinstance(config, dict):
            raise ConfigError(tr("config должен быть объектом", "config must be an object"))
        self._given.update({name: value for name, value in config.items() if value is not None})
        given = self._given
        alternatives = _number(given, "max_alternatives", 0)
        wishes = Wishes(
            phrases=_phrases(given.get("phrase_list", given.get("grammar", []))),
            alternatives=max(1, alternatives),
        )
        stream = StreamConfig(_number(given, "sample_rate", 16000), wishes)
        self._wanted = _Config(stream, bool(given.get("words", True)), alternatives)
        if self._session is None:
            self._config = self._wanted

    def _result(self, finals: list[Segment]) -> str:
        """Return the one result for all utterances that ended with this message."""
        text = " ".join(segment.text for segment in finals)
        words = [word for segment in finals for word in segment.words]
        row: dict[str, Any]
        if self._config.alternatives:
            row = {"alternatives": self._options(finals, words, text)}
        else:
            row = {"text": text}
            if self._config.words and words:
                row = {
                    "result": [{"conf": round(word.confidence, 6), **self._times(word)} for word in words],
                    **row,
                }
        return json.dumps(row, ensure_ascii=False)

    def _options(self, finals: list[Segment], words: list[Word], text: str) -> list[dict[str, Any]]:
        scored = Transcript(text, tuple(finals), 0.0).alternatives
        texts = [(option.text, option.score) for option in scored] or [(text, 0.0)]
        options: list[dict[str, Any]] = []
        for number, (option, score) in enumerate(texts[: self._config.alternatives]):
            row: dict[str, Any] = {"confidence": round(score, 6), "text": option}
            # The times of the words are known for the best text only.
            if self._config.words and not number and words:
                row["result"] = [self._times(word) for word in words]
            options.append(row)
        return options

    def _times(self, word: Word) -> dict[str, Any]:
        start, end = (round(self._seconds + time, 3) for time in (word.start, word.end))
        return {"end": end, "start": start, "word": word.text}


def _parsed(text: str | bytes) -> Any:
    """Return what the JSON holds; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _hidden_command(data: bytes) -> dict[str, Any] | None:
    """Return the command that a binary message holds; None for sound."""
    if len(data) > _LONGEST_COMMAND or not data.startswith(b"{"):
        return None
    row = _parsed(data)
    return row if isinstance(row, dict) and any(name in row for name in _COMMANDS) else None


def _phrases(given: Any) -> tuple[str, ...]:
    """Return the phrases of a list, of a list written as JSON in a string, or of a string's lines."""
    if isinstance(given, str):
        listed = _parsed(given)
        given = listed if isinstance(listed, list) else given.splitlines()
    if not isinstance(given, list) or not all(isinstance(phrase, str) for phrase in given):
        raise ConfigError(tr("phrase_list должен быть списком строк", "phrase_list must be strings"))
    return tuple(phrase for phrase in given if phrase.strip() not in ("", _UNKNOWN))


def _number(config: dict[str, Any], name: str, default: int) -> int:
    value = config.get(name, default)
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not 0 <= number < 1e6:
        raise ConfigError(tr(f"{name}: нужно число", f"{name}: must be a number"))
    return round(number)
