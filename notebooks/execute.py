"""Run the notebooks and keep their outputs: ``python notebooks/execute.py``, on Linux.

The corpus is real but small: recordings of Debian's festvox-ru, packed as VoxForge packs them and served on
this machine, so that nothing is fetched from afar. The microphone is virtual and hears the same recordings.
Needs Debian's festvox-ru, pulseaudio, pulseaudio-utils, libasound2-plugins and libportaudio2.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from apache_index import ApacheIndex
from govor.corpora.splits import SplitRule
from virtual_microphone import VirtualMicrophone, started_virtual_microphone
from voxforge_fixture import submission, tgz

VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
NAMES = ("пример", "загрузка", "обучение", "мой_голос")


@dataclass(frozen=True)
class Recording:
    """A real recording with what was said."""

    path: Path
    text: str
    seconds: float


def recordings() -> list[Recording]:
    """Return the recordings of festvox-ru, shortest first."""
    listing = (VOICE / "etc" / "txt.done.data").read_text("utf-8", errors="replace")
    found = []
    for name, text in re.findall(r'\( *(\S+) "(.*)" *\)', listing):
        path = VOICE / "wav" / f"{name}.wav"
        # A plus marks the stress.
        spoken = re.sub(r"[^а-яё ]+", " ", text.lower().replace("+", ""))
        if path.exists() and spoken.strip():
            with wave.open(str(path)) as sound:
                seconds = sound.getnframes() / sound.getframerate()
            found.append(Recording(path, " ".join(spoken.split()), seconds))
    return sorted(found, key=lambda recording: recording.seconds)


def _speakers(part: str) -> Iterator[str]:
    # The name decides into which part a speaker goes; of so few, some must be in dev.
    return (name for name in map("нш{}".format, range(10_000)) if SplitRule().part_of(name, "а") == part)


def archives(said: list[Recording], each: int) -> dict[str, bytes]:
    """Pack recordings as archives of VoxForge, `each` in one."""
    packed = {}
    names = {part: _speakers(part) for part in ("train", "dev")}
    for number in range(0, len(said), each):
        name = next(names["dev" if number // each % 8 == 1 else "train"]) + "-20100101-abc"
        part = said[number : number + each]
        texts = {f"ru_{index:04d}": recording.text for index, recording in enumerate(part)}
        files = submission(name, texts)
        files |= {
            f"wav/ru_{index:04d}.wav": recording.path.read_bytes() for index, recording in enumerate(part)
        }
        packed[f"{name}.tgz"] = tgz(files, name)
    return packed


@contextmanager
def speaking(microphone: VirtualMicrophone, said: list[Recording], manifest: Path) -> Iterator[None]:
    """Say each recording into the microphone when its turn comes: once the ones before it are listed."""
    over = threading.Event()

    def speak() -> None:
        while not over.is_set():
            time.sleep(0.3)
            listed = manifest.read_text("utf-8").count("\n") if manifest.exists() else 0
            command = ["pactl", "list", "short", "source-outputs"]
            heard = subprocess.run(command, env=microphone.environment, capture_output=True, check=False)
            if listed < len(said) and heard.stdout.strip():
                time.sleep(0.7)
                microphone.play(said[listed].path)
                time.sleep(2.0)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def execute(name: str, folder: Path, environment: Mapping[str, str]) -> dict[str, object]:
    """Run the notebook of that name in `folder`; return it with its outputs. Raises RuntimeError."""
    notebook = folder / f"{name}.ipynb"
    environment = dict(environment)
    # Notebooks call the program by its name.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment |= {"GOVOR_LANG": "ru", "COLUMNS": "100", "PYTHONWARNINGS": "ignore", "TERM": "dumb"}
    environment |= {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    convert = [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "--output", str(notebook)]
    subprocess.run([*convert, str(HERE / f"{name}.py")], check=True, env=environment)
    run = [
        sys.executable,
        "-c",
        "from nbclient.cli import main; main()",
        "--inplace",
        "--allow-errors",
        "--timeout=900",
    ]
    done = subprocess.run([*run, str(notebook)], env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-3000:]}")
    document: dict[str, object] = json.loads(notebook.read_text("utf-8"))
    return document


@contextmanager
def small_world(
    folder: Path, num_recordings: int, each: int, num_phrases: int, epochs: int
) -> Iterator[dict[str, str]]:
    """Give the environment in which the notebooks find a server, a corpus and a microphone."""
    said = recordings()
    phrases = [recording for recording in said if recording.seconds > 2.5][:num_phrases]
    prompts = folder / "фразы.txt"
    prompts.write_text("".join(f"{recording.text}\n" for recording in phrases), encoding="utf-8")
    chosen = said[: num_recordings * 2 : 2] if num_recordings * 2 <= len(said) else said[:num_recordings]
    shutil.copytree(HERE.parent / "examples", folder / "examples")
    settings = {
        "GOVOR_MALE": "examples/male.wav",
        "GOVOR_FEMALE": "examples/female.wav",
        "GOVOR_CORPUS": "корпус",
        "GOVOR_RUN": "расчёт",
        "GOVOR_VOICE": "мой_голос",
        "GOVOR_PROMPTS": str(prompts),
        "GOVOR_EPOCHS": str(epochs),
        "GOVOR_SECONDS": "3",
    }
    with ApacheIndex(archives(chosen, each)) as server, started_virtual_microphone() as microphone:
        settings["GOVOR_SOURCE"] = f"--url {server.url}"
        with speaking(microphone, phrases, folder / "мой_голос" / "manifest.jsonl"):
            yield {**microphone.environment, **settings}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with small_world(folder, 600, 30, 12, 24) as environment:
            for name in NAMES:
                print(f"{name}…", flush=True)
                execute(name, folder, environment)
                shutil.copy(folder / f"{name}.ipynb", HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
