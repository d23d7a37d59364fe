"""The OpenAI transcription interface: ``POST /v1/audio/transcriptions`` and ``GET /v1/models``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from govor.errors import GovorError
from govor.language import tr
from govor.outputs import render
from govor.server.admission import Refused
from govor.server.body import Receive, Scope, Send
from govor.server.guard import error_body
from govor.server.logs import log_event
from govor.server.openai_form import FORM_SCHEMA, FieldError, Order, read_order
from govor.server.openai_format import verbose
from govor.server.state import ServerState, client_of, state_of
from govor.server.uploads import NamedFile, TooLongError, UploadJob
from govor.text.finishing import finish
from govor.transcript import Segment, Transcript

router = APIRouter(tags=["openai"])

_STARTED = int(time.time())
_MODELS = ("govor", "whisper-1")


@router.get("/v1/models", summary="The models there are")
async def models() -> dict[str, Any]:
    """One model, also under the name that most clients ask for."""
    return {"object": "list", "data": [_model(name) for name in _MODELS]}


@router.get("/v1/models/{name}", summary="One model")
async def model(name: str) -> Response:
    """A model of the list."""
    if name not in _MODELS:
        message = tr(f"нет модели {name!r}", f"no model {name!r}")
        return JSONResponse(error_body(message, 404, "model_not_found", "model"), 404)
    return JSONResponse(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "govor"}


@router.post(
    "/v1/audio/transcriptions",
    summary="Recognise a recording",
    response_class=Response,
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM_SCHEMA}}}
    },
)
async def transcriptions(request: Request) -> Response:
    """The recording's text as json, text, srt, vtt or verbose_json, or as server-sent events."""
    state = state_of(request)
    client = client_of(request.scope)
    async with contextlib.AsyncExitStack() as held:
        # Taken before the body is read: what is received takes room as well.
        held.enter_context(state.admission.uploads.place(client))
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise HTTPException(
                400, tr("нужна форма multipart/form-data", "a multipart/form-data form is needed")
            )
        form = await _form(request)
        held.push_async_callback(form.close)
        try:
            order, file = read_order(form)
        except FieldError as error:
            return JSONResponse(error_body(str(error), 400, "invalid_value", error.name), 400)
        news: asyncio.Queue[str | float] = asyncio.Queue()

        def report(segments: Sequence[Segment]) -> None:
            for segment in segments:
                news.put_nowait(segment.text)

        job = UploadJob(
            state,
            client,
            NamedFile(file.file),
            order.wishes,
            protocol="openai",
            on_progress=news.put_nowait if order.stream else None,
            on_segments=report if order.stream and not order.format_text else None,
        )
        if order.stream:
            return _EventStream(_events(state, client, job, order, news), held.pop_all())
        try:
            transcript = await _run_unless_gone(request, job)
        except (GovorError, asyncio.TimeoutError) as error:
            status, body = _told(error)
            return JSONResponse(body, status)
    _log(state, client, transcript)
    return _answer(_finished(transcript, order), order)


class _EventStream(StreamingResponse):
    """Server-sent events that give back what they hold also to a client that left before the first one."""

    def __init__(self, events: AsyncIterator[bytes], held: contextlib.AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"cache-control": "no-store"})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with self._held:
            await super().__call__(scope, receive, send)


def _told(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return the status and the body that tell a client why there is no text."""
    if isinstance(error, TooLongError):
        return 413, error_body(str(error), 413, "too_long", "file")
    if isinstance(error, GovorError):
        return 400, error_body(str(error), 400, type(error).__name__)
    if isinstance(error, Refused):
        return error.status, error_body(str(error), error.status, error.reason)
    if isinstance(error, asyncio.TimeoutError):
        return 503, error_body(tr("не успели распознать", "not recognised in time"), 503, "timeout")
    log_event("unforeseen_error", level=40, error=f"{type(error).__name__}: {error}")
    return 500, error_body(tr("внутренняя ошибка сервера", "internal server error"), 500)


async def _form(request: Request) -> FormData:
    """Read the form. Raises HTTPException."""
    try:
        return await request.form(max_files=4, max_fields=100)
    except HTTPException as error:
        if error.status_code != 400:
            raise
        message = tr("форма не читается", "the form cannot be read")
        raise HTTPException(400, f"{message}: {error.detail}") from error


async def _run_unless_gone(request: Request, job: UploadJob) -> Transcript:
    """Recognise, but stop when the client hangs up."""
    work = asyncio.ensure_future(job.run())
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise HTTPException(499, "client closed the request")
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(
    state: ServerState, client: str, job: UploadJob, order: Order, news: asyncio.Queue[str | float]
) -> AsyncIterator[bytes]:
    """Yield ``transcript.text.delta`` as segments are finished, then ``transcript.text.done``.

    Comments tell how many seconds are done. With ``verbose_json`` the last event holds all that has, besides.
    """
    work = asyncio.ensure_future(job.run())
    waiting: asyncio.Future[str | float] | None = None
    try:
        told = ""
        while not work.done() or not news.empty():
            waiting = waiting or asyncio.ensure_future(news.get())
            either: set[asyncio.Future[Any]] = {work, waiting}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            if not waiting.done():
                if not work.done():
                    # A comment: nothing happens for a while, and a proxy must not hang up on us.
                    yield b":\n\n"
                continue
            piece, waiting = waiting.result(), None
            if isinstance(piece, float):
                yield f": {piece:.1f}\n\n".encode()
            else:
                yield _event({"type": "transcript.text.delta", "delta": " " + piece if told else piece})
                told = piece
        try:
            transcript = work.result()
        except Exception as error:
            yield _event({"type": "error", **_told(error)[1]})
            return
        _log(state, client, transcript)
        transcript = _finished(transcript, order)
        if order.format_text:
            # Digits and the capital need the whole text.
            yield _event({"type": "transcript.text.delta", "delta": transcript.to_txt()})
        wants_more = order.format == "verbose_json"
        # The page shows words and confidences, and streams for the sake of its progress bar.
        more = verbose(transcript, set(order.granularities), order.temperature) if wants_more else {}
        yield _event({"type": "transcript.text.done", "text": transcript.to_txt(), **more})
    finally:
        tasks = [task for task in (work, waiting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _event(row: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n".encode()


def _finished(transcript: Transcript, order: Order) -> Transcript:
    return replace(transcript, finished=finish(transcript.text)) if order.format_text else transcript


def _answer(transcript: Transcript, order: Order) -> Response:
    if order.format == "json":
        return JSONResponse({"text": transcript.to_txt()})
    if order.format == "verbose_json":
        return JSONResponse(verbose(transcript, set(order.granularities), order.temperature))
    if order.format == "text":
        return PlainTextResponse(transcript.to_txt() + "\n")
    kind = "text/vtt" if order.format == "vtt" else "application/x-subrip"
    return Response(render(transcript, order.format), media_type=f"{kind}; charset=utf-8")


def _log(state: ServerState, client: str, transcript: Transcript) -> None:
    said: dict[str, Any] = {"text": transcript.text} if state.settings.log_text else {}
    log_event(
        "transcribed",
        client=client,
        audio_seconds=round(transcript.duration, 2),
        words=len(transcript.words),
        **said,
    )
