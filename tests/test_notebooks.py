"""The notebooks run from the first cell to the last, and what is kept of them is what they now hold."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from govor.adaptation import MIN_UTTERANCES

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NAMES = ("пример", "загрузка", "обучение", "мой_голос")


def load_execute() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks_execute", FOLDER / "execute.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


execute = load_execute()


def sources(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in document["cells"]]


def printed(document: dict[str, Any]) -> str:
    parts = []
    for cell in document["cells"]:
        for output in cell.get("outputs", ()):
            assert output["output_type"] != "error", output
            parts.append("".join(output.get("text", output.get("data", {}).get("text/plain", ""))))
    return "\n".join(parts)


def pictures(document: dict[str, Any]) -> int:
    outputs = [output for cell in document["cells"] for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("name", NAMES)
def test_the_notebook_holds_the_cells_of_its_readable_pair_and_their_outputs(
    name: str, tmp_path: Path
) -> None:
    kept = json.loads((FOLDER / f"{name}.ipynb").read_text("utf-8"))
    command = [sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb"]
    subprocess.run([*command, "--output", str(tmp_path / "a.ipynb"), str(FOLDER / f"{name}.py")], check=True)
    assert sources(kept) == sources(json.loads((tmp_path / "a.ipynb").read_text("utf-8")))
    assert printed(kept).strip()
    # Moved cursors and lines shown over again: a bar was drawn where every line is kept.
    assert not re.search(r"\x1b\[(?!\d*(?:;\d+)*m)", printed(kept))
    assert "/tmp/" not in json.dumps(kept)


@pytest.fixture(scope="module")
def phrases() -> list[Any]:
    if not (execute.VOICE / "wav").is_dir():
        pytest.skip("needs Debian's festvox-ru")
    # As many as an adaptation wants at the least.
    return [recording for recording in execute.recordings() if recording.seconds > 1.2][:MIN_UTTERANCES]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, phrases: list[Any]) -> Iterator[Any]:
    if not all(map(shutil.which, ("pulseaudio", "paplay", "pactl"))):
        pytest.skip("needs pulseaudio")
    with execute.small_world(tmp_path_factory.mktemp("notebooks"), 40, 4, phrases) as made:
        yield made


def test_the_example_recognises_both_voices_and_shows_pictures(world: Any) -> None:
    document = world.execute("пример")
    assert "гулять" in printed(document)
    assert "завтра" in printed(document)
    assert pictures(document) == 5


def test_a_corpus_is_downloaded_and_a_model_trained(world: Any) -> None:
    loading = printed(world.execute("загрузка"))
    assert re.search(r"train +\d+ фраз", loading)
    assert (world.folder / "корпус" / "проверка.html").stat().st_size > 1000
    document = world.execute("обучение", ЭПОХ=2)
    assert pictures(document) == 1
    assert "моя модель:" in printed(document)
    assert len((world.folder / "расчёт" / "metrics.jsonl").read_text("utf-8").splitlines()) == 2


def test_a_voice_is_recorded_and_learnt(world: Any, phrases: list[Any]) -> None:
    document = world.execute("мой_голос", МОИ_ФРАЗЫ="\n".join(one.text for one in phrases), ЭПОХ=1)
    said = printed(document)
    assert f"записано фраз: {len(phrases)}" in said
    assert "ваши фразы (отложенные)" in said
    assert said.count("после:") == len(phrases)
    assert pictures(document) == 1
    assert (world.folder / "мой_голос" / "моя.onnx").exists()


def test_a_setting_that_a_notebook_does_not_know_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"загрузка knows no .*ПАПКА"):
        execute.execute("загрузка", tmp_path, os.environ, {"ПАПКА": "здесь"})
