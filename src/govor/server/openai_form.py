"""The form of the OpenAI transcription interface, and what we allow in it besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile

from govor.language import tr
from govor.server.hints import hotwords_from_prompt
from govor.server.state import Wishes, split_lines

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_LANGUAGES = {"", "ru", "rus", "russian", "ru-ru", "ru_ru", "русский"}


class FieldError(Exception):
    """A form field has a value that cannot be used."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Order:
    """What the form asks for."""

    format: str
    granularities: frozenset[str]
    wishes: Wishes
    temperature: float
    stream: bool
    format_text: bool


_TEXT = {"type": "string"}
FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "Any audio or video file"},
        "model": {**_TEXT, "default": "govor", "description": "Any name: there is one model"},
        "language": {**_TEXT, "default": "ru", "description": "Russian only"},
        "prompt": {**_TEXT, "description": "Its terms become hot words"},
        "response_format": {**_TEXT, "enum": list(FORMATS), "default": "json"},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1, "description": "Accepted, not used"},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {**_TEXT, "enum": ["word", "segment"]},
            "description": "For verbose_json",
        },
        "stream": {"type": "boolean", "default": False, "description": "Server-sent events"},
        "hotwords": {**_TEXT, "description": "Ours: words to expect, parted by commas"},
        "phrases": {**_TEXT, "description": "Ours: a phrase list, a phrase a line; nothing else is heard"},
        "decoder": {**_TEXT, "enum": ["auto", "greedy", "beam"], "description": "Ours"},
        "format_text": {"type": "boolean", "description": "Ours: numbers in digits, ё, a capital"},
    },
}


def read_order(form: FormData) -> tuple[Order, UploadFile]:
    """Return what a form asks for, and its recording. Raises FieldError."""
    file = _file(form)
    format = _text(form, "response_format") or "json"
    if format not in FORMATS:
        raise FieldError(
            "response_format",
            tr(f"{format!r}: есть {', '.join(FORMATS)}", f"{format!r}: must be one of {', '.join(FORMATS)}"),
        )
    language = _text(form, "language")
    if language.lower() not in _LANGUAGES:
        raise FieldError(
            "language",
            tr(f"язык {language!r}: Говор знает только ru", f"language {language!r}: Govor knows only ru"),
        )
    granularities = {
        str(value)
        for name in ("timestamp_granularities[]", "timestamp_granularities")
        for value in form.getlist(name)
    }
    if not granularities <= {"word", "segment"}:
        raise FieldError("timestamp_granularities", tr("есть word и segment", "must be word or segment"))
    hotwords = tuple(word.strip() for word in _text(form, "hotwords").split(",") if word.strip())
    wishes = Wishes(
        _text(form, "decoder"),
        (*hotwords, *hotwords_from_prompt(_text(form, "prompt"))),
        split_lines(_text(form, "phrases")),
    )
    order = Order(
        format,
        frozenset(granularities),
        wishes,
        _number(form, "temperature"),
        _flag(form, "stream"),
        _flag(form, "format_text"),
    )
    return order, file


def _file(form: FormData) -> UploadFile:
    given = form.getlist("file")
    if not given:
        raise FieldError("file", tr("в форме нет файла file", "the form has no file named file"))
    if len(given) > 1:
        raise FieldError(
            "file",
            tr(f"файлов file: {len(given)}, а нужен один", f"{len(given)} files named file, must be one"),
        )
    if not isinstance(given[0], UploadFile):
        raise FieldError(
            "file",
            tr(
                "file пришёл текстом: части формы нужно имя файла (filename)",
                "file came as text: its part of the form needs a filename",
            ),
        )
    return given[0]


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise FieldError(name, tr("нужен текст, а не файл", "must be text, not a file"))
    return value.strip()


def _number(form: FormData, name: str) -> float:
    text = _text(form, name)
    try:
        value = float(text or 0)
    except ValueError as error:
        raise FieldError(name, tr(f"{text!r} не число", f"{text!r} is not a number")) from error
    if not 0 <= value <= 1:
        raise FieldError(name, tr(f"{text}: нужно от 0 до 1", f"{text}: must be 0 to 1"))
    return value


def _flag(form: FormData, name: str) -> bool:
    text = _text(form, name).lower()
    if text not in ("", "true", "false", "1", "0", "yes", "no", "on", "off"):
        raise FieldError(name, tr(f"{text!r}: нужно true или false", f"{text!r}: must be true or false"))
    return text in ("true", "1", "yes", "on")
