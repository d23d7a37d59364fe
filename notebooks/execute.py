"""Run the notebooks and keep their outputs: ``python notebooks/execute.py [NAME …]``, on Linux.

The corpus is real but small: recordings of Debian's festvox-ru, packed as VoxForge packs them and served on
this machine, so that nothing is fetched from afar. The microphone is virtual and hears a recording of them,
then the phrases of the notebook about one's own voice, said by festival. Needs Debian's festival, festvox-ru,
pulseaudio, pulseaudio-utils, libasound2-plugins and libportaudio2.
"""

from __future__ import annotations

import ast
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
from govor.corpora.voices import speak_festival
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

    def count() -> int:
        return manifest.read_text("utf-8").count("\n") if manifest.exists() else 0

    def speak() -> None:
        while not over.wait(0.3):
            listed = count()
            command = ["pactl", "list", "short", "source-outputs"]
            heard = subprocess.run(command, env=microphone.environment, capture_output=True, check=False)
            if listed < len(said) and heard.stdout.strip():
                time.sleep(0.7)
                microphone.play(said[listed].path)
                # Kept after a second of silence; what was refused is said again.
                deadline = time.monotonic() + 2.5
                while count() == listed and time.monotonic() < deadline:
                    over.wait(0.1)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def spoken(folder: Path) -> list[Recording]:
    """Let festival say the phrases of the notebook about one's own voice."""
    phrases = assigned((HERE / "мой_голос.py").read_text("utf-8"))["МОИ_ФРАЗЫ"].strip().splitlines()
    failed: list[tuple[str, str]] = []
    said = []
    for speech in speak_festival([(f"{n:02}", phrase) for n, phrase in enumerate(phrases)], failed):
        path = folder / f"{speech.id}.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 2, speech.sample_rate, 0, "NONE", ""))
            sound.writeframes((speech.waveform * 32767).astype("<i2").tobytes())
        said.append(Recording(path, speech.text, len(speech.waveform) / speech.sample_rate))
    if failed:
        raise RuntimeError(f"festival could not say {failed}")
    return said


def assigned(code: str) -> dict[str, str]:
    """Return the texts that a program gives to names."""
    return {
        line.targets[0].id: line.value.value
        for line in ast.parse(code).body
        if isinstance(line, ast.Assign)
        and isinstance(line.targets[0], ast.Name)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    }


def replaced(source: str, settings: Mapping[str, object], used: set[str]) -> str:
    """Return a cell with other values given to the names in `settings`; those met are added to `used`."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        # It runs a command with an exclamation mark.
        return source
    lines = source.splitlines()
    for line in reversed(body):
        name = ast.unparse(line.targets[0]) if isinstance(line, ast.Assign) else ""
        if name in settings:
            used.add(name)
            lines[line.lineno - 1 : line.end_lineno] = [f"{name} = {settings[name]!r}"]
    return "\n".join(lines)


def execute(
    name: str, folder: Path, environment: Mapping[str, str], settings: Mapping[str, object]
) -> dict[str, object]:
    """Run the notebook of that name in `folder`, with other values for some of its names.

    Returns it with its outputs and its own values. Raises RuntimeError.
    """
    notebook = folder / f"{name}.ipynb"
    environment = dict(environment)
    # Notebooks call the program by its name.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment |= {"GOVOR_LANG": "ru", "COLUMNS": "100", "PYTHONWARNINGS": "ignore", "LOGNAME": "ivan"}
    environment |= {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    convert = [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "--output", str(notebook)]
    subprocess.run([*convert, str(HERE / f"{name}.py")], check=True, env=environment)
    document = json.loads(notebook.read_text("utf-8"))
    used: set[str] = set()
    written = [cell["source"] for cell in document["cells"]]
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = replaced("".join(cell["source"]), settings, used)
    if used != set(settings):
        raise RuntimeError(f"{name} knows no {set(settings) - used}")
    notebook.write_text(json.dumps(document), encoding="utf-8")
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
    document = json.loads(notebook.read_text("utf-8"))
    for cell, source in zip(document["cells"], written, strict=True):
        cell["source"] = source
        # The hours and minutes would differ each time.
        cell["metadata"].pop("execution", None)
    notebook.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return dict(document)


@dataclass(frozen=True)
class World:
    """Where the notebooks find examples, a server with a corpus, and a microphone."""

    folder: Path
    environment: Mapping[str, str]
    source: str
    """Option of ``govor download`` that names the server."""

    def execute(self, name: str, **settings: object) -> dict[str, object]:
        """Run a notebook here, with other values for some of its names."""
        own: dict[str, object] = {
            "пример": {"МУЖЧИНА": "examples/male.wav", "ЖЕНЩИНА": "examples/female.wav", "СЕКУНД": 3},
            "загрузка": {"ИСТОЧНИК": self.source},
        }.get(name, {})
        return execute(name, self.folder, self.environment, own | settings)


@contextmanager
def small_world(folder: Path, num_recordings: int, each: int, phrases: list[Recording]) -> Iterator[World]:
    """Serve a corpus of so many recordings, and a microphone that hears the phrases."""
    said = recordings()
    chosen = said[: num_recordings * 2 : 2] if num_recordings * 2 <= len(said) else said[:num_recordings]
    shutil.copytree(HERE.parent / "examples", folder / "examples")
    listed = folder / "мой_голос" / "manifest.jsonl"
    with (
        ApacheIndex(archives(chosen, each)) as server,
        started_virtual_microphone() as microphone,
        speaking(microphone, phrases, listed),
    ):
        yield World(folder, microphone.environment, f"--url {server.url}")


def main() -> None:
    names = sys.argv[1:] or NAMES
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as voice:
        folder = Path(temporary)
        with small_world(folder, 600, 30, spoken(Path(voice))) as world:
            for name in names:
                print(f"{name}…", flush=True)
                world.execute(name)
                shutil.copy(folder / f"{name}.ipynb", HERE / f"{name}.ipynb")


if __name__ == "__main__":
    main()
