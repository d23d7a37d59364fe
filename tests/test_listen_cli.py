"""``govor listen`` as a user runs it, on a virtual microphone into which real recordings are played."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govor.audio.loading import load_audio
from govor.cli.listening_session import Saver
from govor.manifest import read_manifest
from govor.transcript import Segment, Word
from running_listen import (
    FIRST,
    GONE,
    NEEDS_SPEECH,
    READY,
    SECOND,
    SOURCE,
    Listening,
    end_all,
    prompt,
    say,
    sound_of,
)
from virtual_microphone import VirtualMicrophone, started_virtual_microphone

RATE = 16000

pytestmark = NEEDS_SPEECH


@pytest.fixture(autouse=True)
def no_program_is_left_behind() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with started_virtual_microphone() as microphone, microphone.awake():
        yield microphone


def test_a_pipe_gets_growing_partials_then_the_final_and_a_folder_gets_the_sound(
    virtual: VirtualMicrophone, tmp_path: Path
) -> None:
    folder = tmp_path / "said"
    listening = Listening(virtual.environment, "--format", "jsonl", "--save", str(folder))
    listening.wait_until(lambda: READY in listening.notes)
    finals = [say(virtual, listening, name) for name in (FIRST, SECOND)]
    assert listening.stop() == 0
    for final in finals:
        number = listening.events.index(final)
        before = listening.events[:number]
        partials = []
        while before and before[-1]["event"] == "partial":
            partials.insert(0, before.pop())
        assert len(partials) >= 2
        assert len(partials[0]["text"]) < len(final["text"])
        # Seconds since listening began, so that a program can line them up with its own clock.
        assert partials[0]["start"] - 0.5 <= final["start"] < final["end"]
        assert [word["text"] for word in final["words"]] == final["text"].split()
    rows = list(read_manifest(folder / "manifest.jsonl"))
    assert [row.text for row in rows] == [final["text"] for final in listening.finals]
    for final, row in zip(listening.finals, rows, strict=True):
        assert row.audio_filepath is not None and Path(final["audio_filepath"]) == row.audio_filepath
        kept = load_audio(row.audio_filepath, RATE)
        assert kept.duration == pytest.approx(row.duration, abs=0.01)
        # The words and 0.4 s at either side.
        assert kept.duration == pytest.approx(final["end"] - final["start"] + 0.8, abs=0.1)
    played = load_audio(sound_of(SECOND), RATE).samples
    assert likeness(played, load_audio(rows[-1].audio_filepath, RATE).samples) > 0.9
    assert "Traceback" not in listening.notes


def test_sound_that_cannot_be_saved_costs_no_text_and_the_listening_goes_on(
    virtual: VirtualMicrophone, tmp_path: Path
) -> None:
    folder = tmp_path / "stick"
    listening = Listening(virtual.environment, "--format", "jsonl", "--save", str(folder))
    listening.wait_until(lambda: READY in listening.notes)
    # As a memory stick that is pulled out and put back.
    folder.rmdir()
    assert "audio_filepath" not in say(virtual, listening, FIRST)
    folder.mkdir()
    saved = say(virtual, listening, SECOND)
    assert listening.stop() == 1
    assert str(folder) in listening.notes and "Traceback" not in listening.notes
    assert [row.text for row in read_manifest(folder / "manifest.jsonl")][-1] == saved["text"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_leaves_neither_half_a_recording_nor_half_a_line(tmp_path: Path) -> None:
    import resource

    saver = Saver(tmp_path, RATE)
    saver.take(np.zeros(3 * RATE, np.float32))
    segment = Segment(0.5, 1.0, "да", (Word("да", 0.5, 1.0, 1.0),), 1.0)
    kept = saver.save(segment)
    before = (tmp_path / "manifest.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (1000, kept.stat().st_size):
        # The sound does not fit; then it does, but the line that is added to a long manifest does not.
        (tmp_path / "manifest.jsonl").write_bytes(before + b"\n" * (room - len(before)))
        whole = (tmp_path / "manifest.jsonl").read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(OSError, match=r"listen-.*wav"):
                saver.save(replace(segment, start=1.5, end=2.0))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list(tmp_path.glob("*.wav")) == [kept]
        assert (tmp_path / "manifest.jsonl").read_bytes() == whole


def likeness(played: np.ndarray[Any, Any], kept: np.ndarray[Any, Any]) -> float:
    """Return the correlation at the offset where it is the greatest."""
    size = 1 << (len(played) + len(kept)).bit_length()
    product = np.fft.irfft(np.fft.rfft(kept, size) * np.conj(np.fft.rfft(played, size)), size)
    return float(product.max() / np.sqrt(np.dot(kept, kept) * np.dot(played, played)))


def test_ctrl_c_while_speaking_still_gives_the_last_text(virtual: VirtualMicrophone) -> None:
    listening = Listening(virtual.environment, "--format", "jsonl", "--quiet")
    time.sleep(0.5)
    stopped = threading.Event()

    def keep_playing() -> None:
        while not stopped.is_set():
            virtual.play(sound_of(SECOND))

    player = threading.Thread(target=keep_playing)
    player.start()
    try:
        listening.wait_until(lambda: bool(listening.events) and len(listening.events[-1]["text"]) > 10)
        shown = listening.events[-1]
        assert listening.stop() == 0
    finally:
        stopped.set()
        player.join()
    last = listening.events[-1]
    assert last["event"] == "final"
    if shown["event"] == "partial":
        assert last["end"] >= shown["words"][-1]["start"]
    assert listening.notes == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-Z")
def test_a_process_that_stood_still_does_not_take_the_device_for_lost(virtual: VirtualMicrophone) -> None:
    listening = Listening(virtual.environment, "--format", "jsonl", "--no-partials")
    listening.wait_until(lambda: READY in listening.notes)
    listening.process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    listening.process.send_signal(signal.SIGCONT)
    say(virtual, listening, FIRST)
    assert listening.stop() == 0
    assert GONE not in listening.notes


def test_a_list_of_phrases_answers_with_its_phrase(virtual: VirtualMicrophone, tmp_path: Path) -> None:
    phrases = tmp_path / "phrases.txt"
    phrases.write_text(f"{prompt(FIRST)}\n{prompt(SECOND)}\nвключи свет\n", encoding="utf-8")
    listening = Listening(virtual.environment, "--format", "jsonl", "--phrases", str(phrases))
    listening.wait_until(lambda: READY in listening.notes)
    assert say(virtual, listening, FIRST)["text"] == prompt(FIRST)
    assert listening.stop() == 0


def test_a_terminal_shows_the_text_growing_in_place_and_the_level(virtual: VirtualMicrophone) -> None:
    listening = Listening(virtual.environment, "--hotwords", "следы,бурь", terminal=True)
    listening.wait_until(lambda: READY in listening.out)
    before = len(listening.out)
    for _ in range(3):
        virtual.play(sound_of(SECOND))
        time.sleep(1.5)
        if "следы" in listening.out:
            break
    assert listening.stop() == 0
    shown = listening.out[before:]
    # The cursor goes up to write over what was there, and lines are erased.
    assert "\x1b[1A" in shown and "\x1b[2K" in shown
    assert "● слышу" in shown and "○ слушаю" in shown and "█" in shown and "дБ" in shown
    # What is left on the screen at the end: the text once, wrapped between words.
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "следы" in plain and "Traceback" not in plain
    assert not re.search("Expression|ALSA", plain)


def test_a_pipe_gets_the_events_while_the_terminal_shows_the_level(virtual: VirtualMicrophone) -> None:
    listening = Listening(virtual.environment, "--format", "jsonl", terminal=True, piped=True)
    listening.wait_until(lambda: READY in listening.notes)
    final = say(virtual, listening, FIRST)
    assert listening.stop() == 0
    assert len(listening.events) > len(listening.finals) >= 1
    assert "○ слушаю" in listening.notes and final["text"].split()[0] in listening.notes
    assert '"event"' not in listening.notes


@pytest.mark.parametrize("arguments", [("--device", "нет-такого"), ("--device", "99"), ("--lm", "нет.klm")])
def test_what_cannot_work_is_one_line_and_exit_code_1(
    virtual: VirtualMicrophone, arguments: tuple[str, str]
) -> None:
    listening = Listening(virtual.environment, *arguments)
    assert listening.end() == 1
    (line,) = listening.notes.strip().splitlines()
    assert line.startswith("ошибка: ") and arguments[1] in line


def test_a_folder_that_cannot_hold_the_sound_is_told_before_anything_is_said(
    virtual: VirtualMicrophone, tmp_path: Path
) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(b"")
    listening = Listening(virtual.environment, "--save", str(taken))
    assert listening.end() == 1
    (line,) = listening.notes.strip().splitlines()
    assert line.startswith(f"ошибка: --save {taken}: ") and "назовите другую папку" in line


def test_without_portaudio_one_line_names_the_package_to_install() -> None:
    pytest.importorskip("sounddevice")
    code = "import ctypes.util, sys; ctypes.util.find_library = lambda name: None\n"
    code += "from govor.cli.app import run; sys.exit(run(['listen']))"
    environment = os.environ | {"PYTHONPATH": SOURCE}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stdout == ""
    assert "libportaudio2" in done.stderr and len(done.stderr.splitlines()) == 1


def test_without_any_microphone_one_line_says_what_to_do(tmp_path: Path) -> None:
    pytest.importorskip("sounddevice")
    if list(Path("/dev/snd").glob("pcm*c")):
        pytest.skip("this machine has a microphone")
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PULSE_SERVER": "unix:/nowhere"}
    listening = Listening(environment)
    assert listening.end() == 1
    (line,) = listening.notes.strip().splitlines()
    assert re.match("ошибка: .*(не найдено ни одного микрофона|PortAudio|не открывается)", line)
