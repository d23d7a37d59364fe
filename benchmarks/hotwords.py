"""Hot words measured: rare words found that would be missed, against words heard that nobody said.

    python benchmarks/hotwords.py --manifest dev.jsonl [--model m.onnx] [--lm ru.klm] [--every 2]

Every utterance is heard with a list of its own: its rarest word, if that is rare, among other rare words that
it does not hold. Rare is beyond the 20,000 most likely words of the language model, or unknown to it.
``--json FILE``: the figures also go there; docs/tables.py makes a table of them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from govor.decoding.beam import shipped_language_model
from govor.features import load_features
from govor.language_model import read_kenlm
from govor.manifest import read_manifest
from govor.metrics import score
from govor.phrases.spotting import spot_words
from govor.recognizer import load_model
from govor.text.alphabet import normalize
from keeping import keep

LIST_SIZES = (1, 10, 100)
WEIGHTS = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0)
COMMON_WORDS = 20_000
LEAST_LETTERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lm", type=Path)
    parser.add_argument("--every", type=int, default=2, help="take every n-th utterance")
    parser.add_argument("--sizes", type=int, nargs="+", default=LIST_SIZES)
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    path = arguments.lm or shipped_language_model()
    if path is None:
        raise SystemExit("no language model")
    language_model = read_kenlm(path)
    log_probs = language_model.grams[0].log_probs
    ranks = {language_model.words[i]: rank for rank, i in enumerate(np.argsort(-log_probs).tolist())}
    utterances = [row for row in read_manifest(arguments.manifest) if row.features][:: arguments.every]
    references = [normalize(row.text) for row in utterances]
    heard = [recognizer.model.for_search().log_probs([load_features(row.features)])[0] for row in utterances]

    def rank(word: str) -> int:
        return ranks.get(word, len(ranks)) if len(word) >= LEAST_LETTERS else 0

    own = [max(text.split(), key=rank, default="") for text in references]
    own = [word if rank(word) > COMMON_WORDS else "" for word in own]
    said = {word for text in references for word in text.split()}
    others = [word for word in ranks if rank(word) > COMMON_WORDS and word not in said]
    hours = sum(row.duration for row in utterances) / 3600
    decoder = recognizer.beam_decoder(path)
    tuned = decoder.settings
    print(f"{len(utterances)} utterances, {hours:.2f} h, {sum(map(bool, own))} rare words said; {path.name}")
    print("| hot words | weight | rare words found | heard but not said, an hour | WER |")
    print("|---:|---:|---:|---:|---:|")
    kept = []
    for size in arguments.sizes:
        rng = np.random.default_rng(1)
        lists = [
            [*([word] if word else []), *rng.choice(others, size - bool(word), replace=False).tolist()]
            for word in own
        ]
        for weight in arguments.weights:
            decoder.settings = replace(tuned, hotword_weight=weight)
            texts, found, inserted = [], 0, 0
            for reference, frames, words in zip(references, heard, lists, strict=True):
                # One decoder for all the lists: loading it takes longer than an utterance.
                decoder._hotwords = words
                texts.append(decoder.text(frames))
                for word in spot_words([(reference, texts[-1])], words):
                    found += word.found
                    inserted += word.inserted
            total = sum(
                f" {text} ".count(f" {word} ") for text, word in zip(references, own, strict=True) if word
            )
            wer = score(references, texts).words.rate
            figures = {"found": found / max(total, 1), "inserted": inserted / hours, "wer": wer}
            kept.append({"size": size, "weight": weight, **figures})
            print(
                f"| {size} | {weight:g} | {found / max(total, 1):.3f} | {inserted / hours:.1f} | {wer:.4f} |",
                flush=True,
            )
    keep(
        arguments.json,
        {"utterances": len(utterances), "hours": hours, "default": tuned.hotword_weight, "rows": kept},
    )


if __name__ == "__main__":
    main()
