"""The features of an utterance, whether its manifest names ready features or a recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import load_audio
from govor.config import FeatureConfig
from govor.errors import AudioError
from govor.features import extract, load_features
from govor.manifest import Utterance


def load_utterance(utterance: Utterance, config: FeatureConfig) -> NDArray[np.float32]:
    """Return the features (T, F) of an utterance; raises what `load_features` and `load_audio` raise.

    A recording that breaks off or is damaged raises AudioError, too: its text says more than can be heard.
    """
    if utterance.features is not None:
        return load_features(utterance.features)
    assert utterance.audio_filepath is not None
    waveform = load_audio(utterance.audio_filepath, config.sample_rate)
    if waveform.warnings:
        raise AudioError("; ".join(waveform.warnings))
    return extract(waveform.samples, config).values
