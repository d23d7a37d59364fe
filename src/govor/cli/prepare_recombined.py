"""``govor prepare recombined``: other sentences in the voices of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from govor.cli.console import ExitCode, Terminal
from govor.cli.options import Quiet, example
from govor.cli.prepare_synthetic import Exclude, Seed, Texts, check_choice, texts_of
from govor.errors import ManifestError
from govor.language import tr
from govor.manifest import BadLine, Utterance, nothing_usable, read_manifest, write_manifest

HELP = example(
    "Собрать новые предложения из звуков записанных голосов: тексты любые, голоса настоящие.",
    "Put new sentences together from the sounds of recorded voices: any texts, real voices.",
    "govor prepare recombined data/train_cuts.jsonl texts.txt --dictionary ru.dict --output data/new",
)

FEWEST_CANDIDATES = 2000
"""Each voice waits for a sentence it has the sounds of; of a few hundred some would find none."""


def recombined(
    manifest: Annotated[
        Path,
        typer.Argument(
            help=tr(
                "Манифест с границами слов (govor prepare cuts).",
                "A manifest with word ends (govor prepare cuts).",
            )
        ),
    ],
    texts: Texts,
    dictionary: Annotated[
        Path,
        typer.Option(
            help=tr(
                "Словарь произношения, строка — слово и его звуки.",
                "Pronunciations, a word and its phones a line.",
            )
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка корпуса.", "Folder of the corpus."))
    ],
    count: Annotated[
        int, typer.Option(min=1, help=tr("Сколько предложений.", "How many sentences."))
    ] = 20000,
    any_words: Annotated[
        bool,
        typer.Option(
            "--any-words",
            help=tr(
                "Говорить и слова, которых нет в словаре: их произносит espeak-ng.",
                "Say words that the dictionary lacks, too: espeak-ng pronounces them.",
            ),
        ),
    ] = False,
    exclude: Exclude = None,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> int:
    """Put new sentences together from the sounds of recorded voices."""
    from govor.config import FEATURE_PRESETS
    from govor.corpora.recombined import hear_voices, pronounce_more, pronounceable, recombine
    from govor.corpora.sentences import choose_sentences, read_lines, read_yo_words
    from govor.recombination.pronunciation import read_pronunciations
    from govor.text.finishing import yo_words as known_yo_words

    terminal = Terminal(quiet)
    bad: list[BadLine] = []
    utterances = list(read_manifest(manifest, bad))
    terminal.fail_lines(bad)
    if not utterances:
        raise nothing_usable(manifest)
    pronunciations = read_pronunciations(read_lines(dictionary))
    if not pronunciations:
        raise ManifestError(
            tr(
                f"{dictionary}: нет ни одной строки «слово З В У К И»",
                f"{dictionary}: there is no line like “word P H O N E S”",
            )
        )
    known = pronounceable(utterances, pronunciations)
    if not known:
        raise ManifestError(
            tr(
                f"{dictionary}: ни одной фразы из {manifest} целиком нет в словаре",
                f"{dictionary}: it has all words of not a single utterance of {manifest}",
            )
        )
    forbidden = texts_of(exclude)
    terminal.say(tr("выбор предложений…", "choosing sentences…"))
    yo_words = read_yo_words(pronunciations)
    if any_words:
        yo_words = {**known_yo_words(), **yo_words}
    # A voice does not have all pairs of phones, so there must be more sentences than are wanted.
    candidates = max(2 * count, FEWEST_CANDIDATES)
    left_out: Counter[str] = Counter()
    vocabulary = None if any_words else pronunciations
    sentences = choose_sentences(
        texts, candidates, seed, forbidden, yo_words, vocabulary=vocabulary, left_out=left_out
    )
    check_choice(texts, sentences, left_out, terminal)
    if any_words:
        words = sorted({word for sentence in sentences for word in sentence.split()})
        with terminal.progress(tr("произношение слов", "pronouncing the words")) as update:
            pronunciations = pronounce_more(pronunciations, words, update)
    config = FEATURE_PRESETS["sphinx8k"]
    with terminal.progress(tr("звуки в записях", "phones in the recordings")) as update:
        voices = hear_voices(known, pronunciations, config, seed, update)
    seconds = 0.0

    def counted(made: Iterator[Utterance]) -> Iterator[Utterance]:
        nonlocal seconds
        with terminal.progress(tr("новые предложения", "new sentences"), unit="") as update:
            for number, utterance in enumerate(made, 1):
                seconds += utterance.duration
                update(number, count)
                yield utterance

    path = output / "train.jsonl"
    made = recombine(voices, sentences, pronunciations, output / "features", count, config.frame_shift, seed)
    written = write_manifest(path, counted(made))
    if not written:
        raise ManifestError(
            tr(
                "не собрать ни одного предложения: мало записей или слов, известных словарю",
                "not a single sentence can be made: too few recordings, or words that the dictionary knows",
            )
        )
    if written < count:
        terminal.warn(
            tr(
                f"вышло только {written} из {count}: нужно больше текстов с произношением или записей",
                f"only {written} of {count} came out: it takes more texts with pronunciations, or recordings",
            )
        )
    terminal.say(
        tr(
            f"{path}: новых фраз {written}, часов {seconds / 3600:.2f}, голосов {len(voices.names)}",
            f"{path}: {written} new utterances, {seconds / 3600:.2f} h, {len(voices.names)} voices",
        )
    )
    return ExitCode.SOME_FAILED if bad else ExitCode.FINE
