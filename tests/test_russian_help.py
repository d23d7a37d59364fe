"""The help is wholly in the user's language: typer's own words too, for every command."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys

import pytest

EVERY_HELP = """
import typer
from govor.cli.app import command_tree, run

def names(name, command):
    yield name
    for child, one in getattr(command, "commands", {}).items():
        yield from names([*name, child], one)

for name in names([], typer.main.get_command(command_tree(()))):
    assert run([*name, "--help"]) == 0
    print("\\f")
"""
TYPERS_OWN = (
    r"Usage|OPTIONS|COMMAND|ARGS|Options|Commands|Arguments|\[required|\[default|\[env|Show |<[a-z ]+>|list\["
)


@functools.cache
def helps(language: str) -> tuple[str, ...]:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP],
        # Wide, so that nothing is broken over lines.
        env=os.environ
        | {"GOVOR_LANG": language, "COLUMNS": "300", "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return tuple(one.strip() for one in done.stdout.split("\f") if one.strip())


def test_no_help_in_russian_has_a_word_of_typers() -> None:
    shown = helps("ru")
    assert len(shown) > 30
    for one in shown:
        assert not re.search(TYPERS_OWN, one), one
        usage = re.match(r"Вызов: govor((?: [a-z-]+)*) (.*)", one)
        assert usage is not None, one
        # After the names of the command all is Russian.
        assert not re.search("[A-Za-z]", usage[2]), one
        assert "Показать эту справку и выйти." in one


@pytest.mark.parametrize(
    "row",
    [
        r"│ +\* +--output +-o +ПУТЬ +Модель \.klm или \.arpa\. +\[обязателен\]",
        r"│ +--order +ЧИСЛО +Слов в n-грамме: 2 или 3\. +\[по умолчанию: 3\]",
        r"│ +--quiet +-q +Только результат и ошибки\.",
        r"│ +\* +ТЕКСТ +Тексты: \.txt",
    ],
)
def test_kinds_of_values_and_names_of_arguments_are_russian(row: str) -> None:
    (build,) = [one for one in helps("ru") if one.startswith("Вызов: govor lm build ")]
    assert re.search(row, build), build


def test_the_help_in_english_has_no_russian_but_examples() -> None:
    for one in helps("en"):
        assert one.startswith("Usage: govor")
        lines = [line for line in one.splitlines() if not re.match(r" *govor ", line)]
        russian = [word for line in lines for word in re.findall("[а-яё]{2,}", line)]
        assert not russian, one
