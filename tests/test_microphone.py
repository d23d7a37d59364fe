from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from govor.audio.level import SILENCE_DB, level_db
from govor.audio.loading import Resampler, Samples
from govor.audio.microphone import Microphone, find_device, list_devices, play, refresh_devices
from govor.errors import DeviceError
from virtual_microphone import VirtualMicrophone, started_virtual_microphone

RATE = 16000


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    """The virtual microphone as this very process's default device."""
    with started_virtual_microphone() as microphone, pytest.MonkeyPatch.context() as patch:
        for name, value in microphone.environment.items():
            patch.setenv(name, value)
        refresh_devices()
        with microphone.awake():
            yield microphone
    refresh_devices()


def tone(frequency: float, seconds: float, rate: int, level: float = 0.5) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def test_level_is_the_power_in_decibels_of_full_scale() -> None:
    square = np.tile(np.array([1, -1], np.float32), 5)
    assert level_db(square) == 0.0
    assert level_db(0.1 * square) == pytest.approx(-20.0, abs=1e-4)
    assert level_db(0.1 * square + 0.5) == pytest.approx(-20.0, abs=1e-4)
    assert level_db(np.full(10, 0.1, dtype=np.float32)) == SILENCE_DB
    assert level_db(tone(1000, 1.0, RATE, 1.0)) == pytest.approx(-3.0103, abs=1e-3)
    assert level_db(np.zeros(10, dtype=np.float32)) == SILENCE_DB
    assert level_db(np.zeros(0, dtype=np.float32)) == SILENCE_DB


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("chunk", [37, 1411])
def test_a_live_stream_is_resampled_like_the_tone_it_is(rate: int, chunk: int) -> None:
    source = tone(1000, 1.0, rate)
    resampler = Resampler(rate, RATE)
    pieces = [piece for i in range(0, rate, chunk) for piece in resampler.feed(source[i : i + chunk])]
    result = np.concatenate(pieces + resampler.flush())
    assert len(result) == pytest.approx(RATE, abs=40)
    middle = slice(1000, 15000)
    error = result[middle] - tone(1000, 1.0, RATE)[middle]
    # Measured 91 dB below the tone; margin 11 dB.
    assert level_db(error) - level_db(result[middle]) < -80


def test_what_is_above_half_the_wanted_rate_does_not_fold_back() -> None:
    resampler = Resampler(48000, RATE)
    result = np.concatenate([*resampler.feed(tone(11000, 1.0, 48000)), *resampler.flush()])
    # Measured below -100 dB of full scale; margin 15 dB.
    assert level_db(result[1000:15000]) < -85


def listen(microphone: Microphone, seconds: float) -> Samples:
    blocks: list[Samples] = []
    while sum(map(len, blocks)) < seconds * RATE:
        blocks.append(microphone.read().samples)
    return np.concatenate(blocks)


def main_frequency(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * RATE / len(samples))


def play_and_listen(microphone: Microphone, signal: Samples) -> Samples:
    import threading

    player = threading.Thread(target=play, args=(signal, RATE))
    player.start()
    heard = listen(microphone, len(signal) / RATE + 0.5)
    player.join()
    return heard


def test_the_default_device_is_listed_and_found_by_number_and_name(virtual: VirtualMicrophone) -> None:
    default = find_device()
    assert default.is_default and default in list_devices()
    assert find_device(default.index) == find_device(str(default.index)) == default
    assert find_device(default.name.upper()) == default


def test_an_unknown_device_is_refused_with_the_names_of_those_there_are(virtual: VirtualMicrophone) -> None:
    with pytest.raises(DeviceError, match="nonsense") as caught:
        find_device("nonsense")
    assert find_device().name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(DeviceError, match="999"):
        find_device(999)


def test_the_microphone_hears_what_is_played(virtual: VirtualMicrophone) -> None:
    with Microphone() as microphone:
        assert microphone.device_rate == RATE
        heard = play_and_listen(microphone, tone(440, 2.0, RATE))
    inside = heard[np.abs(heard) > 0.01]
    assert len(inside) > 1.5 * RATE
    middle = heard[RATE // 2 : RATE * 3 // 2]
    assert main_frequency(middle) == pytest.approx(440, abs=1)
    # A sine of half the full scale; resamplers ring at its ends, so only the middle is measured.
    assert level_db(middle) == pytest.approx(-9.03, abs=0.3)


def test_a_device_without_the_wanted_rate_is_opened_at_its_own_and_resampled(
    virtual: VirtualMicrophone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sounddevice

    really = sounddevice.check_input_settings

    def picky(**settings: object) -> None:
        # The virtual device takes any rate; a sound card would answer just so.
        if settings["samplerate"] == RATE:
            raise sounddevice.PortAudioError("Error opening", -9997)
        really(**settings)

    monkeypatch.setattr(sounddevice, "check_input_settings", picky)
    with Microphone() as microphone:
        assert microphone.device_rate == find_device().sample_rate == 44100
        start = time.monotonic()
        heard = play_and_listen(microphone, tone(440, 2.0, RATE))
        elapsed = time.monotonic() - start
    assert main_frequency(heard[RATE // 2 : RATE * 3 // 2]) == pytest.approx(440, abs=1)
    # The blocks keep pace with the clock, else the rate is wrong; the system's buffer is 0.2 s.
    assert len(heard) / RATE == pytest.approx(elapsed, abs=0.5)


def test_discard_keeps_the_preroll_asked_for(virtual: VirtualMicrophone) -> None:
    with Microphone() as microphone:
        time.sleep(1.0)
        microphone.discard(0.3)
        start = time.monotonic()
        waiting = 0
        while time.monotonic() - start < 0.01:
            waiting += len(microphone.read().samples)
        # Whole blocks of 32 ms, and one or two that come while the test looks.
        assert 0.3 <= waiting / RATE < 0.3 + 8 * 0.032


def test_a_device_that_is_pulled_out_is_a_device_error_and_can_be_opened_again(
    virtual: VirtualMicrophone,
) -> None:
    with Microphone() as microphone:
        listen(microphone, 0.2)
        virtual.unplug()
        start = time.monotonic()
        try:
            with pytest.raises(DeviceError) as caught:
                listen(microphone, 60)
            assert time.monotonic() - start < 8
            with pytest.raises(DeviceError):
                microphone.read()
        finally:
            virtual.plug()
    assert find_device().name in str(caught.value) and "\n" not in str(caught.value)
    refresh_devices()
    with virtual.awake(), Microphone() as microphone:
        assert len(listen(microphone, 0.2)) >= 0.2 * RATE


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(__file__).resolve().parents[1] / "src")
    prologue = f"import sys; sys.path.insert(0, {source!r})\n"
    return subprocess.run(
        [sys.executable, "-c", prologue + code], capture_output=True, text=True, timeout=60, check=False
    )


def test_without_portaudio_one_line_names_the_package_to_install() -> None:
    if importlib.util.find_spec("sounddevice") is None:
        pytest.skip("needs sounddevice")
    done = run_python(
        "import ctypes.util; ctypes.util.find_library = lambda name: None\n"
        "from govor.cli.app import run; sys.exit(run(['devices']))"
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "libportaudio2" in done.stderr and len(done.stderr.splitlines()) == 1


def test_without_sounddevice_one_line_names_the_extra_to_install() -> None:
    done = run_python(
        "sys.modules['sounddevice'] = None\nfrom govor.cli.app import run; sys.exit(run(['devices']))"
    )
    assert done.returncode == 1 and "govor[mic]" in done.stderr and len(done.stderr.splitlines()) == 1


def test_messages_of_c_libraries_are_hidden_and_those_of_python_are_not() -> None:
    done = run_python(
        "import os\nfrom govor.audio.microphone import native_messages_hidden as hidden\n"
        "with hidden():\n"
        "    with hidden(): os.write(2, b'noise')\n"
        "    print('inside', file=sys.stderr)\n"
        "print('after', file=sys.stderr); os.write(2, b'native')"
    )
    assert done.stderr.split() == ["inside", "after", "native"]
