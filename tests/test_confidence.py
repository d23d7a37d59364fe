from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govor.decoding.confidence import (
    FEATURES,
    Calibration,
    calibration_from_json,
    correct_words,
    cross_validated,
    expected_calibration_error,
    fit_calibration,
    reliability,
    word_features,
)
from govor.decoding.greedy import DecodedWord
from govor.errors import ModelError
from govor.onnx.metadata import update_decoding
from govor.recognizer import load_model
from tiny_model import spell, spelling_model

TRUE = Calibration((2.0, -1.0, 0.5, 0.0, 1.0, 0.3, 0.4, -0.2), -0.5)


def drawn(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, len(FEATURES)))
    return features, rng.random(count) < TRUE.apply(features)


def test_the_fit_finds_the_model_that_made_the_data() -> None:
    fitted = fit_calibration(*drawn(20_000))
    # The standard error of a weight is about 0.025 here.
    np.testing.assert_allclose([*fitted.weights, fitted.bias], [*TRUE.weights, TRUE.bias], atol=0.1)


def test_the_fit_agrees_with_scipy() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    features, correct = drawn(500)
    scale = features.std(axis=0) + 1e-9
    mean = features.mean(axis=0)

    def loss(weights: np.ndarray) -> float:
        logits = (features - mean) / scale @ weights[:-1] + weights[-1]
        likelihood = np.logaddexp(0, np.where(correct, -logits, logits)).sum()
        return float(likelihood + 0.5 * (weights[:-1] ** 2).sum() + 0.5e-3 * weights[-1] ** 2)

    best = optimize.minimize(loss, np.zeros(len(FEATURES) + 1), method="BFGS", options={"gtol": 1e-6}).x
    ours = fit_calibration(features, correct)
    # BFGS stops where numeric gradients end, about 1e-5 from the optimum.
    np.testing.assert_allclose(ours.weights, best[:-1] / scale, atol=1e-3)


def test_calibrated_confidences_of_new_words_are_honest() -> None:
    confidences = fit_calibration(*drawn(5000)).apply(drawn(5000, seed=2)[0])
    assert expected_calibration_error(confidences, drawn(5000, seed=2)[1]) < 0.03


def test_words_that_part_perfectly_still_give_finite_weights() -> None:
    features = np.repeat([[-1.0] * 6, [1.0] * 6], 20, axis=0)
    confidences = fit_calibration(features, np.repeat([False, True], 20)).apply(features)
    assert (confidences[:20] < 0.2).all() and (confidences[20:] > 0.8).all()


@pytest.mark.parametrize("right", [True, False])
def test_words_all_right_or_all_wrong_can_be_fitted(right: bool) -> None:
    features, _ = drawn(50)
    confidences = fit_calibration(features, np.full(50, right)).apply(features)
    assert ((confidences > 0.9) if right else (confidences < 0.1)).all()


def test_cross_validation_never_fits_on_a_words_own_speaker() -> None:
    features, correct = drawn(400)
    speakers = [f"speaker {i % 8}" for i in range(400)]
    confidences = cross_validated(features, correct, speakers, folds=8)
    own = np.array([name == "speaker 3" for name in speakers])
    np.testing.assert_allclose(
        confidences[own], fit_calibration(features[~own], correct[~own]).apply(features[own]), rtol=1e-9
    )


def test_the_calibration_error_is_that_of_its_definition() -> None:
    confidences, correct = np.array([0.95, 0.95, 0.25, 0.25]), np.array([True, False, False, False])
    # |0.95 - 0.5| and |0.25 - 0|, two words each.
    assert expected_calibration_error(confidences, correct) == pytest.approx(0.35)
    assert [each.count for each in reliability(confidences, correct)] == [2, 2]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_bins_hold_every_word_once(words: list[tuple[float, bool]]) -> None:
    confidences, correct = np.array([w[0] for w in words]), np.array([w[1] for w in words])
    assert sum(each.count for each in reliability(confidences, correct)) == len(words)
    assert 0 <= expected_calibration_error(confidences, correct) <= 1


def test_right_words_are_found_beside_wrong_ones() -> None:
    assert correct_words("включи свет на кухне", "включи цвет на моей кухне") == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert correct_words("", "шум") == [False]
    assert correct_words("да", "") == []


def test_features_describe_the_words_own_frames() -> None:
    log_probs = np.log(np.full((10, 4), 0.1) + np.eye(10, 4) * 0.6).astype(np.float32)
    log_probs[7, :] = np.log([0.97, 0.01, 0.01, 0.01])
    log_probs[9, :] = np.log([0.3, 0.1, 0.4, 0.2])
    (row,) = word_features([DecodedWord("аб", 1, 3, 0.5)], log_probs)
    # Of the whole utterance: frames 1 to 3 and 9 have another best symbol than the blank.
    clarity = (3 * np.log(0.7) + np.log(0.4)) / 4
    assert row == pytest.approx(
        [np.log(0.5), np.log(0.7), np.log(0.7), np.log(2), 0, clarity, 0.5, clarity / 2], abs=1e-6
    )


def test_features_of_words_in_blank_frames_alone_are_finite() -> None:
    log_probs = np.log(np.tile([0.9, 0.05, 0.05], (5, 1))).astype(np.float32)
    (row,) = word_features([DecodedWord("а", 1, 2, 0.05)], log_probs)
    assert row[FEATURES.index("clarity")] == pytest.approx(np.log(0.9), abs=1e-6)


def test_a_calibration_travels_in_the_models_file(tmp_path: Path) -> None:
    path = spelling_model(tmp_path / "m.onnx")
    plain = load_model(path).transcribe_features(spell("да нет"), "greedy")
    sure = Calibration((0.0,) * len(FEATURES), 1.0)
    update_decoding(path, tmp_path / "new.onnx", {"confidence": {"greedy": sure.to_json()}})
    recognizer = load_model(tmp_path / "new.onnx")
    heard = recognizer.transcribe_features(spell("да нет"), "greedy")
    assert heard.text == plain.text
    assert [word.confidence for word in heard.words] == pytest.approx([0.7310586] * 2)
    # What was there before stays.
    assert recognizer.model.decoding["times"] == {"lead": 0.0, "tail": 0.0}


def test_only_the_decoder_that_was_calibrated_is() -> None:
    row = fit_calibration(*drawn(100)).to_json()
    assert calibration_from_json({"greedy": row}, "greedy") is not None
    assert calibration_from_json({"greedy": row}, "beam") is None
    assert calibration_from_json(None, "greedy") is None


@pytest.mark.parametrize("known", [5, 6])
def test_a_calibration_from_before_there_were_more_features_is_still_read(known: int) -> None:
    row = {name: value for name, value in TRUE.to_json().items() if name not in FEATURES[known:]}
    old = calibration_from_json({"greedy": row}, "greedy")
    assert old == Calibration((*TRUE.weights[:known], *[0.0] * (len(FEATURES) - known)), TRUE.bias)


@pytest.mark.parametrize("table", ["x", {"greedy": {}}, {"greedy": {"bias": "x"}}, {"greedy": 3}])
def test_a_corrupt_calibration_is_one_clear_error(table: object) -> None:
    with pytest.raises(ModelError, match="confidence calibration"):
        calibration_from_json(json.loads(json.dumps(table)), "greedy")


def test_what_is_less_clear_than_any_speech_is_as_doubtful_as_the_least_clear_speech() -> None:
    # Music: a calibration that was fitted to speech must not be asked about anything outside of it.
    log_probs = np.log(np.full((10, 4), 0.25) + np.eye(10, 4) * 0.01).astype(np.float32)
    (row,) = word_features([DecodedWord("аб", 1, 3, 0.5)], log_probs)
    assert row[FEATURES.index("clarity")] == -0.5
