from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import srt
import webvtt
from numpy.typing import NDArray

import tiny_recordings
from govor.cli.app import run
from tiny_model import hooting_model, hoots

RATE = 16000
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(hooting_model(tmp_path_factory.mktemp("model") / "hooter.onnx"))


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")


def write_wav(path: Path, samples: NDArray[np.float32]) -> str:
    """Return the name, as a command line wants it."""
    return str(tiny_recordings.write_wav(path, samples))


def test_several_formats_go_to_files_that_other_programs_read(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    write_wav(tmp_path / "calls" / "a.wav", hoots(2))
    write_wav(tmp_path / "calls" / "deep" / "b.wav", hoots(3))
    out = tmp_path / "texts"
    formats = "srt, vtt,tsv,json,jsonl,txt,srt"
    assert run(["transcribe", str(tmp_path / "calls"), "-f", formats, "-o", str(out), "-m", model]) == 0
    assert capsys.readouterr().out == ""
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert names == {
        f"{stem}.{kind}" for stem in ("a", "deep/b") for kind in ["srt", "vtt", "tsv", "json", "jsonl", "txt"]
    }
    assert [each.content for each in srt.parse((out / "a.srt").read_text("utf-8"))] == ["а", "а"]
    assert [each.text for each in webvtt.read(str(out / "a.vtt"))] == ["а", "а"]
    rows = list(csv.DictReader(io.StringIO((out / "deep" / "b.tsv").read_text("utf-8")), delimiter="\t"))
    assert [row["text"] for row in rows] == ["а", "а", "а"]
    assert json.loads((out / "deep" / "b.json").read_text("utf-8"))["text"] == "а а а"
    assert (out / "a.txt").read_text("utf-8") == "а а\n"


def test_json_of_several_recordings_in_files_prints_nothing(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    names = [write_wav(tmp_path / name, hoots(1)) for name in ("a.wav", "b.wav")]
    assert run(["transcribe", *names, "-f", "json", "-o", str(tmp_path / "texts"), "-m", model]) == 0
    assert capsys.readouterr().out == ""


def test_one_format_of_one_recording_is_printed_with_its_tabs(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    recording = write_wav(tmp_path / "a.wav", hoots(1))
    assert run(["transcribe", recording, "-f", "tsv", "-m", model, "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("start\tend\tchannel\tconfidence\ttext\n0.")
    assert err == ""


@pytest.mark.parametrize(("formats", "count"), [("srt,json", 1), ("srt", 2)])
def test_what_cannot_go_into_one_stream_asks_for_a_folder(
    formats: str, count: int, model: str, tmp_path: Path, capsys: Capture
) -> None:
    recordings = [write_wav(tmp_path / f"{i}.wav", hoots(1)) for i in range(count)]
    assert run(["transcribe", *recordings, "-f", formats, "-m", model]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert "--output-dir" in line


def test_channels_apart_are_lines_that_say_which(model: str, tmp_path: Path, capsys: Capture) -> None:
    silent = np.zeros_like(hoots(1))
    left, right = np.concatenate([hoots(1), silent]), np.concatenate([silent, hoots(1)])
    call = write_wav(tmp_path / "call.wav", np.stack([left, right], axis=1))
    assert run(["transcribe", call, "--channels", "split", "-m", model, "-q"]) == 0
    assert capsys.readouterr().out == "[1] а\n[2] а\n"


def govor(arguments: list[str], data: bytes, **variables: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "govor", "transcribe", *arguments]
    environment = os.environ | variables
    return subprocess.run(command, input=data, env=environment, capture_output=True, timeout=300, check=False)


def test_standard_input_takes_raw_sound(model: str) -> None:
    data = (hoots(2) * 32767).astype("<i2").tobytes()
    done = govor(["-", "--raw", "16000:s16le", "-m", model, "-q"], data)
    assert (done.stdout.decode(), done.stderr.decode(), done.returncode) == ("а а\n", "", 0)


def test_standard_input_takes_files_even_mp4_with_its_index_at_the_end(model: str, tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    wav = write_wav(tmp_path / "a.wav", hoots(2))
    m4a = tmp_path / "a.m4a"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", wav, "-b:a", "96k", str(m4a)], check=True)
    assert m4a.read_bytes().find(b"moov") > m4a.read_bytes().find(b"mdat")
    done = govor(["-", "-f", "json", "-m", model, "-q"], m4a.read_bytes())
    assert done.stderr.decode() == ""
    found = json.loads(done.stdout)
    assert (found["audio_filepath"], found["text"]) == ("-", "а а")


@pytest.mark.parametrize("more", [(), ("--raw", "16000:s16le"), ("-j", "2")])
def test_empty_standard_input_is_one_clear_line(model: str, more: tuple[str, ...]) -> None:
    done = govor(["-", "-m", model, *more], b"")
    (line,) = done.stderr.decode().splitlines()
    assert (done.stdout, done.returncode) == (b"", 1)
    assert line.startswith("error: standard input: ")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere such names cannot be made")
def test_names_do_not_steer_the_terminal_nor_break_lines(model: str, tmp_path: Path, capsys: Capture) -> None:
    good = write_wav(tmp_path / "a\x1b[31m\nb.wav", hoots(1))
    bad = tmp_path / "c\x1b]0;d\x07.wav"
    bad.write_bytes(b"no sound")
    assert run(["transcribe", good, str(bad), "-m", model, "-q"]) == 1
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/a\\x1b[31m\\x0ab.wav: а\n"
    assert err.startswith(f"error: {tmp_path}/c\\x1b]0;d\\x07.wav: ")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such names cannot be made")
def test_a_name_that_is_no_utf8_costs_no_text(model: str, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path / "гудок.wav").replace("гуд".encode(), "гуд".encode("cp1251")))
    recordings = [write_wav(Path(name), hoots(1)), write_wav(tmp_path / "z.wav", hoots(1))]
    out = tmp_path / "texts"
    done = govor([*recordings, "-m", model, "-f", "json,txt", "-o", str(out)], b"")
    assert (done.returncode, len(list(out.iterdir()))) == (0, 4)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in out.glob("*.json")]
    assert {document["audio_filepath"] for document in found} == set(recordings)
    printed = govor([*recordings, "-m", model], b"", PYTHONIOENCODING="utf-8:strict")
    assert printed.returncode == 0
    assert [line.endswith(": а") for line in printed.stdout.decode().splitlines()] == [True, True]


def test_streams_that_the_caller_closed_give_no_traceback(model: str, tmp_path: Path) -> None:
    recording = write_wav(tmp_path / "a.wav", hoots(1))
    for command, code, text in (
        ("- <&-", 1, ""),
        (f"{recording} >&-", 0, ""),
        (f"{recording} 2>&-", 0, "а\n"),
    ):
        line = f"{sys.executable} -m govor transcribe -m {model} {command}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=300, check=False)
        assert "Traceback" not in done.stderr
        assert (done.returncode, done.stdout) == (code, text)


@pytest.mark.parametrize("suffix", ["raw", "pcm"])
def test_sound_without_a_header_is_told_its_option(
    model: str, tmp_path: Path, capsys: Capture, suffix: str
) -> None:
    path = tmp_path / "in" / f"a.{suffix}"
    path.parent.mkdir()
    path.write_bytes((hoots(2) * 32767).astype("<i2").tobytes())
    for argument in (path, path.parent):
        assert run(["transcribe", str(argument), "-m", model]) == 1
        assert "--raw 16000:s16le" in capsys.readouterr().err
    assert run(["transcribe", str(path.parent), "-m", model, "--raw", "16000:s16le"]) == 0
    assert capsys.readouterr().out == "а а\n"


def test_what_the_system_refuses_is_told_by_its_reason(model: str, tmp_path: Path, capsys: Capture) -> None:
    recording = write_wav(tmp_path / "a.wav", hoots(1))
    (tmp_path / "out" / "a.txt" / "taken").mkdir(parents=True)
    assert run(["transcribe", recording, "-m", model, "-o", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: {recording}: {tmp_path / 'out' / 'a.txt'}: Is a directory"
    assert "Errno" not in line
    if Path("/dev/full").exists():
        arguments = [sys.executable, "-m", "govor", "transcribe", recording, "-m", model]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_folder_that_cannot_be_written_to_is_one_line_before_any_work(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    recordings = [write_wav(tmp_path / f"{name}.wav", hoots(1)) for name in "ab"]
    assert run(["transcribe", *recordings, "-m", model, "-o", recordings[0]]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "--output-dir" in line and "File exists" in line


@pytest.mark.parametrize("processes", ["1", "2"])
def test_texts_go_into_their_file_while_a_terminal_shows_the_bar(
    model: str, tmp_path: Path, processes: str
) -> None:
    pty = pytest.importorskip("pty", reason="there are no terminals of that kind here")
    good = [write_wav(tmp_path / f"{number}.wav", hoots(number + 1)) for number in range(3)]
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    texts = tmp_path / "texts"
    master, terminal = pty.openpty()
    arguments = ["transcribe", *good[:2], str(bad), good[2], good[0], "-j", processes, "-m", model]
    with texts.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "govor", *arguments],
            stdout=file,
            stderr=terminal,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "90"},
        )
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(master, 1 << 16):
                shown += piece
        except OSError:
            pass  # so Linux tells that nobody writes to it any more
        os.close(master)
        assert process.wait(300) == 1
    said = ["а", "а а", "а а а", "а"]
    expected = zip([*good, good[0]], said, strict=True)
    assert texts.read_text(encoding="utf-8") == "".join(f"{path}: {text}\n" for path, text in expected)
    plain = shown.decode()
    assert "real time" in plain and "5/5" in plain
    # Each note begins where a line does, not behind the bar.
    (before, _) = re.split(r"\x1b\[31merror:", plain)
    assert re.sub(r"\x1b\[[0-9;?]*[lhm]", "", before).endswith(("\n", "\r", "\x1b[2K"))


def test_the_sound_of_a_film_is_recognised(model: str, tmp_path: Path, capsys: Capture) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    wav = write_wav(tmp_path / "a.wav", hoots(2))
    films = []
    for kind, codecs in (
        ("mp4", ["mpeg4", "aac"]),
        ("mkv", ["mpeg4", "flac"]),
        ("webm", ["libvpx", "libopus"]),
    ):
        films.append(str(tmp_path / f"film.{kind}"))
        picture = ["-f", "lavfi", "-i", "color=red:size=64x64:rate=5:duration=2.8"]
        form = ["-c:v", codecs[0], "-c:a", codecs[1], "-b:a", "96k", films[-1]]
        subprocess.run(["ffmpeg", "-loglevel", "error", *picture, "-i", wav, *form], check=True)
    assert run(["transcribe", *films, "-f", "jsonl", "-m", model, "-q"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows[:2]] == ["а а", "а а"]
    # At this rate opus adds tones of its own, of which this model makes letters.
    assert set(rows[2]["text"]) == {"а", " "}
    assert [row["duration"] for row in rows] == [pytest.approx(2.8, abs=0.1)] * 3


def test_a_pattern_without_files_is_an_error_and_the_rest_runs(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    write_wav(tmp_path / "a.wav", hoots(1))
    assert run(["transcribe", str(tmp_path / "*.mp3"), str(tmp_path / "*.wav"), "-m", model, "-q"]) == 1
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'a.wav'}: а\n"
    assert [line.split(": ")[-1] for line in err.splitlines()] == ["no file matches this pattern"]


def test_bad_sound_is_warned_of_and_refused_only_if_strict(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    noise = 0.02 * np.random.default_rng(0).normal(0, 1, len(hoots(3)))
    loud = write_wav(tmp_path / "loud.wav", (hoots(3) + noise).astype(np.float32) * 6)
    assert run(["transcribe", loud, "-m", model]) == 0
    out, err = capsys.readouterr()
    assert out.strip() != ""
    assert [line for line in err.splitlines() if line.startswith(f"warning: {loud}: clipping")]
    assert run(["transcribe", loud, "--strict", "-m", model]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"error: {loud}: clipping")


def test_no_vad_gives_the_same_words_and_leaves_nothing_out(
    model: str, tmp_path: Path, capsys: Capture
) -> None:
    sound = np.concatenate([hoots(20), np.zeros(20 * RATE, np.float32), hoots(2)])
    recording = write_wav(tmp_path / "a.wav", sound)
    silences = []
    for options in ([], ["--no-vad"]):
        assert run(["transcribe", recording, "-f", "json", "-m", model, "-q", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["text"] == " ".join(["а"] * 22)
        silences.append(found["coverage"]["silence"])
    assert silences[0] > 15
    assert silences[1] == 0
