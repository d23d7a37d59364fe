"""Tables of figures in the pages are what docs/tables.py makes of what was measured."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import decoder_tables  # noqa: E402
import site_pages  # noqa: E402
import tables  # noqa: E402
import tabulating  # noqa: E402
import text_figures  # noqa: E402

PAGES = [(language, path) for language, paths in tables.PAGES.items() for path in paths]
PAGES += [("en", path) for path in tables.ENGLISH]


def marks(language: str, kind: str = "table") -> dict[str, list[str]]:
    """The tables that each page has, or the figures in its text."""
    return {
        path.stem.removesuffix(".en"): re.findall(rf"<!-- {kind} ([\w-]+) -->", path.read_text("utf-8"))
        for path in tables.PAGES[language]
    }


def test_no_table_between_marks_was_written_by_hand() -> None:
    # If this fails: make tables
    for language, path in PAGES:
        text = path.read_text("utf-8")
        assert tables.filled(text, language) == text, path


def test_both_languages_have_the_same_tables_and_every_table_is_shown() -> None:
    assert marks("ru") == marks("en")
    shown = [name for names in marks("ru").values() for name in names]
    shown += [
        name for path in tables.ENGLISH for name in re.findall(r"<!-- table (\w+) -->", path.read_text())
    ]
    assert sorted(shown) == sorted(tables.TABLES)


def test_both_languages_have_the_same_figures_in_their_text_and_every_figure_is_shown() -> None:
    russian, english = marks("ru", "figure"), marks("en", "figure")
    assert {name: sorted(found) for name, found in russian.items()} == {
        name: sorted(found) for name, found in english.items()
    }
    assert {name for names in russian.values() for name in names} == set(text_figures.FIGURES)


def test_a_figure_in_running_text_is_replaced_and_its_neighbours_stay() -> None:
    text = "до <!-- figure word-lead-ms -->1<!-- end --> мс, <!-- figure word-tail-ms --><!-- end --> мс"
    lead, tail = (
        round(1000 * seconds) for seconds in map(text_figures.decoding()["times"].get, ("lead", "tail"))
    )
    made = text_figures.filled_text(text, tables.Language("ru"))
    assert re.sub("<!--.*?-->", "", made) == f"до {lead} мс, {tail} мс"


def test_figures_of_models_that_ship_no_longer_are_shown_as_such() -> None:
    english = tables.Language("en")
    current = {"models": tabulating.shipped_digests("small.onnx", "ru.klm")}
    assert tabulating.stale_note([current, current], english) == ""
    for old in ({"models": current["models"] | {"ru.klm": "0"}}, {"models": {}}, {}):
        assert "models before" in tabulating.stale_note([current, old], english)


def test_recognition_is_some_hundred_times_faster_than_speech_as_the_page_of_the_raspberry_says() -> None:
    times = tabulating.figures("speed")["times_faster_than_speech"]
    assert 70 < times["greedy"] < 200
    assert "раз в сто" in (ROOT / "docs/ru/raspberry-pi.md").read_text("utf-8")
    assert "some hundred\ntimes" in (ROOT / "docs/en/raspberry-pi.md").read_text("utf-8")


def test_the_model_card_is_of_the_model_that_ships() -> None:
    # If this fails: make card
    models = ROOT / "src" / "govor" / "models"
    digest = hashlib.sha256((models / "small.onnx").read_bytes()).hexdigest()
    assert (models / "MODEL_CARD.md").read_text("utf-8").count(f"`{digest}`") == 2


def test_numbers_are_written_as_each_language_does() -> None:
    assert tables.Language("ru").percent(0.0398, 1) == "4,0 %"
    assert tables.Language("en").percent(0.0398, 1) == "4.0 %"
    assert tables.Language("ru").pair([0.1, 2], 2) == "0,10 / 2,00"


def test_text_outside_the_marks_stays_and_the_table_inside_is_replaced() -> None:
    text = "до\n<!-- table word-times -->\nстарое\n<!-- end of table -->\nпосле\n"
    made = tables.filled(text, "ru")
    assert made.startswith("до\n<!-- table word-times -->\n\n| записей: ")
    # Of figures of an earlier model a line below the table says so.
    assert made.endswith("\n\n<!-- end of table -->\nпосле\n")
    assert "старое" not in made
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
    monkeypatch.setattr(tabulating, "MEASURED", tmp_path)
    run = json.loads((tmp_path / "listening.json").read_text("utf-8"))
    assert run["recordings"] == 1
    assert run["words_held"] >= 4
    shown = tables.listening(tables.Language("en"))
    assert f"| words shown for over a second | {run['words_held']} |" in shown
    assert "white noise 12 dB below the speech" in shown


def test_measure_knows_each_file_of_figures_and_its_script(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from measure import commands

    known = commands(tmp_path, tmp_path / "else.jsonl", [], [], "python3", [tmp_path / "honest.klm"], None)
    assert {path.stem for path in tabulating.MEASURED.glob("*.json")} == set(known) - {"speed"}
    for name, (script, _) in known.items():
        text = (ROOT / "benchmarks" / script[0]).read_text("utf-8")
        for option in re.findall(r"--[a-z-]+", " ".join(script)):
            assert f'"{option}"' in text, (name, option)
        assert name == "speed" or '"--json"' in text


def test_widths_of_one_decoder_share_a_row_and_the_peer_is_compared_width_by_width() -> None:
    def row(name: str, lm: bool, beam: int, rtf: float) -> dict[str, object]:
        errors = {"wer": 0.4, "cer": 0.15}
        return {"name": name, "lm": lm, "beam": beam, "rtf": rtf, "load": 0.12, "peak": 70.0 + beam, **errors}

    rows = [row("govor", False, 8, 0.001), row("govor", True, 8, 0.001), row("govor", True, 32, 0.002)]
    peers = [row("pyctcdecode", False, 8, 0.005), row("pyctcdecode", True, 8, 0.006)]
    rows += [*peers, row("pyctcdecode", True, 32, 0.014)]
    figures: dict[str, object] = {"utterances": 63, "minutes": 7.3, "network_rtf": 0.0042, "rows": rows}
    text = decoder_tables.decoding(figures, tables.Language("en"))
    row_text = "| govor | yes | 8 / 32 | 0.00100 / 0.00200 | 0.12 | 78–102 | 0.400 / 0.400 | 0.150 / 0.150 |"
    assert row_text in text.splitlines()
    assert "takes 5.0 times as long without a language model, 6.0 / 7.0 with it." in text.replace("\n", " ")
    assert "сеть: 0,0042" in decoder_tables.decoding(figures, tables.Language("ru"))
    honest = {"utterances": 9, "beam": 64, "rows": [{"name": "honest.klm", "wer": 0.399, "cer": 0.153}]}
    text = decoder_tables.decoding(figures | {"whole": honest}, tables.Language("en"))
    assert text.endswith("All of dev, 9 utterances, beam 64: `honest.klm` WER 0.399, CER 0.153.")


def test_a_source_that_no_command_comes_from_has_no_rate_of_found_ones() -> None:
    people = {"kind": "people", "name": "tuxpaint_varied", "recordings": 9, "listed": 50, "lists": 2}
    telephone = {"kind": "others", "name": "dub-cc0/manifest.jsonl, telephone", "recordings": 157}
    own = {"kind": "sentences", "name": "own", "recordings": 3, "listed": 2}
    rows = [
        people | {"found": [0.5], "false": [0.0625]},
        telephone | {"listed": 50, "found": None, "false": [0.0]},
        own | {"found": [1.0], "false": [0.0]},
    ]
    figures = {"asked": [0.03], "rows": rows, "speed": None}
    varied = "a man, `tuxpaint`: short phrases; other voices, rooms, telephones"
    assert decoder_tables.phrases(figures, tables.Language("en")).splitlines()[2:] == [
        f"| {varied} | 9 | 2 × 50 | 0.500 / 0.062 |",
        "| actors, `dub-cc0` over telephones: no command | 157 | 50 | – / 0.000 |",
        "| `own` | 3 | 2 | 1.000 / 0.000 |",
    ]


def test_the_default_weight_of_hot_words_is_bold_and_lengths_of_lists_have_a_row_each() -> None:
    rows = [
        {"size": size, "weight": weight, "found": 0.5, "inserted": weight, "wer": 0.4}
        for size in (1, 10)
        for weight in (0.0, 6.0, 10.0)
    ]
    figures = {"default": 10.0, "rows": rows}
    assert decoder_tables.hotwords(figures, tables.Language("en")).splitlines()[2:] == [
        "| any | 0 | 50 % | 0 | 0.400 |",
        "| 1 | 6 / **10** | 50 / **50** % | 6 / **10** | 0.400 / **0.400** |",
        "| 10 | 6 / **10** | 50 / **50** % | 6 / **10** | 0.400 / **0.400** |",
    ]


def test_what_training_costs_is_worked_out_of_the_newest_run_and_the_same_in_both_languages() -> None:
    run = site_pages.runs()[-1]
    alone = 10_000 * 5 * run["training_hours"] / (run["epochs"] * run["speech_hours_per_epoch"])
    russian, english = (
        [row.split(" | ") for row in site_pages.costs(language).splitlines() if row.startswith("| 1")]
        for language in ("ru", "en")
    )
    assert english[2][:4] == ["| 10,000 h", "5", f"{alone:.0f} h", f"{alone / 1.8:.0f} h"]
    # A comma is a decimal point there; the thousands stand apart.
    assert [row[0] for row in russian] == ["| 100 ч", "| 1 000 ч", "| 10 000 ч"]
    spoken = str.maketrans({",": ".", "ч": "h", "Г": "G", "Б": "B"})
    assert [[cell.translate(spoken) for cell in row[1:]] for row in russian] == [row[1:] for row in english]
