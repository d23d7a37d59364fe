"""The studio behind the page's tabs "my voice" and "about": its state, and the routes under ``/v1/voice``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govor.corpora.recordings import login_name
from govor.errors import GovorError
from govor.language import tr
from govor.onnx.model import read_model_bytes
from govor.recognizer import Recognizer, load_model
from govor.server.studio_adaptation import AdaptationJob, missing_packages
from govor.server.studio_corpus import StudioCorpus

if TYPE_CHECKING:
    from govor.manifest import Utterance

GOAL = 30
LEAST = 5
_CHOICE = ".studio.json"

_log = logging.getLogger("govor.server")


class Studio:
    """A person's recordings, the model made of them, and which model recognises now."""

    def __init__(self, root: Path, base: Recognizer, base_path: Path | None = None) -> None:
        """Open the studio in folder `root`, which need not exist; `base` was loaded from `base_path`.

        Whoever chose the adapted model before the server was restarted has it again.
        """
        self.corpus = StudioCorpus(root)
        self.job = AdaptationJob(root, base_path)
        self.recognizer = base
        self.uses = "shipped"
        self._base = base
        self._base_hash = hashlib.sha256(read_model_bytes(base_path)[0]).hexdigest()
        self._choice = root / _CHOICE
        self._lock = threading.Lock()
        self._auditing = threading.Lock()
        self.corpus.tidy()
        if self._remembered() == {"use": "mine", "base": self._base_hash}:
            try:
                self.use("mine")
            except GovorError as error:
                _log.warning("adapted_model_not_loaded", extra={"reason": str(error)})

    def use(self, name: str) -> Recognizer:
        """Let ``mine`` or ``shipped`` recognise from now on. Raises GovorError if there is no such model."""
        with self._lock:
            self.recognizer = load_model(self.job.model) if name == "mine" else self._base
            self.uses = name
        with contextlib.suppress(OSError):
            self._choice.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"use": name, "base": self._base_hash})
            self._choice.write_text(text, encoding="utf-8")
        return self.recognizer

    def state(self) -> dict[str, Any]:
        """Return all that the page shows, as JSON."""
        recordings = self.corpus.utterances()
        missing = missing_packages()
        return {
            "folder": self.corpus.root.name,
            "speaker": recordings[-1].speaker if recordings else login_name(),
            "num_phrases": len(recordings),
            "seconds": round(sum(item.duration for item in recordings), 2),
            "num_speakers": len({item.speaker for item in recordings}),
            "goal": GOAL,
            "least": LEAST,
            "recordings": [_describe(item) for item in reversed(recordings)],
            "missing": missing,
            "adaptation": self.job.state,
            "has_model": self.job.model.is_file(),
            "uses": self.uses,
        }

    def audit(self, recognize: Callable[[Utterance], str]) -> dict[str, Any]:
        """Look the recordings over, also by what a model hears in them, as JSON.

        Raises GovorError if somebody has just asked for the same.
        """
        if not self._auditing.acquire(blocking=False):
            raise GovorError(tr("проверка уже идёт", "a check is running already"))
        try:
            found = self.corpus.audit(recognize, lambda done: None)
        finally:
            self._auditing.release()
        suspects = {
            kind: [{key: value for key, value in asdict(one).items() if key != "path"} for one in worst]
            for kind, worst in found.suspects.items()
            if worst
        }
        medians = {
            name: histogram.quantile(0.5)
            for name, histogram in found.histograms.items()
            if name in ("speech", "snr", "rate", "duration")
        }
        return {
            "num_phrases": found.num_utterances,
            "seconds": found.seconds,
            "speakers": found.speakers,
            "medians": medians,
            "counts": found.counts,
            "suspects": suspects,
        }

    def close(self) -> None:
        """Break off what runs and free the folder."""
        self.job.stop()
        self.corpus.close()

    def hear(self, utterance: Utterance) -> str:
        """Return what the present model makes of a recording."""
        assert utterance.audio_filepath is not None
        return self.recognizer.transcribe(utterance.audio_filepath).text

    def _remembered(self) -> Any:
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self._choice.read_text(encoding="utf-8"))
        return None


def _describe(item: Utterance) -> dict[str, Any]:
    return {
        "id": item.id,
        "text": item.text,
        "seconds": round(item.duration, 2),
        "speaker": item.speaker,
    }
