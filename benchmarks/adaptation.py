"""Simulate users: adapt the shipped model to half of a speaker's utterances, measure on the other half.

    python benchmarks/adaptation.py data/voxforge/test_unseen_speaker.jsonl --model my.onnx

The halves share no sentence. "Rest" is what everybody else in the manifest says, so it shows what the adapted
model forgot. Prints a row a speaker and the means; ``--json`` keeps all figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import torch

from govor.adaptation import adapt, hold_out
from govor.checkpoint import Checkpoint
from govor.config import AdaptationConfig
from govor.corpora.rehearsal import unpack_rehearsal
from govor.dataset.batches import Dataset, Source
from govor.manifest import Utterance, read_manifest
from govor.metrics import Scores, score
from govor.onnx.weights import read_onnx
from govor.training.ctc import evaluate_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--min-utterances", type=int, default=10)
    parser.add_argument("--speakers", type=int, default=0, help="only so many; 0 is all")
    parser.add_argument("--rest", type=int, default=120, help="utterances of other speakers to measure")
    parser.add_argument("--rehearsal", type=Path, help="manifest; the shipped set if absent")
    parser.add_argument("--settings", default="{}", help="JSON of AdaptationConfig")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = read_onnx(options.model)
    settings = AdaptationConfig.model_validate(json.loads(options.settings))
    everybody = list(read_manifest(options.manifest))
    speakers: defaultdict[str, list[Utterance]] = defaultdict(list)
    for utterance in everybody:
        speakers[utterance.speaker].append(utterance)
    chosen = [name for name, rows in sorted(speakers.items()) if len(rows) >= options.min_utterances]
    chosen = chosen[: options.speakers or None]
    print(f"{'speaker':28} {'n':>3} {'CER':>14} {'WER':>14} {'rest CER':>14} {'mix':>5} {'s':>4}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rehearsal = (
            list(read_manifest(options.rehearsal)) if options.rehearsal else unpack_rehearsal(Path(folder))
        )
        for name in chosen:
            own, test = hold_out(speakers[name], 0.5)
            others = [u for u in everybody if u.speaker != name]
            rest = others[:: max(1, len(others) // options.rest)]
            result = adapt(base, own, rehearsal, settings)
            row = {"speaker": name, "num_adapted": len(own), "mixture": result.mixture}
            row["seconds"] = result.seconds
            for part, utterances in (("own", test), ("rest", rest)):
                for moment, checkpoint in (("before", base), ("after", result.checkpoint)):
                    scores = measure(checkpoint, utterances)
                    row[f"{part}_cer_{moment}"] = scores.characters.rate
                    row[f"{part}_wer_{moment}"] = scores.words.rate
            rows.append(row)
            show(row)
    summary = {
        key: relative(rows, part, figure)
        for part in ("own", "rest")
        for figure in ("cer", "wer")
        for key in [f"{part}_{figure}"]
    }
    print("mean relative change: " + "  ".join(f"{key} {value:+.1%}" for key, value in summary.items()))
    if options.json:
        options.json.write_text(json.dumps({"speakers": rows, "relative": summary}, indent=1))


def measure(checkpoint: Checkpoint, utterances: list[Utterance]) -> Scores:
    data = Dataset([Source(utterances)], checkpoint.config, checkpoint.alphabet, augment=False)
    model = checkpoint.build_model()
    _, examples = evaluate_model(model, data, checkpoint.alphabet, checkpoint.config.training.bfloat16)
    return score([e.reference for e in examples], [e.hypothesis for e in examples])


def relative(rows: list[dict], part: str, figure: str) -> float:
    before = sum(row[f"{part}_{figure}_before"] for row in rows)
    return sum(row[f"{part}_{figure}_after"] for row in rows) / before - 1


def show(row: dict) -> None:
    print(
        f"{row['speaker'][:28]:28} {row['num_adapted']:3d} "
        + " ".join(
            f"{row[f'{part}_before']:6.3f}→{row[f'{part}_after']:.3f}".rjust(14)
            for part in ("own_cer", "own_wer", "rest_cer")
        )
        + f" {row['mixture']:5.2f} {row['seconds']:4.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
