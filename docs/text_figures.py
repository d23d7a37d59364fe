"""Figures in running text: what stands between ``<!-- figure NAME -->`` and ``<!-- end -->``, made as the tables are.

They are of the models that ship, read from their files, or of what was measured with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from keeping import MODELS
from tabulating import Language, figures

MARKED = re.compile(r"(<!-- figure ([\w-]+) -->).*?(<!-- end -->)", re.DOTALL)


def megabytes(name: str) -> float:
    """Return the size of a file that ships."""
    return (MODELS / name).stat().st_size / 1e6


@cache
def decoding() -> dict[str, Any]:
    """Return what the model's file says of decoding."""
    from govor.onnx.model import load_onnx_model

    return load_onnx_model(MODELS / "small.onnx").decoding


@cache
def million_weights() -> float:
    """Count the weights of the network."""
    from govor.onnx.weights import read_onnx

    return sum(value.numel() for value in read_onnx(MODELS / "small.onnx").weights.values()) / 1e6


@cache
def thousand_words() -> float:
    """Count the words of the language model."""
    from govor.language_model import read_vocabulary

    return sum(1 for _ in read_vocabulary(MODELS / "ru.klm")) / 1e3


FIGURES: dict[str, Callable[[Language], str]] = {
    "model-million-weights": lambda tr: tr.number(million_weights()),
    "language-model-thousand-words": lambda tr: tr.number(thousand_words()),
    "language-model-megabytes": lambda tr: tr.number(megabytes("ru.klm")),
    "both-models-megabytes": lambda tr: tr.number(megabytes("small.onnx") + megabytes("ru.klm")),
    "word-lead-ms": lambda tr: tr.number(1000 * decoding()["times"]["lead"]),
    "word-tail-ms": lambda tr: tr.number(1000 * decoding()["times"]["tail"]),
    "word-times-others-ms": lambda tr: tr.number(figures("word-times")["others_median_ms"]),
    "process-megabytes": lambda tr: tr.number(figures("speed")["start"]["beam"]["peak_megabytes"], -1),
}


def filled_text(text: str, tr: Language) -> str:
    """Return a page with these figures made anew."""
    return MARKED.sub(lambda found: f"{found[1]}{FIGURES[found[2]](tr)}{found[3]}", text)
