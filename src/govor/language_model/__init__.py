"""N-gram language models: count, smooth, prune, mix, measure, and pack for the beam search."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from govor.language_model.arpa import write_arpa
    from govor.language_model.building import build, check_threshold, model_from_counts
    from govor.language_model.kenlm import read_kenlm, write_kenlm
    from govor.language_model.mixtures import check_letters, mixture_file, parse_share
    from govor.language_model.ngrams import NgramModel, Perplexity
    from govor.language_model.pruning import mix, prune
    from govor.language_model.texts import sentences
    from govor.language_model.vocabulary import read_vocabulary

__all__ = [
    "NgramModel",
    "Perplexity",
    "build",
    "check_letters",
    "check_threshold",
    "mix",
    "mixture_file",
    "model_from_counts",
    "parse_share",
    "prune",
    "read_kenlm",
    "read_vocabulary",
    "sentences",
    "write_arpa",
    "write_kenlm",
]

_HOMES = {
    "NgramModel": "ngrams",
    "Perplexity": "ngrams",
    "build": "building",
    "check_letters": "mixtures",
    "check_threshold": "building",
    "mix": "pruning",
    "mixture_file": "mixtures",
    "model_from_counts": "building",
    "parse_share": "mixtures",
    "prune": "pruning",
    "read_kenlm": "kenlm",
    "read_vocabulary": "vocabulary",
    "sentences": "texts",
    "write_arpa": "arpa",
    "write_kenlm": "kenlm",
}


def __getattr__(name: str) -> Any:
    # Who only loads a model with the search need not wait for what makes models.
    if name not in _HOMES:
        raise AttributeError(f"module 'govor.language_model' has no attribute {name!r}")
    return getattr(import_module(f"govor.language_model.{_HOMES[name]}"), name)
