from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from govor.cli.app import run
from tiny_model import hooting_model, hoots
from tiny_recordings import write_wav


@pytest.fixture
def call(tmp_path: Path) -> list[str]:
    model = hooting_model(tmp_path / "m.onnx")
    return ["align", str(write_wav(tmp_path / "a.wav", hoots(2))), "а а", "--model", str(model)]


def test_words_are_printed_as_json(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(call) == 0
    row = json.loads(capsys.readouterr().out)
    assert [word["text"] for word in row["words"]] == ["а", "а"]
    assert row["words"][1]["start"] == pytest.approx(1.6, abs=0.03)


def test_subtitles_go_to_the_file_that_was_named(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "a.srt"
    assert run([*call, "--format", "srt", "--output", str(output)]) == 0
    assert output.read_text(encoding="utf-8").startswith("1\n00:00:00,")
    captured = capsys.readouterr()
    assert captured.out == "" and f"2 words: {output}" in captured.err


def test_a_textgrid_is_printed_whole(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*call, "-f", "textgrid"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('File type = "ooTextFile"\n') and printed.count('text = "а"') == 2


def test_the_text_may_lie_in_a_file(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\ufeffА,\nа!\n", encoding="utf-8")
    call[2] = str(path)
    assert run(call) == 0
    assert len(json.loads(capsys.readouterr().out)["words"]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "Latin"),
        ("а hello а x²", "(hello, x²)"),
        ("…", "the text is empty"),
        ("absent.txt", "no text absent.txt"),
        ("а " * 300, "a.wav: the text (599 letters) does not fit"),
    ],
)
def test_what_cannot_be_aligned_is_one_line(
    call: list[str], text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call[2] = text
    assert run(call) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err and len(captured.err.splitlines()) == 1


def test_a_text_in_another_encoding_is_refused(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "old.txt"
    path.write_bytes("привет".encode("cp1251"))
    call[2] = str(path)
    assert run(call) == 1
    assert "old.txt: not UTF-8, it looks like cp1251" in capsys.readouterr().err


def test_a_text_file_of_other_letters_and_a_silent_recording_are_named(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("а\nhello\n")
    silent = str(write_wav(tmp_path / "silent.wav", np.zeros(8000, np.float32)))
    assert run(["align", call[1], str(tmp_path / "text.txt"), *call[3:]]) == 1
    assert "text.txt: the text has Latin" in capsys.readouterr().err
    # The front end of the shipped model leaves silence out.
    assert run(["align", silent, "а а"]) == 1
    assert "silent.wav: the recording is silent" in capsys.readouterr().err


def test_what_cannot_be_written_is_refused_before_it_is_aligned(
    call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*call, "--output", str(tmp_path)]) == 1
    assert f"{tmp_path} cannot be written" in capsys.readouterr().err


def test_a_text_that_does_not_fit_comes_with_a_warning(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    call[2] = "бе бе"
    assert run(call) == 0
    assert "hardly fits" in capsys.readouterr().err


def test_a_missing_recording_is_one_line(call: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    call[1] = "absent.wav"
    assert run(call) == 1
    assert "absent.wav" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such names cannot be made")
def test_a_name_that_is_no_utf8_costs_no_alignment(call: list[str], tmp_path: Path) -> None:
    call[1] = str(Path(call[1]).rename(tmp_path / "\udce3.wav"))
    assert run([*call, "--output", str(tmp_path / "a.json")]) == 0
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["audio_filepath"] == call[1]


def test_a_recording_that_breaks_off_is_aligned_and_told_of(
    call: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recording = Path(call[1])
    recording.write_bytes(recording.read_bytes()[:-1000])
    assert run(call) == 1
    captured = capsys.readouterr()
    row = json.loads(captured.out)
    assert len(row["words"]) == 2
    (line,) = row["warnings"]
    assert line.startswith("truncated: ")
    assert captured.err == f"error: {recording}: {line}\n"
