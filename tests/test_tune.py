from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny_model
from govor.cli.app import run
from govor.decoding.beam import BeamDecoder, BeamSettings
from govor.errors import ManifestError
from govor.language_model import build, write_kenlm
from govor.manifest import Utterance, read_manifest
from govor.recognizer import load_model
from govor.tuning import Tuning, tune

pytest.importorskip("ctc_beam_decoder")
TEXTS = ["мой кот", "мой код", "мой кот дома", "где мой кот", "где код", "кот", "код дома", "мой дом"] * 3
UNTUNED = {"alpha": 0.0, "beta": 3.0, "unknown": 0.0, "beam_width": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with bad weights, noisy features that spell a few sentences, and a language model of these."""
    folder = tmp_path_factory.mktemp("tune")
    tiny_model.spelling_model(folder / "model.onnx", decoding={**UNTUNED, "kept": 1})
    rng = np.random.default_rng(1)
    rows = []
    for number, text in enumerate(TEXTS):
        values = tiny_model.spell(text)
        values = values + rng.normal(0, 0.55, values.shape)
        np.save(folder / f"{number}.npy", values.astype(np.float32))
        row = {"features": f"{number}.npy", "duration": len(values) / 100, "text": text, "id": str(number)}
        rows.append(json.dumps(row, ensure_ascii=False))
    (folder / "dev.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_kenlm(build([text.split() for text in TEXTS]), folder / "lm.klm")
    return folder


@pytest.fixture(scope="module")
def tuning(folder: Path) -> Tuning:
    utterances = list(read_manifest(folder / "dev.jsonl"))
    return tune(utterances, load_model(folder / "model.onnx"), folder / "lm.klm")


def test_tuning_finds_weights_that_err_less_than_greedy_and_than_before(tuning: Tuning) -> None:
    assert tuning.untuned.settings == BeamSettings(**UNTUNED)  # type: ignore[arg-type]
    assert tuning.tuned.loss < min(tuning.untuned.loss, tuning.greedy.loss)
    assert tuning.settings.alpha > 0
    assert tuning.num_utterances == len(TEXTS)


def test_the_figures_are_those_of_decoding_with_the_weights(folder: Path, tuning: Tuning) -> None:
    from govor.evaluation import evaluate

    recognizer = load_model(folder / "model.onnx")
    decoder = BeamDecoder(recognizer.model.alphabet, folder / "lm.klm", tuning.settings)
    scores = evaluate(list(read_manifest(folder / "dev.jsonl")), recognizer, decoder).scores
    assert scores.words.rate == pytest.approx(tuning.tuned.wer)
    assert scores.characters.rate == pytest.approx(tuning.tuned.cer)


def test_the_narrowest_beam_that_is_as_good_is_taken(tuning: Tuning) -> None:
    lowest = min(trial.loss for trial in tuning.widths)
    assert tuning.tuned.loss <= lowest + 0.001
    narrower = [
        trial
        for trial in tuning.widths
        if trial.settings and trial.settings.beam_width < tuning.settings.beam_width
    ]
    assert all(trial.loss > lowest + 0.001 for trial in narrower)
    assert all(replace(trial.settings, beam_width=1) == replace(tuning.settings, beam_width=1)
               for trial in tuning.widths if trial.settings)  # fmt: skip


def test_no_set_of_weights_is_tried_twice_or_too_many(folder: Path, tuning: Tuning) -> None:
    tried = [trial.settings for trial in tuning.trials]
    assert len(tried) == len(set(tried)) <= 50
    utterances = list(read_manifest(folder / "dev.jsonl"))
    few = tune(utterances, load_model(folder / "model.onnx"), folder / "lm.klm", max_trials=3)
    assert len(few.trials) == 3


def test_an_unreadable_utterance_is_listed_and_nothing_at_all_is_an_error(folder: Path) -> None:
    recognizer = load_model(folder / "model.onnx")
    absent = Utterance("gone", 1.0, "кот", features=folder / "gone.npy")
    with pytest.raises(ManifestError, match="gone"):
        tune([absent], recognizer, folder / "lm.klm")
    utterances = [*read_manifest(folder / "dev.jsonl"), absent]
    found = tune(utterances, recognizer, folder / "lm.klm", max_trials=1)
    assert [failure.id for failure in found.failures] == ["gone"]


def test_the_command_stores_the_weights_and_leaves_all_else(
    folder: Path, tuning: Tuning, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    output = folder / "tuned.onnx"
    names = ["--manifest", "dev.jsonl", "--model", "model.onnx", "--lm", "lm.klm"]
    arguments = [word if word.startswith("--") else str(folder / word) for word in names]
    assert run(["tune", *arguments, "--output", str(output), "--quiet"]) == 0
    shown = capsys.readouterr()
    assert f"{tuning.tuned.wer:.4f}" in shown.out
    assert "only 24 utterances" in shown.err
    before, after = load_model(folder / "model.onnx"), load_model(output)
    assert after.model.decoding["kept"] == 1
    assert after.model.decoding["language_model"] == "lm.klm"
    assert after.beam_decoder(folder / "lm.klm").settings == tuning.settings
    assert before.beam_decoder(None).settings == BeamSettings(**UNTUNED)  # type: ignore[arg-type]
    features = tiny_model.spell("мой кот")
    assert np.array_equal(before.model.log_probs([features])[0], after.model.log_probs([features])[0])


def test_the_shipped_model_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tune", "--manifest", str(folder / "dev.jsonl")]) == 1
    assert "--output" in capsys.readouterr().err
    assert run(["tune", "--manifest", str(folder / "dev.jsonl"), "--model", "seed"]) == 1
    assert "--output" in capsys.readouterr().err


def test_what_cannot_be_tuned_is_said_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    call = ["tune", "--model", str(folder / "model.onnx"), "--lm", str(folder / "lm.klm"), "--output"]
    assert run([*call, str(tmp_path), "--manifest", str(folder / "dev.jsonl")]) == 1
    assert f"{tmp_path} cannot be written" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("mine")
    assert run([*call, str(tmp_path / "notes.txt"), "--manifest", str(folder / "dev.jsonl")]) == 1
    assert "must end in .onnx" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert run([*call, str(tmp_path / "new.onnx"), "--manifest", str(tmp_path / "empty.jsonl")]) == 1
    assert "empty.jsonl: no utterances" in capsys.readouterr().err
    assert not (tmp_path / "new.onnx").exists()


def test_auto_takes_the_beam_for_a_tuned_model_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govor.recognizer.shipped_language_model", lambda: folder / "lm.klm")
    tuned = load_model(folder / "model.onnx")
    assert isinstance(tuned.decoder("auto"), BeamDecoder)
    untuned = load_model(tiny_model.spelling_model(folder / "untuned.onnx"))
    assert not isinstance(untuned.decoder("auto"), BeamDecoder)
    monkeypatch.setattr("govor.recognizer.shipped_language_model", lambda: None)
    assert not isinstance(load_model(folder / "model.onnx").decoder("auto"), BeamDecoder)
