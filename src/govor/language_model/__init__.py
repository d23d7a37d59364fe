"""N-gram language models: count, smooth, prune, mix, measure, and pack for the beam search."""

from govor.language_model.arpa import write_arpa
from govor.language_model.building import build, check_threshold, model_from_counts
from govor.language_model.kenlm import read_kenlm, write_kenlm
from govor.language_model.mixtures import mixture_file, parse_share
from govor.language_model.ngrams import NgramModel, Perplexity
from govor.language_model.pruning import mix, prune
from govor.language_model.texts import sentences
from govor.language_model.vocabulary import read_vocabulary

__all__ = [
    "NgramModel",
    "Perplexity",
    "build",
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
