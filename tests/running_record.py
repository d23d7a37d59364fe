"""A running ``govor record`` that is talked to as its user does, by voice and keys."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from virtual_microphone import VirtualMicrophone

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
# Of a machine that does much else at the same time.
PATIENCE = 60.0
SPEAK = "говорите"


_running: list[Session] = []


class Session:
    """A running ``govor record`` whose words on the screen can be waited for."""

    def __init__(
        self,
        environment: dict[str, str],
        *arguments: str,
        terminal: bool = False,
        folder: Path | None = None,
    ) -> None:
        command = [sys.executable, "-m", "govor", "record", *arguments]
        environment = environment | {"PYTHONPATH": SOURCE, "GOVOR_LANG": "ru", "TERM": "xterm"}
        environment |= {"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1", "COLUMNS": "80", "LINES": "24"}
        self.shown = ""
        self._read_to = 0
        self._keyboard = -1
        self._changed = threading.Condition()
        self._is_over = False
        stream: IO[bytes]
        if terminal:
            ours, theirs = os.openpty()
            self._keyboard = ours
            # A terminal of its own, so that Ctrl-C arrives as from a keyboard.
            command = ["setsid", "--ctty", "--wait", *command]
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
            )
            os.close(theirs)
            stream = os.fdopen(ours, "rb", buffering=0)
        else:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            assert self.process.stderr is not None
            stream = self.process.stderr
        self._reader = threading.Thread(target=self._collect, args=(stream,), daemon=True)
        self._reader.start()
        _running.append(self)

    def _collect(self, stream: IO[bytes]) -> None:
        raw = b""
        with stream:
            while True:
                try:
                    piece = os.read(stream.fileno(), 65536)
                except OSError:
                    # How a terminal says that its last program has gone.
                    piece = b""
                raw += piece
                with self._changed:
                    self._is_over = not piece
                    self.shown = raw.decode("utf-8", "ignore")
                    self._changed.notify_all()
                if not piece:
                    return

    def wait_for(self, text: str) -> None:
        """Wait until `text` appears after what was waited for before."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._has_come(text), PATIENCE)
            assert self._has_come(text), f"{text!r} does not come in {self.shown!r}"
            self._read_to = self.shown.index(text, self._read_to) + len(text)

    def hear(self, virtual: VirtualMicrophone, path: Path) -> None:
        """Play a sound when asked to speak; again if a busy machine lost a part of it, as a person would."""
        for _ in range(3):
            self.wait_for(SPEAK)
            virtual.play(path)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_over or self._has_come("✓") or self._has_come(SPEAK), 20
                )
                if self._has_come("✓"):
                    return
        raise AssertionError(f"never accepted: {self.shown!r}")

    def _has_come(self, text: str) -> bool:
        return text in self.shown[self._read_to :]

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def finish(self) -> int:
        """Wait for the end and return the exit code."""
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)
        return code

    @property
    def lines(self) -> list[str]:
        return self.shown.strip().splitlines()


def end_all() -> None:
    """Leave no program behind, whatever became of its test."""
    while _running:
        session = _running.pop()
        session.process.kill()
        session.process.wait()
