"""The sphinx front end against CMU sphinx_fe itself, and against numbers that it gave once."""

import functools
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from govor.config import FEATURE_PRESETS
from govor.errors import ConfigError
from govor.features import Features, extract, load_features
from govor.features.sphinx import filterbank

SPHINX = FEATURE_PRESETS["sphinx8k"]
SHARED = Path(__file__).resolve().parents[1].parent / "shared"
RATE = 8000
# sphinx_fe rounds filters, the cosine table and the sums of the DCT to float32; the rest is the same
# arithmetic. Measured: at most 2.5e-5, where cepstra reach 90, over 3000 random signals, times a margin of
# 4.
TOLERANCE = 1e-4

needs_sphinx_fe = pytest.mark.skipif(
    shutil.which("sphinx_fe") is None, reason="sphinx_fe (Debian sphinxbase-utils) is not installed"
)


def to_int16(signal: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(signal * 32768), -32768, 32767).astype(np.int16)


def sphinx_fe(samples: np.ndarray, folder: Path, *options: str, rate: int = RATE) -> np.ndarray:
    source, target = folder / "in.wav", folder / "out.mfc"
    with wave.open(str(source), "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    command = ["sphinx_fe", "-mswav", "yes", "-samprate", str(rate), "-nfft", "512"]
    if rate == RATE:
        command += ["-nfilt", "15", "-lowerf", "200", "-upperf", "3500"]
    command += ["-transform", "dct", "-lifter", "22", *options, "-i", str(source), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return load_features(target)


def speech_like(seconds: float, rng: np.random.Generator, level: float = 0.3) -> np.ndarray:
    """Voiced syllables with a moving formant and pauses between the words."""
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.4 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formant = 900 + 500 * np.sin(2 * np.pi * 1.3 * time)
    voice = sum(np.exp(-(((k * pitch - formant) / 400) ** 2)) * np.sin(k * phase) for k in range(1, 25))
    loudness = np.clip(np.sin(2 * np.pi * 2.1 * time), 0, 1) * (np.sin(2 * np.pi * 0.31 * time) > -0.4)
    signal = voice * loudness
    return level * signal / np.abs(signal).max() + 1e-4 * rng.standard_normal(len(time))


@functools.cache
def synthetic_signals() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    time = np.arange(3 * RATE) / RATE
    speech = speech_like(8, rng)
    clicks = np.zeros(4 * RATE)
    clicks[::3001] = 0.9
    silence = np.zeros(2 * RATE)
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    return {
        "silence": silence,
        "clicks": clicks,
        "clipped": np.clip(speech * 20, -1, 1),
        "very quiet": speech * 1e-3,
        "below one bit": speech * 4e-5,
        "offset": speech * 0.5 + 0.3,
        "offset alone": np.full(2 * RATE, 0.25),
        "tone": tone,
        "high tone": 0.3 * np.sin(2 * np.pi * 3400 * time),
        "white noise": 0.1 * rng.standard_normal(4 * RATE),
        "speech": speech,
        "speech in noise": speech + 0.05 * rng.standard_normal(len(speech)),
        "digital silence, tone, digital silence": np.concatenate((silence, tone, silence)),
        "a loud burst, then half a minute of nothing": np.concatenate((tone, np.zeros(30 * RATE), tone)),
        "two words far apart": np.concatenate((speech, 1e-3 * rng.standard_normal(3 * RATE), speech)),
        "loud, then soft": np.concatenate((speech, speech * 0.01)),
        "soft, then loud": np.concatenate((speech * 0.01, speech)),
    }


def assert_same(ours: Features, theirs: np.ndarray, tolerance: float = TOLERANCE) -> None:
    assert ours.values.shape == theirs.shape
    if len(theirs):
        assert np.abs(ours.values - theirs).max() <= tolerance


@needs_sphinx_fe
@pytest.mark.parametrize("name", synthetic_signals())
@pytest.mark.parametrize("noise", ["yes", "no"])
@pytest.mark.parametrize("silence", ["yes", "no"])
def test_synthetic_signals_give_the_frames_of_sphinx_fe(name, noise, silence, tmp_path):
    samples = to_int16(synthetic_signals()[name])
    config = SPHINX.model_copy(update={"remove_noise": noise == "yes", "remove_silence": silence == "yes"})
    theirs = sphinx_fe(samples, tmp_path, "-remove_noise", noise, "-remove_silence", silence)
    assert_same(extract(samples.astype(np.float32) / 32768, config), theirs)


@needs_sphinx_fe
@pytest.mark.parametrize("recording", ["female", "male", "microphone"])
@pytest.mark.parametrize("silence", ["yes", "no"])
def test_recordings_give_the_frames_of_sphinx_fe(recording, silence, tmp_path):
    samples = recorded(recording, tmp_path)
    config = SPHINX.model_copy(update={"remove_silence": silence == "yes"})
    theirs = sphinx_fe(samples, tmp_path, "-remove_silence", silence)
    assert len(theirs) > 100
    assert_same(extract(samples.astype(np.float32) / 32768, config), theirs)


@needs_sphinx_fe
@pytest.mark.parametrize("silence", ["yes", "no"])
def test_recordings_of_every_length_end_as_sphinx_fe_ends_them(silence, tmp_path):
    # The end depends on how the last samples fall into reads of 2048: whole frames can be lost there.
    rng = np.random.default_rng(1)
    noise = to_int16(np.concatenate((0.001 * rng.standard_normal(4000), 0.3 * rng.standard_normal(6000))))
    config = SPHINX.model_copy(update={"remove_silence": silence == "yes"})
    lengths = [0, 1, 79, 80, 204, 205, 206, 284, 285, 845, 924, 925, 926, 1005, 2048]
    lengths += list(range(3800, 6400, 67)) + [5 * 80 + 125 + 80 * k for k in range(48, 75)]
    for length in lengths:
        samples = noise[:length]
        theirs = sphinx_fe(samples, tmp_path, "-remove_silence", silence)
        ours = extract(samples.astype(np.float32) / 32768, config)
        assert ours.values.shape == theirs.shape, length
        assert_same(ours, theirs)


@needs_sphinx_fe
def test_the_defaults_of_sphinx_fe_at_16_khz_are_reproduced_too(tmp_path):
    samples = to_int16(speech_like(6, np.random.default_rng(2)))
    config = SPHINX.model_copy(
        update={
            "sample_rate": 16000,
            "num_filters": 40,
            "low_frequency": 133.33334,
            "high_frequency": 6855.4976,
        }
    )
    assert_same(extract(samples.astype(np.float32) / 32768, config), sphinx_fe(samples, tmp_path, rate=16000))


def recorded(name: str, folder: Path) -> np.ndarray:
    source = SHARED / "audio" / f"{name}.wav"
    if not source.exists() or shutil.which("sox") is None:
        pytest.skip("needs the shared recordings and sox")
    target = folder / "8k.wav"
    command = ["sox", "-D", str(source), "-r", str(RATE), "-b", "16", "-c", "1", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    with wave.open(str(target)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def golden_signal() -> np.ndarray:
    """Integers from a formula, loud in the middle: the same on every machine."""
    number = np.arange(12000)
    signal = number * number * 7 % 401 - 200
    signal[3000:7000] *= 60
    return signal.astype(np.float32) / 32768


# Printed by Debian's sphinx_fe 5prealpha for golden_signal() with the options of `sphinx_fe` above; there
# with -remove_noise no -remove_silence no for the last two rows.
GOLDEN = {
    0: [41.9042, -10.729, -3.4521, -3.6119, -4.6449, -7.6058, 1.6126, -1.0356, -5.3315, -8.0136, -9.6741,
        -2.5571, -5.8077],
    30: [41.2747, -10.7906, -2.7415, -3.5363, -5.8791, -8.4746, 1.4175, -0.9968, -6.0698, -7.972, -8.8156,
         -3.0323, -6.1991],
    121: [43.8028, -13.0394, -7.0632, -2.5327, 3.0982, -1.7756, -1.4378, 1.237, -6.7776, -11.1222, -10.6148,
          0.4957, 2.5857],
}  # fmt: skip
GOLDEN_PLAIN = {
    40: [73.7634, -10.871, -2.6247, -3.5571, -6.3321, -8.8844, 1.2473, -1.0297, -6.3983, -8.1122, -8.5651,
         -3.2105, -6.2453],
    148: [41.9052, -10.9189, -2.0194, -3.404, -7.4119, -9.3456, 1.1166, -1.2721, -6.8131, -7.9735, -8.0091,
          -3.5958, -6.2463],
}  # fmt: skip


def test_golden_numbers_of_sphinx_fe_are_reproduced():
    cleaned = extract(golden_signal(), SPHINX).values
    plain = extract(
        golden_signal(), SPHINX.model_copy(update={"remove_noise": False, "remove_silence": False})
    ).values
    assert (len(cleaned), len(plain)) == (122, 149)
    for values, rows in ((cleaned, GOLDEN), (plain, GOLDEN_PLAIN)):
        for row, expected in rows.items():
            np.testing.assert_allclose(values[row], expected, atol=TOLERANCE)


def test_the_female_recording_has_the_686_frames_of_its_file_in_the_public_corpus(tmp_path):
    samples = recorded("female", tmp_path)
    assert len(extract(samples.astype(np.float32) / 32768, SPHINX).values) == 686


def test_times_of_kept_frames_lie_where_the_sound_is():
    signal = np.zeros(10 * RATE, np.float32)
    time = np.arange(2 * RATE) / RATE
    signal[5 * RATE : 7 * RATE] += (0.4 * np.sin(2 * np.pi * (300 + 200 * time) * time)).astype(np.float32)
    ours = extract(signal, SPHINX)
    # Speech is noticed after 10 frames, and 20 frames before that are kept, 49 after the end.
    assert 4.8 < ours.times[0] < 5.0
    assert 7.4 < ours.times[-1] < 7.6
    loud = ours.values[:, 0] > ours.values[:, 0].max() - 20
    assert 4.97 <= ours.times[loud].min() < 5.03
    assert np.all(np.diff(ours.times) > 0.0099)


def test_times_jump_over_the_silence_that_was_removed():
    words = synthetic_signals()["two words far apart"].astype(np.float32)
    ours = extract(words, SPHINX)
    gap = np.flatnonzero(np.diff(ours.times) > 0.02)
    assert len(gap) >= 1
    plain = extract(words, SPHINX.model_copy(update={"remove_silence": False}))
    # Silence removal takes frames away and leaves the others as they are.
    kept = np.rint(ours.times * 100).astype(int)
    np.testing.assert_array_equal(ours.values, plain.values[kept])


def test_recordings_without_ten_frames_give_nothing_as_in_sphinx_fe():
    nothing = extract(np.full(500, 0.1, np.float32), SPHINX)
    assert nothing.values.shape == (0, 13)
    assert nothing.times.shape == (0,)


def test_more_filters_than_bins_are_refused():
    crowded = SPHINX.model_copy(update={"num_filters": 120})
    with pytest.raises(ConfigError, match="num_filters = 120"):
        filterbank(crowded)
