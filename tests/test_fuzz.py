"""Damaged files of every kind: Govor says what is wrong, and neither crashes nor hangs nor swells.

GOVOR_FUZZ sets the number of cases of each kind; the whole run is GOVOR_FUZZ=2000.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from fuzz.mutations import mutate
from fuzz.sandbox import MAX_MEGABYTES, run_cases
from govor.audio.loading import load_audio
from govor.language_model import build, write_arpa, write_kenlm
from tiny_model import spelling_model

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures memory by /proc")
CASES = int(os.environ.get("GOVOR_FUZZ", "0"))
ROOT = Path(__file__).resolve().parents[1]
# File name, codec, rate; the same speech in each.
FORMATS = [
    ("u8.wav", "pcm_u8", 8000),
    ("s16.wav", "pcm_s16le", 16000),
    ("s24.wav", "pcm_s24le", 44100),
    ("s32.wav", "pcm_s32le", 16000),
    ("f32.wav", "pcm_f32le", 16000),
    ("f64.wav", "pcm_f64le", 16000),
    ("alaw.wav", "pcm_alaw", 8000),
    ("mulaw.wav", "pcm_mulaw", 8000),
    ("speech.flac", "flac", 16000),
    ("speech.mp3", "libmp3lame", 16000),
    ("vorbis.ogg", "vorbis", 44100),
    ("opus.ogg", "libopus", 48000),
    ("speech.m4a", "aac", 44100),
    ("speech.mp4", "aac", 16000),
    ("speech.webm", "libopus", 48000),
    ("speech.mkv", "aac", 22050),
    ("speech.aac", "aac", 16000),
]


def write_sound(path: Path, samples: NDArray[np.float32], source_rate: int, codec: str, rate: int) -> None:
    with av.open(str(path), "w", format="ipod" if path.suffix == ".m4a" else None) as output:
        # FFmpeg's own Vorbis encoder is experimental and knows two channels only.
        layout = "stereo" if codec == "vorbis" or path.suffix == ".mkv" else "mono"
        stream = output.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = source_rate
        resampler = av.AudioResampler(
            stream.format, stream.layout, rate, frame_size=stream.codec_context.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    speech = load_audio(ROOT / "examples" / "female.wav", 16000).samples[: 2 * 16000]
    for name, codec, rate in FORMATS:
        write_sound(folder / name, speech, 16000, codec, rate)
    return folder


def test_a_seed_gives_the_same_damage_each_time() -> None:
    data = bytes(range(256)) * 8
    assert mutate(data, 7, [data]) == mutate(data, 7, [data])
    assert len({mutate(data, seed, [data]) for seed in range(200)}) > 190


def test_the_sandbox_sees_crashes_bugs_hangs_and_swelling(tmp_path: Path) -> None:
    report = run_cases("faulty", tmp_path, 6, hang_seconds=5.0)
    crash, bug, hang = report.faults
    assert crash.startswith("faulty 1: exit code -11")
    assert bug.startswith("faulty 2") and "KeyError" in bug
    assert hang == "faulty 3: no end after 5 s"
    assert report.num_cases == 6
    assert report.peak_megabytes > MAX_MEGABYTES


def test_damaged_recordings_of_every_format_give_text_or_one_error(sounds: Path) -> None:
    report = run_cases("audio", sounds, CASES or 500)
    assert report.faults == ()
    assert report.num_cases == (CASES or 500)
    assert report.peak_megabytes < MAX_MEGABYTES


def test_damaged_language_models_are_refused_or_searched_with(tmp_path: Path) -> None:
    text = ["мама мыла раму", "папа мыл машину", "мама читала книгу", "в комнате мама и папа"] * 3
    model = build([line.split() for line in text], order=3)
    write_kenlm(model, tmp_path / "small.klm")
    write_arpa(model, tmp_path / "small.arpa")
    report = run_cases("language_model", tmp_path, CASES or 400)
    assert report.faults == ()
    assert report.peak_megabytes < MAX_MEGABYTES


def test_damaged_networks_are_refused_or_run(tmp_path: Path) -> None:
    spelling_model(tmp_path / "small.onnx")
    report = run_cases("network", tmp_path, CASES or 300)
    assert report.faults == ()
    assert report.peak_megabytes < MAX_MEGABYTES


def test_parsers_and_decoders_hold_whatever_hypothesis_thinks_of() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    done = subprocess.run(
        [
            *(sys.executable, "-X", "faulthandler", "-m", "pytest", "fuzz/properties.py", "-q", "--tb=short"),
            *("-p", "no:cacheprovider", "-o", "addopts=", "-o", "faulthandler_timeout=60"),
        ],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "GOVOR_FUZZ_EXAMPLES": str(CASES or 60), "PYTHONPATH": str(Path(__file__).parent)},
        timeout=120 + CASES,
    )
    # A negative code is a signal: a crash in one of the libraries.
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
