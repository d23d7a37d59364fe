from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from govor.checkpoint import load_checkpoint
from govor.cli.app import run
from govor.features import save_mfc
from tiny_corpus import make, speak
from tiny_recordings import tone

TINY_TOML = """
[network]
conv_channels = 16
stride = 2
hidden_size = 16
num_layers = 1
[training]
epochs = 2
batch_seconds = 1.0
bfloat16 = false
checkpoint_minutes = 1e-9
"""

Capture = pytest.CaptureFixture[str]


def train_files(folder: Path) -> list[str]:
    make(folder)
    (folder / "c.toml").write_text(TINY_TOML, encoding="utf-8")
    manifest = str(folder / "m.jsonl")
    config = str(folder / "c.toml")
    return ["train", "--config", config, "--train", manifest, "--dev", manifest, "-o", str(folder / "run")]


def test_training_shows_what_is_heard_beside_the_reference_and_its_model_transcribes(
    tmp_path: Path, capsys: Capture
) -> None:
    recording = tone(tmp_path / "good.wav")
    command = train_files(tmp_path)
    make(tmp_path, ("анна",), "short")
    save_mfc(tmp_path / "short0.mfc", speak("анна")[:8])
    manifest = tmp_path / "m.jsonl"
    manifest.write_text(
        manifest.read_text(encoding="utf-8") + (tmp_path / "short.jsonl").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    assert run(command) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "short0: too short for its text: 4 output frames, 5 needed" in err
    assert re.search(r"epoch 1 .*CER", err)
    assert err.count("said") == err.count("heard") >= 4
    assert run(command) == 1
    assert "--resume" in capsys.readouterr().err
    assert run([*command, "--resume", "--quiet"]) == 0
    best, onnx_file = str(tmp_path / "run" / "best.safetensors"), str(tmp_path / "m.onnx")
    assert run(["export", best, "-o", onnx_file, "-q"]) == 0
    capsys.readouterr()
    assert run(["transcribe", recording, "-m", onnx_file]) == 0
    # The made-up language of these tests is tones, which is what the warning says.
    assert "music or noise" in (err := capsys.readouterr().err) or not err


def test_bad_manifest_line_is_told_trained_around_and_ends_with_1(tmp_path: Path, capsys: Capture) -> None:
    command = train_files(tmp_path)
    with (tmp_path / "m.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("{bad\n")
    (tmp_path / "dev.jsonl").write_text((tmp_path / "m.jsonl").read_text(encoding="utf-8").split("{bad")[0])
    command[command.index("--dev") + 1] = str(tmp_path / "dev.jsonl")
    assert run([*command, "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'm.jsonl'}:5: not JSON")
    assert (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--config": "none.toml"}, "none.toml"),
        ({"--train": "none.jsonl"}, "none.jsonl"),
        ({"--train": "none.jsonl@0.3"}, "none.jsonl"),
        ({"--train": "none.jsonl@x"}, "none.jsonl@x"),
        ({"--train": "none.jsonl@2"}, "between 0 and 1"),
        ({"--dev": "none.jsonl"}, "none.jsonl"),
        ({"--init": "none.safetensors"}, "none.safetensors"),
    ],
)
def test_training_that_cannot_begin_is_one_line(
    changes: dict[str, str], said: str, tmp_path: Path, capsys: Capture
) -> None:
    command = train_files(tmp_path)
    for option, value in changes.items():
        command += [option, value]
    if "--train" in changes:
        command.remove("--train")
        command.remove(str(tmp_path / "m.jsonl"))
    assert run([*command, "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_ctrl_c_saves_ends_with_130_and_resume_gives_the_weights_of_a_run_that_was_not_stopped(
    tmp_path: Path,
) -> None:
    command = train_files(tmp_path)
    long = TINY_TOML.replace("epochs = 2", "epochs = 40")
    (tmp_path / "c.toml").write_text(long, encoding="utf-8")
    last = tmp_path / "run" / "last.safetensors"
    with subprocess.Popen(
        [sys.executable, "-m", "govor", *command], stderr=subprocess.PIPE, text=True
    ) as process:
        while not last.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    stopped = load_checkpoint(last).progress["progress"]
    assert stopped["epoch"] < 40
    assert run([*command, "--resume", "--quiet"]) == 0
    whole = [*command[:-1], str(tmp_path / "whole"), "--quiet"]
    assert run(whole) == 0
    one, two = load_checkpoint(last), load_checkpoint(tmp_path / "whole" / "last.safetensors")
    assert all(torch.equal(value, two.weights[name]) for name, value in one.weights.items())
