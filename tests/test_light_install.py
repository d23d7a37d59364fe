"""Govor as ``pip install govor`` gives it: only the packages that pyproject.toml asks for, no torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from tiny_model import spell, spelling_model

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of links to govor and to what it requires, directly or not, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "govor").symlink_to(ROOT / "src" / "govor")
    waiting = [Requirement(line) for line in distribution("govor").requires or ()]
    done = set()
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in done or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        done.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += [Requirement(line) for line in found.requires or ()]
        for top in {path.parts[0] for path in found.files or () if ".." not in path.parts}:
            source, target = Path(str(found.locate_file(top))), folder / top
            if source.exists() and not target.exists() and top != "__pycache__":
                target.symlink_to(source)
    return folder


def python(light: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -S: without the site-packages of the environment that runs the tests.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(light)
    return subprocess.run([sys.executable, "-S", *arguments], capture_output=True, text=True, env=environment)


def test_the_light_install_has_none_of_the_training_packages(light: Path) -> None:
    code = "import importlib.util as u; print([m for m in %r if u.find_spec(m)])"
    names = ["torch", "onnx", "safetensors", "tensorboard", "scipy"]
    assert python(light, "-c", code % names).stdout.strip() == "[]"


def test_import_and_every_help_work(light: Path) -> None:
    code = """
import govor, sys
from govor.cli.app import run
assert govor.load_model
for command in ("", "transcribe", "evaluate", "train", "export", "features", "prepare sphinx"):
    assert run([*command.split(), "--help"]) == 0
"""
    result = python(light, "-c", code)
    assert (result.returncode, result.stderr) == (0, "")


def test_transcribe_evaluate_and_features_work(light: Path, tmp_path: Path) -> None:
    import wave

    model = spelling_model(tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", spell("да нет"))
    (tmp_path / "m.jsonl").write_text(
        '{"features": "x.npy", "duration": 0.12, "text": "Да, нет."}\n', encoding="utf-8"
    )
    result = python(light, "-m", "govor", "evaluate", str(tmp_path / "m.jsonl"), "--model", str(model))
    assert (result.returncode, result.stderr) == (0, "")
    assert "WER 0.0000" in " ".join(result.stdout.split())
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((8000 * np.sin(np.arange(16000) * 0.2)).astype("<i2").tobytes())
    for decoder in ("greedy", "beam"):
        options = ("--model", str(model), "--decoder", decoder)
        result = python(light, "-m", "govor", "transcribe", str(tmp_path / "a.wav"), *options)
        assert (result.returncode, result.stderr) == (0, "")
    result = python(
        light, "-m", "govor", "features", str(tmp_path / "a.wav"), "--output", str(tmp_path / "f.npy"), "-q"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert np.load(tmp_path / "f.npy").shape[1] == 13


@pytest.mark.parametrize(
    "command",
    [
        ("train", "--train", "a.jsonl", "--dev", "b.jsonl", "--output", "run"),
        ("export", "a.safetensors", "--output", "a.onnx"),
    ],
)
def test_commands_that_need_torch_say_in_one_line_how_to_install_it(
    light: Path, command: tuple[str, ...]
) -> None:
    result = python(light, "-m", "govor", *command)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "torch" in line
    assert line.endswith("pip install 'govor[train]'")
