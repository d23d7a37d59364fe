"""Write MODEL_CARD.md from what `govor evaluate` measures and what the model file says: ``make card``.

    python recipes/model_card.py src/govor/models/small.onnx --training recipes/small/training.json \
        --data data/voxforge --elsewhere elsewhere.jsonl --output src/govor/models/MODEL_CARD.md

Some minutes of one core. The evaluations are kept in runs/evaluations; those that were made already can be
given instead: ``--evaluation dev=dev_greedy.json,dev_lm.json …``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from govor.onnx.model import load_onnx_model

TITLES = {
    "dev": ("dev: выбор модели", "dev: used to choose"),
    "test_unseen_speaker": ("незнакомые голоса", "unseen speakers"),
    "test_unseen_text": ("незнакомые предложения", "unseen sentences"),
    "shared_audio": ("три записи вне корпуса признаков", "three recordings from elsewhere"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--evaluation", action="append", default=[], metavar="NAME=GREEDY.json,BEAM.json")
    parser.add_argument("--data", type=Path, help="the manifests of dev and of both tests; measures them")
    parser.add_argument(
        "--elsewhere", type=Path, help="a manifest of recordings that are in no corpus of ours"
    )
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    evaluations = measured(options.model, options.data, options.elsewhere) if options.data else {}
    for pair in options.evaluation:
        name, _, paths = pair.partition("=")
        greedy, searched = (json.loads(Path(path).read_text(encoding="utf-8")) for path in paths.split(","))
        evaluations[name] = (greedy, searched)
    training = json.loads(options.training.read_text(encoding="utf-8"))
    options.output.write_text(card(options.model, training, evaluations), encoding="utf-8")


def measured(
    model: Path, data: Path, elsewhere: Path | None
) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Evaluate on dev, both tests and recordings from elsewhere, greedy and with the language model."""
    sets = {name: data / f"{name}.jsonl" for name in list(TITLES)[:3]}
    if elsewhere is not None and elsewhere.exists():
        sets["shared_audio"] = elsewhere
    else:
        print(f"left out: recordings from elsewhere, there is no {elsewhere}")
    folder = Path("runs/evaluations")
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, manifest in sets.items():
        both = []
        for decoder in ("greedy", "beam"):
            target = folder / f"{model.stem}_{name}_{decoder}.json"
            command = [sys.executable, "-m", "govor", "evaluate", str(manifest), "--model", str(model)]
            subprocess.run([*command, "--decoder", decoder, "--json", str(target), "--quiet"], check=True)
            both.append(json.loads(target.read_text(encoding="utf-8")))
        found[name] = (both[0], both[1])
    return found


def card(
    model: Path, training: dict[str, Any], evaluations: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> str:
    loaded = load_onnx_model(model)
    network, symbols = loaded.config.network, len(loaded.alphabet)
    size = model.stat().st_size / 1e6
    template = (Path(__file__).parent / "MODEL_CARD.template.md").read_text(encoding="utf-8")
    layers = f"{network.num_layers} × BLSTM({network.hidden_size})"
    shapes = [layers, layers]
    if network.conv_channels:
        shapes = [
            f"2 свёртки по {network.conv_channels} каналов, шаг {network.stride} → {layers}",
            f"2 convolutions of {network.conv_channels} channels, stride {network.stride} → {layers}",
        ]
    outputs = [f"CTC, {symbols} выходов", f"CTC, {symbols} outputs"]
    if network.search_output:
        outputs = [
            f"два слоя по {symbols} выходов: буквы (CTC) и поиск с языковой моделью (CTC-CRF)",
            f"two layers of {symbols} outputs: letters (CTC), and the search with a language model (CTC-CRF)",
        ]
    values = {
        "name": model.stem,
        "size": f"{size:.2f}",
        "digest": digest(model),
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


def digest(model: Path) -> str:
    """Return what tells this version of the model from another."""
    return hashlib.sha256(model.read_bytes()).hexdigest()


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
