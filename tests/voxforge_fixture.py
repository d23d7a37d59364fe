"""Submissions in VoxForge's layout, made here: tones instead of voices, texts of our own."""

from __future__ import annotations

import io
import struct
import tarfile
from pathlib import Path

import numpy as np

README = """User Name: {user};

Speaker Characteristics:

Gender: [{gender}];
Age Range: [{age}];
Language: RU;
Pronunciation dialect: [Москва];

Recording Information:

Microphone type: [Встроенный микрофон];
Sampling Rate: [{rate}];
"""


def wav_bytes(seconds: float = 1.0, rate: int = 16000, channels: int = 1, level: float = 0.3) -> bytes:
    time = np.arange(int(seconds * rate)) / rate
    tone = (level * np.sin(2 * np.pi * 300 * time) * 32767).astype("<i2")
    data = np.repeat(tone, channels).tobytes()
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return (
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + head
        + b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip


def submission(
    name: str,
    texts: dict[str, str],
    gender: str = "Мужской",
    age: str = "Взрослый",
    audio: bytes | None = None,
) -> dict[str, bytes]:
    """Return the files of an ordinary submission, by path inside it."""
    files = {
        "LICENSE": b"GNU GENERAL PUBLIC LICENSE Version 3",
        "etc/README": README.format(user=name.split("-")[0], gender=gender, age=age, rate=16000).encode(),
        "etc/PROMPTS": "".join(f"{name}/mfc/{key} {text.upper()}\n" for key, text in texts.items()).encode(),
        "etc/prompts-original": "".join(f"{key} {text}\n" for key, text in texts.items()).encode(),
    }
    return files | {f"wav/{key}.wav": wav_bytes() if audio is None else audio for key in texts}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def tgz(files: dict[str, bytes], root: str = "", extra: list[tarfile.TarInfo] | None = None) -> bytes:
    """Pack files under `root`, then members that are headers only; the same bytes each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(f"{root}/{path}" if root else path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in extra or []:
            tar.addfile(member)
    return packed.getvalue()
