"""How loud a piece of sound is."""

from __future__ import annotations

import numpy as np

from govor.audio.loading import Samples

SILENCE_DB = -100.0
"""What `level_db` calls digital silence."""


def level_db(samples: Samples) -> float:
    """Return the power of samples (N,) in dB of full scale (a full square wave is 0), at least SILENCE_DB.

    What is constant in them, as a cheap sound card adds it, is no sound and does not count.
    """
    if not len(samples):
        return SILENCE_DB
    power = float(np.var(samples, dtype=np.float64))
    return max(10 * float(np.log10(power)), SILENCE_DB) if power > 0 else SILENCE_DB
