"""What a folder of own recordings must look like, whatever happened while it was filled."""

from __future__ import annotations

import wave
from pathlib import Path

from govor.manifest import read_manifest
from govor.text.alphabet import normalize

RATE = 16000


def check_whole(root: Path) -> int:
    """Check that sound, texts and manifest tell the same phrases and nothing else lies about; count them."""
    path = root / "manifest.jsonl"
    utterances = list(read_manifest(path)) if path.exists() else []
    wavs = sorted(root.glob("*/wav/*"))
    assert wavs == sorted(item.audio_filepath for item in utterances if item.audio_filepath)
    lines = {
        kind: [line for found in root.glob(f"*/etc/{kind}") for line in found.read_text("utf-8").splitlines()]
        for kind in ("PROMPTS", "prompts-original")
    }
    assert [normalize(line.split(" ", 1)[1]) for line in lines["PROMPTS"]] == [u.text for u in utterances]
    assert [normalize(line.split(" ", 1)[1]) for line in lines["prompts-original"]] == [
        u.text for u in utterances
    ]
    for utterance in utterances:
        with wave.open(str(utterance.audio_filepath)) as sound:
            assert sound.getnframes() == round(utterance.duration * RATE)
    known = {"README", "PROMPTS", "prompts-original", "LICENSE", "manifest.jsonl", ".recording.lock"}
    others = [file for file in root.rglob("*") if file.is_file() and file not in wavs]
    assert {file.name for file in others} <= known
    submissions = [folder for folder in root.iterdir() if folder.is_dir()]
    assert len(submissions) == bool(utterances)
    return len(utterances)
