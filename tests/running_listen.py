"""A running ``govor listen`` that hears recordings of a real voice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import pytest

from govor.text.alphabet import normalize
from virtual_microphone import VirtualMicrophone

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
# Of a machine that does much else at the same time.
PATIENCE = 60.0
READY, GONE, BACK = "говорите", "жду, когда он вернётся", "микрофон снова есть"
FIRST, SECOND = "ru_0054", "ru_0045"
NEEDS_SPEECH = pytest.mark.skipif(not VOICE.is_dir(), reason="needs real speech: apt install festvox-ru")


def sound_of(name: str) -> Path:
    return VOICE / "wav" / f"{name}.wav"


def prompt(name: str) -> str:
    lines = (VOICE / "etc" / "txt.done.data").read_text("utf-8").splitlines()
    found = [match[1] for line in lines if (match := re.match(rf'\(\s*{name}\s+"(.*)"', line))]
    return normalize(found[0].replace("+", ""))


_running: list[Listening] = []


class Listening:
    """A running ``govor listen``; what it writes can be waited for."""

    def __init__(
        self, environment: dict[str, str], *arguments: str, terminal: bool = False, piped: bool = False
    ) -> None:
        """Start it on a `terminal`, with the results going into a pipe all the same if `piped`."""
        environment = environment | {"PYTHONPATH": SOURCE, "GOVOR_LANG": "ru", "TERM": "xterm"}
        environment |= {"PYTHONUTF8": "1", "COLUMNS": "60", "LINES": "20"}
        # Ctrl-C may have been switched off for whoever runs the tests.
        code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        code += "from govor.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "listen", *arguments]
        self._changed = threading.Condition()
        self._written = {"out": b"", "err": b""}
        self._readers: list[threading.Thread] = []
        self._close: list[Callable[[], None]]
        if terminal:
            ours, theirs = os.openpty()
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=theirs,
                stdout=subprocess.PIPE if piped else theirs,
                stderr=theirs,
            )
            os.close(theirs)
            streams = {"out": ours}
            self._close = [lambda: os.close(ours)]
            if self.process.stdout is not None:
                streams = {"out": self.process.stdout.fileno(), "err": ours}
                self._close.append(self.process.stdout.close)
        else:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            assert self.process.stdout is not None and self.process.stderr is not None
            streams = {"out": self.process.stdout.fileno(), "err": self.process.stderr.fileno()}
            self._close = [self.process.stdout.close, self.process.stderr.close]
        for name, descriptor in streams.items():
            reader = threading.Thread(target=self._collect, args=(name, descriptor), daemon=True)
            reader.start()
            self._readers.append(reader)
        _running.append(self)

    def _collect(self, name: str, descriptor: int) -> None:
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:
                # How a terminal says that its last program has gone.
                return
            if not piece:
                return
            with self._changed:
                self._written[name] += piece
                self._changed.notify_all()

    @property
    def out(self) -> str:
        return self._written["out"].decode("utf-8", "ignore")

    @property
    def notes(self) -> str:
        return self._written["err"].decode("utf-8", "ignore")

    @property
    def events(self) -> list[dict[str, Any]]:
        whole = self.out[: self.out.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "final"]

    def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition():
                assert self.process.poll() is None and time.monotonic() < deadline, (self.out, self.notes)
                self._changed.wait(0.2)

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            for reader in self._readers:
                reader.join(PATIENCE)
            while self._close:
                self._close.pop()()


def say(virtual: VirtualMicrophone, listening: Listening, name: str) -> dict[str, Any]:
    """Play a recording and return its final; again if a busy machine lost it, as a person would."""
    for _ in range(3):
        number = len(listening.finals)
        virtual.play(sound_of(name))
        try:
            listening.wait_until(lambda number=number: len(listening.finals) > number, 10)
        except AssertionError:
            assert listening.process.poll() is None, listening.notes
            continue
        final = listening.finals[-1]
        if jiwer.wer(prompt(name), final["text"]) <= 0.5:
            return final
    raise AssertionError(f"never heard: {listening.out} {listening.notes}")


def end_all() -> None:
    """Leave no program behind, whatever became of its test."""
    while _running:
        listening = _running.pop()
        listening.process.kill()
        listening.end()
