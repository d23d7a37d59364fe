"""Make the language model that comes with Govor, or the honest one, which knows no transcript.

    python recipes/language_model/build.py --texts TEXTS --words voxforge-ru.dict --corpus CORPUS -o ru.klm
    python recipes/language_model/build.py … --honest -o honest.klm

TEXTS holds ``*.txt.xz``; CORPUS holds train, dev and the two test manifests. No sentence of dev or test gets
into either model: not as a line, not inside one, be it written with ё or with е.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from govor.corpora.sentences import read_lines, read_yo_words
from govor.language_model import build, mix, prune, sentences, write_kenlm
from govor.manifest import read_manifest
from govor.text import normalize

HELD_OUT = ("dev", "test_unseen_speaker", "test_unseen_text")
MAX_WORDS = 80_000
THRESHOLD = 8e-8
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


def plain(words: list[str]) -> tuple[str, ...]:
    return tuple(word.replace("ё", "е") for word in words)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--words", type=Path, required=True, help="word list in which ё is written")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--honest", action="store_true", help="texts only, no transcript")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()

    def texts_of(name: str) -> list[list[str]]:
        return [normalize(row.text).split() for row in read_manifest(arguments.corpus / f"{name}.jsonl")]

    dev = texts_of("dev")
    allowed = Filter([text for name in HELD_OUT for text in texts_of(name)])
    yo_words = read_yo_words(line.split(" ", 1)[0] for line in read_lines(arguments.words))

    def corpus_text() -> Iterator[list[str]]:
        for words in sentences(sorted(arguments.texts.glob("*.txt.xz"))):
            words = [yo_words.get(word, word) for word in words]
            if allowed(words):
                yield words

    model = build(corpus_text(), min_count=2, max_words=MAX_WORDS)
    print(f"texts: n-grams {model.counts}, left out {allowed.left}; dev {model.perplexity(dev)}")
    if not arguments.honest:
        # The corpus repeats 1,165 sentences; each counts once.
        distinct = [
            list(words) for words in dict.fromkeys(map(tuple, texts_of("train"))) if allowed(list(words))
        ]
        assert not {plain(words) for words in distinct} & allowed.sentences
        own = build(distinct)
        print(f"transcripts: {len(distinct)} sentences, n-grams {own.counts}; dev {own.perplexity(dev)}")
        model = mix(model, own, SHARE)
        print(f"mixed: n-grams {model.counts}; dev {model.perplexity(dev)}")
    model = prune(model, THRESHOLD)
    write_kenlm(model, arguments.output)
    size = arguments.output.stat().st_size / 1e6
    print(f"{arguments.output}: {size:.1f} MB, n-grams {model.counts}; dev {model.perplexity(dev)}")


if __name__ == "__main__":
    main()
