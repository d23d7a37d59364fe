"""From the frames of a word's letters to when the word sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.decoding.greedy import DecodedWord
from govor.errors import ModelError
from govor.language import tr


@dataclass(frozen=True)
class Offsets:
    """How much longer a word is than from its first letter's first frame to its last letter's last one.

    CTC marks a letter by a peak within its sound, so words come out short. The defaults are the medians over
    30 recordings of festvox-ru with phone times: benchmarks/word_times.py --fit.
    """

    lead: float = 0.06
    """Seconds to put before."""
    tail: float = 0.04
    """Seconds to put after."""


def offsets_from_json(row: Any) -> Offsets:
    """Read a model's ``{"lead": seconds, "tail": seconds}``; None gives the defaults. Raises ModelError."""
    if row is None:
        return Offsets()
    try:
        offsets = Offsets(float(row["lead"]), float(row["tail"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(row) from error
    if not (abs(offsets.lead) <= 1 and abs(offsets.tail) <= 1):
        raise _broken(row)
    return offsets


def _broken(row: Any) -> ModelError:
    return ModelError(
        tr(
            f"поправки времён в модели негодны: {str(row)[:60]}; нужны lead и tail в секундах",
            f"the model's time offsets are unusable: {str(row)[:60]}; lead and tail in seconds are needed",
        )
    )


def word_times(
    words: Sequence[DecodedWord],
    times: NDArray[np.float64],
    stride: int,
    frame_shift: float,
    duration: float,
    offsets: Offsets,
) -> list[tuple[float, float]]:
    """Return (start, end) of each word in seconds: ordered, not overlapping, within 0 to `duration`.

    `times` (T,) are the starts of the feature frames, of which `stride` make one output frame. Where the
    lengthened words would overlap, they meet in the middle of the gap between their letters.
    """
    spans: list[tuple[float, float]] = []
    for word in words:
        # Looked up, not multiplied: silence removal leaves gaps between neighbouring frames.
        last = max(min(word.end * stride, len(times)) - 1, 0)
        start = min(float(times[min(word.start * stride, len(times) - 1)]), duration)
        # Sums of frame shifts may pass the next word's start by a rounding error.
        if spans and spans[-1][1] > start:
            spans[-1] = (spans[-1][0], start)
        spans.append((start, max(min(float(times[last]) + frame_shift, duration), start)))
    moved = []
    for i, (start, end) in enumerate(spans):
        earliest = (spans[i - 1][1] + start) / 2 if i else 0.0
        latest = (end + spans[i + 1][0]) / 2 if i + 1 < len(spans) else duration
        moved.append(
            (max(start - offsets.lead, min(earliest, start)), min(end + offsets.tail, max(latest, end)))
        )
    return moved
