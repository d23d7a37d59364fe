from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import govor
from govor.audio.loading import load_audio
from govor.audio.quality import SoundCheck, SoundMeter, check_sound, sound_problems
from govor.onnx.model import SHIPPED_MODEL
from govor.recognizer import Recognizer, load_model

RATE = 16000
VOICES = Path("/usr/share/festival/voices/russian")
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "audio"
SHIPPED = Path(govor.__file__).parent / "models" / SHIPPED_MODEL


@pytest.fixture(scope="module")
def voices() -> list[NDArray[np.float32]]:
    """Some real recordings."""
    paths = sorted(VOICES.glob("*/wav/*.wav"))
    random.Random(5).shuffle(paths)
    found = [load_audio(path, RATE).samples for path in [*paths[:8], *sorted(SHARED.glob("*.wav"))]]
    if not found:
        pytest.skip("no human recordings: neither festvox-ru nor ../shared/audio")
    return found


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    if not SHIPPED.exists():
        pytest.skip(f"no shipped model at {SHIPPED}")
    return load_model()


def measured(samples: NDArray[np.float32], block: int = 333, rate: int = RATE) -> SoundCheck:
    meter = SoundMeter()
    for i in range(0, len(samples), block):
        meter.feed(samples[i : i + block, None], rate)
    found = meter.finish()
    assert found is not None
    return found


def codes(samples: NDArray[np.float32]) -> list[str]:
    return [problem.code for problem in sound_problems(measured(samples))]


def test_a_stream_is_measured_as_the_whole_is(voices: list[NDArray[np.float32]]) -> None:
    for samples in voices:
        whole, stream = check_sound(samples, RATE), measured(samples)
        assert stream.duration == pytest.approx(whole.duration)
        assert stream.peak_db == pytest.approx(whole.peak_db)
        # Bins are 0.25 dB wide; levels near digital silence are few and far apart: measured 0.73.
        assert stream.speech_db == pytest.approx(whole.speech_db, abs=0.6)
        assert stream.noise_db == pytest.approx(whole.noise_db, abs=1.5)
        assert stream.silence == pytest.approx(whole.silence, abs=0.03)
        assert measured(samples, 100_000) == stream


def test_each_channel_is_measured_by_itself() -> None:
    time = np.arange(2 * RATE) / RATE
    loud = np.clip(3 * np.sin(2 * np.pi * 211 * time), -1, 1).astype(np.float32)
    meter = SoundMeter()
    meter.feed(np.stack([loud, -loud], axis=1), RATE)
    found = meter.finish()
    assert found is not None
    # Mixed, they would cancel out.
    assert found.clipped == pytest.approx(measured(loud).clipped)
    assert found.clipped > 0.5


def test_nothing_heard_is_no_figures() -> None:
    assert SoundMeter().finish() is None


def test_real_recordings_are_not_accused_even_if_loud_or_soft(voices: list[NDArray[np.float32]]) -> None:
    for samples in voices:
        peak = float(np.abs(samples).max())
        assert codes(samples) == codes(samples / peak) == codes(samples * 0.05 / peak) == []


def test_clipped_and_silent_recordings_are_found(voices: list[NDArray[np.float32]]) -> None:
    for samples in voices:
        peak = float(np.abs(samples).max())
        assert codes(np.clip(samples * 5 / peak, -1, 1)) == ["clipping"]
        assert codes(samples * 0.0005 / peak) == ["quiet"]
    assert codes(np.zeros(RATE, np.float32)) == ["quiet"]


def test_a_wrong_sample_rate_is_found_by_what_the_network_reads(
    voices: list[NDArray[np.float32]], recognizer: Recognizer
) -> None:
    chosen = [samples for samples in voices if len(samples) > 3 * RATE][:3]
    for samples in chosen:
        found = recognizer.transcribe(samples, "greedy", RATE)
        assert "rate" not in [problem.code for problem in found.problems]
    for factor, words in ((2.0, "fast"), (0.5, "slow")):
        accused = 0
        for samples in chosen:
            problems = recognizer.transcribe(samples, "greedy", round(RATE * factor)).problems
            accused += any(problem.code == "rate" for problem in problems)
        # Measured 14 of 15 for either.
        assert accused >= len(chosen) - 1, words


def test_noise_gives_no_words_or_a_warning(recognizer: Recognizer) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 12 * RATE).astype(np.float32)
    transcript = recognizer.transcribe(noise, "greedy", RATE)
    assert transcript.text == ""
    assert transcript.coverage is not None
    assert transcript.coverage.gaps(12.0) == ()
