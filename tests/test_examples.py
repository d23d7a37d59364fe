"""The recordings in examples/, the script that makes them, `make demo`, and the commands of the READMEs."""

from __future__ import annotations

import importlib.util
import json
import lzma
import re
import shlex
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import typer
from numpy.typing import NDArray

from govor.cli.app import command_tree, run
from govor.manifest import Utterance, read_manifest
from govor.text.alphabet import normalize

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
TEXTS = ROOT.parent / "shared" / "data" / "text"
READMES = ["README.md", "README.en.md"]

needs_voice = pytest.mark.skipif(
    not (shutil.which("festival") and shutil.which("sox")), reason="festival and sox are not installed"
)


def _examples() -> dict[str, Utterance]:
    return {utterance.id: utterance for utterance in read_manifest(EXAMPLES / "manifest.jsonl")}


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES / "make_examples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _samples(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path)) as stream:
        return np.frombuffer(stream.readframes(stream.getnframes()), "<i2").astype(np.float64)


def _loudness(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of every 50 ms."""
    return np.sqrt(np.square(samples[: len(samples) // 800 * 800].reshape(-1, 800)).mean(axis=1))


def test_there_is_a_man_and_a_woman_and_nothing_else() -> None:
    assert sorted(_examples()) == ["female", "male"]
    assert sorted(path.name for path in EXAMPLES.glob("*.wav")) == ["female.wav", "male.wav"]


@pytest.mark.parametrize("name", ["male", "female"])
def test_recording_is_as_its_manifest_line_says(name: str) -> None:
    utterance = _examples()[name]
    assert utterance.audio_filepath is not None
    with wave.open(str(utterance.audio_filepath)) as stream:
        form = (stream.getframerate(), stream.getnchannels(), stream.getsampwidth())
        seconds = stream.getnframes() / stream.getframerate()
    assert form == (16000, 1, 2)
    # The manifest is written to a tenth of a millisecond.
    assert utterance.duration == pytest.approx(seconds, abs=1e-4)
    assert 3.0 <= seconds <= 5.0
    assert utterance.audio_filepath.stat().st_size < 200_000
    assert normalize(utterance.text) == utterance.text


def test_a_text_has_the_letter_yo() -> None:
    assert "ё" in "".join(utterance.text for utterance in _examples().values())


def test_manifest_names_its_recordings_relatively() -> None:
    rows = [json.loads(line) for line in (EXAMPLES / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert [row["audio_filepath"] for row in rows] == ["male.wav", "female.wav"]


def test_woman_speaks_higher_than_the_man() -> None:
    pitch = {name: _median_pitch(_samples(EXAMPLES / f"{name}.wav")) for name in ("male", "female")}
    # Measured 151 and 188 Hz; men speak at 85-155 Hz, women at 165-255 (Titze 1994).
    assert 85 < pitch["male"] < 160
    assert 165 < pitch["female"] < 255


def _median_pitch(samples: NDArray[np.float64]) -> float:
    found = []
    for start in range(0, len(samples) - 640, 320):
        frame = samples[start : start + 640] - samples[start : start + 640].mean()
        similarity = np.correlate(frame, frame, "full")[639:]
        lag = 40 + int(similarity[40:228].argmax())
        if np.sqrt(np.mean(frame**2)) > 1000 and similarity[lag] > 0.5 * similarity[0]:
            found.append(16000 / lag)
    return float(np.median(found))


@needs_voice
def test_script_makes_the_same_recordings(tmp_path: Path) -> None:
    made = {utterance.id: utterance for utterance in read_manifest(_maker().make_examples(tmp_path))}
    kept = _examples()
    assert {name: row.text for name, row in made.items()} == {name: row.text for name, row in kept.items()}
    for name, utterance in made.items():
        # Other versions of festival and sox may differ by some samples; the same ones gave the same bytes.
        assert utterance.duration == pytest.approx(kept[name].duration, abs=0.02)
        new, old = (_loudness(_samples(folder / f"{name}.wav")) for folder in (tmp_path, EXAMPLES))
        length = min(len(new), len(old))
        assert np.corrcoef(new[:length], old[:length])[0, 1] > 0.9


def test_no_training_text_holds_an_example() -> None:
    files = sorted(TEXTS.glob("*.txt.xz"))
    if not files:
        pytest.skip("the training texts are not here")
    sentences = [utterance.text.replace("ё", "е") for utterance in _examples().values()]
    for file in files:
        text = lzma.decompress(file.read_bytes()).decode("utf-8").replace("ё", "е")
        assert [sentence for sentence in sentences if sentence in text] == []


def test_demo_prints_each_text_beside_what_was_said() -> None:
    ended = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py"],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={"GOVOR_LANG": "en", "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    for name, utterance in _examples().items():
        (block,) = re.findall(rf"^{name}\.wav .*\n  said +(.*)\n  heard +(.*)$", ended.stdout, re.MULTILINE)
        said, heard = (re.sub(r"\*+| +", " ", line).strip().lower() for line in block)
        assert " ".join(said.split()) == utterance.text
        assert heard
    rates = [float(rate) for rate in re.findall(r"CER (\d+\.\d)%", ended.stdout)]
    # Both are synthetic and clear, so they come out far better than people do.
    assert len(rates) == 2 and max(rates) < 35


def test_demo_without_a_model_ends_in_one_line(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("models", "__pycache__")
    shutil.copytree(ROOT / "src" / "govor", tmp_path / "govor", ignore=without)
    ended = subprocess.run(
        [sys.executable, EXAMPLES / "demo.py"],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={"GOVOR_LANG": "en", "PYTHONPATH": str(tmp_path)},
    )
    assert ended.returncode == 1
    assert re.fullmatch(r"error: .*small.*\n", ended.stderr)


def _commands(readme: str) -> list[list[str]]:
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", (ROOT / readme).read_text("utf-8"), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    # Options of the program itself work while they are parsed: --install-completion changes the home.
    lines = [line for line in lines if line.startswith("govor ") and not line.startswith("govor --")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("readme", READMES)
def test_every_command_of_the_readme_is_understood(readme: str) -> None:
    commands = _commands(readme)
    shown = {command[0] for command in commands}
    assert shown >= {"transcribe", "evaluate", "features", "prepare", "train", "export"}
    for arguments in commands:
        command, context = typer.main.get_command(command_tree(())), None
        # Parsing raises a usage error for an unknown command, option or value; nothing is run.
        while isinstance(command, typer.core.TyperGroup):
            context = command.make_context(arguments[0], list(arguments), parent=context)
            name, command, arguments = command.resolve_command(context, arguments)
            assert name is not None and command is not None
        command.make_context(command.name, list(arguments), parent=context)


@pytest.mark.parametrize("readme", READMES)
def test_readme_commands_on_the_examples_work(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    commands = [line for line in _commands(readme) if any(word.startswith("examples/") for word in line)]
    assert {line[0] for line in commands} == {"transcribe", "evaluate", "features", "align"}
    assert [(line, run(line)) for line in commands] == [(line, 0) for line in commands]


def test_both_readmes_show_the_same_commands() -> None:
    assert _commands("README.md") == _commands("README.en.md")


@pytest.mark.parametrize("page", [*READMES, "CONTRIBUTING.md"])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("readme", READMES)
def test_readme_commands_name_recipes_that_are_there(readme: str) -> None:
    named = {word for line in _commands(readme) for word in line if word.startswith("recipes/")}
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("readme", READMES)
def test_python_of_the_readme_runs(
    readme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / readme).read_text("utf-8"), re.M | re.S)
    monkeypatch.chdir(ROOT)
    exec(block, {})
    text, *words = capsys.readouterr().out.splitlines()
    times = [[float(time) for time in word.split()[0].split("–")] for word in words]
    assert [word.split()[1] for word in words] == text.split()
    assert times == sorted(times) and times[0][0] < times[-1][1] <= 4.2
