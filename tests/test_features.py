"""The seed front end against python_speech_features; what both front ends promise; normalisation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_speech_features import mfcc

from govor.config import FEATURE_PRESETS, FeatureConfig
from govor.errors import AudioError, ConfigError
from govor.features import extract, normalize

SEED = FEATURE_PRESETS["seed"]
# Measured: 4e-6, the rounding of the result to float32, where values reach 60, times a margin of 5.
TOLERANCE = 2e-5

presets = pytest.mark.parametrize("preset", FEATURE_PRESETS)


def noise_bursts(num_samples: int, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = np.repeat(10 ** rng.uniform(-4, -0.7, num_samples // 1500 + 1), 1500)[:num_samples]
    return np.clip(level * rng.standard_normal(num_samples), -1, 1).astype(np.float32)


def to_int16(waveform: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(waveform * 32768), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(
    "num_samples", [1, 2, 159, 160, 399, 400, 401, 559, 560, 561, 562, 5000, 16000, 100_003]
)
def test_seed_features_equal_those_of_python_speech_features(num_samples):
    samples = to_int16(noise_bursts(num_samples))
    theirs = mfcc(samples, 16000, lowfreq=50)
    ours = extract(samples.astype(np.float32) / 32768, SEED).values
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(3000, np.int16),
        np.full(3000, -32768, np.int16),
        np.concatenate((np.zeros(2000), [32767], np.zeros(2000))).astype(np.int16),
    ],
    ids=["digital silence", "constant", "click in digital silence"],
)
def test_seed_features_of_extreme_signals_equal_those_of_python_speech_features(samples):
    theirs = mfcc(samples, 16000, lowfreq=50)
    np.testing.assert_allclose(
        extract(samples.astype(np.float32) / 32768, SEED).values, theirs, atol=TOLERANCE
    )


def test_every_option_of_the_htk_front_end_reaches_the_result():
    config = FeatureConfig(
        frontend="htk", sample_rate=11025, window_ms=20, frame_shift_ms=8, fft_size=256, num_filters=20,
        num_cepstra=10, low_frequency=100, high_frequency=4000, lifter=0, preemphasis=0.9,
    )  # fmt: skip
    samples = to_int16(noise_bursts(9000))
    theirs = mfcc(samples, 11025, 0.02, 0.008, 10, 20, 256, 100, 4000, 0.9, 0)
    np.testing.assert_allclose(
        extract(samples.astype(np.float32) / 32768, config).values, theirs, atol=TOLERANCE
    )


def test_golden_numbers_of_python_speech_features_are_reproduced():
    number = np.arange(12000)
    signal = number * number * 7 % 401 - 200
    signal[3000:7000] *= 60
    values = extract(signal.astype(np.float32) / 32768, SEED).values
    expected = {
        0: [15.494, -33.483, -7.6716, -6.1423, 0.6918, -1.6596, 6.9814, 1.7411, -0.7501, 2.3042, -11.6032,
            -14.103, -4.0436],
        40: [23.6736, -33.6889, -9.2157, -10.5706, -6.0697, -7.3089, 1.9459, -2.3716, -0.5088, 7.1871,
             -6.1119, -10.6318, -0.8489],
        73: [15.2772, -35.4376, -10.4206, -9.4787, -3.1467, -2.2889, 6.4142, -1.0198, -0.9966, 1.3108,
             -10.4168, -17.1586, -4.9328],
    }  # fmt: skip
    assert len(values) == 74
    for row, numbers in expected.items():
        np.testing.assert_allclose(values[row], numbers, atol=1e-4)  # printed with four digits


@presets
@given(data=st.data())
def test_any_finite_signal_gives_finite_features_at_growing_times(preset, data):
    num_samples = data.draw(st.integers(0, 4000))
    kind = data.draw(st.sampled_from(["noise", "sparse", "constant", "huge"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    level = 10.0 ** data.draw(st.integers(-38, 0))
    waveform = level * rng.standard_normal(num_samples)
    if kind == "sparse":
        waveform *= rng.random(num_samples) < 0.01
    elif kind == "constant":
        waveform[:] = level
    elif kind == "huge":
        waveform *= 1e30
    config = FEATURE_PRESETS[preset]
    features = extract(waveform.astype(np.float32), config)
    assert np.isfinite(features.values).all()
    assert features.values.shape == (len(features.times), 13)
    assert np.all(np.diff(features.times) > 0)
    assert np.all((features.times >= 0) & (features.times < max(num_samples, 1) / config.sample_rate))


@presets
@pytest.mark.parametrize("block_frames", [1, 7, 64, 100, 10_000])
def test_the_size_of_the_blocks_does_not_change_the_result(preset, block_frames):
    waveform = noise_bursts(40_000)
    waveform[20_000:24_000] = 0
    config = FEATURE_PRESETS[preset]
    whole = extract(waveform, config)
    blocks = extract(waveform, config, block_frames=block_frames)
    np.testing.assert_array_equal(blocks.times, whole.times)
    # The order of float64 sums differs: float32 may round the other way. Measured 8e-6.
    np.testing.assert_allclose(blocks.values, whole.values, atol=3e-5)


def test_ten_times_as_loud_moves_the_log_energy_only():
    waveform = noise_bursts(16000) * 0.1
    soft, loud = extract(waveform, SEED).values, extract(waveform * 10, SEED).values
    np.testing.assert_allclose(loud[:, 0] - soft[:, 0], np.log(100), atol=1e-4)
    np.testing.assert_allclose(loud[:, 1:], soft[:, 1:], atol=1e-4)


def test_memory_does_not_grow_with_spectra_of_a_long_recording():
    import tracemalloc

    waveform = np.tile(noise_bursts(80_000), 60)  # ten minutes: all spectra at once would take 123 MB
    tracemalloc.start()
    features = extract(waveform, FEATURE_PRESETS["sphinx8k"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(features.values) > 10_000
    assert peak < 30e6  # measured 16 MB, nearly all of it the result


@presets
def test_an_empty_waveform_has_no_frames(preset):
    features = extract(np.zeros(0, np.float32), FEATURE_PRESETS[preset])
    assert features.values.shape == (0, 13)
    assert features.times.shape == (0,)


def test_seed_times_are_ten_milliseconds_apart():
    times = extract(noise_bursts(16000), SEED).times
    np.testing.assert_allclose(times, np.arange(99) * 0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@presets
def test_a_sample_that_is_no_number_is_named(preset, bad):
    waveform = noise_bursts(5000)
    waveform[1234] = bad
    with pytest.raises(AudioError, match="1234"):
        extract(waveform, FEATURE_PRESETS[preset])


@pytest.mark.parametrize("waveform", [np.zeros((2, 800), np.float32), np.zeros(800, np.int16)])
def test_two_channels_and_integers_are_refused(waveform):
    with pytest.raises(AudioError, match="800"):
        extract(waveform, SEED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_ms": 50.0}, "fft_size = 512"),
        ({"frame_shift_ms": 30.0}, "frame_shift_ms = 30"),
        ({"high_frequency": 9000.0}, "high_frequency = 9000"),
        ({"low_frequency": 8000.0}, "low_frequency = 8000"),
        ({"num_cepstra": 30}, "num_cepstra = 30"),
    ],
)
def test_impossible_configurations_name_the_setting(change, message):
    with pytest.raises(ConfigError, match=message):
        extract(noise_bursts(5000), SEED.model_copy(update=change))


def test_normalized_features_have_mean_0_and_variance_1_over_time():
    rng = np.random.default_rng(0)
    features = (1000 + 5 * rng.standard_normal((500, 13)) * np.arange(1, 14)).astype(np.float32)
    normal = normalize(features)
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(normal.std(axis=0), 1, atol=1e-6)


def test_a_constant_coefficient_normalizes_to_zero():
    features = np.tile(np.float32([5.0, 0.1]), (50, 1))
    features[:, 1] += np.linspace(0, 1e-4, 50, dtype=np.float32)
    normal = normalize(features)
    np.testing.assert_array_equal(normal[:, 0], 0)
    assert np.abs(normal[:, 1]).max() < 1e-4


@pytest.mark.parametrize("num_frames", [0, 1])
def test_no_frames_and_one_frame_normalize(num_frames):
    normal = normalize(np.ones((num_frames, 13), np.float32))
    np.testing.assert_array_equal(normal, np.zeros((num_frames, 13)))
