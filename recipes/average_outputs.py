"""Bring the output for the search half-way to the other one: python recipes/average_outputs.py IN OUT.

Both read the same layer, so the mean of their weights gives the normalised product of their probabilities. On
dev it searched better than either (docs/decisions/0019).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from govor.checkpoint import load_checkpoint, save_checkpoint


def main() -> None:
    checkpoint = load_checkpoint(Path(sys.argv[1]))
    weights = dict(checkpoint.weights)
    for kind in ("weight", "bias"):
        weights[f"search_output.{kind}"] = torch.lerp(
            weights[f"search_output.{kind}"], weights[f"output.{kind}"], 0.5
        )
    save_checkpoint(Path(sys.argv[2]), replace(checkpoint, weights=weights))


if __name__ == "__main__":
    main()
