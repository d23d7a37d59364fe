import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from apache_index import ApacheIndex, Fault
from download_fixture import ARCHIVES, NAMES, assert_whole, files_of, tmp_path_without, tree, work_files
from govor.cli.app import run
from voxforge_fixture import tgz


@pytest.fixture
def server():
    with ApacheIndex(ARCHIVES) as one:
        yield one


def command(server, output, *more):
    return ["download", "voxforge-ru", "--url", server.url, "--output", str(output), *more]


def test_the_command_ends_with_0_1_and_2(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GOVOR_LANG", "en")
    server.faults["vera.tgz"].append(Fault("status", 404))
    assert run(command(server, tmp_path)) == 1
    assert "failures.jsonl" in capsys.readouterr().err
    assert run(command(server, tmp_path)) == 0
    assert "1 new, 4 there before, 0 failed" in capsys.readouterr().err
    for wrong in (
        ["--sha256", "xyz"],
        ["--source", "archive"],
        ["--archive", "http://h/a.tgz"],
        ["--rate", "1"],
    ):
        assert run(command(server, tmp_path, *wrong)) == 2
    assert run(["download", "voxforge-ru", "--url", "ftp://x/", "--output", str(tmp_path)]) == 2


def test_sources_that_are_named_are_tried_in_the_order_given(server, tmp_path):
    arguments = ["--host", server.host, "--source", "mirror", "--source", "classic"]
    server.faults[""].append(Fault("status", 404))
    assert run(command(server, tmp_path, *arguments)) == 0
    assert_whole(tmp_path_without(tmp_path, "failures.jsonl"))
    assert (tmp_path / ".download/rate").read_text() == "16kHz_16bit\n"


def start(server, output):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GOVOR_LANG": "en"}
    return subprocess.Popen(
        [sys.executable, "-m", "govor", *command(server, output)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_at_random_moments_and_run_again_gives_the_same_tree(tmp_path):
    moments = random.Random(7)
    files = {**ARCHIVES, **{f"more{i}-20120101-zzz.tgz": tgz(files_of(f"more{i}"), "x") for i in range(15)}}
    with ApacheIndex(files, delay=0.15) as server:
        assert run(command(server, tmp_path / "straight", "-q")) == 0
        output, killed, partial = tmp_path / "killed", 0, 0
        for _ in range(5):
            server.requests.clear()
            process = start(server, output)
            # Counted from the first request, as the interpreter takes its time.
            while not server.requests and process.poll() is None:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.6))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            published = (
                {path.name for path in output.iterdir() if path.name != ".download"}
                if output.exists()
                else set()
            )
            partial += 0 < len(published) < len(files)
            for name in published:
                assert len(list((output / name).rglob("*.*"))) >= 4
                assert (output / name / ".govor.json").exists()
        process = start(server, output)
        process.communicate()
        assert process.returncode == 0
    assert killed >= 3 and partial >= 1
    assert tree(output) == tree(tmp_path / "straight")
    assert work_files(output) == set()


def test_ctrl_c_ends_with_130_and_the_next_run_finishes(tmp_path):
    with ApacheIndex(ARCHIVES, delay=1.0) as server:
        process = start(server, tmp_path)
        while not any(name.endswith(".tgz") for _, name, _ in list(server.requests)):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 130 and errors.strip() == "interrupted"
        server.delay = 0.0
        assert run(command(server, tmp_path, "-q")) == 0
    assert_whole(tmp_path)


def test_the_way_from_the_server_to_the_audit_works(server, tmp_path):
    corpus, prepared, page = tmp_path / "corpus", tmp_path / "prepared", tmp_path / "audit.html"
    assert run(command(server, corpus, "-q")) == 0
    assert run(["prepare", "voxforge", str(corpus), "--output", str(prepared), "-q"]) == 0
    rows = [
        json.loads(line) for line in (prepared / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    # «Привет, alisa…» holds Latin letters; the noise has no prompt.
    assert [row["id"] for row in rows] == [f"{name}/wav/ru_0002" for name in NAMES]
    assert {row["text"] for row in rows} == {"до свидания"}
    assert len((prepared / "dropped.jsonl").read_text().splitlines()) == 10
    manifest = str(prepared / "manifest.jsonl")
    assert run(["corpus", "audit", manifest, "--output", str(page), "--no-model", "-q"]) == 0
    assert page.stat().st_size > 5000
