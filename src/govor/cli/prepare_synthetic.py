"""``govor prepare synthetic`` and ``govor prepare features``: speech made, and recordings made many."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.options import Quiet, example
from govor.errors import ManifestError
from govor.language import tr

if TYPE_CHECKING:
    from govor.corpora.synthetic import Production

SYNTHETIC_HELP = example(
    "Озвучить предложения festival и espeak-ng разными голосами, комнатами и микрофонами.",
    "Let festival and espeak-ng speak sentences in many voices, rooms and microphones.",
    "govor prepare synthetic texts.txt.xz --count 20000 --output data/synthetic --exclude data/dev.jsonl",
)
FEATURES_HELP = example(
    "Посчитать признаки записей заранее, по желанию с изменёнными копиями.",
    "Compute the features of recordings beforehand, with varied copies if wanted.",
    "govor prepare features recordings/manifest.jsonl --output data/varied.jsonl --copies 2",
)
Seed = Annotated[int, typer.Option(help=tr("Зерно случайности.", "Seed of all randomness."))]
Texts = Annotated[
    list[Path],
    typer.Argument(
        help=tr(
            "Тексты, строка — предложение; .txt или .xz. Слово реже трёх раз считается опечаткой.",
            "Texts, a sentence a line; .txt or .xz. A word less than three times is taken for a misprint.",
        )
    ),
]
Exclude = Annotated[
    list[Path] | None,
    typer.Option(
        help=tr(
            "Манифест, чьи тексты не должны встретиться; можно несколько.",
            "A manifest whose texts must not appear; may be repeated.",
        )
    ),
]


def texts_of(manifests: list[Path] | None) -> set[str]:
    """Return the texts of all utterances of manifests."""
    from govor.manifest import read_manifest

    return {utterance.text for path in manifests or [] for utterance in read_manifest(path)}


def check_choice(texts: list[Path], sentences: list[str], left_out: Counter[str], terminal: Terminal) -> None:
    """Tell why sentences of the texts cannot be chosen; whoever wrote them himself will wonder.

    Raises ManifestError if none is left.
    """
    if reasons := [f"{count} ({reason})" for reason, count in left_out.most_common() if count]:
        listed = "; ".join(reasons)
        terminal.say(tr(f"не подошли предложения: {listed}", f"sentences that do not suit: {listed}"))
    if not sentences:
        names = ", ".join(map(str, texts))
        raise ManifestError(
            tr(f"{names}: ни одного годного предложения", f"{names}: not a single sentence that suits")
        )


def synthetic(
    texts: Texts,
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Папка корпуса.", "Folder of the corpus."))
    ],
    count: Annotated[
        int, typer.Option(min=1, help=tr("Сколько предложений.", "How many sentences."))
    ] = 10000,
    dev: Annotated[
        int,
        typer.Option(
            min=0, help=tr("Сколько из них отложить в dev.jsonl.", "How many of them go to dev.jsonl.")
        ),
    ] = 150,
    exclude: Exclude = None,
    dictionary: Annotated[
        Path | None,
        typer.Option(
            help=tr("Словарь с ё (слово в начале строки).", "Word list with ё (a word starts each line).")
        ),
    ] = None,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> int:
    """Let speech synthesisers speak sentences."""
    from govor.corpora.sentences import choose_sentences, read_lines, read_yo_words
    from govor.corpora.synthetic import synthesize, synthesize_shards

    terminal = Terminal(quiet)
    forbidden = texts_of(exclude)
    yo_words = None
    if dictionary:
        yo_words = read_yo_words(line.split()[0] for line in read_lines(dictionary) if line.split())
    terminal.say(tr("выбор предложений…", "choosing sentences…"))
    left_out: Counter[str] = Counter()
    sentences = choose_sentences(texts, count, seed, forbidden, yo_words, left_out=left_out)
    check_choice(texts, sentences, left_out, terminal)
    if len(sentences) < count:
        terminal.warn(
            tr(
                f"годных предложений только {len(sentences)} из {count}: нужно больше текста",
                f"only {len(sentences)} of {count} sentences are usable: more text is needed",
            )
        )
    if len(sentences) <= dev:
        raise ManifestError(
            tr(
                f"{len(sentences)} предложений не хватит и на dev ({dev}); дайте больше текста или --dev 0",
                f"{len(sentences)} sentences do not even fill dev ({dev}); give more text or --dev 0",
            )
        )
    productions = []
    with terminal.progress(tr("озвучивание", "speaking")) as update:
        made = 0

        def hear(done: int, _seconds: float) -> None:
            update(made + done, len(sentences))

        if dev and not (output / "dev.jsonl").exists():
            # A seed of its own, so that dev has rooms and microphones that train has not.
            productions.append(
                synthesize(sentences[:dev], output / "dev.jsonl", seed + 98, espeak_share=0, progress=hear)
            )
        made = dev
        for production in synthesize_shards(sentences[dev:], output, seed, progress=hear):
            productions.append(production)
            made += production.num_utterances
    return _report(productions, output / "train.jsonl", terminal)


def features(
    manifest: Annotated[Path, typer.Argument(help=tr("Манифест записей.", "Manifest of recordings."))],
    output: Annotated[Path, typer.Option("--output", "-o", help=tr("Новый манифест.", "The new manifest."))],
    copies: Annotated[
        int,
        typer.Option(
            min=0,
            help=tr(
                "Изменённых копий каждой записи; 0 — сама запись без изменений.",
                "Varied copies of each recording; 0 is the recording itself, unchanged.",
            ),
        ),
    ] = 0,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> int:
    """Compute the features of recordings beforehand."""
    from govor.corpora.synthetic import vary_recordings
    from govor.manifest import read_manifest

    terminal = Terminal(quiet)
    check_writable(output)
    total = sum(1 for _ in read_manifest(manifest, [])) * max(copies, 1)
    with terminal.progress(tr("признаки", "features")) as update:
        production = vary_recordings(
            manifest, output, copies, seed, progress=lambda done, _seconds: update(done, total)
        )
    return _report([production], output, terminal)


def _report(productions: list[Production], manifest: Path, terminal: Terminal) -> int:
    skipped = [skip for production in productions for skip in production.skipped]
    for skip in skipped[:10]:
        terminal.warn(f"{skip.id}: {skip.reason}")
    count = sum(production.num_utterances for production in productions)
    hours = sum(production.duration for production in productions) / 3600
    terminal.say(
        tr(
            f"{manifest}: новых фраз {count}, часов {hours:.2f}; пропущено {len(skipped)}",
            f"{manifest}: {count} new utterances, {hours:.2f} h; left out {len(skipped)}",
        )
    )
    return ExitCode.FINE if not skipped else ExitCode.SOME_FAILED
