"""Routes of the page's studio under ``/v1/voice``, and ``/v1/about``; no path of a client's is opened."""

from __future__ import annotations

import platform
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field

from govor import __version__
from govor.audio.loading import Samples
from govor.corpora.recordings import Speaker
from govor.errors import GovorError
from govor.language import tr
from govor.onnx.model import read_model_bytes
from govor.server.guard import error_body
from govor.server.pool import Kind
from govor.server.settings import num_cores
from govor.server.state import client_of, state_of
from govor.server.studio import Studio
from govor.server.studio_about import measure_speed, model_card
from govor.server.studio_corpus import LONGEST_SECONDS, SAMPLE_RATE, Judged, judge

router = APIRouter(tags=["studio"])

_MOST_BYTES = 2 * round((LONGEST_SECONDS + 5) * SAMPLE_RATE)
_measuring = threading.Lock()


class StudioOffError(GovorError):
    """The server was started without a folder for recordings."""


class PromptsRequest(BaseModel):
    """What to propose."""

    speaker: str = Field("", max_length=40)
    phrases: list[str] = Field(default_factory=list, max_length=2000)
    count: int = Field(10, ge=1, le=100)


class ModelRequest(BaseModel):
    """Which model is to recognise."""

    use: Literal["mine", "shipped"]


def _studio(request: Request) -> Studio:
    studio = state_of(request).studio
    if studio is None:
        raise StudioOffError(
            tr(
                "запись голоса выключена; включить: govor serve --voice ПАПКА",
                "the studio is off; turn it on: govor serve --voice FOLDER",
            )
        )
    return studio


TheStudio = Annotated[Studio, Depends(_studio)]


def _samples(audio: UploadFile) -> Samples:
    data = audio.file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES or len(data) % 2:
        raise GovorError(
            tr(
                f"нужен звук 16 бит, 16 кГц, моно, не длиннее {LONGEST_SECONDS:.0f} с",
                f"16-bit 16 kHz mono sound of at most {LONGEST_SECONDS:.0f} s is needed",
            )
        )
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768.0


Phrase = Annotated[str, Form(max_length=1000)]
Sound = Annotated[UploadFile, File(description="PCM, 16 bit, 16 kHz, mono")]


def _verdict(judged: Judged) -> dict[str, Any]:
    take = judged.take
    return {
        "fine": not judged.problems,
        "problems": [{"fault": one.fault.name, "message": one.message} for one in judged.problems],
        "seconds": round(take.duration, 2),
        "speech_db": round(take.speech_db, 1),
        "noise_db": round(take.noise_db, 1),
    }


@router.get("/v1/voice", summary="Recordings, adaptation, and the model in use")
def show_voice(studio: TheStudio) -> dict[str, Any]:
    """Return all that the page shows."""
    return studio.state()


@router.post("/v1/voice/prompts", summary="Phrases to read")
def list_prompts(studio: TheStudio, wanted: PromptsRequest) -> dict[str, Any]:
    """Return phrases not recorded yet, the speaker's own first, and why some cannot be read."""
    prompts, refused = studio.corpus.prompts(wanted.count, wanted.speaker, wanted.phrases)
    return {"prompts": prompts, "refused": refused}


@router.post("/v1/voice/check", summary="Judge a take without keeping it")
def check_take(studio: TheStudio, phrase: Phrase, audio: Sound) -> dict[str, Any]:
    """Return whether the sound is a fit recording of the phrase, else why not."""
    return _verdict(judge(phrase, _samples(audio)))


@router.post("/v1/voice/recordings", summary="Keep a take")
def keep_take(
    studio: TheStudio,
    phrase: Phrase,
    audio: Sound,
    speaker: Annotated[str, Form(max_length=40)],
    gender: Annotated[Literal["", "male", "female"], Form()] = "",
    microphone: Annotated[str, Form(max_length=100)] = "",
) -> JSONResponse:
    """Add the take to the corpus; 422 with the problems if it is not fit. Sent twice, it is kept once."""
    tidy = "".join(symbol for symbol in microphone if symbol.isprintable())
    kept = studio.corpus.keep(phrase, _samples(audio), Speaker(speaker, gender), tidy)
    body = _verdict(kept.judged)
    if kept.utterance is None:
        message = kept.judged.problems[0].message
        return JSONResponse({**error_body(message, 422, "unfit_take"), **body}, 422)
    return JSONResponse({**body, "id": kept.utterance.id, "text": kept.utterance.text}, 201)


@router.get("/v1/voice/recordings/{submission}/{name}", summary="Listen to a recording")
def play_recording(studio: TheStudio, submission: str, name: str) -> FileResponse:
    """Return the sound of a recording that the manifest lists."""
    path = studio.corpus.find(f"{submission}/{name}").audio_filepath
    assert path is not None
    return FileResponse(path, media_type="audio/wav")


@router.delete("/v1/voice/recordings/{submission}/{name}", summary="Delete a recording")
def delete_recording(studio: TheStudio, submission: str, name: str) -> dict[str, Any]:
    """Delete a recording that the manifest lists."""
    studio.corpus.remove(f"{submission}/{name}")
    return studio.state()


@router.post("/v1/voice/audit", summary="Look all recordings over")
def audit_recordings(request: Request, studio: TheStudio) -> dict[str, Any]:
    """Return totals, medians and the recordings that deserve another listen."""
    pool, client = state_of(request).pool, client_of(request.scope)
    return studio.audit(lambda item: pool.run(client, Kind.UPLOAD, lambda: studio.hear(item)))


@router.get("/v1/voice/adaptation", summary="How far the adaptation is")
def show_adaptation(studio: TheStudio) -> dict[str, Any]:
    """Return ``state`` and what belongs to it."""
    return studio.job.state


@router.post("/v1/voice/adaptation", status_code=202, summary="Adapt the model to the recordings")
def start_adaptation(studio: TheStudio) -> dict[str, Any]:
    """Start training in a process of its own."""
    studio.job.start()
    return studio.job.state


@router.delete("/v1/voice/adaptation", summary="Break the adaptation off")
def stop_adaptation(studio: TheStudio) -> dict[str, Any]:
    """Stop training; the model stays as it was."""
    studio.job.stop()
    return studio.job.state


@router.put("/v1/voice/model", summary="Choose the model that recognises")
def choose_model(request: Request, studio: TheStudio, wanted: ModelRequest) -> dict[str, Any]:
    """Let the adapted or the general model recognise, for everybody, from the next recording on."""
    state_of(request).switch(studio.use(wanted.use))
    return studio.state()


@router.get("/v1/about", summary="The model's card and this server")
def show_about(request: Request) -> dict[str, Any]:
    """Return the version, the model in use, its card and the number of cores."""
    state = state_of(request)
    adapted = state.studio is not None and state.studio.uses == "mine"
    data, name = read_model_bytes(
        state.studio.job.model if state.studio and adapted else state.settings.model
    )
    return {
        "version": __version__,
        "model": {"name": Path(name).name, "bytes": len(data), "is_adapted": adapted},
        # It describes the shipped model, and what an adapted one was made of.
        "card": model_card() if state.settings.model is None else "",
        "cores": num_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "studio": state.studio is not None,
    }


@router.post("/v1/about/speed", summary="Measure the speed")
def show_speed(request: Request) -> dict[str, Any]:
    """Recognise half a minute of speech on one core and tell how long it took."""
    state = state_of(request)
    if not _measuring.acquire(blocking=False):
        raise GovorError(tr("измерение уже идёт", "a measurement is running already"))
    try:
        speed = state.pool.run(
            client_of(request.scope),
            Kind.UPLOAD,
            lambda: measure_speed(state.recognizer, state.settings.decoder),
        )
    finally:
        _measuring.release()
    return {
        "seconds": round(speed.seconds, 1),
        "took": round(speed.took, 4),
        "times": round(speed.times, 1),
        "decoder": speed.decoder,
    }
