"""Peak memory of a process that reads shards of 1,000 to 50,000 utterances, one epoch with augmentation.

    python benchmarks/training_memory.py [--counts 1000 10000 50000]

The utterances are made-up features of 2 to 8 seconds, 70 hours at the most (1.4 GB in a temporary folder).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from govor.config import PRESETS
from govor.dataset.sharded import ShardDataset, ShardSource
from govor.dataset.shards import find_shards, write_shards
from govor.features import save_mfc
from govor.manifest import Utterance, write_manifest
from govor.ranks import Ranks
from govor.text.alphabet import Alphabet

CONFIG = PRESETS["small"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10000, 50000])
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    print(f"{'utterances':>10} {'hours':>6} {'shards':>6} {'blocks':>6} {'peak MB':>8} {'hours/CPU s':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for count in options.counts:
            shards = Path(folder) / str(count)
            make(Path(folder) / "features", shards, count)
            command = [sys.executable, __file__, "--read", str(shards)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            print(
                f"{count:>10} {told[0]:>6} {told[1]:>6} {told[2]:>6} {told[3]:>8} {told[4]:>12}", flush=True
            )


def make(features: Path, shards: Path, count: int) -> None:
    """Write shards of `count` utterances that take turns with a hundred feature files."""
    rng = np.random.default_rng(1)
    features.mkdir(exist_ok=True)
    utterances = []
    for number in range(100):
        path = features / f"{number}.mfc"
        num_frames = int(rng.integers(200, 800))
        save_mfc(path, rng.normal(size=(num_frames, 13)).astype(np.float32))
        text = " ".join(["слово"] * (num_frames // 50))
        utterances.append(Utterance(str(number), num_frames / 100, text, features=path))
    manifest = shards.with_suffix(".jsonl")
    write_manifest(manifest, (utterances[index % 100] for index in range(count)))
    write_shards([manifest], shards, CONFIG.features, Alphabet(), shard_hours=0.1)


def read(folder: Path) -> None:
    """Read an epoch as a training does, and print what it took."""
    training = CONFIG.training.model_copy(update={"block_hours": 0.5, "max_readings": 0})
    config = CONFIG.model_copy(update={"training": training})
    data = ShardDataset([ShardSource(find_shards(str(folder), config.features))], config, Alphabet())
    started = time.process_time()
    for number in range(data.num_blocks(1)):
        block = data.block(1, number, 1, Ranks())
        for step in block.steps:
            for share in step:
                share.batch(1)
        del block, step, share
    rate = data.hours / (time.process_time() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{data.hours:.1f} {len(data.shards)} {data.num_blocks(1)} {peak:.0f} {rate:.2f}")


if __name__ == "__main__":
    main()
