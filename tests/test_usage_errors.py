"""What typer says of a wrong command line is said in Russian to those who read Russian."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from govor.cli.app import command_tree, run
from govor.language import speaking


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("transcibe a.wav", "нет команды 'transcibe'"),
        ("transcribe a.wav --formt srt", "нет параметра --formt"),
        ("train --config small", "не задан параметр '--train'"),
        ("prepare folder", "не задан аргумент"),
        ("transcribe a.wav --model", "параметру '--model' нужно значение"),
        ("transcribe a.wav --beam-width many", "негодное значение '--beam-width': нужно целое число"),
        ("evaluate a.jsonl --decoder best", "'best' — не из этих: 'auto', 'greedy', 'beam'"),
        ("features a.wav b.wav --output c.npy", "лишнее: "),
    ],
)
def test_a_wrong_command_line_is_explained_in_russian(
    arguments: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # The helps of commands are written when their modules are imported: in English, as other tests expect.
    command_tree([])
    with speaking("ru"):
        assert run(arguments.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert "(справка: govor" in line or "--model" in line


@pytest.mark.parametrize(("language", "words"), [("ru", "Показать эту справку"), ("en", "Show this message")])
def test_the_help_of_the_help_is_in_the_users_language(language: str, words: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "govor", "devices", "--help"],
        env=os.environ | {"GOVOR_LANG": language},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert words in shown.stdout
