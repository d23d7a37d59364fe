from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from govor.checkpoint import Checkpoint, save_checkpoint
from govor.cli.app import run
from govor.features import save_mfc
from govor.manifest import Utterance, write_manifest
from govor.model import AcousticNetwork
from tiny_corpus import ALPHABET, CONFIG, speak
from tiny_model import metadata, spell, spelling_model, write
from tiny_recordings import tone

COMMANDS = ("transcribe", "evaluate", "train", "export", "features", "prepare sphinx")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny random network, exported."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    weights = AcousticNetwork(CONFIG.network, len(ALPHABET)).state_dict()
    save_checkpoint(folder / "c.safetensors", Checkpoint(CONFIG, ALPHABET, weights))
    assert run(["export", str(folder / "c.safetensors"), "--output", str(folder / "m.onnx"), "-q"]) == 0
    return str(folder / "m.onnx")


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return tone(tmp_path / "good.wav")


def govor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "govor", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


# Help and usage


def test_help_of_the_program_is_russian_in_a_russian_locale_and_english_elsewhere() -> None:
    russian = govor("--help", LC_ALL="ru_RU.UTF-8")
    assert (russian.returncode, russian.stderr) == (0, "")
    for said in ("Распознать записи", "Команды", "Параметры"):
        assert said in russian.stdout
    english = govor("--help", LC_ALL="C.UTF-8")
    assert "Recognise recordings" in english.stdout
    assert not re.search("[а-я]", english.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(command: str, capsys: Capture) -> None:
    assert run([*command.split(), "--help"]) == 0
    out, err = capsys.readouterr()
    assert "Example:" in out
    assert f"govor {command} " in out.split("Example:")[1]
    assert err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bogus"],
        ["bogus"],
        ["transcribe", "--bogus"],
        ["transcribe"],
        ["transcribe", "a.wav", "--format", "srtt"],
        ["evaluate", "m.jsonl", "--worst", "-1"],
        ["train", "--train", "m.jsonl"],
        ["features", "a.wav"],
        ["prepare", "sphynx", "x"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert "--help)" in line


@pytest.mark.parametrize("arguments", [[], ["prepare"]])
def test_without_a_command_the_help_is_shown(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert "Commands" in out
    assert err == ""


def test_version_is_that_of_the_package(capsys: Capture) -> None:
    import govor as package

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"govor {package.__version__}\n"


# Transcribe


def test_jsonl_is_one_object_a_file_with_the_path_as_it_was_given(
    model: str, recording: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tone(tmp_path / "b [x].wav", 2.0)
    assert run(["transcribe", "good.wav", "./b [x].wav", "--format", "jsonl", "-m", model, "-q"]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [list(row)[1:5] for row in rows] == [["audio_filepath", "duration", "text", "segments"]] * 2
    assert [row["audio_filepath"] for row in rows] == ["good.wav", "./b [x].wav"]
    assert [row["duration"] for row in rows] == [1.0, 2.0]
    assert err == ""


def test_json_of_one_file_is_an_object_and_of_two_a_list(model: str, recording: str, capsys: Capture) -> None:
    assert run(["transcribe", recording, "--format", "json", "-m", model]) == 0
    assert json.loads(capsys.readouterr().out)["audio_filepath"] == recording
    assert run(["transcribe", recording, recording, "--format", "json", "-m", model]) == 0
    assert [row["audio_filepath"] for row in json.loads(capsys.readouterr().out)] == [recording] * 2


def bad_input(kind: str, folder: Path) -> str:
    path = folder / f"{kind}.wav"
    if kind == "not-audio":
        path.write_text("это текст\n" * 100, encoding="utf-8")
    elif kind == "zero-length":
        path.write_bytes(b"")
    elif kind == "no-samples":
        tone(path, 0)
    elif kind == "truncated":
        whole = Path(tone(path)).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "nan":
        samples = np.full(16000, np.nan, "<f4").tobytes()
        header = b"WAVEfmt \x10\0\0\0\x03\0\x01\0" + np.array([16000, 64000], "<i4").tobytes()
        body = header + b"\x04\0\x20\0data" + np.array([len(samples)], "<i4").tobytes() + samples
        path.write_bytes(b"RIFF" + np.array([len(body)], "<i4").tobytes() + body)
    elif kind == "folder":
        path.mkdir()
    return str(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "cannot be opened"),
        ("folder", "folder|directory|device"),
        ("not-audio", "not audio"),
        ("zero-length", "empty"),
        ("no-samples", "no audio samples"),
        ("truncated", "truncated"),
        ("nan", "NaN"),
    ],
)
def test_bad_recording_is_one_line_and_exit_code_1_and_the_others_still_run(
    kind: str, said: str, model: str, recording: str, tmp_path: Path, capsys: Capture
) -> None:
    bad = bad_input(kind, tmp_path)
    assert run(["transcribe", bad, recording, "-f", "jsonl", "-m", model, "--quiet"]) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(f"error: {bad}: ")
    assert re.search(said, line)
    done = [json.loads(row)["audio_filepath"] for row in out.splitlines()]
    # What a truncated file still holds is printed too.
    assert done == ([bad, recording] if kind == "truncated" else [recording])


def test_closed_pipe_gives_no_traceback(model: str, recording: str) -> None:
    command = [sys.executable, "-m", "govor", "transcribe", *[recording] * 3, "-f", "json", "-m", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert "Traceback" not in err
    assert "Exception" not in err


# Models


BAD_MODELS = ("missing", "text", "truncated", "other onnx", "broken alphabet", "no space", "folder")


@pytest.mark.parametrize("command", ["transcribe", "evaluate"])
@pytest.mark.parametrize("kind", BAD_MODELS)
def test_unusable_model_is_one_line_that_names_it(
    kind: str, command: str, model: str, recording: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "bad.onnx"
    if kind == "text":
        path.write_text("onnx", encoding="utf-8")
    elif kind == "truncated":
        path.write_bytes(Path(model).read_bytes()[:-5000])
    elif kind == "other onnx":
        write(path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), None)
    elif kind == "broken alphabet":
        # Any letters may be a model's, but each is one character.
        german = metadata(alphabet=["<blank>", " ", "sch", *"abcdefghijklmnopqrstuvwxyz", *"абвгде"])
        write(path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), german)
    elif kind == "no space":
        # Any letters are fine (tests/test_letters.py), but words must be parted.
        latin = metadata(alphabet=["<blank>", *"abcdefghijklmnopqrstuvwxyz", *"абвгдеёж"])
        write(path, np.zeros((13, 35), np.float32), np.zeros(35, np.float32), latin)
    elif kind == "folder":
        path.mkdir()
    write_manifest(tmp_path / "m.jsonl", [Utterance("1", 1.0, "да", audio_filepath=Path(recording))])
    source = recording if command == "transcribe" else str(tmp_path / "m.jsonl")
    assert run([command, source, "--model", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert str(path) in line


@pytest.mark.parametrize("kind", ["missing", "text", "onnx", "nan"])
def test_export_of_what_is_no_sound_checkpoint_is_one_line_and_writes_nothing(
    kind: str, model: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "c.safetensors"
    if kind == "text":
        path.write_text("weights", encoding="utf-8")
    elif kind == "onnx":
        path.write_bytes(Path(model).read_bytes())
    elif kind == "nan":
        weights = AcousticNetwork(CONFIG.network, len(ALPHABET)).state_dict()
        weights["output.bias"][1] = torch.nan
        save_checkpoint(path, Checkpoint(CONFIG, ALPHABET, weights))
    assert run(["export", str(path), "--output", str(tmp_path / "out.onnx")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "NaN" in line if kind == "nan" else str(path) in line
    assert not (tmp_path / "out.onnx").exists()


def test_export_says_where_and_how_large_and_nothing_when_quiet(tmp_path: Path, capsys: Capture) -> None:
    weights = AcousticNetwork(CONFIG.network, len(ALPHABET)).state_dict()
    save_checkpoint(tmp_path / "c.safetensors", Checkpoint(CONFIG, ALPHABET, weights))
    command = ["export", str(tmp_path / "c.safetensors"), "-o", str(tmp_path / "m.onnx"), "--precision"]
    assert run([*command, "fp32"]) == 0
    assert "m.onnx: 0.0" in capsys.readouterr().err
    assert run([*command, "int8", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert 'precision": "int8' in onnx.load(str(tmp_path / "m.onnx")).metadata_props[0].value


# Evaluate


def test_evaluate_counts_errors_lists_bad_lines_and_writes_json(tmp_path: Path, capsys: Capture) -> None:
    speller = str(spelling_model(tmp_path / "speller.onnx"))
    lines = []
    for name, said, text in (("1", "да нет", "Да — нет!"), ("2", "мама", "папа")):
        np.save(tmp_path / f"{name}.npy", spell(said))
        lines.append(json.dumps({"id": name, "features": f"{name}.npy", "duration": 0.1, "text": text}))
    lines.insert(1, "{bad")
    lines.append('{"id": "3", "features": "none.npy", "duration": 1, "text": "да"}')
    (tmp_path / "m.jsonl").write_text("\n".join(lines), encoding="utf-8")
    command = ["evaluate", str(tmp_path / "m.jsonl"), "-m", speller, "--quiet"]
    assert run([*command, "--json", str(tmp_path / "new" / "out.json")]) == 1
    out, err = capsys.readouterr()
    first, second = err.splitlines()
    assert first.startswith(f"error: {tmp_path / 'm.jsonl'}:2: not JSON")
    assert second.startswith("error: 3: ")
    assert "0.3333" in out
    report = json.loads((tmp_path / "new" / "out.json").read_text(encoding="utf-8"))
    assert report["wer"] == pytest.approx(1 / 3)
    assert report["cer"] == pytest.approx(2 / 10)
    assert (report["num_utterances"], report["num_words"]) == (2, 3)
    assert report["rtf"] > 0
    pairs = {row["id"]: (row["reference"], row["hypothesis"]) for row in report["utterances"]}
    assert pairs == {"1": ("да нет", "да нет"), "2": ("папа", "мама")}


@pytest.mark.parametrize("content", ["", "{bad\n", None])
def test_manifest_with_nothing_to_evaluate_fails_without_a_traceback(
    content: str | None, model: str, tmp_path: Path, capsys: Capture
) -> None:
    if content is not None:
        (tmp_path / "m.jsonl").write_text(content, encoding="utf-8")
    assert run(["evaluate", str(tmp_path / "m.jsonl"), "-m", model]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert all(line.startswith("error: ") for line in err.splitlines())


# Features


@pytest.mark.parametrize("config", ["seed", "sphinx8k"])
def test_features_are_what_extract_gives(
    config: str, recording: str, tmp_path: Path, capsys: Capture
) -> None:
    from govor.audio.loading import load_audio
    from govor.config import FEATURE_PRESETS
    from govor.features import extract

    output = tmp_path / "new" / "x.npy"
    assert run(["features", recording, "--config", config, "--output", str(output)]) == 0
    values = np.load(output)
    front_end = FEATURE_PRESETS[config]
    expected = extract(load_audio(recording, front_end.sample_rate).samples, front_end).values
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == np.float32
    assert f"{len(values)} frames of 13 features" in capsys.readouterr().err


def test_features_of_an_unknown_configuration_or_a_bad_file_are_one_line(
    recording: str, tmp_path: Path, capsys: Capture
) -> None:
    output = str(tmp_path / "x.npy")
    for file, config in ((recording, "none"), (bad_input("not-audio", tmp_path), "seed")):
        assert run(["features", file, "--config", config, "-o", output]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path(output).exists()


# Prepare


def test_prepare_writes_manifest_drops_and_splits(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "etc").mkdir()
    prompts = "<s> да </s> (a/1)\n<s> нет </s> (a/2)\n<s> 5 </s> (a/3)\n"
    (tmp_path / "etc" / "PROMPTS_all").write_text(prompts, encoding="utf-8")
    (tmp_path / "feat" / "a").mkdir(parents=True)
    for name in "12":
        save_mfc(tmp_path / "feat" / "a" / f"{name}.mfc", speak("дадада"))
    (tmp_path / "s.json").write_text('{"train": ["a/1", "gone"], "dev": ["a/2"]}', encoding="utf-8")
    command = ["prepare", "sphinx", str(tmp_path), "-o", str(tmp_path / "out")]
    assert run([*command, "--splits", str(tmp_path / "s.json")]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "2 utterances" in err and "dropped 1" in err
    assert "1 of 2 not there" in err
    ids = {
        path.stem: [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (tmp_path / "out").iterdir()
    }
    assert ids == {"manifest": ["a/1", "a/2"], "dropped": ["a/3"], "train": ["a/1"], "dev": ["a/2"]}


@pytest.mark.parametrize("splits", ["[", "[]", '{"train": "a"}', '{"train": [1]}', None])
def test_prepare_with_unusable_splits_is_one_line(
    splits: str | None, tmp_path: Path, capsys: Capture
) -> None:
    if splits is not None:
        (tmp_path / "s.json").write_text(splits, encoding="utf-8")
    command = ["prepare", "sphinx", str(tmp_path), "-o", str(tmp_path / "out")]
    assert run([*command, "--splits", str(tmp_path / "s.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "s.json" in line
    assert not (tmp_path / "out").exists()
