from __future__ import annotations

from pathlib import Path

import jiwer
import numpy as np
import pytest

from govor.audio.loading import Samples, load_audio
from govor.config import FeatureConfig
from govor.decoding.greedy import greedy
from govor.features import extract
from govor.recognizer import Recognizer
from govor.speech.hearing import MARGIN_SECONDS, hear, speech_span

RATE = 8000
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def tone(seconds: float, amplitude: float = 0.3) -> Samples:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def quiet(seconds: float, amplitude: float = 3e-4, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (amplitude * noise).astype(np.float32)


def test_speech_is_found_with_its_margin() -> None:
    samples = np.concatenate([quiet(2.0), tone(1.0), quiet(3.0, seed=1)])
    first, end = speech_span(samples, RATE)
    # A frame of 32 ms, and the smoothing of the level.
    assert first / RATE == pytest.approx(2.0 - MARGIN_SECONDS, abs=0.05)
    assert end / RATE == pytest.approx(3.0 + MARGIN_SECONDS, abs=0.05)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(RATE, np.float32), quiet(1.0)])
def test_where_nobody_speaks_nothing_is_left_out(samples: Samples) -> None:
    assert speech_span(samples, RATE) == (0, len(samples))


def test_the_margins_hold_no_digital_silence() -> None:
    samples = np.concatenate([np.zeros(RATE), quiet(0.1), tone(1.0), quiet(0.05, seed=1), np.zeros(RATE)])
    first, end = speech_span(samples.astype(np.float32), RATE)
    # To a frame of 32 ms.
    assert first / RATE == pytest.approx(1.0, abs=0.033)
    assert end / RATE == pytest.approx(2.15, abs=0.033)


def test_times_count_from_the_first_sample_whatever_is_left_out() -> None:
    config = FeatureConfig(frontend="sphinx", sample_rate=RATE, low_frequency=200.0, high_frequency=3500.0)
    samples = np.concatenate([quiet(2.0), tone(1.0), quiet(2.0)])
    whole = extract(samples, config)
    heard = hear(samples, config, trim=True)
    assert heard.times[0] == pytest.approx(2.0 - MARGIN_SECONDS, abs=0.05)
    assert heard.times[-1] == pytest.approx(3.0 + MARGIN_SECONDS, abs=0.06)
    assert len(heard.times) == len(heard.values) < len(whole.times)
    assert len(hear(samples, config, trim=False).times) == len(whole.times)


@pytest.mark.parametrize("name", ["male", "female"])
@pytest.mark.parametrize("amplitude", [0.0, 3e-4])
def test_silence_around_a_recording_changes_little_of_its_text_and_moves_its_times(
    recognizer: Recognizer, name: str, amplitude: float
) -> None:
    rate = recognizer.model.config.features.sample_rate
    speech = load_audio(EXAMPLES / f"{name}.wav", rate).samples
    size = 2 * rate
    noise = np.random.default_rng(1).standard_normal(2 * size + len(speech)).astype(np.float32)
    padded = np.float32(amplitude) * noise
    padded[size : size + len(speech)] += speech
    alone = recognizer.transcribe(speech, "greedy", rate)
    around = recognizer.transcribe(padded, "greedy", rate)
    assert jiwer.cer(alone.text, around.text) < 0.15
    assert around.segments[0].start == pytest.approx(alone.segments[0].start + 2.0, abs=0.15)
    assert around.segments[-1].end == pytest.approx(alone.segments[-1].end + 2.0, abs=0.15)
    # Who wants nothing left out gets nothing left out.
    (log_probs,) = recognizer.model.log_probs([extract(padded, recognizer.model.config.features).values])
    whole = recognizer.transcribe(padded, "greedy", rate, vad=False)
    assert whole.text == greedy(log_probs, recognizer.model.alphabet).text
    assert around.coverage is not None and not around.coverage.gaps(around.duration)
