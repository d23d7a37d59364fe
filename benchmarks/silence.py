"""What silence around short recordings costs, and what leaving it out gives back.

    python benchmarks/silence.py --manifest dub-cc0/manifest.jsonl tuxpaint/manifest.jsonl [--number 60]

Recordings of each manifest, chosen by a seed, get silence before and after: none, digital, or white noise of
a level, as a room has. CER, the recording whole and as `govor.speech.hearing` leaves it; the lesser is
better.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from govor import load_model
from govor.audio.loading import Samples, load_audio
from govor.manifest import read_manifest
from govor.metrics import score
from govor.speech.hearing import hear

KINDS: dict[str, tuple[float, float, float | None]] = {
    "as it is": (0.0, 0.0, None),
    "0.4 + 0.4 s, -60 dB": (0.4, 0.4, -60.0),
    "0.8 + 1.8 s, digital": (0.8, 1.8, None),
    "0.8 + 1.8 s, -70 dB": (0.8, 1.8, -70.0),
    "0.8 + 1.8 s, -50 dB": (0.8, 1.8, -50.0),
    "0.8 + 1.8 s, -40 dB": (0.8, 1.8, -40.0),
}


def padded(samples: Samples, rate: int, before: float, after: float, noise_db: float | None) -> Samples:
    silent = [np.zeros(round(seconds * rate), np.float32) for seconds in (before, after)]
    joined = np.concatenate([silent[0], samples, silent[1]])
    if noise_db is None:
        return joined
    noise = np.random.default_rng(len(joined)).standard_normal(len(joined)).astype(np.float32)
    return joined + np.float32(10 ** (noise_db / 20)) * noise


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, nargs="+", required=True)
    parser.add_argument("--number", type=int, default=60, help="recordings of each manifest")
    parser.add_argument("--model", default=None)
    parser.add_argument("--decoder", default="greedy")
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    features = recognizer.model.config.features
    decode = recognizer.decoder(arguments.decoder)
    model = recognizer.model_for(decode)
    print("| recordings | silence around | whole | trimmed |\n|---|---|---:|---:|")
    for manifest in arguments.manifest:
        utterances = [each for each in read_manifest(manifest) if each.audio_filepath is not None]
        random.Random(1).shuffle(utterances)
        sounds = [
            (each.text, load_audio(Path(str(each.audio_filepath)), features.sample_rate).samples)
            for each in utterances[: arguments.number]
        ]
        for name, (before, after, noise_db) in KINDS.items():
            rates = []
            for trim in (False, True):
                found = []
                for _, samples in sounds:
                    sound = padded(samples, features.sample_rate, before, after, noise_db)
                    (log_probs,) = model.log_probs([hear(sound, features, trim=trim).values])
                    found.append(decode(log_probs).text)
                rates.append(score([text for text, _ in sounds], found).characters.rate)
            print(f"| {manifest.parent.name} | {name} | {rates[0]:.3f} | {rates[1]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
