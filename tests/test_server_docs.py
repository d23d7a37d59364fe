"""The clients of docs/ru/serve.md, run as they stand against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from govor import load_model
from running_server import MALE, RunningServer, running_server

ROOT = Path(__file__).resolve().parents[1]


def examples(language: str) -> list[str]:
    text = (ROOT / "docs" / language / "serve.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.mark.parametrize("number", range(4), ids=["openai", "vosk", "wyoming", "stream"])
def test_every_example_prints_what_was_said(server: RunningServer, number: int) -> None:
    code = examples("ru")[number]
    for written, real in (
        ("http://127.0.0.1:8000", server.http),
        ("ws://127.0.0.1:8000", server.ws),
        ("ws://127.0.0.1:2700", server.vosk),
        ("tcp://127.0.0.1:10300", server.wyoming),
    ):
        code = code.replace(written, real)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert run.returncode == 0, run.stderr
    printed = run.stdout.encode().decode("unicode_escape") if "\\u" in run.stdout else run.stdout
    # Hot words, and cutting live or not, may change a word.
    words = load_model().transcribe(MALE).text.split()
    assert sum(word in printed for word in words) >= len(words) - 2


def test_both_languages_show_the_same_examples() -> None:
    def bare(code: str) -> str:
        return re.sub(r" *#.*", "", code)

    assert [bare(code) for code in examples("ru")] == [bare(code) for code in examples("en")]
    assert len(examples("ru")) == 4
