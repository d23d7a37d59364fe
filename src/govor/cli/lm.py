"""``govor lm``: language models of one's own text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govor.cli.console import ExitCode, Terminal, check_writable
from govor.cli.options import Quiet, example, letters_of_a_language
from govor.errors import ConfigError, GovorError
from govor.language import tr
from govor.text.alphabet import RUSSIAN_LETTERS

if TYPE_CHECKING:
    from govor.language_model import NgramModel

app = typer.Typer(
    no_args_is_help=True, help=tr("Языковые модели из своих текстов.", "Language models of your own texts.")
)

# Under this many words every word and n-gram is worth its place.
_SMALL_TEXT = 1_000_000
_LARGE_TEXT_THRESHOLD = 2e-8

BUILD_HELP = example(
    "Сделать языковую модель из текста: 50 строк или 100 МБ, предложения в любом виде, UTF-8.",
    "Make a language model of text: 50 lines or 100 MB, sentences in any form, UTF-8.",
    "govor lm build letters.txt --output my.klm",
    "govor lm build commands.txt -o my.klm --mix ru.klm:0.3",
)

Texts = Annotated[list[Path], typer.Argument(help=tr("Тексты: .txt, .gz, .xz.", "Texts: .txt, .gz, .xz."))]


def build(
    texts: Texts,
    output: Annotated[
        Path, typer.Option("--output", "-o", help=tr("Модель .klm или .arpa.", "Model .klm or .arpa."))
    ],
    order: Annotated[
        int, typer.Option(help=tr("Слов в n-грамме: 2 или 3.", "Words in an n-gram: 2 or 3."))
    ] = 3,
    min_count: Annotated[
        int, typer.Option(min=1, help=tr("Слова реже этого — неизвестные.", "Rarer words become unknown."))
    ] = 1,
    max_words: Annotated[
        int,
        typer.Option(min=1, help=tr("Слов в словаре самое большее.", "Words in the vocabulary at the most.")),
    ] = 200_000,
    prune: Annotated[
        float | None,
        typer.Option(
            help=tr(
                "Порог отсечения, 0–1; по умолчанию 0, для текста от миллиона слов 2e-8.",
                "Pruning threshold, 0–1; 0 by default, 2e-8 for a text of a million words or more.",
            )
        ),
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            help=tr(
                "Подмешать модель: ФАЙЛ.klm:ДОЛЯ; ru.klm — поставляемая.",
                "Mix a model in: FILE.klm:SHARE; ru.klm is the shipped one.",
            )
        ),
    ] = None,
    letters: Annotated[
        str,
        typer.Option(
            show_default=False,
            callback=letters_of_a_language,
            help=tr("Буквы другого языка одной строкой.", "Letters of another language in one string."),
        ),
    ] = RUSSIAN_LETTERS,
    quiet: Quiet = False,
) -> int:
    """Make a language model."""
    from govor.language_model import (
        check_letters,
        check_threshold,
        model_from_counts,
        sentences,
        write_arpa,
        write_kenlm,
    )
    from govor.language_model import mix as mixed
    from govor.language_model import prune as pruned
    from govor.language_model.counting import Counter
    from govor.language_model.ngrams import SPECIAL_WORDS, UNKNOWN

    if output.suffix not in (".klm", ".arpa"):
        raise ConfigError(
            tr(f"{output}: имя должно кончаться на .klm или .arpa", f"{output}: must end in .klm or .arpa")
        )
    if not 2 <= order <= 3:
        raise ConfigError(tr(f"--order {order}: нужно 2 или 3", f"--order {order}: must be 2 or 3"))
    if prune is not None:
        check_threshold(prune)
    others = [_mixture(item) for item in mix or []]
    check_writable(output)
    terminal = Terminal(quiet)
    counter, num_foreign = Counter(order), 0
    failed: list[str] = []

    def leave_out(error: GovorError) -> None:
        failed.append(str(error))
        terminal.fail(str(error))

    with terminal.progress(tr("подсчёт", "counting"), unit="B") as update:
        for words in sentences(texts, update, letters, leave_out):
            counter.add(words)
            num_foreign += words.count(SPECIAL_WORDS[UNKNOWN])
    counts = counter.finish(min_count, max_words)
    if failed and not counts.num_sentences:
        return ExitCode.SOME_FAILED
    terminal.say(
        tr(
            f"предложений {counts.num_sentences}, слов {counts.num_words}, разных {len(counts.words) - 3}",
            f"{counts.num_sentences} sentences, {counts.num_words} words, {len(counts.words) - 3} different",
        )
    )
    if num_foreign:
        terminal.say(
            tr(
                f"из них чисел и слов из чужих букв {num_foreign}: модель их не знает; "
                "напишите их так, как они произносятся",
                f"{num_foreign} of them are numbers and words of other letters, unknown to the model; "
                "write them as they are said",
            )
        )
    if prune is None:
        prune = _LARGE_TEXT_THRESHOLD if counts.num_words >= _SMALL_TEXT else 0.0
    model = model_from_counts(counts, 0.0 if others else prune)
    for path, other, share in others:
        check_letters(model, other, path)
        model = mixed(model, other, share)
    if others:
        model = pruned(model, prune)
    model = model.shortened()
    (write_arpa if output.suffix == ".arpa" else write_kenlm)(model, output)
    size = output.stat().st_size
    shown = tr(f"{size / 1e6:.1f} МБ", f"{size / 1e6:.1f} MB")
    if size < 1e6:
        shown = tr(f"{size / 1e3:.0f} КБ", f"{size / 1e3:.0f} KB")
    terminal.say(
        tr(f"{output}: {shown}, n-грамм {_listed(model)}", f"{output}: {shown}, n-grams {_listed(model)}")
    )
    if failed:
        terminal.say(
            tr(
                f"{output} сделан без текстов с ошибками: {len(failed)} из {len(texts)}",
                f"{output} was made without the texts with errors: {len(failed)} of {len(texts)}",
            )
        )
        return ExitCode.SOME_FAILED
    return ExitCode.FINE


PERPLEXITY_HELP = example(
    "Измерить, как модель предсказывает текст: перплексия и доля неизвестных слов.",
    "Measure how a model predicts a text: perplexity and the part of unknown words.",
    "govor lm perplexity my.klm test.txt",
)


def perplexity(
    model: Annotated[
        Path,
        typer.Argument(
            help=tr("Модель .klm; ru.klm — поставляемая.", "Model .klm; ru.klm is the shipped one.")
        ),
    ],
    texts: Texts,
) -> int:
    """Measure the perplexity of a text."""
    from govor.decoding.beam import named_language_model
    from govor.language_model import read_kenlm, sentences

    found = read_kenlm(named_language_model(model)).perplexity(sentences(texts))
    Terminal().results.print(
        tr(
            f"перплексия {found.perplexity:.1f}, слов {found.num_words}, "
            f"неизвестных {found.unknown_rate:.1%}",
            f"perplexity {found.perplexity:.1f}, {found.num_words} words, {found.unknown_rate:.1%} unknown",
        )
    )
    return ExitCode.FINE


def _listed(model: NgramModel) -> str:
    return " + ".join(f"{count}" for count in model.counts)


def _mixture(item: str) -> tuple[Path, NgramModel, float]:
    from govor.decoding.beam import named_language_model
    from govor.language_model import parse_share, read_kenlm

    path, share = parse_share(item)
    return path, read_kenlm(named_language_model(path)), share


app.command("build", help=BUILD_HELP)(build)
app.command("perplexity", help=PERPLEXITY_HELP)(perplexity)
