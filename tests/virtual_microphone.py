"""A microphone without hardware: a private PulseAudio whose null sink is also the capture device."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_NEEDED = ("pulseaudio", "pactl", "paplay", "parec")
_SINK = "sink_name=virtmic rate=48000 channels=1"


@dataclass(frozen=True)
class VirtualMicrophone:
    """What is played into it is what the default capture device hears."""

    environment: dict[str, str]
    """For the programs that record and play."""
    _servers: list[subprocess.Popen[bytes]]

    def play(self, path: Path) -> None:
        """Play a sound file to its end."""
        self._run("paplay", "--latency-msec=100", "--device=virtmic", str(path))

    def unplug(self) -> None:
        """Take the device away, as pulling the cable would."""
        self._run("pactl", "unload-module", "module-null-sink")

    def plug(self) -> None:
        """Bring the device back."""
        self._run("pactl", "load-module", "module-null-sink", *_SINK.split())

    def crash(self) -> None:
        """Kill the whole sound server."""
        server = self._servers.pop()
        server.kill()
        server.wait()

    def start(self) -> None:
        """Start the sound server, as after a crash."""
        folder = Path(self.environment["HOME"])
        (folder / "native").unlink(missing_ok=True)
        self._servers.append(_start_server(folder, self.environment))
        _wait_for_server(self._servers[-1], self.environment)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Keep the device running; a null sink that nobody listens to takes two seconds to start."""
        command = ["parec", "--latency-msec=20", "--device=virtmic.monitor"]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, timeout=60, stdout=subprocess.DEVNULL)


@contextmanager
def started_virtual_microphone() -> Iterator[VirtualMicrophone]:
    """Start the sound server; skips the test where the programs or PortAudio are missing."""
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"no virtual microphone: {error}")
    missing = [program for program in _NEEDED if shutil.which(program) is None]
    if missing or not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        pytest.skip(f"no virtual microphone: needs pulseaudio, libasound2-plugins ({', '.join(missing)})")
    # Not pytest's folder: the path of a Unix socket has a limit of a hundred letters.
    folder = Path(tempfile.mkdtemp(prefix="mic"))
    (folder / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    environment = os.environ | {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "PULSE_SOURCE": "virtmic.monitor",
        "PULSE_SINK": "virtmic",
        "PULSE_SERVER": f"unix:{folder}/native",
    }
    servers: list[subprocess.Popen[bytes]] = []
    microphone = VirtualMicrophone(environment, servers)
    try:
        microphone.start()
        yield microphone
    finally:
        for server in servers:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start_server(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
            "--disable-shm=yes",
            f"--load=module-null-sink {_SINK}",
            f"--load=module-native-protocol-unix auth-anonymous=1 socket={folder}/native",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_for_server(server: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.skip("PulseAudio does not start here")
        answer = subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False)
        if answer.returncode == 0:
            return
        time.sleep(0.1)
    pytest.skip("PulseAudio does not answer")
