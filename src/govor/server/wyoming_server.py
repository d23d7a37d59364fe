"""The Wyoming protocol of Home Assistant: a line of JSON, then data and sound, over TCP.

Each connection may ask what there is (describe), and have commands recognised: transcribe, audio-start,
audio-chunk, …, audio-stop, and gets a transcript.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wyoming.asr import Transcript
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info
from wyoming.ping import Pong

from govor import __version__
from govor.errors import AudioError, GovorError
from govor.language import tr
from govor.server.addresses import client_key, is_loopback, is_within
from govor.server.admission import Refused
from govor.server.hints import hotwords_from_prompt
from govor.server.logs import log_event
from govor.server.pool import Kind
from govor.server.state import ServerState, Wishes
from govor.server.uploads import UploadJob
from govor.server.wyoming_events import MAX_HEADER, ProtocolError, read_event, write_event

# A command, not a lecture: five minutes at 16 kHz.
_MAX_BYTES = 10_000_000
_SITE = "https://github.com/"
_WIDTHS: dict[int, Any] = {1: np.dtype("u1"), 2: np.dtype("<i2"), 3: np.dtype("<i4"), 4: np.dtype("<i4")}


class WyomingServer:
    """Serves Wyoming on a socket that listens already."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversations: set[_Conversation] = set()

    async def start(self, listener: socket.socket) -> None:
        """Begin to serve."""
        self._server = await asyncio.start_server(self._connected, sock=listener, limit=MAX_HEADER)

    @property
    def num_busy(self) -> int:
        """Connections in the middle of a command."""
        return sum(conversation.is_busy for conversation in self._conversations)

    def refuse(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """Stop; the connections that are still open are cut."""
        self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        address = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            if not self._may_come(address):
                raise ProtocolError(
                    tr(
                        f"{address} не разрешён; разрешить: --wyoming-from",
                        f"{address} is not allowed; allow it by --wyoming-from",
                    )
                )
            client = client_key(address)
            with self._state.admission.commands.place(client):
                await self._talk(_Conversation(self._state, client, reader, writer))
        except (GovorError, Refused) as error:
            log_event("wyoming_refused", client=address, reason=str(error))
            self._state.metrics.refused.labels("wyoming").inc()
            await _say_error(writer, str(error), type(error).__name__)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            # The client has gone, or does not read any more.
            pass
        except Exception as error:
            log_event("unforeseen_error", level=40, error=f"{type(error).__name__}: {error}")
            await _say_error(writer, tr("внутренняя ошибка сервера", "internal server error"), "ServerError")
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _talk(self, conversation: _Conversation) -> None:
        self._conversations.add(conversation)
        try:
            await conversation.run()
        finally:
            self._conversations.discard(conversation)

    def _may_come(self, address: str) -> bool:
        return is_loopback(address) or is_within(address, self._state.settings.wyoming_from)


async def _say_error(writer: asyncio.StreamWriter, text: str, code: str) -> None:
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        await write_event(writer, Event("error", {"text": text, "code": code}))


class _Conversation:
    def __init__(
        self, state: ServerState, client: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._state = state
        self._client = client
        self._reader = reader
        self._writer = writer
        self._format = (16000, 2, 1)
        self._wishes = Wishes()
        self._sound = bytearray()
        self.is_busy = False

    async def run(self) -> None:
        """Answer events until the client leaves."""
        while (event := await self._next()) is not None:
            data = event.data or {}
            if event.type == "describe":
                await write_event(self._writer, self._info().event())
            elif event.type == "ping":
                await write_event(self._writer, Pong(text=data.get("text")).event())
            elif event.type == "transcribe":
                self._wishes = _wishes(data)
            elif event.type == "audio-start":
                self._sound.clear()
                self._format = _format(data)
                self.is_busy = True
            elif event.type == "audio-chunk":
                self._take(_format(data), event.payload or b"")
            elif event.type == "audio-stop":
                await write_event(self._writer, Transcript(await self._recognise(), language="ru").event())
                self._sound.clear()
                self.is_busy = False
            # Whatever else there is belongs to services that we have not announced.

    async def _next(self) -> Event | None:
        seconds = self._state.settings.limits.idle_seconds
        try:
            return await asyncio.wait_for(read_event(self._reader), seconds)
        except asyncio.TimeoutError as error:
            raise ProtocolError(
                tr(f"{seconds:g} с ничего не приходило", f"nothing came for {seconds:g} s")
            ) from error

    def _take(self, form: tuple[int, int, int], payload: bytes) -> None:
        if self._sound and form != self._format:
            raise AudioError(
                tr("вид звука сменился посреди команды", "the sound's format changed within the command")
            )
        self._format = form
        self._sound += payload
        if len(self._sound) > _MAX_BYTES:
            megabytes = _MAX_BYTES // 1_000_000
            raise AudioError(
                tr(f"команда больше {megabytes} МБ", f"the command is larger than {megabytes} MB")
            )

    async def _recognise(self) -> str:
        rate, width, channels = self._format
        whole = len(self._sound) // (width * channels) * width * channels
        if not whole:
            return ""
        samples = _samples(bytes(self._sound[:whole]), width).reshape(-1, channels)
        self._state.admission.rate.take(self._client)
        with self._state.admission.uploads.place(self._client):
            # Live: somebody stands there waiting for the light.
            job = UploadJob(
                self._state,
                self._client,
                samples,
                self._wishes,
                protocol="wyoming",
                kind=Kind.LIVE,
                sample_rate=rate,
            )
            try:
                transcript = await job.run()
            except asyncio.TimeoutError as error:
                raise AudioError(tr("не успели распознать", "not recognised in time")) from error
        said: dict[str, Any] = {"text": transcript.text} if self._state.settings.log_text else {}
        log_event(
            "transcribed", client=self._client, protocol="wyoming", audio_seconds=transcript.duration, **said
        )
        return transcript.text

    def _info(self) -> Info:
        attribution = Attribution(name="Govor", url=_SITE)
        name = self._state.recognizer.model.name if self._state.settings.model is None else "govor"
        model = AsrModel(
            name=name.removesuffix(".onnx"),
            attribution=attribution,
            installed=True,
            description=tr("Русская модель Говора", "Govor's Russian model"),
            version=__version__,
            languages=["ru"],
        )
        program = AsrProgram(
            name="govor",
            attribution=attribution,
            installed=True,
            description=tr("Распознавание русской речи", "Russian speech recognition"),
            version=__version__,
            models=[model],
        )
        return Info(asr=[program])


def _samples(sound: bytes, width: int) -> NDArray[Any]:
    if width == 3:
        wide = np.zeros((len(sound) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(sound, np.uint8).reshape(-1, 3)
        sound = wide.tobytes()
    return np.frombuffer(sound, _WIDTHS[width])


def _format(data: dict[str, Any]) -> tuple[int, int, int]:
    rate, width, channels = (data.get(name) for name in ("rate", "width", "channels"))
    if (
        not all(isinstance(value, int) for value in (rate, width, channels))
        or width not in _WIDTHS
        or not 8000 <= (rate or 0) <= 96_000
        or not 1 <= (channels or 0) <= 8
    ):
        raise AudioError(
            tr(
                f"звук {rate} Гц, {width} байт, каналов {channels}: такого не бывает",
                f"sound of {rate} Hz, {width} bytes, {channels} channels: cannot be used",
            )
        )
    return rate or 0, width or 0, channels or 0


def _wishes(data: dict[str, Any]) -> Wishes:
    """Names and terms that Home Assistant expects become hot words."""
    language = str(data.get("language") or "ru").lower()
    if not language.startswith("ru"):
        raise ProtocolError(
            tr(f"язык {language}: Говор знает только ru", f"language {language}: Govor knows only ru")
        )
    terms = [
        term
        for name in ("transcript_names", "transcript_terms")
        if isinstance(given := data.get(name), list)
        for term in given
        if isinstance(term, str)
    ]
    return Wishes(hotwords=hotwords_from_prompt("\n".join(terms)))
