"""Make the two example recordings anew: ``make examples`` (needs Debian's festival, festvox-ru and sox).

The voice is festival's Russian one, ``msu_ru_nsh_clunits``; the woman is the same voice moved up, throat and
pitch together. The sentences are our own and in none of the texts that the model was trained on. The same
versions of the programs give the same files.
"""

from __future__ import annotations

import argparse
import wave
from pathlib import Path

import numpy as np

from govor.corpora.variation import Samples, change_voice
from govor.corpora.voices import speak_festival
from govor.manifest import Utterance, write_manifest

SAMPLE_RATE = 16000
PEAK = 0.5
# A woman's throat is about a sixth shorter than a man's, which moves the formants up by three semitones.
VOICES = {
    "male": (0.0, "завтра утром бабушка испечёт пирог с яблоками"),
    "female": (3.5, "после обеда мы пошли гулять в старый парк у реки"),
}


def make_examples(folder: Path) -> Path:
    """Write male.wav, female.wav and manifest.jsonl to `folder`; return the manifest.

    Raises MissingExtraError naming the Debian package of a program that is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed: list[tuple[str, str]] = []
    utterances = []
    for speech in speak_festival([(name, text) for name, (_, text) in VOICES.items()], failed):
        semitones = VOICES[speech.id][0]
        waveform = change_voice(speech.waveform, speech.sample_rate, SAMPLE_RATE, semitones)
        path = folder / f"{speech.id}.wav"
        _write_wave(path, waveform * (PEAK / np.abs(waveform).max()))
        duration = len(waveform) / SAMPLE_RATE
        utterances.append(Utterance(speech.id, duration, speech.text, speech.id, audio_filepath=path))
    if failed:
        raise SystemExit(f"festival could not say {failed}")
    manifest = folder / "manifest.jsonl"
    write_manifest(manifest, utterances)
    return manifest


def _write_wave(path: Path, waveform: Samples) -> None:
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(SAMPLE_RATE)
        stream.writeframes(np.round(waveform * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    print(make_examples(parser.parse_args().folder))
