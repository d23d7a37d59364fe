"""Small corpora in the layouts that others document, of speech that is made when a test asks for it."""

from __future__ import annotations

import csv
import hashlib
import json
import wave
from pathlib import Path

import av
import numpy as np

from govor.manifest import Utterance, read_manifest

TEXTS = (
    "покажи погоду на завтра",
    "включи свет на кухне",
    "какая сегодня дата",
    "поставь будильник на семь",
    "расскажи что нибудь интересное",
    "сделай музыку потише",
)
RATE = 16000


def sound(seed: int, seconds: float = 3.0) -> np.ndarray:
    """A hum of changing pitch: every seed sounds another."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 + 15 * seed
    return (8000 * np.sin(2 * np.pi * pitch * time + np.sin(5 * time))).astype(np.int16)


def write_audio(path: Path, samples: np.ndarray) -> Path:
    """Write a file in the format that its suffix tells: wav, mp3, opus or flac."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.astype("<i2").tobytes())
        return path
    codec = {".mp3": "libmp3lame", ".opus": "libopus", ".flac": "flac"}[path.suffix]
    layout = {".opus": "ogg"}.get(path.suffix, path.suffix[1:])
    with av.open(str(path), "w", format=layout) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=RATE, frame_size=stream.frame_size
        )
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def common_voice(root: Path, speakers: int = 4) -> Path:
    """``ru/{validated,train,dev,test,clip_durations}.tsv`` and ``ru/clips/*.mp3`` as release 17 has them."""
    folder = root / "cv-corpus-17.0" / "ru"
    heading = ["client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes"]
    heading += ["age", "gender", "accents", "variant", "locale", "segment"]
    clients = [hashlib.sha512(bytes([k])).hexdigest() for k in range(speakers)]
    rows = []
    for number in range(12):
        name = f"common_voice_ru_{1000 + number}.mp3"
        write_audio(folder / "clips" / name, sound(number))
        speaker = clients[number % speakers]
        text = TEXTS[number % len(TEXTS)].capitalize() + ("." if number % 2 else "!")
        rows.append(
            [
                speaker,
                name,
                f"{number:064x}",
                text,
                "",
                "2",
                "0",
                "twenties",
                "male_masculine",
                "",
                "",
                "ru",
                "",
            ]
        )
    _write_tsv(folder / "validated.tsv", heading, rows)
    by_speaker = [[row for row in rows if row[0] == client] for client in clients]
    _write_tsv(folder / "train.tsv", heading, by_speaker[0])
    # One recording only of each held-out speaker, as in a release.
    _write_tsv(folder / "dev.tsv", heading, by_speaker[1][:1])
    _write_tsv(folder / "test.tsv", heading, by_speaker[2][:1])
    durations = [[row[1], "3000"] for row in rows]
    _write_tsv(folder / "clip_durations.tsv", ["clip", "duration[ms]"], durations)
    return folder


def golos(root: Path, suffix: str = ".wav") -> Path:
    """``{train,test/crowd,test/farfield}/manifest.jsonl`` and the recordings beside them."""
    rows = []
    for number in range(60):
        name = f"crowd/{number % 3}/{number:032x}.wav"
        write_audio((root / "train" / name).with_suffix(suffix), sound(number, 1.5))
        rows.append(_golos_row(number, name))
    _write_jsonl(root / "train" / "manifest.jsonl", rows)
    for domain in ("crowd", "farfield"):
        name = "files/abc.wav"
        write_audio((root / "test" / domain / name).with_suffix(suffix), sound(7, 1.5))
        _write_jsonl(root / "test" / domain / "manifest.jsonl", [_golos_row(1, name)])
    return root


def _golos_row(number: int, name: str) -> dict[str, object]:
    return {"id": f"{number:032x}", "audio_filepath": name, "text": TEXTS[number % 6], "duration": 1.5}


def open_stt(root: Path) -> Path:
    """A headless CSV of paths from the maker's disk, and ``a/bc/HASH.opus`` with ``.txt`` beside."""
    rows = []
    for number in range(6):
        name = f"public_youtube700/{number}/0{number}/{number:012x}"
        write_audio(root / f"{name}.opus", sound(number))
        (root / f"{name}.txt").write_text(TEXTS[number] + "\n", encoding="utf-8")
        rows.append([f"../data/ru_open_stt/{name}.wav", f"../data/ru_open_stt/{name}.txt", "3.0"])
    table = root / "public_youtube700.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return table


def kaldi(root: Path) -> Path:
    """A data directory with ``segments``: two recordings of three utterances each."""
    folder = root / "data" / "train"
    folder.mkdir(parents=True)
    for number in range(2):
        write_audio(
            root / "audio" / f"call{number}.wav", np.concatenate([sound(3 * number + k) for k in range(3)])
        )
    names = [(f"sp{r}-call{r}-{k}", r, k) for r in range(2) for k in range(3)]
    lines = {
        "wav.scp": [f"call{r} {root / 'audio' / f'call{r}.wav'}" for r in range(2)],
        "segments": [f"{name} call{r} {3 * k + 0.25:.2f} {3 * k + 2.75:.2f}" for name, r, k in names],
        "text": [f"{name} {TEXTS[3 * r + k]}" for name, r, k in names],
        "utt2spk": [f"{name} sp{r}" for name, r, _ in names],
    }
    for file, content in lines.items():
        (folder / file).write_text("\n".join(content) + "\n", encoding="utf-8")
    return folder


def _write_tsv(path: Path, heading: list[str], rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(row) for row in [heading, *rows]) + "\n", encoding="utf-8")


def _write_jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def manifest(folder: Path, name: str = "manifest") -> list[Utterance]:
    return list(read_manifest(folder / f"{name}.jsonl"))


def dropped(folder: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (folder / "dropped.jsonl").read_text("utf-8").splitlines()]
    return {row["id"]: row["reason"] for row in rows}


def write_stereo(path: Path, left: np.ndarray, right: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.stack([left, right], axis=1).astype("<i2").tobytes())
