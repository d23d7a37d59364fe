from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from govor.config import parse_config
from tiny_training import Listener, trainer

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def results() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_results", BENCHMARKS / "results.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_of_results_is_what_its_script_makes_of_the_runs(results: ModuleType) -> None:
    # If this fails: python benchmarks/results.py
    assert (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8") == results.page(BENCHMARKS / "results")


def test_every_run_has_a_row_with_its_figures_and_a_configuration_that_can_be_read(
    results: ModuleType,
) -> None:
    page = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    files = sorted((BENCHMARKS / "results").glob("*.json"))
    assert len(files) >= 3
    for path in files:
        run = json.loads(path.read_text(encoding="utf-8"))
        (row,) = [line for line in page.splitlines() if line.startswith(f"| [{run['title']}](#{path.stem})")]
        assert f"| {run['dev_while_training']['cer']:.3f} / {run['dev_while_training']['wer']:.3f} |" in row
        for name, decoders in run["evaluations"].items():
            kind = "cer" if name == "shared_audio" else "wer"
            assert all(f"{figures[kind]:.3f}" in row for figures in decoders.values())
        assert run["commit"] in page
        parse_config(run["config"], path.name)


def test_run_is_described_by_its_own_files(results: ModuleType, tmp_path: Path) -> None:
    running, listener = trainer(tmp_path), Listener()
    running.run(listener)
    run = results.describe_run(tmp_path / "run")
    best = min(listener.reports, key=lambda report: report.dev_cer)
    assert (run["epochs"], run["best_epoch"]) == (3, best.epoch)
    assert run["dev_while_training"] == {"cer": best.dev_cer, "wer": best.dev_wer}
    assert run["num_weights"] == sum(value.numel() for value in running.model.parameters())
    assert parse_config(run["config"], "run") == running.config


def test_evaluations_are_read_as_greedy_then_with_the_language_model(
    results: ModuleType, tmp_path: Path
) -> None:
    for name, wer in (("greedy", 0.5), ("lm", 0.25)):
        figures = {"wer": wer, "cer": 0.1, "utterances": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(figures), encoding="utf-8")
    both, one = f"{tmp_path}/greedy.json,{tmp_path}/lm.json", f"{tmp_path}/greedy.json"
    found = results.read_evaluations([f"dev={both}", f"test_unseen_text={one}"])
    assert found == {
        "dev": {"greedy": {"wer": 0.5, "cer": 0.1}, "lm": {"wer": 0.25, "cer": 0.1}},
        "test_unseen_text": {"greedy": {"wer": 0.5, "cer": 0.1}},
    }
    run = {"evaluations": found}
    assert results.figure(run, "dev", "wer") == "0.500 → 0.250"
    assert results.figure(run, "test_unseen_text", "wer") == "0.500 → –"
    assert results.figure(run, "shared_audio", "cer") == "–"
    with pytest.raises(SystemExit, match="test: the sets are dev"):
        results.read_evaluations([f"test={one}"])
