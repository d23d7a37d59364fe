"""Choose a little synthetic speech for the shipped rehearsal set.

python recipes/rehearsal.py data/synthetic/train.jsonl --count 100 --output src/govor/models/rehearsal.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from govor.corpora.rehearsal import pack_rehearsal
from govor.manifest import read_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--longest", type=float, default=5.0, help="seconds")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    usable = [u for u in read_manifest(options.manifest) if u.duration <= options.longest]
    chosen = np.random.default_rng(1).choice(len(usable), size=options.count, replace=False)
    pack_rehearsal(options.output, [usable[i] for i in sorted(chosen)])
    print(f"{options.output}: {options.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
