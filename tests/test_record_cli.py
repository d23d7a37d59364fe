from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from govor.audio.loading import Samples, load_audio
from govor.manifest import read_manifest
from kept_recordings import check_whole
from running_record import SOURCE, SPEAK, Session, end_all
from virtual_microphone import VirtualMicrophone, started_virtual_microphone

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
RATE = 16000
FIRST, SECOND, THIRD = "Съешь ещё этих мягких булок.", "Потуши свет в гостиной.", "Ёжик пришёл домой."


@pytest.fixture(scope="module")
def virtual() -> Iterator[VirtualMicrophone]:
    with started_virtual_microphone() as microphone, microphone.awake():
        yield microphone


def speak(text: str, path: Path) -> Path:
    """Make a recording of `text`: by festival's unit selection, else by espeak."""
    if shutil.which("text2wave") and list(Path("/usr/share/festival/voices").glob("*/msu_ru*")):
        command = ["text2wave", "-eval", "(voice_msu_ru_nsh_clunits)", "-o", str(path)]
        subprocess.run(command, input=text, text=True, check=True, timeout=60, capture_output=True)
    elif shutil.which("espeak-ng"):
        subprocess.run(["espeak-ng", "-v", "ru", "-w", str(path), text], check=True, timeout=60)
    else:
        pytest.skip("needs festival or espeak-ng to speak")
    return path


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("voices")
    return {text: speak(text, folder / f"{i}.wav") for i, text in enumerate((FIRST, SECOND, THIRD))}


@pytest.fixture(autouse=True)
def no_program_is_left_behind() -> Iterator[None]:
    yield
    end_all()


def write_prompts(folder: Path, *phrases: str) -> str:
    path = folder / "prompts.txt"
    path.write_text("\n".join(phrases) + "\n", encoding="utf-8")
    return str(path)


def kept_share_and_likeness(played: Samples, kept: Samples) -> tuple[float, float]:
    """Return how much of the played energy lies in the kept part, and the correlation there."""
    size = 1 << (len(played) + len(kept)).bit_length()
    product = np.fft.rfft(kept, size) * np.conj(np.fft.rfft(played, size))
    offset = int(np.argmax(np.fft.irfft(product, size)))
    offset -= size if offset > size // 2 else 0
    first, last = max(0, -offset), min(len(played), len(kept) - offset)
    ours, theirs = kept[first + offset : last + offset], played[first:last]
    likeness = float(np.dot(ours, theirs) / np.sqrt(np.dot(ours, ours) * np.dot(theirs, theirs)))
    return float(np.sum(theirs**2) / np.sum(played**2)), likeness


def listed(root: Path) -> dict[str, Path]:
    rows = read_manifest(root / "manifest.jsonl")
    return {row.text: row.audio_filepath for row in rows if row.audio_filepath is not None}


def test_kept_recordings_hold_the_whole_of_what_was_said(
    virtual: VirtualMicrophone, voices: dict[str, Path], tmp_path: Path
) -> None:
    said = [(FIRST, voices[FIRST]), (THIRD, voices[THIRD])]
    if (SHARED / "audio").is_dir():
        said.append((SECOND, SHARED / "audio" / "microphone.wav"))
    root = tmp_path / "mine"
    prompts = write_prompts(tmp_path, *(text for text, _ in said))
    arguments = ["--output", str(root), "--prompts", prompts, "--auto", "--speaker", "ваня"]
    session = Session(virtual.environment, *arguments)
    for text, path in said:
        session.wait_for(text)
        session.hear(virtual, path)
    assert session.finish() == 0
    assert check_whole(root) == len(said)
    for (_, path), recorded in zip(said, listed(root).values(), strict=True):
        with wave.open(str(recorded)) as sound:
            assert sound.getparams()[:3] == (1, 2, RATE)
        played = load_audio(path, RATE).samples
        share, likeness = kept_share_and_likeness(played, load_audio(recorded, RATE).samples)
        # Measured 1.0000 and 0.986 at worst: what is cut is silence, and two resamplings shift by part of a
        # sample. A first sound cut off would cost some per cent of the energy.
        assert share > 0.99
        assert likeness > 0.95


def test_silence_is_refused_with_a_reason_and_nothing_is_kept(
    virtual: VirtualMicrophone, tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    arguments = ["--prompts", write_prompts(tmp_path, FIRST), "--auto", "--attempts", "2", "--timeout", "1"]
    session = Session(virtual.environment, "--output", str(root), *arguments)
    assert session.finish() == 1
    assert sum("микрофон даёт тишину" in line for line in session.lines) == 3
    assert session.lines[-2].startswith(f"ошибка: {FIRST}: ")
    assert check_whole(root) == 0


def test_after_a_kill_a_second_run_records_only_what_is_missing(
    virtual: VirtualMicrophone, voices: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    arguments = ["--output", str(root), "--prompts", write_prompts(tmp_path, FIRST, SECOND), "--auto"]
    session = Session(virtual.environment, *arguments)
    session.hear(virtual, voices[FIRST])
    session.wait_for(SECOND)
    session.wait_for(SPEAK)
    session.process.send_signal(signal.SIGKILL)
    assert session.finish() == -signal.SIGKILL
    again = Session(virtual.environment, *arguments)
    again.wait_for("уже записано раньше: 1")
    again.wait_for(f"Фраза 1 из 1: {SECOND}")
    again.hear(virtual, voices[SECOND])
    assert again.finish() == 0
    assert check_whole_of_two_submissions(root) == [FIRST, SECOND]


def check_whole_of_two_submissions(root: Path) -> list[str]:
    texts = [found.read_text("utf-8") for found in root.glob("*/etc/prompts-original")]
    assert len(texts) == len(listed(root)) == len(list(root.glob("*/wav/*"))) == 2
    return sorted((text.split(" ", 1)[1].strip() for text in texts), reverse=True)


def test_a_device_lost_in_the_middle_is_one_clear_line_and_kept_phrases_stay(
    voices: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    with started_virtual_microphone() as virtual, virtual.awake():
        arguments = ["--output", str(root), "--prompts", write_prompts(tmp_path, FIRST, SECOND), "--auto"]
        session = Session(virtual.environment, *arguments)
        session.hear(virtual, voices[FIRST])
        session.wait_for(SECOND)
        session.wait_for(SPEAK)
        virtual.unplug()
        assert session.finish() == 1
    errors = [line for line in session.lines if line.startswith("ошибка: ")]
    assert len(errors) == 1 and re.search("микрофон «.*» (пропал|молчит)", errors[0])
    assert session.lines[-1] == errors[0]
    # No line of PortAudio's or ALSA's own.
    assert not re.search("Expression|ALSA|Traceback", session.shown)
    assert check_whole(root) == 1


def test_a_device_that_does_not_exist_is_one_line_and_makes_no_folder(
    virtual: VirtualMicrophone, tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    arguments = ["--propose", "1", "--auto", "--device", "нетакого"]
    session = Session(virtual.environment, "--output", str(root), *arguments)
    assert session.finish() == 1
    (line,) = session.lines
    assert line.startswith("ошибка: нет микрофона «нетакого»; есть: ")
    assert not root.exists()


def test_without_a_sound_server_there_is_one_line_and_no_folder(tmp_path: Path) -> None:
    with started_virtual_microphone() as virtual:
        environment = virtual.environment
    root = tmp_path / "mine"
    session = Session(environment, "--output", str(root), "--propose", "1", "--auto")
    assert session.finish() == 1
    (line,) = session.lines
    assert line.startswith("ошибка: ") and "микрофон" in line
    assert not root.exists()


def test_a_wrong_prompt_file_is_refused_before_the_microphone_is_opened(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, FIRST, "Этаж 5")
    session = Session(dict(os.environ), "--output", str(tmp_path / "mine"), "--prompts", prompts, "--auto")
    assert session.finish() == 1
    (line,) = session.lines
    assert line.startswith(f"ошибка: {prompts}:2: ")


def test_keys_skip_repeat_and_keep_and_ctrl_c_leaves_whole_what_was_kept(
    virtual: VirtualMicrophone, voices: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    prompts = write_prompts(tmp_path, SECOND, FIRST, THIRD)
    session = Session(virtual.environment, "-o", str(root), "--prompts", prompts, terminal=True)
    session.wait_for("Фраза 1 из 3")
    session.wait_for("микрофон")
    session.press("s")
    session.wait_for("Фраза 2 из 3")
    session.wait_for("начать")
    session.press("\r")
    session.wait_for(SPEAK)
    virtual.play(voices[THIRD])
    session.wait_for("записано")
    session.wait_for("сохранить")
    # "r" in the Russian layout; it also breaks the playback off.
    session.press("к")
    session.wait_for(SPEAK)
    virtual.play(voices[FIRST])
    session.wait_for("сохранить")
    session.press("\r")
    session.wait_for("Фраза 3 из 3")
    session.wait_for("начать")
    session.press("\r")
    session.wait_for(SPEAK)
    session.press("\x03")
    assert session.finish() == 130
    assert session.lines[-1] == "прервано"
    assert check_whole(root) == 1
    ((text, recorded),) = listed(root).items()
    assert text == "съешь ещё этих мягких булок"
    played = load_audio(voices[FIRST], RATE).samples
    share, _ = kept_share_and_likeness(played, load_audio(recorded, RATE).samples)
    assert share > 0.99
    # The meter was redrawn in its line: bars and the codes that clear a line.
    assert "█" in session.shown and "\x1b[2K" in session.shown


def test_typed_phrases_are_checked_and_an_empty_one_ends(
    virtual: VirtualMicrophone, voices: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    session = Session(virtual.environment, "-o", str(root), terminal=True)
    session.wait_for("Фраза: ")
    session.press("дом 5\n")
    session.wait_for("«5»")
    session.wait_for("Фраза: ")
    session.press(f"{THIRD}\n")
    session.wait_for("начать")
    session.press("\r")
    session.wait_for(SPEAK)
    virtual.play(voices[THIRD])
    session.wait_for("сохранить")
    session.press("\r")
    session.wait_for("Фраза: ")
    session.press("\n")
    assert session.finish() == 0
    assert check_whole(root) == 1 and list(listed(root)) == ["ёжик пришёл домой"]


def test_devices_lists_the_virtual_microphone_as_the_default(virtual: VirtualMicrophone) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "govor", "devices"],
        env=virtual.environment | {"PYTHONPATH": SOURCE, "GOVOR_LANG": "ru"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert re.search(r"^\d+ +default +ALSA +\d+ +\d+ +по умолчанию", done.stdout, re.MULTILINE)
    assert done.stderr == ""


def test_recording_costs_less_than_a_quarter_of_a_core(virtual: VirtualMicrophone, tmp_path: Path) -> None:
    if not hasattr(os, "wait4"):
        pytest.skip("needs wait4")
    arguments = ["--propose", "1", "--auto", "--attempts", "1", "--timeout", "60"]
    session = Session(virtual.environment, "-o", str(tmp_path / "a"), *arguments)
    session.wait_for(SPEAK)
    ticks = os.sysconf("SC_CLK_TCK")

    def cpu_seconds() -> float:
        fields = Path(f"/proc/{session.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    time.sleep(0.5)
    before = cpu_seconds()
    time.sleep(3.0)
    used = (cpu_seconds() - before) / 3.0
    session.process.kill()
    session.finish()
    # Measured 0.07 of a core; the processor may be shared.
    assert used < 0.25
