"""Write MODEL_CARD.md from what `govor evaluate --json` measured and what the model file says of itself.

    python recipes/model_card.py src/govor/models/small.onnx --training recipes/small/training.json \
        --evaluation dev=runs/dev_greedy.json,runs/dev_lm.json … --output src/govor/models/MODEL_CARD.md
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
    "shared_audio": ("три записи вне корпуса признаков", "three recordings from elsewhere"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--evaluation", action="append", default=[], metavar="NAME=GREEDY.json,BEAM.json")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    evaluations = {}
    for pair in options.evaluation:
        name, _, paths = pair.partition("=")
        greedy, searched = (json.loads(Path(path).read_text(encoding="utf-8")) for path in paths.split(","))
        evaluations[name] = (greedy, searched)
    training = json.loads(options.training.read_text(encoding="utf-8"))
    options.output.write_text(card(options.model, training, evaluations), encoding="utf-8")


def card(
    model: Path, training: dict[str, Any], evaluations: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> str:
    network = load_onnx_model(model).config.network
    size = model.stat().st_size / 1e6
    template = (Path(__file__).parent / "MODEL_CARD.template.md").read_text(encoding="utf-8")
    layers = f"{network.num_layers} × BLSTM({network.hidden_size})"
    shapes = [layers, layers]
    if network.conv_channels:
        shapes = [
            f"2 свёртки по {network.conv_channels} каналов, шаг {network.stride} → {layers}",
            f"2 convolutions of {network.conv_channels} channels, stride {network.stride} → {layers}",
        ]
    outputs = ["CTC, 35 выходов", "CTC, 35 outputs"]
    if network.search_output:
        outputs = [
            "два слоя по 35 выходов: буквы (CTC) и поиск с языковой моделью (CTC-CRF)",
            "two layers of 35 outputs: letters (CTC), and the search with a language model (CTC-CRF)",
        ]
    values = {
        "name": model.stem,
        "size": f"{size:.2f}",
        "shape_ru": f"{shapes[0]} → {outputs[0]}",
        "shape_en": f"{shapes[1]} → {outputs[1]}",
        "table_ru": table(evaluations, 0),
        "table_en": table(evaluations, 1),
        "mistakes": mistakes(evaluations),
        "speed": " / ".join(f"{1 / found['rtf']:.0f}" for found in evaluations["dev"]),
        **training,
    }
    for key, value in values.items():
        template = template.replace("{{" + key + "}}", str(value))
    return template


def table(evaluations: dict[str, tuple[dict[str, Any], dict[str, Any]]], language: int) -> str:
    heading = (
        "| набор | фраз | слов | WER | CER | с языковой моделью: WER | CER |",
        "| set | utterances | words | WER | CER | with the language model: WER | CER |",
    )[language]
    lines = [heading, "|---|" + "---:|" * 6]
    for name, (greedy, searched) in evaluations.items():
        title = TITLES[name][language] if name in TITLES else name
        cells = [title, str(greedy["num_utterances"]), str(greedy["num_words"])]
        for found in (greedy, searched):
            for figure in ("wer", "cer"):
                low, high = found[f"{figure}_ci"]
                cells.append(f"**{found[figure]:.3f}** ({low:.3f}–{high:.3f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mistakes(evaluations: dict[str, tuple[dict[str, Any], dict[str, Any]]], count: int = 6) -> str:
    """Show dev utterances from the best to the worst, so that nobody has to guess what a CER sounds like."""
    rows = sorted(
        evaluations["dev"][1]["utterances"],
        key=lambda row: (row["word_errors"] / row["num_words"], row["id"]),
    )
    chosen = [rows[round(i * (len(rows) - 1) / (count - 1))] for i in range(count)]
    return "\n".join(f"| {row['reference']} | {row['hypothesis']} |" for row in chosen)


if __name__ == "__main__":
    main()
