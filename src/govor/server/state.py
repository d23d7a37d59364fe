"""What all parts of one server share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection

from govor.decoding.beam import BeamDecoder
from govor.decoding.greedy import Decoder
from govor.errors import ConfigError
from govor.language import tr
from govor.phrases.decoder import PhraseDecoder
from govor.phrases.patterns import parse_phrases
from govor.phrases.thresholds import model_thresholds
from govor.recognizer import Recognizer
from govor.server.addresses import client_key
from govor.server.admission import Admission
from govor.server.metrics import Metrics
from govor.server.pool import FairPool
from govor.server.settings import ServerSettings

if TYPE_CHECKING:
    from govor.server.live import LiveSession
    from govor.server.studio import Studio

MAX_PHRASES = 5000
MAX_HOTWORDS = 200
MAX_ALTERNATIVES = 20
# A few lines can stand for a hundred thousand phrases, and each stream would build its own tree of them.
MAX_VARIANTS = 10_000
MAX_LETTERS = 200_000


@dataclass(frozen=True)
class Wishes:
    """How a client wants its sound decoded."""

    decoder: str = ""
    """``greedy``, ``beam`` or ``auto``; empty: as the server was told."""
    hotwords: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    """Lines of a phrase list, docs/en/phrases.md."""
    alternatives: int = 1


AS_TOLD = Wishes()


class PartialBudget:
    """How often each of so many streams may look for partials, so that finals and uploads have time."""

    SHARE = 0.5
    """Of the workers' time, at most, for the steps that may look for partials."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._seconds = 0.0

    def spent(self, seconds: float) -> None:
        """Learn what such a step took."""
        # Threads may lose each other's figure here; the mean does not mind.
        self._seconds += 0.05 * (seconds - self._seconds)

    def interval(self, num_streams: int) -> float:
        """Return the seconds from one such step of a stream to the next."""
        return num_streams * self._seconds / (self.SHARE * self._num_workers)


@dataclass
class ServerState:
    """The model, the threads and the counters of one server. In routes: ``state_of(request)``."""

    settings: ServerSettings
    recognizer: Recognizer
    pool: FairPool
    metrics: Metrics = field(default_factory=Metrics)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: set[LiveSession] = field(default_factory=set)
    unfinished: set[Callable[[], object]] = field(default_factory=set)
    """One for each request that has begun: called when it can be waited for no longer, it has it refused."""
    studio: Studio | None = None
    """Recordings made on the page; None: that is off."""

    def __post_init__(self) -> None:
        self.partial_budget = PartialBudget(self.settings.workers)
        self.admission = Admission(self.settings.limits)
        self._beam: tuple[Recognizer, BeamDecoder] | None = None
        self._lock = threading.Lock()

    def switch(self, recognizer: Recognizer) -> None:
        """Let another model recognise all that begins from now on."""
        with self._lock:
            self.recognizer = recognizer
            self._beam = None

    def decoder(self, wishes: Wishes) -> str | Decoder:
        """Make the decoder that fulfils the wishes; may take a while, so call it in a worker.

        Raises ConfigError, ManifestError, ModelError.
        """
        name = wishes.decoder or self.settings.decoder
        if name not in ("auto", "greedy", "beam"):
            raise ConfigError(
                tr(
                    f"неизвестный декодер {name!r}: auto, greedy или beam",
                    f"no decoder {name!r}: auto, greedy or beam",
                )
            )
        _check_number("alternatives", wishes.alternatives, MAX_ALTERNATIVES)
        _check_number("hotwords", len(wishes.hotwords), MAX_HOTWORDS)
        _check_number("phrases", len(wishes.phrases), MAX_PHRASES)
        _check_number("hotwords, letters", sum(map(len, wishes.hotwords)), MAX_LETTERS)
        _check_number("phrases, letters", sum(map(len, wishes.phrases)), MAX_LETTERS)
        if wishes.phrases:
            model = self.recognizer.model
            phrases = parse_phrases(wishes.phrases)
            _check_number("phrases, variants", len(phrases), MAX_VARIANTS)
            return PhraseDecoder(phrases, model.alphabet, thresholds=model_thresholds(model.decoding))
        own = self.settings.language_model is not None
        if name != "greedy" and (own or wishes.hotwords or wishes.alternatives > 1):
            return self._shared_beam().variant(hotwords=wishes.hotwords, num_alternatives=wishes.alternatives)
        with self._lock:
            self.recognizer.decoder(name)
        return name

    def _shared_beam(self) -> BeamDecoder:
        with self._lock:
            # The page may put another model in its place.
            if self._beam is None or self._beam[0] is not self.recognizer:
                language_model = self.settings.language_model or self.recognizer.shipped_language_model()
                self._beam = (self.recognizer, self.recognizer.beam_decoder(language_model))
            return self._beam[1]


def _check_number(name: str, number: int, limit: int) -> None:
    if number > limit:
        raise ConfigError(
            tr(
                f"{name}: {number}, а можно не больше {limit}",
                f"{name}: {number}, at most {limit} are allowed",
            )
        )


def state_of(connection: HTTPConnection) -> ServerState:
    """Return the state of the server that a request or WebSocket came to."""
    state: ServerState = connection.app.state.govor
    return state


def client_of(scope: Any) -> str:
    """Return who a connection counts as: its address."""
    client = scope.get("client")
    return client_key(client[0] if client else None)


def split_lines(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the lines of a text that are not empty."""
    lines = text.splitlines() if isinstance(text, str) else text or ()
    return tuple(line.strip() for line in lines if line.strip())
