"""The notebooks run from the first cell to the last, and what is kept of them is what they now hold."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
    assert "/tmp/" not in json.dumps(kept)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    if not (execute.VOICE / "wav").is_dir():
        pytest.skip("needs Debian's festvox-ru")
    if not all(map(shutil.which, ("pulseaudio", "paplay", "pactl"))):
        pytest.skip("needs pulseaudio")
    folder = tmp_path_factory.mktemp("notebooks")
    with execute.small_world(folder, 40, 4, 4, 2) as environment:
        yield folder, environment


def test_the_example_recognises_both_voices_and_shows_pictures(world: tuple[Path, dict[str, str]]) -> None:
    document = execute.execute("пример", *world)
    assert "добрый вечер" in printed(document) or "завтра" in printed(document)
    assert pictures(document) >= 4


def test_a_corpus_is_downloaded_and_a_model_trained(
    world: tuple[Path, dict[str, str]],
) -> None:
    loading = printed(execute.execute("загрузка", *world))
    assert "train" in loading
    folder, _ = world
    assert (folder / "корпус" / "проверка.html").stat().st_size > 1000
    document = execute.execute("обучение", *world)
    assert pictures(document) >= 1
    assert "моя модель:" in printed(document)
    assert len((folder / "расчёт" / "metrics.jsonl").read_text("utf-8").splitlines()) == 2
