"""Tables of figures in the pages are what docs/tables.py makes of what was measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import tables  # noqa: E402

PAGES = [(language, path) for language, paths in tables.PAGES.items() for path in paths]


def marks(language: str) -> dict[str, list[str]]:
    """The tables that each page has."""
    return {
        path.stem.removesuffix(".en"): re.findall(r"<!-- table ([\w-]+) -->", path.read_text("utf-8"))
        for path in tables.PAGES[language]
    }


def test_no_table_between_marks_was_written_by_hand() -> None:
    # If this fails: make tables
    for language, path in PAGES:
        text = path.read_text("utf-8")
        assert tables.filled(text, language) == text, path


def test_both_languages_have_the_same_tables_and_every_table_is_shown() -> None:
    assert marks("ru") == marks("en")
    assert sorted(name for names in marks("ru").values() for name in names) == sorted(tables.TABLES)


def test_numbers_are_written_as_each_language_does() -> None:
    assert tables.Language("ru").percent(0.0398, 1) == "4,0 %"
    assert tables.Language("en").percent(0.0398, 1) == "4.0 %"
    assert tables.Language("ru").pair([0.1, 2], 2) == "0,10 / 2,00"


def test_text_outside_the_marks_stays_and_the_table_inside_is_replaced() -> None:
    text = "до\n<!-- table word-times -->\nстарое\n<!-- end of table -->\nпосле\n"
    made = tables.filled(text, "ru")
    assert made.startswith("до\n<!-- table word-times -->\n\n| записей: ")
    assert made.endswith("|\n\n<!-- end of table -->\nпосле\n")
    assert "старое" not in made
    assert tables.filled(made, "ru") == made


def test_a_benchmark_writes_the_figures_that_its_table_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ROOT / "benchmarks" / "listening.py"
    recording = str(ROOT / "examples" / "male.wav")
    for name, options in (("listening", []), ("listening-noise", ["--snr", "12"])):
        target = ["--json", str(tmp_path / f"{name}.json")]
        subprocess.run([sys.executable, str(script), recording, *options, *target], check=True)
    monkeypatch.setattr(tables, "MEASURED", tmp_path)
    run = json.loads((tmp_path / "listening.json").read_text("utf-8"))
    assert run["recordings"] == 1
    assert run["words_held"] >= 4
    shown = tables.listening(tables.Language("en"))
    assert f"| words shown for over a second | {run['words_held']} |" in shown
    assert "white noise 12 dB below the speech" in shown


def test_measure_knows_each_file_of_figures_and_its_script(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from measure import commands

    known = commands(tmp_path, tmp_path / "else.jsonl", [], [], "")
    assert {path.stem for path in tables.MEASURED.glob("*.json")} == set(known) - {"speed"}
    for name, (script, _) in known.items():
        text = (ROOT / "benchmarks" / script[0]).read_text("utf-8")
        for option in re.findall(r"--[a-z-]+", " ".join(script)):
            assert f'"{option}"' in text, (name, option)
        assert name == "speed" or '"--json"' in text
