"""Start an adaptation in a process of its own, follow it, and keep what came of it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from govor.errors import GovorError
from govor.language import speaks_russian, tr

MODEL = "mine.onnx"
FIGURES = "mine.json"
_NEEDED = ("torch", "safetensors", "onnx")
_KILL_SECONDS = 5.0


def missing_packages() -> list[str]:
    """Return which packages that adaptation needs are not installed."""
    return [name for name in _NEEDED if importlib.util.find_spec(name) is None]


class AdaptationJob:
    """At most one adaptation at a time of the recordings in `root`. May be used from several threads.

    The model goes to ``mine.onnx`` beside the manifest, the figures to ``mine.json``.
    """

    def __init__(self, root: Path, base_model: Path | None) -> None:
        """Know what an earlier adaptation left in `root`."""
        self.model = root / MODEL
        self._figures = root / FIGURES
        self._manifest = root / "manifest.jsonl"
        self._base = base_model
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._state: dict[str, Any] = {"state": "idle"}
        with contextlib.suppress(OSError, ValueError):
            figures = json.loads(self._figures.read_text(encoding="utf-8"))
            self._state = {"state": "done", "figures": figures}

    @property
    def state(self) -> dict[str, Any]:
        """``state``: idle, running, done, failed or stopped; also stage, epoch, figures, message."""
        with self._lock:
            return dict(self._state)

    @property
    def is_running(self) -> bool:
        """Whether a process is at work."""
        return bool(self.state["state"] == "running")

    def start(self) -> None:
        """Start. Raises GovorError if one is running or a package is missing."""
        if missing := missing_packages():
            raise GovorError(
                tr(
                    f"для дообучения нет {', '.join(missing)}; pip install 'govor[train]'",
                    f"adaptation needs {', '.join(missing)}; pip install 'govor[train]'",
                )
            )
        with self._lock:
            if self._state["state"] == "running":
                raise GovorError(tr("дообучение уже идёт", "an adaptation is running already"))
            process = subprocess.Popen(
                [sys.executable, "-m", "govor.server.studio_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            self._process = process
            self._state = {"state": "running", "stage": "preparing"}
        order = {
            "manifest": str(self._manifest),
            "output": str(self.model),
            "model": None if self._base is None else str(self._base),
            "language": "ru" if speaks_russian() else "en",
        }
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        threading.Thread(target=self._follow, args=(process,), name="govor-adaptation", daemon=True).start()

    def stop(self) -> None:
        """Break the running adaptation off; without one do nothing. Returns when the process is gone."""
        with self._lock:
            process = self._process
            if process is None or self._state["state"] != "running":
                return
            self._state = {"state": "stopped"}
        process.terminate()
        try:
            process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None and process.stderr is not None and process.stdin is not None
        # A full pipe would stop the process, so what it complains of is read at once.
        complaints: list[str] = []
        errors = process.stderr
        reader = threading.Thread(target=lambda: complaints.extend(errors), daemon=True)
        reader.start()
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                self._hear(json.loads(line))
        code = process.wait()
        reader.join(timeout=1.0)
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        with self._lock:
            self._process = None
            if self._state["state"] == "running":
                last = next((line.strip() for line in reversed(complaints) if line.strip()), "")
                message = tr(
                    f"программа оборвалась ({code}): {last}", f"the program broke off ({code}): {last}"
                )
                self._state = {"state": "failed", "message": message}

    def _hear(self, event: dict[str, Any]) -> None:
        kind = event.pop("event", "")
        with self._lock:
            if self._state["state"] != "running":
                return
            if kind == "epoch":
                self._state = {"state": "running", "stage": "training", **event}
            elif kind in ("preparing", "saving"):
                self._state = {**self._state, "stage": kind}
            elif kind == "failed":
                self._state = {"state": "failed", "message": str(event.get("message", ""))}
            elif kind == "done":
                self._state = {"state": "done", "figures": event["figures"]}
                if event["figures"]["helped"]:
                    # Without the file the figures last until the server ends.
                    with contextlib.suppress(OSError):
                        self._keep(event["figures"])

    def _keep(self, figures: dict[str, Any]) -> None:
        part = self._figures.with_name(f".{FIGURES}.part")
        part.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        part.replace(self._figures)
