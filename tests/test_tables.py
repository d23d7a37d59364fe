from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("documentation_tables", ROOT / "docs" / "tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def english(_: str, text: str) -> str:
    return text


def russian(text: str, _: str) -> str:
    return text


@pytest.mark.parametrize("page", ["phrases", "language-model"])
@pytest.mark.parametrize(("language", "say"), [("ru", russian), ("en", english)])
def test_measured_tables_of_the_pages_are_what_the_script_makes_of_the_figures(
    tables: ModuleType, page: str, language: str, say: object
) -> None:
    # If this fails: make tables
    text = (ROOT / "docs" / language / f"{page}.md").read_text(encoding="utf-8")
    assert "<!-- table: " in text
    assert tables.with_tables(text, say) == text


def test_widths_of_one_decoder_share_a_row_and_the_peer_is_compared_width_by_width(
    tables: ModuleType,
) -> None:
    def row(decoder: str, lm: bool, beam: int, rtf: float) -> dict[str, object]:
        return {"decoder": decoder, "lm": lm, "beam": beam, "rtf": rtf, "load": 0.12, "peak": 70.0 + beam} | {
            "wer": 0.4,
            "cer": 0.15,
        }

    rows = [row("govor", False, 8, 0.001), row("govor", True, 8, 0.001), row("govor", True, 32, 0.002)]
    peers = [row("pyctcdecode", False, 8, 0.005), row("pyctcdecode", True, 8, 0.006)]
    rows += [*peers, row("pyctcdecode", True, 32, 0.014)]
    figures = {"utterances": 63, "minutes": 7.3, "network": 0.0042, "rows": rows}
    text = tables.decoding(figures, english)
    row_text = "| govor | yes | 8 / 32 | 0.00100 / 0.00200 | 0.12 | 78–102 | 0.400 / 0.400 | 0.150 / 0.150 |"
    assert row_text in text.splitlines()
    assert "takes 5.0 times as long without a language model, 6.0, 7.0 with it." in text
    assert "сеть: 0,0042" in tables.decoding(figures, russian)


def test_a_source_that_no_command_comes_from_has_no_rate_of_found_ones(
    tables: ModuleType, tmp_path: Path
) -> None:
    rows = [
        {"kind": "people", "name": "tuxpaint_varied", "number": 9, "lists": 2, "phrases": 50}
        | {"found": [0.5], "false": [0.0625]},
        {"kind": "others", "name": "dub-cc0/manifest.jsonl, telephone", "number": 157, "false": [0.0]},
        {"kind": "sentences", "name": "own", "number": 3, "phrases": 2, "found": [1.0], "false": [0.0]},
    ]
    figures = json.loads(json.dumps({"rates": [0.03], "rows": rows, "speed": None}))
    assert tables.phrases(figures, english).splitlines()[2:] == [
        "| a man, `tuxpaint`: other voices, rooms, telephones; 9 recordings, 2 lists of 50 | 0.500 / 0.062 |",
        "| actors, `dub-cc0` over telephones: 157 recordings, no command | – / 0.000 |",
        "| `own`; 3 recordings, 2 sentences | 1.000 / 0.000 |",
    ]
