from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from govor.audio.raw import RawFormat
from govor.jobs import Job, attempt, run_job
from govor.recognizer import Recognizer, load_model
from tiny_model import hooting_model, hoots
from tiny_recordings import write_wav

RATE = 16000


@pytest.fixture(scope="module")
def hooter(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return load_model(hooting_model(tmp_path_factory.mktemp("model") / "hooter.onnx"))


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVOR_LANG", "en")


def test_a_job_writes_one_file_a_format_and_says_so(hooter: Recognizer, tmp_path: Path) -> None:
    source = str(write_wav(tmp_path / "a.b.wav", hoots(2)))
    job = Job(source, ("txt", "json", "srt"), tmp_path / "out" / "deep" / "a.b")
    assert not job.is_done
    result = run_job(job, hooter)
    assert result.error is None
    assert result.written == job.output_paths
    assert [path.name for path in result.written] == ["a.b.txt", "a.b.json", "a.b.srt"]
    assert result.written[0].read_text("utf-8") == "а а\n"
    assert json.loads(result.written[1].read_text("utf-8"))["audio_filepath"] == source
    assert job.is_done
    result.written[2].unlink()
    assert not job.is_done
    assert not Job(source).is_done


def test_jobs_and_results_can_be_sent_to_another_process(hooter: Recognizer, tmp_path: Path) -> None:
    job = Job(str(write_wav(tmp_path / "a.wav", hoots(1))), raw=None, output=None)
    assert pickle.loads(pickle.dumps(job)) == job
    result = run_job(job, hooter)
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_recording_that_was_read_elsewhere_keeps_its_name(hooter: Recognizer) -> None:
    data = (hoots(2) * 32767).astype("<i2").tobytes()
    result = run_job(Job("far/away.pcm", raw=RawFormat(RATE)), hooter, data=data)
    assert result.transcript is not None
    assert result.transcript.text == "а а"
    assert result.transcript.audio_filepath == "far/away.pcm"
    for content in (b"", b"not sound at all" * 50):
        error = run_job(Job("far/away.wav"), hooter, data=content).error
        assert error is not None and error.startswith("far/away.wav: ") and "bytes" not in error


def test_a_failure_is_one_line_that_names_the_recording(hooter: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not sound at all\n" * 50)
    (tmp_path / "file").write_text("")
    for source in (str(tmp_path / "text.wav"), str(tmp_path / "absent.wav")):
        result = run_job(Job(source, output=tmp_path / "out"), hooter)
        assert result.transcript is None
        assert result.written == ()
        assert result.error is not None
        assert source in result.error
        assert "\n" not in result.error
    # The folder of the outputs cannot be made, for a file is in its place.
    good = write_wav(tmp_path / "a.wav", hoots(1))
    result = run_job(Job(str(good), output=tmp_path / "file" / "a"), hooter)
    assert result.error is not None
    assert result.error.startswith(f"{good}: ")


def test_a_fault_of_the_program_itself_costs_one_recording_only(hooter: Recognizer, tmp_path: Path) -> None:
    def faulty(_: float) -> None:
        raise ZeroDivisionError("division by zero")

    source = str(write_wav(tmp_path / "a.wav", hoots(2)))
    result = attempt(Job(source), hooter, on_progress=faulty)
    assert result.error == f"{source}: ZeroDivisionError: division by zero"


def test_what_a_broken_recording_still_holds_is_written_and_the_damage_is_an_error(
    hooter: Recognizer, tmp_path: Path
) -> None:
    whole = write_wav(tmp_path / "a.wav", hoots(4)).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    result = run_job(Job(str(tmp_path / "cut.wav"), output=tmp_path / "cut"), hooter)
    assert result.error is not None
    assert "truncated" in result.error
    assert (tmp_path / "cut.txt").read_text("utf-8") == "а а\n"


def test_strict_refuses_what_is_otherwise_only_warned_of(hooter: Recognizer, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    loud = (hoots(3) + 0.02 * rng.normal(0, 1, len(hoots(3)))).astype(np.float32) * 6
    source = str(write_wav(tmp_path / "loud.wav", loud))
    warned = run_job(Job(source, output=tmp_path / "loud"), hooter)
    assert warned.error is None
    assert warned.transcript is not None
    assert [problem.code for problem in warned.transcript.problems] == ["clipping"]
    (tmp_path / "loud.txt").unlink()
    refused = run_job(Job(source, output=tmp_path / "loud", strict=True), hooter)
    assert refused.transcript is None
    assert refused.error is not None
    assert refused.error.startswith(f"{source}: clipping")
    assert not (tmp_path / "loud.txt").exists()


def test_finished_channels_keep_their_lines(hooter: Recognizer) -> None:
    stereo = np.stack([hoots(1), np.zeros_like(hoots(1))], axis=1)
    job = Job("a.pcm", raw=RawFormat(RATE, "f32le", 2), split_channels=True, finish_text=True)
    result = run_job(job, hooter, data=stereo.astype("<f4").tobytes())
    assert result.transcript is not None
    assert result.transcript.to_txt() == "[1] А"


def test_a_recording_that_is_not_there_is_named_once(hooter: Recognizer, tmp_path: Path) -> None:
    result = attempt(Job(f"{tmp_path}/absent/"), hooter)
    assert result.error is not None
    assert result.error.count("absent") == 1
    assert result.error.startswith(f"{tmp_path}/absent: cannot be opened")
