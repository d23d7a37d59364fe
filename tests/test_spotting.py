from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import tiny_model
from govor.cli.app import run
from govor.phrases.patterns import parse_phrases
from govor.phrases.spotting import Confusion, WordSpotting, spot_phrases, spot_words


def test_hot_words_are_counted_as_whole_words_found_missed_and_inserted() -> None:
    pairs = [
        ("кот и кот ушли", "кот и код ушли"),
        ("кота нет", "кот нет"),
        ("красный дом красный дом", "красный дом красный дом"),
    ]
    assert spot_words(pairs, ["Кот", "красный дом", "кот", "лес"]) == (
        WordSpotting("кот", said=2, found=1, inserted=1),
        WordSpotting("красный дом", said=2, found=2, inserted=0),
        WordSpotting("лес", said=0, found=0, inserted=0),
    )


def test_phrases_are_right_rejected_confused_or_falsely_accepted() -> None:
    phrases = parse_phrases(["[пожалуйста] включи свет", "выключи свет"])
    spotted = spot_phrases(
        [
            ("включи свет", "включи свет"),
            ("пожалуйста включи свет", "включи свет"),
            ("включи свет", "выключи свет"),
            ("включи свет", "выключи свет"),
            ("выключи свет", ""),
            ("какой сегодня день", ""),
            ("свет в окне", "включи свет"),
        ],
        phrases,
    )
    assert (spotted.num_listed, spotted.right, spotted.rejected) == (5, 2, 1)
    assert (spotted.num_other, spotted.false_accepts) == (2, 1)
    assert spotted.confusions == (
        Confusion("включи свет", "выключи свет", 2),
        Confusion("свет в окне", "включи свет", 1),
    )
    assert (spotted.accuracy, spotted.false_accept_rate) == (0.4, 0.5)


def test_rates_of_nothing_are_undefined_and_null_in_json() -> None:
    spotted = spot_phrases([], parse_phrases(["да"]))
    assert math.isnan(spotted.accuracy) and math.isnan(spotted.false_accept_rate)
    assert spotted.to_json()["accuracy"] is None
    assert json.loads(json.dumps(spotted.to_json(), allow_nan=False))["num_listed"] == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that spells, and features that spell three texts."""
    import numpy as np

    folder = tmp_path_factory.mktemp("spotting")
    tiny_model.spelling_model(folder / "model.onnx")
    rows = []
    for number, (spelled, said) in enumerate(
        [("кот дома", "кот дома"), ("код дома", "кот дома"), ("белый лес", "белый лес")]
    ):
        values = tiny_model.spell(spelled)
        np.save(folder / f"{number}.npy", values.astype(np.float32))
        row = {"features": f"{number}.npy", "duration": len(values) / 100, "text": said, "id": str(number)}
        rows.append(json.dumps(row, ensure_ascii=False))
    (folder / "m.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "phrases.txt").write_text("кот дома\nкод дома\n", encoding="utf-8")
    return folder


def test_evaluate_reports_phrases_with_their_confusions(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "m.jsonl", "--model", "model.onnx", "--phrases", "phrases.txt", "--json", "r.json"]
    code = run([str(folder / word) if (folder / word).suffix else word for word in command])
    shown = capsys.readouterr().out
    assert code == 0
    assert "1 / 2 = 50.0%" in shown
    assert "кот дома → код дома" in shown
    found = json.loads((folder / "r.json").read_text(encoding="utf-8"))["phrases"]
    assert (found["right"], found["rejected"], found["num_other"], found["false_accepts"]) == (1, 0, 1, 0)
    assert found["confusions"] == [{"said": "кот дома", "heard": "код дома", "count": 1}]


def test_evaluate_reports_hot_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ctc_beam_decoder")
    command = ["evaluate", str(folder / "m.jsonl"), "--model", str(folder / "model.onnx"), "--no-lm"]
    code = run([*command, "--hotwords", "кот,лес", "--hotword-weight", "0", "--json", str(folder / "h.json")])
    assert code == 0
    assert "лес" in capsys.readouterr().out
    assert json.loads((folder / "h.json").read_text(encoding="utf-8"))["hotwords"] == [
        {"word": "кот", "said": 2, "found": 1, "inserted": 0},
        {"word": "лес", "said": 1, "found": 1, "inserted": 0},
    ]
