"""The folder in which the documentation's commands are run: every file that they name, small and real."""

from __future__ import annotations

import itertools
import re
import shutil
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

import corpus_fixtures
import voxforge_fixture
from corpus_fixtures import write_audio
from govor.audio.loading import load_audio
from govor.cli.app import run
from govor.config import FEATURE_PRESETS
from govor.corpora.recordings import RecordingFolder, Speaker
from govor.corpora.splits import PARTS, SplitRule
from govor.features import extract, save_mfc
from govor.manifest import Utterance, write_manifest

ROOT = Path(__file__).resolve().parents[1]
VOICE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
RATE = 16000

TINY = """
[network]
conv_channels = 8
conv_kernel = 3
stride = 3
hidden_size = 8
num_layers = 1
[training]
epochs = 1
batch_seconds = 60
bfloat16 = false
"""
PHRASES = "[пожалуйста] (включи|выключи) свет\nканал 5\n"
TEXTS = "Потуши свет в гостиной.\nСмотрёшка показывает канал про рыб.\nБабушка испечёт пирог.\n" * 5


@dataclass(frozen=True)
class Said:
    """A real recording and what is said in it."""

    path: Path
    text: str
    seconds: float


def recordings() -> list[Said]:
    """Return the recordings of Debian's festvox-ru, shortest first."""
    found = []
    listing = (VOICE / "etc" / "txt.done.data").read_text("utf-8", errors="replace")
    for name, text in re.findall(r'\( *(\S+) "(.*)" *\)', listing):
        path = VOICE / "wav" / f"{name}.wav"
        spoken = " ".join(re.sub(r"[^а-яё ]+", " ", text.lower().replace("+", "")).split())
        if path.exists() and spoken:
            with wave.open(str(path)) as sound:
                found.append(Said(path, spoken, sound.getnframes() / sound.getframerate()))
    return sorted(found, key=lambda said: said.seconds)


def make_world(folder: Path) -> None:
    """Write every file that the pages name and do not make themselves."""
    said = [one for one in recordings() if one.seconds > 1.5]
    samples = load_audio(said[0].path, RATE).samples
    sound = (samples * 32767).astype(np.int16)
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("*.py"))
    for name in ("речь", "speech", "запись", "recording", "команда", "command"):
        write_audio(folder / f"{name}.wav", sound)
    for name in (
        "звонок.wav",
        "call.wav",
        "calls/1.wav",
        "calls/may/2.wav",
        "звонки/1.wav",
        "звонки/май/2.wav",
    ):
        _stereo(folder / name, said[0].path, said[1].path)
    for name in ("лекции/май/1.mp3", "lectures/may/1.mp3", "глава.mp3", "chapter.mp3"):
        write_audio(folder / name, sound)
    for name in ("глава.txt", "chapter.txt"):
        (folder / name).write_text(said[0].text, encoding="utf-8")
    for name in ("интервью.m4a", "interview.m4a", "лекция.mkv", "lecture.mkv", "film.mkv"):
        _container(folder / name, sound, picture=name.endswith(".mkv"))
    for name in ("входящие", "incoming"):
        (folder / name).mkdir()
    for name, texts in {
        "команды.txt": PHRASES,
        "commands.txt": PHRASES,
        "my_commands.txt": f"{said[2].text}\n{said[1].text}\n",
        **dict.fromkeys(("письма.txt", "letters.txt", "my_texts.txt", "проверка.txt", "test.txt"), TEXTS),
        "tiny.toml": TINY,
    }.items():
        (folder / name).write_text(texts, encoding="utf-8")
    _models(folder)
    _corpora(folder, said)
    with RecordingFolder(folder / "my_voice", Speaker("мария")) as voice:
        for one in said[3:9]:
            voice.keep(one.text, load_audio(one.path, RATE).samples)


def _models(folder: Path) -> None:
    for name in ("my.onnx", "m.onnx"):
        shutil.copy(ROOT / "src" / "govor" / "models" / "small.onnx", folder / name)
    assert run(["lm", "build", str(folder / "my_texts.txt"), "--output", str(folder / "my.klm"), "-q"]) == 0


def _corpora(folder: Path, said: list[Said]) -> None:
    rows = [Utterance(str(i), one.seconds, one.text, "нш", one.path) for i, one in enumerate(said[:4])]
    (folder / "data" / "voxforge").mkdir(parents=True)
    for name in ("data/train", "data/dev", "data/voxforge/dev", "dev", "записи", "recordings"):
        write_manifest(folder / f"{name}.jsonl", rows[:2] if name.endswith(("записи", "dings")) else rows)
    # For what reads features only; enough that every eighth is more than one.
    several = [Utterance(str(i), one.seconds, one.text, "нш", one.path) for i, one in enumerate(said[:12])]
    (folder / "data" / "features").mkdir()
    write_manifest(folder / "several.jsonl", several)
    features = str(folder / "data" / "features" / "dev.jsonl")
    assert run(["prepare", "features", str(folder / "several.jsonl"), "--output", features, "-q"]) == 0
    # Letters are phones enough; each word often enough not to pass for a misprint.
    words = sorted({word for one in said[:4] for word in one.text.split()})
    (folder / "ru.dict").write_text("\n".join(f"{word} {' '.join(word)}" for word in words), encoding="utf-8")
    (folder / "texts.txt").write_text("".join(f"{one.text}\n" for one in said[:4]) * 3, encoding="utf-8")
    for name in ("записи", "recordings"):
        for one in said[:3]:
            target = folder / name / "нш" / one.path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(one.path, target)
            target.with_suffix(".txt").write_text(one.text, encoding="utf-8")
    (folder / "tatar").mkdir()
    texts = ("Исәнмесез!", "Сәлам, дуслар", "Рәхмәт", "Хәерле көн", "Сау булыгыз")
    # Without speakers the name decides into which part a recording goes.
    names = [str(number) for number in range(1, 99)]
    held_out = next(name for name in names[4:] if SplitRule().part_of(name, texts[-1]) == "dev")
    for name, one, text in zip((*names[:4], held_out), said, texts, strict=False):
        shutil.copy(one.path, folder / "tatar" / f"{name}.wav")
        (folder / "tatar" / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / "tatar.txt").write_text("Исәнмесез! Сәлам, дуслар. Рәхмәт.\n" * 3, encoding="utf-8")
    corpus_fixtures.common_voice(folder).parent.rename(folder / "cv-corpus")
    corpus_fixtures.golos(folder / "golos")
    corpus_fixtures.open_stt(folder / "open_stt")
    corpus_fixtures.kaldi(folder)
    assert (
        run(
            ["corpus", "export", str(folder / "dev.jsonl"), str(folder / "manifests"), "--to", "lhotse", "-q"]
        )
        == 0
    )
    _sphinx(folder / "voxforge_ru_sphinx_experiments" / "voxforge_ru", said)


def _speakers(part: str) -> itertools.chain[str]:
    """Name speakers whom the split puts into a part."""
    names = (f"нш{number}" for number in range(10_000))
    return itertools.chain(name for name in names if SplitRule().part_of(name, "а") == part)


def _sphinx(folder: Path, said: list[Said]) -> None:
    """Features of real recordings in the layout of the public repository."""
    (folder / "etc").mkdir(parents=True)
    lines = []
    for part in ("train", "dev", "test_unseen_speaker"):
        assert part in PARTS
        speaker = next(_speakers(part))
        for number, one in enumerate(said[:3]):
            name = f"{speaker}-20100101-abc/wav/ru_{number:04d}"
            config = FEATURE_PRESETS["sphinx8k"]
            features = extract(load_audio(one.path, config.sample_rate).samples, config).values
            path = folder / "feat" / f"{name}.mfc"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_mfc(path, features)
            lines.append(f"<s> {one.text} </s> ({name})\n")
    (folder / "etc" / "PROMPTS_all").write_text("".join(lines), encoding="utf-8")


def archives() -> dict[str, bytes]:
    """Pack real recordings as VoxForge's archives."""
    packed = {}
    for number, one in enumerate(recordings()[10:13]):
        name = f"нш{number}-20100101-abc"
        audio = one.path.read_bytes()
        files = voxforge_fixture.submission(name, {"ru_0001": one.text}, audio=audio)
        packed[f"{name}.tgz"] = voxforge_fixture.tgz(files, name)
    return packed


def _stereo(path: Path, left: Path, right: Path) -> None:
    """A call: 8 kHz, each speaker in a channel, one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, second = (load_audio(one, 8000).samples for one in (left, right))
    both = np.zeros((len(first) + len(second), 2), np.float32)
    both[: len(first), 0], both[len(first) :, 1] = first, second
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((both * 32767).astype("<i2").tobytes())


def _container(path: Path, sound: np.ndarray, picture: bool) -> None:
    """AAC in mp4, or AAC beside a grey picture in Matroska."""
    with av.open(str(path), "w", format="matroska" if picture else "mp4") as container:
        if picture:
            film = container.add_stream("mpeg4", rate=5)
            film.width = film.height = 64
            film.pix_fmt = "yuv420p"
        stream = container.add_stream("aac", rate=RATE)
        stream.layout = "mono"
        if picture:
            for _ in range(int(len(sound) / RATE * 5)):
                grey = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")
                container.mux(film.encode(grey))
            container.mux(film.encode(None))
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler("fltp", "mono", RATE, frame_size=stream.frame_size)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
