"""The application: routes, the page, and what guards them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, WebSocketRoute
from starlette.staticfiles import StaticFiles

from govor import __version__
from govor.errors import GovorError
from govor.language import tr
from govor.recognizer import Recognizer, load_model
from govor.server import docs_page, openai_api, stream_socket, studio_routes, system, vosk
from govor.server.admission import Refused
from govor.server.guard import Guard, error_body
from govor.server.logs import log_event
from govor.server.pool import FairPool
from govor.server.settings import ServerSettings
from govor.server.state import ServerState, Wishes
from govor.server.studio import Studio

STATIC = Path(__file__).parent / "static"

_ROUTERS = [
    system.router,
    docs_page.router,
    openai_api.router,
    stream_socket.router,
    vosk.router,
    studio_routes.router,
]


_SOCKET_PATHS = frozenset(
    route.path for router in _ROUTERS for route in router.routes if isinstance(route, WebSocketRoute)
)


def create_app(settings: ServerSettings | None = None, recognizer: Recognizer | None = None) -> FastAPI:
    """Make the application; the model is loaded once, here, unless a `recognizer` is given.

    Raises ConfigError for unsafe settings, ModelError. Its worker threads start with it and end with its
    lifespan.
    """
    settings = settings or ServerSettings()
    settings.check()
    base = recognizer or load_model(settings.model)
    studio = Studio(settings.studio, base, settings.model) if settings.studio else None
    state = ServerState(
        settings, studio.recognizer if studio else base, FairPool(settings.workers), studio=studio
    )
    if settings.language_model is not None:
        # What is wrong with it should be said now, not to whoever comes first.
        try:
            state.decoder(Wishes())
        except BaseException:
            state.pool.close()
            raise

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if studio is not None:
            studio.close()
        state.pool.close()

    app = FastAPI(
        title="Govor",
        version=__version__,
        summary=tr("Распознавание русской речи", "Russian speech recognition"),
        lifespan=lifespan,
        # Those pages load scripts from elsewhere; ours is docs_page.
        docs_url=None,
        redoc_url=None,
    )
    app.state.govor = state
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/", _Page(directory=STATIC, html=True), name="page")
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(GovorError, _govor_error)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_middleware(Guard, state=state, open_paths=_open_paths(), socket_paths=_SOCKET_PATHS)
    return app


class _Page(StaticFiles):
    """The page's files; browsers ask each time whether one has changed: no old script may meet a new one."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """Return a file as StaticFiles does."""
        response = super().file_response(*arguments, **named)
        response.headers["cache-control"] = "no-cache"
        return response


def _open_paths() -> frozenset[str]:
    files = {"/" + path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    return frozenset(files | {"/", "/health"})


async def _http_error(request: Request, error: Any) -> JSONResponse:
    if error.status_code in (404, 405):
        return _nothing_there(request)
    return JSONResponse(error_body(str(error.detail), error.status_code), error.status_code, error.headers)


def _nothing_there(request: Request) -> JSONResponse:
    """Tell a wrong path from a wrong method: what no route takes ends up at the page, which knows neither."""
    path = request.scope["path"]
    asked = {name: {**request.scope, "method": name} for name in ("GET", "POST", "PUT", "DELETE")}
    routes = [route for router in _ROUTERS for route in router.routes]
    allowed = [
        name
        for name, scope in asked.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
    if allowed:
        listed = ", ".join(allowed)
        message = tr(f"{path}: только {listed}", f"{path} takes {listed} only")
        return JSONResponse(error_body(message, 405), 405, {"allow": listed})
    if path in _SOCKET_PATHS:
        message = tr(f"{path}: это WebSocket", f"{path} is a WebSocket")
        return JSONResponse(error_body(message, 426), 426, {"upgrade": "websocket"})
    message = tr(f"{path}: здесь ничего нет; что есть, сказано в /docs", f"nothing at {path}; see /docs")
    return JSONResponse(error_body(message, 404), 404)


async def _validation_error(request: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or None
    return JSONResponse(error_body(f"{place}: {first['msg']}", 400, "invalid_value", place), 400)


async def _govor_error(request: Request, error: Any) -> JSONResponse:
    return JSONResponse(error_body(str(error), 400, type(error).__name__), 400)


async def _refused(request: Request, error: Any) -> JSONResponse:
    headers = {"retry-after": str(error.retry_after)} if error.status in (429, 503) else None
    state: ServerState = request.app.state.govor
    state.metrics.refused.labels(error.reason).inc()
    return JSONResponse(error_body(str(error), error.status, error.reason), error.status, headers)


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads this answer; the log and the figures tell what became of the request."""
    return Response(status_code=499)


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    log_event("unforeseen_error", level=40, error=f"{type(error).__name__}: {error}")
    message = tr("внутренняя ошибка сервера", "internal server error")
    return JSONResponse(error_body(message, 500), 500)
