"""Calibrate a model on a dev set and write what was found into its file: run it whenever the model changes.

    python recipes/confidence.py data/dev.jsonl --model model.onnx --output model.onnx

Fits, in under a minute, the confidence of words for each decoder, and the thresholds of phrase lists. Prints
the expected calibration error, cross-validated by speaker.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.config import AugmentConfig
from govor.dataset.augment import Augmenter
from govor.decoding.confidence import (
    correct_words,
    cross_validated,
    expected_calibration_error,
    fit_calibration,
    word_features,
)
from govor.decoding.greedy import Decoder, align, reads_search_output, words_of
from govor.features import load_features
from govor.manifest import Utterance, read_manifest
from govor.onnx.metadata import update_decoding
from govor.onnx.model import OnnxModel
from govor.phrases.decoder import EXTRA_LETTERS, PhraseTree
from govor.phrases.thresholds import Thresholds, fit_thresholds
from govor.recognizer import Recognizer, load_model
from govor.text.alphabet import Alphabet, normalize

LogProbs = NDArray[np.float32]
Trial = tuple[Utterance, LogProbs]
LIST_SIZES = (10, 50, 200, 1000)
# Part of the out-of-list trials whose list holds what was said with one word exchanged, as commands do;
# nobody says a listed sentence of five words or more but one.
NEAR_SHARE = 0.02
NEAR_WORDS = 4
# Speech that the network hears worse than the dev set: other throats, rooms and noises, narrow microphones.
DISTORTIONS = (
    AugmentConfig(warp=0.25),
    AugmentConfig(warp=0.12, reverb=1.0, tilt=1.0),
    AugmentConfig(warp=0.12, noise=1.0, tilt=1.0),
    AugmentConfig(warp=0.2, noise=1.0, reverb=1.0, tilt=1.5, band_masks=1, band_mask_width=3),
)
# Lists hold phrases of like length, as lists of commands do and as is harder: by this factor at the most.
LIKE_LENGTHS = (1.7, 1.3)
# The rate of false accepts is kept in each of so many equal parts of the trials, from clear to unclear.
CLARITIES = 3


def features_of(manifest: Path) -> list[Utterance]:
    """Return the utterances of a manifest that have ready features."""
    return [each for each in read_manifest(manifest) if each.features is not None and each.features.exists()]


def heard(
    model: OnnxModel,
    utterances: list[Utterance],
    distortion: AugmentConfig | None = None,
    seed: int = 1,
) -> list[Trial]:
    """Run the network over utterances of features, changed in a random way if asked for."""
    rng = np.random.default_rng(seed)
    change = Augmenter(distortion or AugmentConfig(), model.config.features)
    trials = []
    for each in utterances:
        values = change(load_features(each.features), rng) if distortion else load_features(each.features)
        trials.append((each, model.log_probs([values])[0]))
    return trials


def judged_words(
    trials: list[Trial], decode: Decoder
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Decode; return the words' features (n, 8), whether each is right (n,), and their speakers (n)."""
    features, correct, speakers = [], [], []
    for utterance, log_probs in trials:
        decoded = decode(log_probs)
        features.append(word_features(decoded.words, log_probs))
        correct += correct_words(normalize(utterance.text), decoded.text)
        speakers += [utterance.speaker] * len(decoded.words)
    return np.concatenate(features), np.array(correct), speakers


@dataclass(frozen=True)
class Fragment:
    """Some words, or all, of an utterance."""

    phrase: str
    other: str
    """It with a word exchanged."""
    log_probs: tuple[LogProbs, ...]
    """As recorded, then with each distortion; never empty."""


def fragments(
    plain: list[Trial], distorted: list[list[Trial]], alphabet: Alphabet, rng: np.random.Generator
) -> list[Fragment]:
    """Cut some words, or all, out of every utterance, by the alignment of what was not distorted."""
    vocabulary = sorted({word for utterance, _ in plain for word in normalize(utterance.text).split()})
    cut = []
    for i, (utterance, log_probs) in enumerate(plain):
        try:
            words = words_of(align(log_probs, alphabet.encode(normalize(utterance.text))), alphabet)
        except ValueError:
            continue
        count = min(int(rng.choice([1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 9, 99])), len(words))
        first = int(rng.integers(len(words) - count + 1))
        last = first + count - 1
        start = max((words[first - 1].end + words[first].start) // 2, words[first].start - 4) if first else 0
        end = words[last].end + 4
        if last + 1 < len(words):
            end = min((words[last].end + words[last + 1].start + 1) // 2, end)
        phrase = [word.text for word in words[first : last + 1]]
        other = [*phrase]
        other[int(rng.integers(count))] = str(rng.choice(vocabulary))
        versions = tuple(each[i][1][start:end] for each in (plain, *distorted))
        if len(" ".join(phrase)) >= 3 and other != phrase and len(versions[0]):
            cut.append(Fragment(" ".join(phrase), " ".join(other), versions))
    return cut


@dataclass(frozen=True)
class Judged:
    """A fragment heard with a list of phrases."""

    doubt: float
    """How unclear it is: nats by which the network's best symbols fall short of certainty, a letter."""
    size: int
    length: int
    """Letters of the phrase that fits best."""
    ratio: float
    listed: bool
    """The list holds what was said, and that fits best; otherwise the list does not hold it."""


def judged_phrases(cut: list[Fragment], alphabet: Alphabet, rng: np.random.Generator) -> list[Judged]:
    """Listen to every fragment with lists that do not hold it, and with the same lists after it was added."""
    texts = sorted({text for each in cut for text in (each.phrase, each.other)})
    place = {text: i for i, text in enumerate(texts)}
    lengths = np.array([len(text) for text in texts]) + EXTRA_LETTERS
    tree = PhraseTree([alphabet.encode(text) for text in texts])
    words = [set(text.split()) for text in texts]
    found = []
    for each in cut:
        # Parts of the same sentence would be near misses by chance, and there are many of them.
        own = place[each.phrase]
        foreign = np.array([i for i, listed in enumerate(words) if not _overlap(words[own], listed)])
        change = np.abs(np.log(lengths[foreign] / lengths[own]))
        pools = [foreign[change < math.log(factor)] for factor in LIKE_LENGTHS]
        if not all(map(len, pools)):
            continue
        for log_probs in each.log_probs:
            tops = log_probs.max(axis=1)
            garbage = tops.sum(dtype=np.float64)
            doubt = -garbage / (np.count_nonzero(log_probs.argmax(axis=1)) + EXTRA_LETTERS)
            ratios = np.maximum((tree.scores(log_probs) - garbage) / lengths, -1000.0)
            fits = ratios * lengths
            for size in LIST_SIZES:
                for pool in pools:
                    chosen = rng.choice(pool, min(size, len(pool)), replace=False)
                    if len(words[own]) <= NEAR_WORDS and rng.random() < NEAR_SHARE:
                        chosen[0] = place[each.other]
                    best = chosen[fits[chosen].argmax()]
                    found.append(Judged(doubt, size, len(texts[best]), ratios[best], False))
                    right = fits[own] > fits[best]
                    found.append(Judged(doubt, size, len(each.phrase), ratios[own] if right else -1e3, True))
    return found


def _overlap(said: set[str], listed: set[str]) -> bool:
    common = len(said & listed)
    part = common >= 3 and 2 * common >= min(len(said), len(listed))
    return part or 2 * common >= len(said | listed)


def thresholds(
    recognizer: Recognizer, plain: list[Trial], seed: int = 1
) -> tuple[Thresholds, list[tuple[float, float, float]]]:
    """Fit the thresholds of phrase lists to fragments of the utterances, as recorded and distorted.

    The second value holds for each clarity the mean doubt, and what 3 % asked for gives with lists of 50:
    the part of listed phrases found and accepted, and of other speech accepted.
    """
    rng = np.random.default_rng(seed)
    utterances = [utterance for utterance, _ in plain]
    distorted = [
        heard(recognizer.model.for_search(), utterances, each, seed + number)
        for number, each in enumerate(DISTORTIONS, 1)
    ]
    alphabet = recognizer.model.alphabet
    judged = judged_phrases(fragments(plain, distorted, alphabet, rng), alphabet, rng)
    edges = np.quantile([each.doubt for each in judged], np.arange(1, CLARITIES) / CLARITIES)
    parts: list[list[Judged]] = [[] for _ in range(CLARITIES)]
    for each in judged:
        parts[int(np.searchsorted(edges, each.doubt))].append(each)
    table = fit_thresholds(
        *(
            {
                size: [(each.length, each.ratio) for each in part if each.size == size and not each.listed]
                for size in LIST_SIZES
            }
            for part in parts
        ),
        # A listed phrase sounds the same whatever the list; what was taken for another has no ratio.
        listed=[(each.length, each.ratio) for each in judged if each.listed and each.ratio > -1e3],
    )
    shown = []
    for part in parts:
        rows = [each for each in part if each.size == 50]
        least = table.at(0.03, 50, np.array([each.length for each in rows]))
        accepted = np.array([each.ratio for each in rows]) >= least
        listed = np.array([each.listed for each in rows])
        doubt = float(np.mean([each.doubt for each in rows]))
        shown.append((doubt, float(accepted[listed].mean()), float(accepted[~listed].mean())))
    return table, shown


def calibrate(
    recognizer: Recognizer,
    manifests: list[Path],
    decoders: Sequence[str] = ("greedy", "beam"),
    language_model: Path | None = None,
) -> dict[str, Any]:
    """Fit everything, print the figures, and return the entries of the model's ``decoding``."""
    utterances = [each for manifest in manifests for each in features_of(manifest)]
    searched = heard(recognizer.model.for_search(), utterances)
    table = {}
    for name in decoders:
        own = recognizer.beam_decoder(language_model) if name == "beam" and language_model else name
        decode = recognizer.decoder(own)
        trials = searched if reads_search_output(decode) else heard(recognizer.model, utterances)
        features, correct, speakers = judged_words(trials, decode)
        table[name] = fit_calibration(features, correct).to_json()
        raw = np.exp(features[:, 0])
        fitted = cross_validated(features, correct, speakers)
        before, after = (expected_calibration_error(each, correct) for each in (raw, fitted))
        print(
            f"{name}: {len(correct)} words, {correct.mean():.3f} right; "
            f"ECE raw {before:.4f}, calibrated {after:.4f}",
            flush=True,
        )
    found, clarities = thresholds(recognizer, searched)
    for doubt, listed, other in clarities:
        print(f"doubt {doubt:.2f}: 50 phrases, 3 % asked: in-list {listed:.3f}, false {other:.4f}")
    for size, rows in zip(found.list_sizes, found.values, strict=True):
        for length, row in zip(found.lengths, rows, strict=True):
            print(f"{size:5d} phrases, {length:3d} letters:", " ".join(f"{value:6.2f}" for value in row))
    return {"confidence": table, "phrases": found.to_json()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument(
        "--lm", type=Path, help="language model of the beam search; the shipped one if absent"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--decoders", nargs="+", default=["greedy", "beam"])
    arguments = parser.parse_args()
    recognizer = load_model(arguments.model)
    entries = calibrate(recognizer, arguments.manifests, arguments.decoders, arguments.lm)
    update_decoding(arguments.model, arguments.output, entries)


if __name__ == "__main__":
    main()
