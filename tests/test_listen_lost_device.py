from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from running_listen import BACK, FIRST, GONE, NEEDS_SPEECH, READY, SECOND, Listening, end_all, say, sound_of
from virtual_microphone import started_virtual_microphone

pytestmark = NEEDS_SPEECH


@pytest.fixture(autouse=True)
def no_program_is_left_behind() -> Iterator[None]:
    yield
    end_all()


def test_a_device_that_is_pulled_out_and_put_back_goes_on_by_itself() -> None:
    with started_virtual_microphone() as virtual:
        with virtual.awake():
            listening = Listening(virtual.environment, "--format", "jsonl")
            listening.wait_until(lambda: READY in listening.notes)
            say(virtual, listening, FIRST)
            virtual.unplug()
            listening.wait_until(lambda: GONE in listening.notes)
        virtual.plug()
        with virtual.awake():
            listening.wait_until(lambda: BACK in listening.notes)
            later = say(virtual, listening, SECOND)
            assert listening.stop() == 0
    assert later["start"] > listening.finals[0]["end"]
    lines = listening.notes.strip().splitlines()
    # Ready, gone, back: a line each, none of the sound libraries' own.
    assert [bool(re.search(f"{READY}|{GONE}|{BACK}", line)) for line in lines] == [True] * 3


def test_a_crash_of_the_sound_server_in_the_middle_of_speech_keeps_what_was_said() -> None:
    with started_virtual_microphone() as virtual:
        with virtual.awake():
            listening = Listening(virtual.environment, "--format", "jsonl")
            listening.wait_until(lambda: READY in listening.notes)
            player = subprocess.Popen(
                ["paplay", "--latency-msec=100", "--device=virtmic", str(sound_of("ru_0022"))],
                env=virtual.environment,
                stderr=subprocess.DEVNULL,
            )
            listening.wait_until(lambda: bool(listening.events) and len(listening.events[-1]["text"]) > 8)
            virtual.crash()
            player.wait()
            listening.wait_until(lambda: GONE in listening.notes)
        assert len(listening.finals) == 1
        virtual.start()
        with virtual.awake():
            listening.wait_until(lambda: BACK in listening.notes)
            say(virtual, listening, FIRST)
            assert listening.stop() == 0
    assert "Traceback" not in listening.notes


def test_ctrl_c_while_the_device_is_away_ends_at_once() -> None:
    with started_virtual_microphone() as virtual, virtual.awake():
        listening = Listening(virtual.environment)
        listening.wait_until(lambda: READY in listening.notes)
        virtual.unplug()
        listening.wait_until(lambda: GONE in listening.notes)
        assert listening.stop() == 0
    assert listening.out == ""
