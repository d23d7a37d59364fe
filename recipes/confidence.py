"""Calibrate a model on a dev set and write what was found into its file: run it whenever the model changes.

    python recipes/confidence.py data/dev.jsonl --model model.onnx --output model.onnx

Fits, in under a minute, the confidence of words for each decoder, and the thresholds of phrase lists. Prints
the expected calibration error, cross-validated by speaker.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govor.confidence import (
    correct_words,
    cross_validated,
    expected_calibration_error,
    fit_calibration,
    word_features,
)
from govor.decoding import Decoder, _words, align
from govor.features import load_features
from govor.manifest import Utterance, read_manifest
from govor.onnx_metadata import update_decoding
from govor.phrase_thresholds import Thresholds, fit_thresholds
from govor.phrases import EXTRA_LETTERS, PhraseTree
from govor.recognizer import Recognizer, load_model
from govor.text import Alphabet, normalize

LogProbs = NDArray[np.float32]
LIST_SIZES = (10, 50, 200, 1000)
# Part of the out-of-list trials whose list holds what was said with one word exchanged, as commands do;
# nobody says a listed sentence of five words or more but one.
NEAR_SHARE = 0.05
NEAR_WORDS = 4


def heard(recognizer: Recognizer, manifest: Path) -> list[tuple[Utterance, LogProbs]]:
    """Run the network over a manifest of features."""
    utterances = [
        each for each in read_manifest(manifest) if each.features is not None and each.features.exists()
    ]
    return [(each, recognizer.model.log_probs([load_features(each.features)])[0]) for each in utterances]


def judged_words(
    trials: list[tuple[Utterance, LogProbs]], decode: Decoder
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Decode; return the words' features (n, 5), whether each is right (n,), and their speakers (n)."""
    features, correct, speakers = [], [], []
    for utterance, log_probs in trials:
        decoded = decode(log_probs)
        features.append(word_features(decoded.words, log_probs))
        correct += correct_words(normalize(utterance.text), decoded.text)
        speakers += [utterance.speaker] * len(decoded.words)
    return np.concatenate(features), np.array(correct), speakers


def fragments(
    trials: list[tuple[Utterance, LogProbs]], alphabet: Alphabet, rng: np.random.Generator
) -> list[tuple[str, str, LogProbs]]:
    """Cut some words, or all, out of every utterance: the phrase, it with a word exchanged, its log_probs."""
    vocabulary = sorted({word for utterance, _ in trials for word in normalize(utterance.text).split()})
    cut = []
    for utterance, log_probs in trials:
        try:
            words = _words(align(log_probs, alphabet.encode(normalize(utterance.text))), alphabet)
        except ValueError:
            continue
        count = min(int(rng.choice([1, 2, 2, 3, 3, 4, 5, 6, 9, 99])), len(words))
        first = int(rng.integers(len(words) - count + 1))
        last = first + count - 1
        start = max((words[first - 1].end + words[first].start) // 2, words[first].start - 4) if first else 0
        end = words[last].end + 4
        if last + 1 < len(words):
            end = min((words[last].end + words[last + 1].start + 1) // 2, end)
        phrase = [word.text for word in words[first : last + 1]]
        other = [*phrase]
        other[int(rng.integers(count))] = str(rng.choice(vocabulary))
        if len(" ".join(phrase)) >= 4 and other != phrase:
            cut.append((" ".join(phrase), " ".join(other), log_probs[start:end]))
    return cut


def phrase_ratios(
    cut: list[tuple[str, str, LogProbs]], alphabet: Alphabet, rng: np.random.Generator
) -> dict[int, list[tuple[int, float]]]:
    """Listen to every fragment with lists that do not hold it; return length and ratio of what fits best."""
    texts = sorted({text for phrase, other, _ in cut for text in (phrase, other)})
    place = {text: i for i, text in enumerate(texts)}
    lengths = np.array([len(text) for text in texts]) + EXTRA_LETTERS
    tree = PhraseTree([alphabet.encode(text) for text in texts])
    ratios: dict[int, list[tuple[int, float]]] = {size: [] for size in LIST_SIZES}
    words = [set(text.split()) for text in texts]
    for phrase, other, log_probs in cut:
        if not len(log_probs):
            continue
        # Parts of the same sentence would be near misses by chance, and there are many of them.
        said = words[place[phrase]]
        foreign = np.array([i for i, each in enumerate(words) if not _overlap(said, each)])
        change = lengths[foreign] / (len(phrase) + EXTRA_LETTERS)
        alike = foreign[(change > 0.6) & (change < 1.7)]
        if not len(alike):
            continue
        scores = tree.scores(log_probs)
        garbage = log_probs.max(axis=1).sum(dtype=np.float64)
        for size in LIST_SIZES:
            for turn in range(4):
                # Half of the lists hold phrases of like length only, which is the harder case.
                pool = alike if turn % 2 else foreign
                chosen = rng.choice(pool, min(size, len(pool)), replace=False)
                if len(said) <= NEAR_WORDS and rng.random() < NEAR_SHARE:
                    chosen[0] = place[other]
                best = chosen[scores[chosen].argmax()]
                ratio = max((scores[best] - garbage) / lengths[best], -1000.0)
                ratios[size].append((len(texts[best]), ratio))
    return ratios


def _overlap(said: set[str], listed: set[str]) -> bool:
    common = len(said & listed)
    part = common >= 3 and 2 * common >= min(len(said), len(listed))
    return part or 2 * common >= len(said | listed)


def thresholds(trials: list[tuple[Utterance, LogProbs]], alphabet: Alphabet, seed: int = 1) -> Thresholds:
    """Fit the thresholds of phrase lists to fragments of the utterances."""
    rng = np.random.default_rng(seed)
    return fit_thresholds(phrase_ratios(fragments(trials, alphabet, rng), alphabet, rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--decoders", nargs="+", default=["greedy", "beam"])
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    trials = [trial for manifest in arguments.manifests for trial in heard(recognizer, manifest)]
    table = {}
    for name in arguments.decoders:
        decode, note = recognizer.decoder(name)
        if note:
            print(note)
            continue
        features, correct, speakers = judged_words(trials, decode)
        table[name] = fit_calibration(features, correct).to_json()
        raw = np.exp(features[:, 0])
        fitted = cross_validated(features, correct, speakers)
        before, after = (expected_calibration_error(each, correct) for each in (raw, fitted))
        print(
            f"{name}: {len(correct)} words, {correct.mean():.3f} right; "
            f"ECE raw {before:.4f}, calibrated {after:.4f}"
        )
    fitted_thresholds = thresholds(trials, recognizer.model.alphabet)
    for size, rows in zip(fitted_thresholds.list_sizes, fitted_thresholds.values, strict=True):
        for length, row in zip(fitted_thresholds.lengths, rows, strict=True):
            print(f"{size:5d} phrases, {length:3d} letters:", " ".join(f"{value:6.2f}" for value in row))
    update_decoding(
        arguments.model, arguments.output, {"confidence": table, "phrases": fitted_thresholds.to_json()}
    )


if __name__ == "__main__":
    main()
