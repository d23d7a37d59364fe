"""A result that could not be written is refused before the work; a manifest of no use is named as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from govor.cli.app import run
from govor.manifest import Utterance, write_manifest
from tiny_recordings import tone

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    recording = Path(tone(tmp_path / "good.wav"))
    write_manifest(tmp_path / "m.jsonl", [Utterance("1", 1.0, "да", audio_filepath=recording)])
    return str(tmp_path / "m.jsonl")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("evaluate {manifest}", "--json"),
        ("adapt --manifest {manifest}", "--output"),
        ("adapt --manifest {manifest} --output {other}", "--json"),
        ("corpus audit {manifest} --no-model", "--output"),
        ("prepare cuts {manifest}", "--output"),
        ("prepare features {manifest}", "--output"),
    ],
)
def test_a_result_that_cannot_be_written_is_refused_before_the_work(
    command: str, option: str, manifest: str, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    arguments = command.format(manifest=manifest, other=tmp_path / "other.onnx").split()
    assert run([*arguments, option, str(folder)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"error: {folder} cannot be written (no right to write, or a folder); name another: {option}\n"
    )
    assert not (tmp_path / "other.onnx").exists()
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        "evaluate {}",
        "corpus audit {} --output a.html",
        "corpus export {} out --to nemo",
        "prepare cuts {} --output c.jsonl",
        "prepare shards {} --output shards --quiet",
    ],
)
def test_a_manifest_of_nothing_is_named(
    command: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.jsonl").touch()
    assert run(command.format("empty.jsonl").split()) == 1
    assert capsys.readouterr().err == "error: empty.jsonl: no usable lines\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["empty.jsonl"]


def test_another_file_named_as_a_manifest_does_not_fill_the_screen(tmp_path: Path, capsys: Capture) -> None:
    novel = tmp_path / "novel.txt"
    novel.write_text("Все счастливые семьи похожи друг на друга\n" * 1000, encoding="utf-8")
    assert run(["evaluate", str(novel)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines[:10]] == [f"{novel}:{number}" for number in range(1, 11)]
    assert lines[10:] == ["error: and 990 more bad lines", f"error: {novel}: no usable lines"]


def test_features_are_refused_a_name_that_says_another_format(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "male.htk"
    assert run(["features", tone(tmp_path / "a.wav"), "--output", str(output)]) == 1
    assert capsys.readouterr().err == f"error: {output}: the name must end in .npy\n"
    assert not output.exists()
