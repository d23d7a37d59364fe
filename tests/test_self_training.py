"""What is kept of speech without text: runs of trusted words, cut where it is quiet."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govor import load_model
from govor.audio.loading import load_audio
from govor.cli.app import run as govor
from govor.dataset.splicing import quietest_frame
from govor.features import extract
from govor.manifest import read_manifest
from govor.self_training import DOUBTFUL, LONGEST, pieces, sure_runs, trust
from govor.transcript import Word

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def words(*confidences: float) -> list[Word]:
    return [Word("слово", i, i + 1, confidence) for i, confidence in enumerate(confidences)]


@pytest.mark.parametrize(
    ("confidences", "runs"),
    [
        ((0.9, 0.9, 0.1, 0.8, 0.8, 0.8), [(0, 2), (3, 6)]),
        ((0.9, 0.1, 0.9), []),
        ((0.45, 0.9, 0.9), [(0, 3)]),
        ((0.45, 0.5, 0.9, 0.9), [(1, 4)]),
        ((), []),
    ],
)
def test_runs_of_sure_words_end_at_doubtful_ones(
    confidences: tuple[float, ...], runs: list[tuple[int, int]]
) -> None:
    assert list(sure_runs(words(*confidences), 0.75)) == runs


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.3, 1))
def test_runs_do_not_overlap_and_are_as_sure_as_asked(confidences: list[float], least: float) -> None:
    runs = list(sure_runs(words(*confidences), least))
    assert all(before[1] <= after[0] for before, after in pairwise(runs))
    for begin, end in runs:
        assert end - begin >= 2
        assert np.mean(confidences[begin:end]) >= least
        assert min(confidences[begin:end]) >= DOUBTFUL


@given(st.integers(0, 9000), st.integers(0, 2**32 - 1))
def test_pieces_cover_a_recording_without_gap_and_none_is_too_long(num_frames: int, seed: int) -> None:
    loudness = np.random.default_rng(seed).normal(size=num_frames).astype(np.float32)
    found = list(pieces(loudness, 0.01))
    assert [frame for piece in found for frame in range(*piece)] == list(range(num_frames))
    assert all(last - first <= LONGEST * 100 for first, last in found)


def test_a_long_recording_is_cut_in_its_pause() -> None:
    loudness = np.zeros(2000, np.float32)
    loudness[700:760] = -5
    assert 700 < next(pieces(loudness, 0.01))[1] < 760


def test_the_quietest_frame_is_inside_the_recording() -> None:
    assert quietest_frame(np.array([3.0, 1.0, 2.0], np.float32), 0, 99) == 1
    assert quietest_frame(np.array([3.0, 1.0, 2.0], np.float32), 99, 99) == 3


def test_what_is_kept_of_a_recording_are_its_words_in_order() -> None:
    recognizer = load_model()
    config = recognizer.model.config.features
    values = extract(load_audio(EXAMPLES / "male.wav", config.sample_rate).samples, config).values
    heard = recognizer.transcribe_features(values).text.split()
    kept = list(trust(recognizer, values, min_confidence=0.5))
    assert kept
    for run in kept:
        said = run.text.split()
        assert any(heard[i : i + len(said)] == said for i in range(len(heard)))
        assert len(run.cuts) == len(said) - 1
        assert list(run.cuts) == sorted(run.cuts)
        first = round(run.start / config.frame_shift)
        np.testing.assert_array_equal(run.values, values[first : first + len(run.values)])
    assert list(trust(recognizer, values, min_confidence=1.01)) == []


def test_the_command_hears_what_is_left_of_a_damaged_recording_and_tells_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (EXAMPLES / "male.wav").read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[: len(whole) // 2])
    assert (
        govor(
            [
                "prepare",
                "untranscribed",
                str(cut),
                "--output",
                str(tmp_path / "out"),
                "--min-confidence",
                "0.3",
            ]
        )
        == 1
    )
    first, _ = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {cut}: truncated: ")
    (heard,) = list(read_manifest(tmp_path / "out" / "manifest.jsonl"))
    assert heard.text.split()[:2] == ["завтра", "утром"]
