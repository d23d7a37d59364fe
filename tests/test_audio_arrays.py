from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from govor.audio.loading import Waveform, from_array, load_audio
from govor.errors import AudioError
from sound_bytes import RATE, tone, wav_bytes


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-(2**31), 2**30], np.int32), [-1, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-128, 64], np.int8), [-1, 0.5]),
        (np.array([-1, 0.25], np.float64), [-1, 0.25]),
        (np.array([[1.0, 0.5], [0.0, -0.5]], np.float32), [0.75, -0.25]),
        (np.array([[0.5]], np.float16), [0.5]),
    ],
)
def test_arrays_of_any_number_type_are_scaled_and_averaged(
    array: NDArray[np.generic], expected: list[float]
) -> None:
    waveform = from_array(array, RATE, RATE)
    np.testing.assert_allclose(waveform.samples, expected)
    assert waveform.samples.dtype == np.float32


def test_an_array_is_resampled_as_a_file_is() -> None:
    samples = (tone(1.0, 44100) * 32767).astype(np.int16)
    from_file = load_audio(wav_bytes(samples.astype("<i2").tobytes(), 44100, 1, 16), RATE)
    np.testing.assert_allclose(from_array(samples, 44100, RATE).samples, from_file.samples, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "rate", "words"),
    [
        (np.zeros(0, np.float32), RATE, "empty"),
        (np.zeros((0, 2), np.float32), RATE, "empty"),
        (np.zeros((2, 16000), np.float32), RATE, r"\(2, 16000\).*\.T"),
        (np.zeros((2, 2, 2), np.float32), RATE, r"\(2, 2, 2\)"),
        (np.array(1.0), RATE, r"\(\)"),
        (np.array([0.0, np.nan]), RATE, "NaN"),
        (np.array([0.0, np.inf]), RATE, "NaN, infinite"),
        (np.array([0.0, 20000.0]), RATE, "divide them by 32768"),
        (np.array(["a"]), RATE, "type <U1"),
        (np.array([True, False]), RATE, "bool"),
        (np.array([1j]), RATE, "complex"),
        (np.zeros(10, np.float32), 999, "999 Hz"),
        (np.zeros(10, np.float32), 400_000, "400000 Hz"),
        (np.zeros(10, np.float32), 0, "0 Hz"),
    ],
)
def test_a_bad_array_is_one_clear_line(array: NDArray[np.generic], rate: int, words: str) -> None:
    with pytest.raises(AudioError, match=words) as caught:
        from_array(array, rate, RATE)
    assert "\n" not in str(caught.value)


def test_a_waveform_knows_its_duration() -> None:
    assert Waveform(np.zeros(4000, np.float32), 8000).duration == 0.5
