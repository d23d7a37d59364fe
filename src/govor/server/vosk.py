"""The Vosk WebSocket protocol: every message with sound gets just one answer.

Written from its description, https://alphacephei.com/vosk/server; existing clients wait for one answer a
message and for one after ``eof``.
"""

from __future__ import annotations

import asyncio
import json
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
        self._config = StreamConfig()
        self._words = True
        self._alternatives = 0
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
                if data is not None:
                    await send_text(self._socket, await self._hear(data))
                elif await self._command(message.get("text") or ""):
                    return
        finally:
            stopping.cancel()
            if self._session is not None:
                self._session.close()
            log_event(
                "stream_closed",
                client=self._client,
                protocol="vosk",
                audio_seconds=round(self._session.seconds_sent, 2) if self._session else 0.0,
            )

    async def _hear(self, data: bytes) -> str:
        session = self._open()
        minutes = self._state.settings.limits.audio_minutes
        if session.seconds_sent > 60 * minutes:
            raise ConfigError(tr(f"дольше {minutes:g} мин", f"over {minutes:g} minutes"))
        session.push(data)
        outcome = await self._outcome(session)
        finals = [event.segment for event in outcome.events if isinstance(event, Final)]
        for event in outcome.events:
            self._partial = event.text if isinstance(event, Partial) else ""
        return self._result(finals) if finals else json.dumps({"partial": self._partial}, ensure_ascii=False)

    async def _command(self, text: str) -> bool:
        """Obey a text message; true: the conversation is over."""
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise ConfigError(tr("нужен объект JSON", "must be a JSON object"))
        if "config" in row:
            self._configure(row["config"])
            return False
        if row.get("eof"):
            await self._end(1000)
            return True
        if row.get("reset"):
            session = self._open()
            session.ask(Ask.FLUSH)
            self._partial = ""
            outcome = await self._outcome(session)
            finals = [event.segment for event in outcome.events if isinstance(event, Final)]
            await send_text(self._socket, self._result(finals))
        return False

    async def _end(self, code: int) -> None:
        """Send the last result and close."""
        finals: list[Segment] = []
        if self._session is not None:
            self._session.ask(Ask.END)
            outcome = await self._outcome(self._session)
            finals = [event.segment for event in outcome.events if isinstance(event, Final)]
        await say_goodbye(self._socket, code, text=self._result(finals))

    async def _outcome(self, session: LiveSession) -> Outcome:
        outcome = await session.outcomes.get()
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def _open(self) -> LiveSession:
        if self._session is None:
            self._session = LiveSession(self._state, self._client, self._config, "vosk")
            self._session.on_drain(self._stopping.set)
        return self._session

    def _configure(self, config: Any) -> None:
        if not isinstance(config, dict):
            raise ConfigError(tr("config должен быть объектом", "config must be an object"))
        rate = _number(config, "sample_rate", 16000)
        self._words = bool(config.get("words", True))
        self._alternatives = _number(config, "max_alternatives", 0)
        phrases = config.get("phrase_list", config.get("grammar", []))
        if isinstance(phrases, str):
            phrases = phrases.splitlines()
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
            raise ConfigError(tr("phrase_list должен быть списком строк", "phrase_list must be strings"))
        wishes = Wishes(
            phrases=tuple(phrase for phrase in phrases if phrase.strip() not in ("", _UNKNOWN)),
            alternatives=max(1, self._alternatives),
        )
        wanted = StreamConfig(rate, wishes)
        # Some clients send theirs before every utterance.
        if self._session is not None and wanted != self._config:
            raise ConfigError(tr("другой config пришёл после звука", "another config came after sound"))
        self._config = wanted

    def _result(self, finals: list[Segment]) -> str:
        """Return the one result for all utterances that ended with this message."""
        text = " ".join(segment.text for segment in finals)
        words = [word for segment in finals for word in segment.words]
        row: dict[str, Any]
        if self._alternatives:
            row = {"alternatives": self._options(finals, words, text)}
        else:
            row = {"text": text}
            if self._words and words:
                row = {
                    "result": [{"conf": round(word.confidence, 6), **_times(word)} for word in words],
                    **row,
                }
        return json.dumps(row, ensure_ascii=False)

    def _options(self, finals: list[Segment], words: list[Word], text: str) -> list[dict[str, Any]]:
        scored = Transcript(text, tuple(finals), 0.0).alternatives
        texts = [(option.text, option.score) for option in scored] or [(text, 0.0)]
        options: list[dict[str, Any]] = []
        for number, (option, score) in enumerate(texts[: self._alternatives]):
            row: dict[str, Any] = {"confidence": round(score, 6), "text": option}
            # The times of the words are known for the best text only.
            if self._words and not number and words:
                row["result"] = [_times(word) for word in words]
            options.append(row)
        return options


def _times(word: Word) -> dict[str, Any]:
    return {"end": round(word.end, 3), "start": round(word.start, 3), "word": word.text}


def _number(config: dict[str, Any], name: str, default: int) -> int:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
        raise ConfigError(tr(f"{name}: нужно число", f"{name}: must be a number"))
    return round(value)
