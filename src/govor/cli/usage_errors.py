"""What typer itself says of a command line, in the user's language: its own words are English only."""

from __future__ import annotations

import re

from govor.language import speaks_russian

# Tried in order on the whole message; older typer words some of them otherwise.
_RUSSIAN = (
    (r"No such command (['\"].*?['\"])\.", r"нет команды \1"),
    (r"No such option: (\S+)", r"нет параметра \1"),
    (r"(?:^|[.;]? )\(?(?:Possible options: |Did you mean )(.+?)[)?]*$", r"; похоже на \1"),
    (r"Missing command\.", "не названа команда"),
    (r"Missing option (.+?)\.", r"не задан параметр \1"),
    (r"Missing (?:argument|parameter) (.+?)\.", r"не задан аргумент \1"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"лишнее: \1"),
    (r"Option (\S+) requires (?:an argument|\d+ arguments)\.", r"параметру \1 нужно значение"),
    (r"Option (\S+) does not take a value\.", r"параметру \1 не нужно значения"),
    (r"Invalid value for (.+?): ", r"негодное значение \1: "),
    (r"^Invalid value: ", ""),
    (r"('.*?') is not one of (.+?)\.?$", r"\1 — не из этих: \2"),
    (r"(?:Input should be|'.*?' is not) a valid integer.*", "нужно целое число"),
    (r"(?:Input should be|'.*?' is not) a valid (?:number|float).*", "нужно число"),
    (r"Input should be greater than or equal to (\S+)", r"нужно не меньше \1"),
    (r"Input should be less than or equal to (\S+)", r"нужно не больше \1"),
)


def in_users_language(message: str) -> str:
    """Translate an error of typer's; what it does not know stays as it is."""
    # Pydantic's name for "somebody else's error".
    message = message.replace("Value error, ", "")
    if speaks_russian():
        for pattern, russian in _RUSSIAN:
            message = re.sub(pattern, russian, message)
    return message
