from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from govor.errors import ConfigError, ManifestError
from govor.evaluation import evaluate
from govor.manifest import Utterance
from govor.recognizer import load_model
from tiny_model import HOOT_SECONDS, hooting_model, hoots, spell, spelling_model


def feature_utterance(folder: Path, name: str, heard: str, said: str, speaker: str = "") -> Utterance:
    path = folder / f"{name}.npy"
    values = spell(heard)
    np.save(path, values)
    return Utterance(name, len(values) / 100, said, speaker, features=path)


def test_every_hypothesis_and_the_pooled_figures_of_a_feature_manifest(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    utterances = [
        feature_utterance(tmp_path, "1", "мама мыла раму", "Мама мыла раму.", "анна"),
        feature_utterance(tmp_path, "2", "да", "нет", "борис"),
        feature_utterance(tmp_path, "3", "елка", "ёлка", "борис"),
    ]
    progress: list[tuple[int, int]] = []
    result = evaluate(utterances, recognizer, on_progress=lambda *pair: progress.append(pair))
    assert [(r.id, r.reference, r.hypothesis, r.word_errors) for r in result.results] == [
        ("1", "мама мыла раму", "мама мыла раму", 0),
        ("2", "нет", "да", 1),
        ("3", "ёлка", "елка", 1),
    ]
    assert progress[-1] == (3, 3)
    report = json.loads(json.dumps(result.to_json()))
    assert report["wer"] == 2 / 5
    assert report["wer_yo"] == 1 / 5
    assert report["cer"] == 4 / 21
    assert (report["num_utterances"], report["num_words"], report["substitutions"], report["hits"]) == (
        3,
        5,
        2,
        3,
    )
    assert report["wer_ci"][0] <= 2 / 5 <= report["wer_ci"][1]
    assert [row["speaker"] for row in report["speakers"]] == ["борис", "анна"]
    assert report["utterances"][1]["reference"] == "нет"
    assert report["duration"] == pytest.approx(sum(u.duration for u in utterances))
    assert report["rtf"] == pytest.approx(report["processing_seconds"] / report["duration"])
    assert [r.id for r in result.worst()] == ["2", "3"]


def test_many_utterances_in_batches_come_back_in_the_manifests_order(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    texts = ["а" * (1 + 37 * i % 101) + " б" for i in range(120)]
    texts = ["".join(pair) for pair in zip(texts, ["", " в"] * 60, strict=True)]
    utterances = [feature_utterance(tmp_path, str(i), text, text) for i, text in enumerate(texts)]
    result = evaluate(utterances, recognizer)
    assert [r.id for r in result.results] == [str(i) for i in range(120)]
    assert [r.hypothesis for r in result.results] == texts
    assert result.scores.words.rate == 0


def test_audio_and_features_may_stand_in_one_manifest(tmp_path: Path) -> None:
    recognizer = load_model(hooting_model(tmp_path / "m.onnx"))
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((hoots(3) * 32767).astype("<i2").tobytes())
    (tmp_path / "e.wav").write_bytes(path.read_bytes()[:20000])
    utterances = [
        Utterance("whole", 3 * HOOT_SECONDS, "а а б", audio_filepath=path),
        Utterance("cut", 0.6, "а", audio_filepath=tmp_path / "e.wav"),
        feature_utterance(tmp_path, "f", "а", "а"),
    ]
    result = evaluate(utterances, recognizer)
    assert [r.hypothesis for r in result.results][:2] == ["а а а", "а"]
    assert [r.id for r in result.results] == ["whole", "cut", "f"]
    (warning,) = result.warnings
    assert warning.startswith("cut: ")


def test_bad_utterances_are_listed_and_do_not_stop_the_others(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    (tmp_path / "text.wav").write_text("this is not audio")
    np.save(tmp_path / "wide.npy", np.zeros((5, 20), np.float32))
    nan = spell("да")
    nan[1, 1] = np.nan
    np.save(tmp_path / "nan.npy", nan)
    utterances = [
        Utterance("absent", 1.0, "да", features=tmp_path / "absent.npy"),
        feature_utterance(tmp_path, "good", "да", "да"),
        Utterance("digits", 1.0, "дом 5", features=tmp_path / "good.npy"),
        Utterance("not audio", 1.0, "да", audio_filepath=tmp_path / "text.wav"),
        Utterance("wide", 1.0, "да", features=tmp_path / "wide.npy"),
        Utterance("nan", 1.0, "да", features=tmp_path / "nan.npy"),
    ]
    result = evaluate(utterances, recognizer)
    assert [r.id for r in result.results] == ["good"]
    assert [f.id for f in result.failures] == ["absent", "digits", "not audio", "wide", "nan"]
    for failure in result.failures[2:]:
        assert {"not audio": "text.wav", "wide": "(5, 20)", "nan": "nan.npy"}[failure.id] in failure.reason
    assert len(result.to_json()["failures"]) == 5


def test_an_empty_reference_counts_what_was_heard_as_insertions(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    utterances = [
        feature_utterance(tmp_path, "1", "да да", ""),
        feature_utterance(tmp_path, "2", "нет", "нет"),
    ]
    assert evaluate(utterances, recognizer).scores.words.insertions == 2


def test_nothing_to_score_is_an_error_that_names_the_first_reason(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    with pytest.raises(ManifestError):
        evaluate([], recognizer)
    with pytest.raises(ManifestError, match=r"absent\.npy"):
        evaluate([Utterance("x", 1.0, "да", features=tmp_path / "absent.npy")], recognizer)


def test_beam_and_greedy_agree_on_clear_features_and_others_are_refused(tmp_path: Path) -> None:
    recognizer = load_model(spelling_model(tmp_path / "m.onnx"))
    utterances = [feature_utterance(tmp_path, "1", "мама мыла раму", "мама мыла раму")]
    assert evaluate(utterances, recognizer, "beam").scores.words.rate == 0
    with pytest.raises(ConfigError, match="best"):
        evaluate(utterances, recognizer, "best")
