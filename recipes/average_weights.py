"""Average the weights of checkpoints of one network: python recipes/average_weights.py IN… -o OUT.

Ends of one training's stages lie in one valley, and their mean hears better than each (Wortsman et al.,
"Model soups", ICML 2022); docs/decisions/0037 has the figures.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from govor.checkpoint import load_checkpoint, save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    found = [load_checkpoint(path) for path in arguments.checkpoints]
    shapes = [{name: value.shape for name, value in checkpoint.weights.items()} for checkpoint in found]
    if any(other != shapes[0] for other in shapes):
        parser.error("these checkpoints are of different networks")
    weights = {
        name: torch.stack([checkpoint.weights[name].float() for checkpoint in found]).mean(dim=0)
        for name in found[0].weights
    }
    save_checkpoint(arguments.output, replace(found[0], weights=weights))


if __name__ == "__main__":
    main()
