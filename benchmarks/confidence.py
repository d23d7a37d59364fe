"""Draw how often words of each confidence are right: the reliability plot of the documentation.

    python benchmarks/confidence.py data/dev.jsonl [--model m.onnx] --output docs/images/reliability.svg

The plot is of the first decoder, the figures of all; ``--json FILE`` keeps them for docs/tables.py.
Confidences are cross-validated by speaker: no word is judged by a model that was fitted to its speaker.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from govor.decoding.confidence import Bin, cross_validated, expected_calibration_error, reliability
from govor.recognizer import load_model
from keeping import keep

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipes"))
from confidence import features_of, heard, judged_words

SIZE, EDGE = 320, 46


def plot(curves: dict[str, tuple[str, tuple[Bin, ...]]]) -> str:
    """Draw curves by name with their colour; dots grow with the number of words."""

    def x(value: float) -> float:
        return EDGE + value * SIZE

    def y(value: float) -> float:
        return EDGE + (1 - value) * SIZE

    width = SIZE + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {width}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{width}" fill="white"/>',
        f'<rect x="{EDGE}" y="{EDGE}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#888"/>',
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#aaa" stroke-dasharray="4"/>',
        f'<text x="{x(0.5)}" y="{width - 8}" text-anchor="middle">уверенность · confidence</text>',
        f'<text x="12" y="{y(0.5)}" text-anchor="middle" '
        f'transform="rotate(-90 12 {y(0.5)})">верно · right</text>',
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(f'<text x="{x(tick)}" y="{y(0) + 14}" text-anchor="middle">{tick:.1f}</text>')
        parts.append(f'<text x="{x(0) - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:.1f}</text>')
    for row, (name, (color, bins)) in enumerate(curves.items()):
        total = sum(each.count for each in bins)
        points = " ".join(f"{x(each.confidence):.1f},{y(each.accuracy):.1f}" for each in bins)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts += [
            f'<circle cx="{x(each.confidence):.1f}" cy="{y(each.accuracy):.1f}" '
            f'r="{2 + 8 * (each.count / total) ** 0.5:.1f}" fill="{color}" fill-opacity="0.5"/>'
            for each in bins
        ]
        parts.append(f'<text x="{x(0) + 8}" y="{y(1) + 16 + 15 * row}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--decoders", nargs="+", default=["greedy", "beam"])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    utterances = features_of(arguments.manifest)
    curves: dict[str, tuple[str, tuple[Bin, ...]]] = {}
    rows = []
    for decoder in arguments.decoders:
        decode = recognizer.decoder(decoder)
        trials = heard(recognizer.model_for(decode), utterances)
        features, correct, speakers = judged_words(trials, decode)
        row = {"decoder": decoder, "words": len(correct), "right": float(correct.mean())}
        for key, name, color, confidences in (
            ("raw", "без калибровки · raw", "#c0392b", np.exp(features[:, 0])),
            ("fitted", "с калибровкой · calibrated", "#2060b0", cross_validated(features, correct, speakers)),
        ):
            row[key] = expected_calibration_error(confidences, correct)
            print(f"{decoder}, {name}: ECE {row[key]:.4f}, {len(correct)} words, {correct.mean():.3f} right")
            if not rows:
                curve = reliability(confidences, correct)
                curves[f"{name}: ECE {row[key]:.3f}"] = (color, curve)
        rows.append(row)
    keep(arguments.json, {"rows": rows})
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(plot(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
