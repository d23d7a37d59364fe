"""Where a recording may be cut between its words: what `govor.dataset.splicing` needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from govor.corpora.utterances import load_utterance
from govor.dataset.splicing import quietest_frame
from govor.decoding.greedy import align, words_of
from govor.manifest import Utterance
from govor.onnx.model import OnnxModel

DOUBTFUL_SCORE = -1.5
"""Mean log-probability of the letters below which the text hardly fits, so that cuts would be wrong."""
BATCH = 8


def find_cuts(model: OnnxModel, utterances: Iterable[Utterance]) -> Iterator[Utterance]:
    """Yield each utterance with its `cuts` by forced alignment; without them where it cannot be aligned.

    A cut lies at the quietest frame between the last letter of a word and the first one of the next.
    """
    waiting = iter(utterances)
    while batch := list(islice(waiting, BATCH)):
        values = [_read(utterance, model) for utterance in batch]
        all_log_probs = model.log_probs([value for value in values if value is not None])
        found = iter(all_log_probs)
        for utterance, value in zip(batch, values, strict=True):
            cuts = _cuts(utterance.text, value, next(found), model) if value is not None else ()
            yield replace(utterance, cuts=cuts)


def _read(utterance: Utterance, model: OnnxModel) -> NDArray[np.float32] | None:
    if not utterance.text or model.alphabet.missing(utterance.text):
        return None
    try:
        return load_utterance(utterance, model.config.features)
    except (ValueError, OSError):
        # Training names what cannot be read; here it only stays without cuts.
        return None


def _cuts(
    text: str, values: NDArray[np.float32], log_probs: NDArray[np.float32], model: OnnxModel
) -> tuple[float, ...]:
    try:
        found = align(log_probs, model.alphabet.encode(text), model.alphabet.blank)
    except ValueError:
        return ()
    if found.peaks.mean() < DOUBTFUL_SCORE:
        return ()
    stride, shift = model.config.network.stride, model.config.features.frame_shift
    # The first coefficient follows the loudness.
    loudness = values[:, 0]
    cuts = []
    for word, following in pairwise(words_of(found, model.alphabet)):
        first = max(word.end * stride - 1, 0)
        cuts.append(round(quietest_frame(loudness, first, following.start * stride + stride - 1) * shift, 3))
    return tuple(cuts)
