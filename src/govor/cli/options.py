"""Options that several commands share, each worded once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from govor.language import tr
from govor.text.alphabet import RUSSIAN_LETTERS

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help=tr("Только результат и ошибки.", "Only the result and errors.")),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        help=tr(
            "Файл модели ONNX или имя поставляемой: small, seed.",
            "ONNX model file or the name of a shipped one: small, seed.",
        ),
    ),
]


class DecoderName(str, Enum):
    """How log-probabilities become words."""

    auto = "auto"
    greedy = "greedy"
    beam = "beam"


_BEAM = tr("Лучевой поиск", "Beam search")

Decoder = Annotated[
    DecoderName,
    typer.Option(
        help=tr(
            "greedy быстрее; beam ищет лучший текст; auto — beam, если модель настроена.",
            "greedy is quicker; beam searches for the best text; auto is beam if the model is tuned.",
        )
    ),
]
LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--lm",
        rich_help_panel=_BEAM,
        help=tr(
            "Языковая модель .klm или .arpa; без неё поставляемая.",
            "Language model, .klm or .arpa; the shipped one if absent.",
        ),
    ),
]
NoLanguageModel = Annotated[
    bool,
    typer.Option("--no-lm", rich_help_panel=_BEAM, help=tr("Без языковой модели.", "No language model.")),
]
Mix = Annotated[
    list[str] | None,
    typer.Option(
        "--mix",
        rich_help_panel=_BEAM,
        help=tr(
            "Подмешать к языковой модели свою: ФАЙЛ.klm:ДОЛЯ.",
            "Mix a model of your own into the language model: FILE.klm:SHARE.",
        ),
    ),
]
HotWords = Annotated[
    str | None,
    typer.Option(
        "--hotwords",
        rich_help_panel=_BEAM,
        help=tr("Слова через запятую, которых ждут.", "Words to expect, parted by commas."),
    ),
]
HotWordWeight = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=_BEAM, help=tr("Прибавка горячему слову, 0–100.", "Bonus of a hot word, 0–100.")
    ),
]
Alternatives = Annotated[
    int,
    typer.Option(
        rich_help_panel=_BEAM,
        help=tr("Сколько лучших текстов дать (в json).", "How many best texts to give (in json)."),
    ),
]
BeamWidth = Annotated[
    int | None,
    typer.Option(rich_help_panel=_BEAM, help=tr("Сколько начал держать, 1–10000.", "Beams kept, 1–10000.")),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        rich_help_panel=_BEAM, help=tr("Вес языковой модели, 0–10.", "Weight of the language model, 0–10.")
    ),
]
Beta = Annotated[
    float | None,
    typer.Option(rich_help_panel=_BEAM, help=tr("Прибавка за слово, −20–20.", "Bonus for a word, −20–20.")),
]

_PHRASES = tr("Список фраз и вид текста", "Phrase list and form of the text")

Phrases = Annotated[
    Path | None,
    typer.Option(
        "--phrases",
        rich_help_panel=_PHRASES,
        help=tr(
            "Файл фраз: сказана одна из них или ни одной.", "A file of phrases: one of them was said or none."
        ),
    ),
]
FalseAccepts = Annotated[
    float | None,
    typer.Option(
        "--false-accepts",
        rich_help_panel=_PHRASES,
        help=tr(
            "Какая доля чужой речи может сойти за фразу, 0.01–0.2; без него 0.03.",
            "The part of other speech that may pass for a phrase, 0.01–0.2; 0.03 if absent.",
        ),
    ),
]
FormatText = Annotated[
    bool,
    typer.Option(
        "--format-text",
        rich_help_panel=_PHRASES,
        help=tr(
            "Числа цифрами, буква ё, заглавная в начале.", "Numbers in digits, ё, a capital at the start."
        ),
    ),
]


def letters_of_a_language(letters: str) -> str:
    """Return the letters as they are. Raises BadParameter unless they can be an alphabet."""
    if letters != RUSSIAN_LETTERS:
        # Pydantic takes long to import, and hardly anybody asks for other letters.
        from govor.config import check_letters

        try:
            check_letters(letters)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    return letters


def example(russian: str, english: str, *commands: str) -> str:
    """Return the help of a command: what it does, then how it is called."""
    lines = "\n\n".join(f"    [green]{command}[/green]" for command in commands)
    return f"{tr(russian, english)}\n\n{tr('Пример', 'Example')}:\n\n{lines}"
