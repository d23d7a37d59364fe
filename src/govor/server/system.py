"""Is it alive, how is it doing, what does it speak."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from govor import __version__
from govor.server.state import state_of

router = APIRouter(tags=["system"])


@router.get("/health", summary="Whether the server takes work")
async def health(request: Request) -> JSONResponse:
    """200 while the server takes work, 503 while it shuts down."""
    state = state_of(request)
    stopping = state.draining.is_set()
    return JSONResponse(
        {"status": "draining" if stopping else "ok", "version": __version__}, 503 if stopping else 200
    )


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """All counters in Prometheus' text format."""
    state = state_of(request)
    state.metrics.waiting.set(state.pool.num_waiting)
    return Response(state.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/v1/info", summary="The model and the limits")
async def info(request: Request) -> dict[str, Any]:
    """What a page wants to know about this server."""
    state = state_of(request)
    limits = state.settings.limits
    model = state.recognizer.model
    return {
        "version": __version__,
        "model": model.name if state.settings.model is None else state.settings.model.name,
        "language": "ru",
        "sample_rate": model.config.features.sample_rate,
        "workers": state.settings.workers,
        "studio": state.settings.studio is not None,
        "limits": {
            "upload_mb": limits.upload_mb,
            "audio_minutes": limits.audio_minutes,
            "streams": limits.client_streams,
            "uploads": limits.client_uploads,
        },
    }


@router.get("/asyncapi.yaml", summary="AsyncAPI description of the WebSockets", response_class=Response)
async def asyncapi() -> Response:
    """The messages of ``/v1/stream``, machine-readable."""
    return Response(
        files("govor.server").joinpath("asyncapi.yaml").read_text(encoding="utf-8"),
        media_type="application/yaml; charset=utf-8",
    )
