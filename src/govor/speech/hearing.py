"""What the network hears of a stretch of sound: its features, without the silence around the speech.

Features are normalised over what the network gets, so silence beside a word or two moves all of them; and
digital silence, whose energy has hardly a logarithm, moves them farthest. docs/decisions/0033 tells how far.
"""

from __future__ import annotations

import numpy as np

from govor.audio.loading import Samples
from govor.config import FeatureConfig
from govor.features import Features, extract
from govor.speech.endpointing import FRAME_SECONDS, LENIENT, Endpointer, SpeechEnd, frame_levels

MARGIN_SECONDS = 0.2
"""Silence that is left before and after speech: soft sounds reach into it."""


def hear(samples: Samples, config: FeatureConfig, *, trim: bool) -> Features:
    """Compute the features of samples (N,) at the rate of `config`.

    With `trim` silence before and after speech is left out but for MARGIN_SECONDS; times count from the first
    sample all the same. Raises AudioError as `extract` does.
    """
    first, end = speech_span(samples, config.sample_rate) if trim else (0, len(samples))
    features = extract(samples[first:end], config)
    return Features(features.values, features.times + first / config.sample_rate) if first else features


def speech_span(samples: Samples, sample_rate: int) -> tuple[int, int]:
    """Return where speech with its margins starts and ends in samples (N,); all of it if there is none.

    The margins hold no digital silence: nothing that is softer than what 16 bits can hold.
    """
    endpointer = Endpointer(sample_rate, LENIENT, use_silero=False)
    events = [*endpointer.feed(samples), *endpointer.finish()]
    spans = [event for event in events if isinstance(event, SpeechEnd)]
    if not spans:
        return 0, len(samples)
    frame = round(FRAME_SECONDS * sample_rate)
    sounds = np.flatnonzero(np.array(frame_levels(samples, sample_rate)) > LENIENT.quietest_db)
    first = max(round((spans[0].start - MARGIN_SECONDS) * sample_rate), int(sounds[0]) * frame)
    # What is left of the last frame may sound, too.
    last = int(sounds[-1]) + 1
    sounds_to = last * frame if last < len(samples) // frame else len(samples)
    return first, min(round((spans[-1].end + MARGIN_SECONDS) * sample_rate), sounds_to)
