"""Whether anybody speaks in a stretch of sound: Silero where the energy alone leaves a doubt.

Silero costs ten times what recognition does, so it hears no whole recordings, only what is in doubt.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from govor.audio.loading import Resampler, Samples
from govor.speech.endpointing import FRAME_SECONDS, SILERO_RATE, frame_levels, load_silero

# So many frames in a row, each at least so likely, are speech. Real speech, in noise as loud as itself, too,
# has ten at 1.0; notes of an instrument had three at 0.8.
_FRAMES = 6
_PROBABILITY = 0.8
# Less is enough to keep a silence from being left out.
_PROBABILITY_IN_SILENCE = 0.4
# Frames of noise alone differ by about this much.
_EVEN_DB = 4.0
# So many of the loudest places, each so long, are heard.
_PLACES = 3
_PLACE_SECONDS = 1.5
_PEAK = 0.5
_HIGHEST_GAIN = 1000.0
_SILENT_DB = -90.0


class SpeechCheck:
    """Answers for sound of one rate; keeps Silero loaded."""

    def __init__(self, sample_rate: int) -> None:
        """Prepare; Silero, if it is installed, is loaded when there is something to judge."""
        self._rate = sample_rate
        self._loaded = False
        self._detector: Any = None

    def heard_in(self, samples: Samples, probability: float = _PROBABILITY) -> bool:
        """Return whether there is speech of that probability in samples (N,); True without Silero."""
        silero = self._silero()
        if silero is None or not len(samples):
            return True
        silero.reset()
        # Silero does not hear what is very soft, or beside a large constant.
        samples = samples - samples.mean()
        samples = samples * np.float32(min(_PEAK / max(float(np.abs(samples).max()), 1e-9), _HIGHEST_GAIN))
        if self._rate != SILERO_RATE:
            resampler = Resampler(self._rate, SILERO_RATE)
            samples = np.concatenate([*resampler.feed(samples), *resampler.flush()])
        size = silero.chunk_samples()
        run = 0
        for frame in samples[: len(samples) // size * size].reshape(-1, size):
            run = run + 1 if silero.process_samples(frame.tolist()) >= probability else 0
            if run == _FRAMES:
                return True
        return False

    def missed_in(self, silence: Samples) -> bool:
        """Return whether there is speech in what the energy takes for a silence (N,).

        Only its loudest places are judged, and those only if they stand out: what is even is noise.
        """
        levels = np.array(frame_levels(silence, self._rate))
        if len(levels) < 2 * _FRAMES:
            return False
        smooth = np.convolve(levels, np.ones(_FRAMES) / _FRAMES, "valid")
        stands_out = max(float(np.percentile(smooth, 10)) + _EVEN_DB, _SILENT_DB)
        half = round(_PLACE_SECONDS / FRAME_SECONDS / 2)
        for _ in range(_PLACES):
            loudest = int(smooth.argmax())
            if smooth[loudest] < stands_out:
                return False
            first, last = max(loudest - half, 0), loudest + half
            frame = round(FRAME_SECONDS * self._rate)
            if self.heard_in(silence[first * frame : last * frame], _PROBABILITY_IN_SILENCE):
                return True
            smooth[first:last] = -np.inf
        return False

    def _silero(self) -> Any:
        if not self._loaded:
            self._detector, self._loaded = load_silero(), True
        return self._detector
