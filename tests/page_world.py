"""What the browser tests stand on: a real server that can be killed, a browser whose microphone is a file."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np

from govor.corpora.prompts_ru import PROMPTS
from govor.corpora.recordings import RecordingFolder, Speaker
from govor.text.alphabet import normalize

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
# Milliseconds; recognition on a machine that trains at the same time.
PATIENCE = 30_000
Open = Callable[..., Any]
SPOKEN = "завтра утром бабушка испечёт пирог с яблоками"


class Server:
    """``govor serve`` in a process of its own."""

    def __init__(self, voice: Path, *options: str, language: str = "en") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._command = [
            *(sys.executable, "-m", "govor", "serve", "--port", str(self.port), "--voice", str(voice)),
            *options,
        ]
        self._environment = {**os.environ, "GOVOR_LANG": language}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, f"the server ended with {self._process.returncode}"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}health", timeout=2):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(30)


def write_microphone(path: Path, speech: Path) -> None:
    """Write what the browser hears, over and over: faint noise, the speech, 1.5 s of noise."""
    with wave.open(str(speech)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    noise = np.random.default_rng(5).normal(0, 12, (2 * rate,))
    whole = np.concatenate([noise[: rate // 2], samples + np.resize(noise, len(samples)), noise[rate // 2 :]])
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.clip(whole, -32768, 32767).astype("<i2").tobytes())


def browser_arguments(microphone: Path) -> list[str]:
    """Return Chromium's options for a fake microphone that needs no permission."""
    return [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        # Containers give little shared memory.
        "--disable-dev-shm-usage",
    ]


def until(page: Any, expression: str, seconds: float = PATIENCE / 1000) -> None:
    """Wait for an expression to be true; Playwright's own way would need the page to allow eval."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)


def saved(page: Any, button: str) -> str:
    """Return what a button saves."""
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_text(encoding="utf-8")


def asks_before_closing(page: Any) -> bool:
    """Whether the user is asked when the page is about to be closed."""
    return bool(
        page.evaluate(
            """() => {
              const event = new Event("beforeunload", { cancelable: true });
              dispatchEvent(event);
              return event.defaultPrevented;
            }"""
        )
    )


def character_errors(text: str) -> float:
    return float(jiwer.cer(normalize(SPOKEN), normalize(text)))


def speak_phrases(voice: Path, count: int) -> None:
    with RecordingFolder(voice, Speaker("robot")) as folder:
        for phrase in PROMPTS[:count]:
            sound = subprocess.run(
                ["espeak-ng", "-v", "ru+f3", "-p", "90", "-s", "230", "--stdout", phrase],
                capture_output=True,
                check=True,
            ).stdout
            # espeak-ng writes 22050 Hz behind a header of 44 bytes.
            samples = np.frombuffer(sound[44:], "<i2").astype(np.float32) / 32768
            times = np.arange(0, len(samples), 22050 / 16000)
            folder.keep(phrase, np.interp(times, np.arange(len(samples)), samples).astype(np.float32))
