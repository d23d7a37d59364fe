"""Write MODEL_CARD.md from what `govor evaluate --json` measured and what the model file says of itself.

    python recipes/model_card.py src/govor/models/small.onnx --training recipes/small/training.json \
        --evaluation "dev=runs/eval/dev.json" … --output src/govor/models/MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from govor.onnx_model import load_onnx_model

TITLES = {
    "dev": ("dev: 501 фраза, выбор модели", "dev: 501 utterances, used to choose"),
    "test_unseen_speaker": ("незнакомые голоса", "unseen speakers"),
    "test_unseen_text": ("незнакомые предложения", "unseen sentences"),
    "shared_audio": ("три записи вне корпуса признаков", "three recordings from audio"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--evaluation", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    evaluations = {}
    for pair in options.evaluation:
        name, _, path = pair.partition("=")
        evaluations[name] = json.loads(Path(path).read_text(encoding="utf-8"))
    training = json.loads(options.training.read_text(encoding="utf-8"))
    options.output.write_text(card(options.model, training, evaluations), encoding="utf-8")


def card(model: Path, training: dict[str, Any], evaluations: dict[str, dict[str, Any]]) -> str:
    network = load_onnx_model(model).config.network
    size = model.stat().st_size / 1e6
    template = (Path(__file__).parent / "MODEL_CARD.template.md").read_text(encoding="utf-8")
    shape = (
        f"{network.conv_channels}-channel convolutions, stride {network.stride}, "
        f"{network.num_layers} × BLSTM({network.hidden_size})"
        if network.conv_channels
        else f"{network.num_layers} × BLSTM({network.hidden_size})"
    )
    values = {
        "name": model.stem,
        "size": f"{size:.2f}",
        "shape": shape,
        "table_ru": table(evaluations, 0),
        "table_en": table(evaluations, 1),
        "mistakes": mistakes(evaluations),
        **training,
    }
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", str(value))
    return template


def table(evaluations: dict[str, dict[str, Any]], language: int) -> str:
    heading = (
        "| набор | фраз | слов | WER | 95 % | CER | 95 % | CER, ё = е | быстрее речи |",
        "| set | utterances | words | WER | 95 % | CER | 95 % | CER, ё = е | times real time |",
    )[language]
    lines = [heading, "|---|" + "---:|" * 8]
    for name, found in evaluations.items():
        title = TITLES[name][language] if name in TITLES else name
        wer, cer = found["wer_ci"], found["cer_ci"]
        lines.append(
            f"| {title} | {found['num_utterances']} | {found['num_words']} "
            f"| {found['wer']:.3f} | {wer[0]:.3f}–{wer[1]:.3f} "
            f"| {found['cer']:.3f} | {cer[0]:.3f}–{cer[1]:.3f} | {found['cer_yo']:.3f} "
            f"| {1 / found['rtf']:.0f} |"
        )
    return "\n".join(lines)


def mistakes(evaluations: dict[str, dict[str, Any]], count: int = 6) -> str:
    """Show dev utterances from the best to the worst, so that nobody has to guess what a CER sounds like."""
    rows = sorted(
        evaluations["dev"]["utterances"], key=lambda row: (row["word_errors"] / row["num_words"], row["id"])
    )
    chosen = [rows[round(i * (len(rows) - 1) / (count - 1))] for i in range(count)]
    return "\n".join(f"| {row['reference']} | {row['hypothesis']} |" for row in chosen)


if __name__ == "__main__":
    main()
