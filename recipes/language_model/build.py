"""Make the language model that comes with Govor, and the honest one, which knows no transcript.

    python recipes/language_model/build.py --texts TEXTS --words voxforge-ru.dict --corpus CORPUS \\
        -o ru.klm --honest honest.klm [--model small.onnx]

TEXTS holds ``*.txt.xz``; CORPUS holds train, dev and the two test manifests. No sentence of dev or test gets
into either model: not as a line, not inside one, be it written with ё or with е. ``--model`` measures both on
dev as `govor tune` leaves them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from govor.corpora.sentences import read_lines, read_yo_words
from govor.language_model import build, mix, prune, sentences, write_kenlm
from govor.manifest import read_manifest
from govor.text.alphabet import normalize

HELD_OUT = ("dev", "test_unseen_speaker", "test_unseen_text")
MAX_WORDS = 130_000
THRESHOLD = 1.5e-7
# Shorter sentences ("да", "я не знаю") are in every text: they go as lines, not inside one.
LONG = 4
SHARE = 0.2
"""Part of the transcripts in the mixture."""


class Filter:
    """Knows the sentences that must not be learnt."""

    def __init__(self, texts: list[list[str]]) -> None:
        self.sentences = {plain(words) for words in texts}
        self.by_start: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for sentence in self.sentences:
            if len(sentence) >= LONG:
                self.by_start.setdefault(sentence[:LONG], []).append(sentence)
        self.left = 0

    def __call__(self, words: list[str]) -> bool:
        """Tell whether the sentence may be learnt."""
        flat = plain(words)
        allowed = flat not in self.sentences and not any(
            flat[place : place + len(held)] == held
            for place in range(len(flat) - LONG + 1)
            for held in self.by_start.get(flat[place : place + LONG], ())
        )
        self.left += not allowed
        return allowed


def without_permutations(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """Leave out lines that hold the words of an earlier one of the file in another order.

    One of the texts shuffles its sentences, which teaches that any order is as good.
    """
    seen: set[int] = set()
    for words in lines:
        bag = hash(tuple(sorted(words)))
        if bag not in seen:
            seen.add(bag)
            yield words


def measure(acoustic: Path, manifest: Path, models: dict[str, Path]) -> None:
    """Print the error rates on dev, greedy and with each language model, its weights tuned there."""
    from govor.recognizer import load_model
    from govor.tuning import tune

    utterances = list(read_manifest(manifest))
    for number, (name, path) in enumerate(models.items()):
        tuning = tune(utterances, load_model(acoustic), path)
        if not number:
            print(f"greedy: WER {tuning.greedy.wer:.4f} CER {tuning.greedy.cer:.4f}")
        print(f"{name}: WER {tuning.tuned.wer:.4f} CER {tuning.tuned.cer:.4f}, {tuning.settings}")


def plain(words: list[str]) -> tuple[str, ...]:
    return tuple(word.replace("ё", "е") for word in words)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--words", type=Path, required=True, help="word list in which ё is written")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--honest", type=Path, help="where to write the model of the texts alone")
    parser.add_argument("--model", type=Path, help="acoustic model to measure both with on dev")
    arguments = parser.parse_args()

    def texts_of(name: str) -> list[list[str]]:
        return [normalize(row.text).split() for row in read_manifest(arguments.corpus / f"{name}.jsonl")]

    dev = texts_of("dev")
    allowed = Filter([text for name in HELD_OUT for text in texts_of(name)])
    yo_words = read_yo_words(line.split(" ", 1)[0] for line in read_lines(arguments.words))

    def corpus_text() -> Iterator[list[str]]:
        for path in sorted(arguments.texts.glob("*.txt.xz")):
            for words in without_permutations(sentences([path])):
                words = [yo_words.get(word, word) for word in words]
                if allowed(words):
                    yield words

    model = build(corpus_text(), min_count=2, max_words=MAX_WORDS)
    print(f"texts: n-grams {model.counts}, left out {allowed.left}; dev {model.perplexity(dev)}")
    # The corpus repeats 1,165 sentences; each counts once.
    distinct = [list(words) for words in dict.fromkeys(map(tuple, texts_of("train"))) if allowed(list(words))]
    assert not {plain(words) for words in distinct} & allowed.sentences
    own = build(distinct)
    print(f"transcripts: {len(distinct)} sentences, n-grams {own.counts}; dev {own.perplexity(dev)}")
    written: dict[str, Path] = {}
    for path, share in ((arguments.output, SHARE), (arguments.honest, 0.0)):
        if path is None:
            continue
        made = prune(mix(model, own, share) if share else model, THRESHOLD)
        write_kenlm(made, path)
        size = path.stat().st_size / 1e6
        print(f"{path}: {size:.1f} MB, n-grams {made.counts}; dev {made.perplexity(dev)}", flush=True)
        written[path.name] = path
    if arguments.model:
        measure(arguments.model, arguments.corpus / "dev.jsonl", written)


if __name__ == "__main__":
    main()
