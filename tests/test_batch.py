from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from govor.batch import FolderWatcher, ProcessWorkers, Progress, Workers
from govor.batch.cluster import RayWorkers
from govor.batch.journal import JOURNAL_NAME, Journal
from govor.cli.batch import ModelLoader
from govor.cli.decoder_choice import DecoderChoice
from govor.cli.options import DecoderName
from govor.errors import ModelNotFoundError, WorkerError
from govor.jobs import Job, JobResult

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000
LOADER = ModelLoader(None, DecoderChoice(decoder=DecoderName.greedy))
# The machine may be busy with other tests.
PATIENCE = 240.0


def speech(name: str) -> bytes:
    with wave.open(str(ROOT / "examples" / f"{name}.wav")) as file:
        return file.readframes(file.getnframes())


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight recordings of some 12 s, four of each voice."""
    for number in range(8):
        write(tmp_path / "in" / f"{number}.wav", speech("female" if number % 2 else "male") * 3)
    return tmp_path / "in"


def jobs_of(folder: Path, output: Path | None = None) -> list[Job]:
    return [
        Job(str(path), output=None if output is None else output / path.stem)
        for path in sorted(folder.iterdir())
    ]


def results_of(workers: Workers, deadline: float = PATIENCE) -> Iterator[JobResult]:
    end = time.monotonic() + deadline
    while workers.num_open:
        assert time.monotonic() < end, "the workers do not come to an end"
        yield from (event for event in workers.events(1.0) if isinstance(event, JobResult))


def govor(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "govor", "transcribe", *map(str, arguments), "--decoder", "greedy"]


# What else the machine has in its memory is no reason for Ray to kill a worker here.
# What lies about of another cluster is nothing to `--ray local`.
RAY = {
    **os.environ,
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ADDRESS": "127.0.0.1:1",
    "PYTHONPATH": str(ROOT / "tests"),
}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(govor(*arguments), capture_output=True, text=True, timeout=PATIENCE, env=RAY)


def test_a_killed_worker_costs_no_recording_and_each_comes_back_once(folder: Path, tmp_path: Path) -> None:
    with ProcessWorkers(LOADER, 2) as workers:
        for job in jobs_of(folder, tmp_path / "out"):
            workers.submit(job)
        killed = 0
        seen: list[JobResult] = []
        while workers.num_open:
            events = workers.events(PATIENCE)
            seen += [event for event in events if isinstance(event, JobResult)]
            if not killed and seen and workers.running:
                killed = next(iter(workers.running))
                os.kill(killed, signal.SIGKILL)
    assert killed
    assert Counter(result.job.source for result in seen) == {str(path): 1 for path in folder.iterdir()}
    assert [result.error for result in seen] == [None] * 8
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{number}.txt" for number in range(8)
    ]


def test_a_recording_that_kills_its_worker_twice_fails_alone(folder: Path) -> None:
    poison = write(folder / "poison.wav", speech("male") * 100)
    deaths = 0
    seen: list[JobResult] = []
    with ProcessWorkers(LOADER, 2) as workers:
        for job in jobs_of(folder):
            workers.submit(job)
        while workers.num_open:
            for event in workers.events(PATIENCE):
                if isinstance(event, JobResult):
                    seen.append(event)
                elif isinstance(event, Progress) and event.job.source == str(poison):
                    (pid,) = [pid for pid, job in workers.running.items() if job == event.job]
                    os.kill(pid, signal.SIGKILL)
                    deaths += 1
                    break
    assert deaths == 2
    failures = {result.job.source: result.error for result in seen if result.error}
    assert list(failures) == [str(poison)]
    assert "died 2 times (SIGKILL)" in str(failures[str(poison)])
    assert len(seen) == 9


def test_a_model_that_cannot_be_loaded_is_told_once(folder: Path) -> None:
    with ProcessWorkers(ModelLoader(folder / "none.onnx", DecoderChoice()), 2) as workers:
        workers.submit(jobs_of(folder)[0])
        with pytest.raises(ModelNotFoundError, match=r"none\.onnx"):
            list(results_of(workers))


def test_two_processes_print_what_one_prints_in_the_same_order(folder: Path) -> None:
    one, two = run(folder), run(folder, "-j", 2)
    assert one.stdout == two.stdout
    assert [line.split(": ")[0] for line in two.stdout.splitlines()] == [
        str(path) for path in sorted(folder.iterdir())
    ]
    assert two.returncode == 0


def test_failures_are_listed_and_counted_and_set_the_exit_code(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.wav").write_text("this is not sound")
    done = run(folder, "-j", 2, "-o", tmp_path / "out")
    assert done.returncode == 1
    rows = dict(
        line.rsplit(maxsplit=1) for line in done.stderr.splitlines() if line.startswith(("rec", "with"))
    )
    assert rows == {"recognised": "8", "with errors": "1"}
    assert sum("bad.wav" in line for line in done.stderr.splitlines()) == 1
    assert len(list((tmp_path / "out").iterdir())) == 8


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker processes by /proc")
def test_a_killed_run_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = subprocess.Popen(govor(folder, "-j", 2, "-o", output, "-f", "txt,json"), stderr=subprocess.PIPE)
    end = time.monotonic() + PATIENCE
    while not (output.is_dir() and len(list(output.glob("*.json"))) >= 2):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    while any(Path(f"/proc/{pid}/cmdline").exists() and _is_alive(pid) for pid in workers):
        assert time.monotonic() < end, "the workers outlive their parent"
        time.sleep(0.02)
    finished = {path: path.stat().st_mtime_ns for path in output.glob("*.json")}
    assert len(finished) >= 2
    # What is there is whole, and what is not is not there in part.
    assert all(path.read_text(encoding="utf-8").rstrip().endswith("}") for path in finished)
    done = run(folder, "-j", 2, "-o", output, "-f", "txt,json", "--skip-existing")
    assert done.returncode == 0
    visible = sorted(path.name for path in output.iterdir() if not path.name.startswith("."))
    assert visible == sorted(f"{number}.{name}" for number in range(8) for name in ("txt", "json"))
    both = {path for path in finished if path.with_suffix(".txt") in output.iterdir()}
    assert {path: path.stat().st_mtime_ns for path in both} == {path: finished[path] for path in both}
    again = run(folder, "-j", 2, "-o", output, "-f", "txt,json", "--skip-existing")
    assert "skipped          8" in again.stderr


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_skipping_needs_to_know_where_the_texts_are(folder: Path) -> None:
    done = run(folder, "--skip-existing")
    assert done.returncode == 1
    assert "--skip-existing needs --output-dir" in done.stderr


def test_a_watched_file_is_given_when_it_has_stopped_growing(tmp_path: Path) -> None:
    now = 0.0
    watcher = FolderWatcher(tmp_path, settle_seconds=2, clock=lambda: now)
    path = tmp_path / "a.wav"
    given: list[tuple[float, str]] = []
    for second in range(14):
        now = float(second)
        if second < 4:
            with path.open("ab") as file:
                file.write(bytes(100))
        if second == 9:
            path.write_bytes(bytes(50))
        given += [(now, recording.source) for recording in watcher.look()]
    # Last grown at 3 s, whole at 5 s; written anew at 9 s, whole at 11 s.
    assert given == [(5.0, str(path)), (11.0, str(path))]


def test_watching_recognises_what_appears_and_ends_cleanly(tmp_path: Path) -> None:
    watched, output = tmp_path / "watched", tmp_path / "out"
    write(watched / "old.wav", speech("male"))
    process = subprocess.Popen(govor("--watch", watched, "-o", output), stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE

    def wait_for(path: Path) -> None:
        while not path.is_file():
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)

    wait_for(output / "old.txt")
    # A recording that arrives in two parts, as over a network.
    content = write(tmp_path / "new.wav", speech("female") * 2).read_bytes()
    with (watched / "new.wav").open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        time.sleep(1.2)
        assert not (output / "new.txt").exists()
        file.write(content[len(content) // 2 :])
    wait_for(output / "new.txt")
    # One that rests for so long that it is taken for whole: read in part, told of, and read again.
    (watched / "slow.wav").write_bytes(content[: len(content) // 2])
    wait_for(output / "slow.txt")
    part = (output / "slow.txt").read_text(encoding="utf-8")
    with (watched / "slow.wav").open("ab") as file:
        file.write(content[len(content) // 2 :])
    while (output / "slow.txt").read_text(encoding="utf-8") == part:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    # Another recording of the same name, moved here with the age that it had.
    other = write(tmp_path / "other.wav", speech("male"))
    os.utime(other, (0, 0))
    other.replace(watched / "new.wav")
    while (output / "new.txt").read_text(encoding="utf-8") != (output / "old.txt").read_text(
        encoding="utf-8"
    ):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    # Nothing is wrong with any of them as they are now.
    assert (process.returncode, errors.count("error: ")) == (0, 1)
    assert "Traceback" not in errors
    whole = run(tmp_path / "new.wav").stdout
    assert (output / "slow.txt").read_text(encoding="utf-8") == whole
    assert (output / "slow.txt").read_text(encoding="utf-8") == whole


def test_a_restart_knows_which_recording_a_text_was_made_of(tmp_path: Path) -> None:
    watched, output = tmp_path / "watched", tmp_path / "out"
    write(watched / "same.wav", speech("male"))
    write(watched / "other.wav", speech("male"))

    def watch_until(path: Path, text: str) -> str:
        process = subprocess.Popen(govor("--watch", watched, "-o", output), stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + PATIENCE
        while not path.is_file() or path.read_text(encoding="utf-8") != text:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and "Traceback" not in errors
        return errors

    male = run(watched / "same.wav").stdout
    # In the order of their names, so the other has its text by then too.
    watch_until(output / "same.txt", male)
    made = (output / "same.txt").stat().st_mtime_ns
    # While nobody looks another recording takes the place, with an age from before the text.
    older = write(tmp_path / "older.wav", speech("female"))
    female = run(older).stdout
    os.utime(older, (0, 0))
    older.replace(watched / "other.wav")
    assert female != male
    watch_until(output / "other.txt", female)
    assert (output / "same.txt").stat().st_mtime_ns == made


def test_a_journal_that_broke_off_keeps_its_whole_lines(tmp_path: Path) -> None:
    Journal(tmp_path).note("a.wav", (1, 2))
    with (tmp_path / JOURNAL_NAME).open("ab") as file:
        file.write(b'{"recording": "b.w')
    Journal(tmp_path).note("c.wav", (3, 4))
    read = Journal(tmp_path)
    assert [read.signature(name) for name in ("a.wav", "b.wav", "c.wav")] == [(1, 2), None, (3, 4)]


def test_nothing_is_lost_or_done_twice_when_a_ray_worker_dies(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    # In a process of its own: Ray leaves threads and open sockets behind.
    code = """
import collections, json, os, signal, sys
from pathlib import Path
from govor.batch.cluster import RayWorkers
from govor.jobs import JobResult
from test_batch import LOADER, jobs_of
import govor.batch.cluster as cluster
folder, output = Path(sys.argv[1]), Path(sys.argv[2])
writes = collections.Counter()
write_outputs = cluster.write_outputs
def counted(job, *rest):
    writes[job.source] += 1
    write_outputs(job, *rest)
cluster.write_outputs = counted
if __name__ == "__main__":
    with RayWorkers(LOADER, "local", 2) as workers:
        for job in jobs_of(folder, output):
            workers.submit(job)
        killed, pids, seen = 0, set(), []
        while workers.num_open:
            seen += [event for event in workers.events(1.0) if isinstance(event, JobResult)]
            pids |= workers.running.keys()
            if seen and not killed and len(workers.running) == 2:
                killed = max(workers.running)
                os.kill(killed, signal.SIGKILL)
    print(json.dumps({
        "killed": killed, "pids": len(pids), "writes": list(writes.values()),
        "sources": sorted(result.job.source for result in seen),
        "errors": [result.error for result in seen if result.error],
    }))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        env=RAY,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    # Two workers, and a third one where its turn comes before the other has done the rest.
    assert found["killed"] and found["pids"] in (2, 3)
    assert found["sources"] == [str(path) for path in sorted(folder.iterdir())]
    assert found["writes"] == [1] * 8
    assert found["errors"] == []
    assert len(list((tmp_path / "out").iterdir())) == 8


def test_ray_on_the_command_line_gives_the_texts_of_one_process(folder: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()
    done = run(folder, "--ray", "local", "-j", 1)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == run(folder).stdout


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere.invalid:1", "[::1]:99999"])
def test_a_cluster_that_does_not_answer_is_told_at_once(address: str) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with pytest.raises(WorkerError, match="ray start --head") as caught:
        RayWorkers(LOADER, address, 1)
    assert address in str(caught.value)
