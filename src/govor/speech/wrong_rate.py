"""Whether a recording runs too fast or too slow, as when its header names a wrong sample rate.

The network itself is the judge: what it can read far more surely at another speed is played at a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from govor.audio.loading import Resampler, Samples
from govor.decoding.greedy import greedy
from govor.text.alphabet import Alphabet

SPEEDS = (2.0, 0.5, 3.0, 1 / 3)
"""Ratios of the rates in use: 8, 16, 24, 32, 44.1 and 48 kHz. Ones nearer to 1 are heard as a manner."""
# Speech at its own speed never gained more than -0.3 by another, speech at a wrong one never less than 0.5 by
# its own: docs/decisions/0009.
_SURER = 0.3
# And no music is ever as readable as speech is, even in noise.
_READABLE = -0.4
_EXCERPT_SECONDS = 12.0
_LETTERS_A_SECOND = (3.0, 25.0)


def wrong_speed(
    samples: Samples,
    sample_rate: int,
    log_probs: Callable[[Samples], NDArray[np.float32]],
    alphabet: Alphabet,
) -> float | None:
    """Return how many times too fast samples (N,) run, one of SPEEDS; None if there is no sign of it.

    Hears the first 12 s. `log_probs` is the network with its front end: samples to (T, V).
    """
    excerpt = samples[: round(_EXCERPT_SECONDS * sample_rate)]
    now = surety(log_probs(excerpt), len(excerpt) / sample_rate, alphabet)
    best, best_surety = None, max(now + _SURER, _READABLE)
    for speed in SPEEDS:
        slowed = _at_speed(excerpt, sample_rate, speed)
        found = surety(log_probs(slowed), len(slowed) / sample_rate, alphabet)
        if found > best_surety:
            best, best_surety = speed, found
    return best


def surety(log_probs: NDArray[np.float32], seconds: float, alphabet: Alphabet) -> float:
    """Return the mean natural log of the letters' probabilities in (T, V) of so many seconds.

    It is -4 where there are fewer or more letters than anybody speaks.
    """
    words = greedy(log_probs, alphabet).words
    num_letters = sum(len(word.text) for word in words)
    low, high = _LETTERS_A_SECOND
    if not low <= num_letters / max(seconds, 0.01) <= high:
        return -4.0
    return sum(len(word.text) * float(np.log(max(word.confidence, 1e-6))) for word in words) / num_letters


def _at_speed(samples: Samples, sample_rate: int, speed: float) -> Samples:
    """Play samples `speed` times slower."""
    resampler = Resampler(sample_rate, round(sample_rate * speed))
    return np.concatenate([*resampler.feed(samples), *resampler.flush()])
