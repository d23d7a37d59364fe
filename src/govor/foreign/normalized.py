"""What a runtime takes away that brings mel bands to mean 0 and variance 1, and how it returns.

In speech and in noise alike the log power of a band moves by about as much from one frame to the next: that
tells how much the band was divided by. No power lies below the guard that is added before the logarithm: that
tells how high a band lies that reaches far down. Digital silence, where there is some, lies on the guard.
docs/decisions/0041 has the figures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Takes log_mel (B, T, X) and inside (B, T), gives log_power (B, T, X). What does not move at all is digital
# silence: brought to the usual level, it would begin like a sound.
DENORMALIZED = """
    later = Slice(log_mel, number_1, number_far, axis_1)
    sooner = Slice(log_mel, number_0, number_less_1, axis_1)
    difference = Sub(later, sooner)
    distance = Abs(difference)
    inside_later = Slice(inside, number_1, number_far, axis_1)
    inside_float = Cast <to = 1> (inside_later)
    counted = Unsqueeze(inside_float, axis_2)
    counted_distance = Mul(distance, counted)
    distance_sum = ReduceSum <keepdims = 1> (counted_distance, axis_1)
    num_counted = ReduceSum <keepdims = 1> (counted, axis_1)
    some_counted = Max(num_counted, unit)
    mean_distance = Div(distance_sum, some_counted)
    some_distance = Max(mean_distance, least_distance)
    ratio_of_steps = Div(usual_distance, some_distance)
    free_spread = Pow(ratio_of_steps, spread_power)
    spread = Min(free_spread, most_spread)
    scaled = Mul(log_mel, spread)
    inside_everywhere = Unsqueeze(inside, axis_2)
    some_scaled = Where(inside_everywhere, scaled, far_above)
    lowest_scaled = ReduceMin <axes = [1], keepdims = 1> (some_scaled)
    least_level = Sub(log_guard, lowest_scaled)
    band_level = Max(least_level, usual_level)
    sounding = Add(scaled, band_level)
    band_moves = Greater(mean_distance, least_movement)
    band_moves_number = Cast <to = 1> (band_moves)
    some_band_moves = ReduceMax <axes = [2], keepdims = 1> (band_moves_number)
    moves = Greater(some_band_moves, half)
    log_power = Where(moves, sounding, silent_level)
"""
"""ONNX text."""

# Real speech of seven speakers, with white noise of 5 to 30 dB and without. The highest spread there was 6.2.
NUMBERS = {
    "spread_power": 0.973,
    "least_distance": 0.02,
    "most_spread": 7.0,
    "usual_level": -11.0,
    "least_movement": 1e-3,
    "silent_level": -100.0,
    "far_above": 1e9,
}
"""Constants of `DENORMALIZED`; powers are those of samples in -1..1."""


def usual_distances(bands: int) -> NDArray[np.float64]:
    """Return (bands,) the mean step of the log power from one frame to the next, nepers, in NeMo's 80 bands.

    A curve through what was measured: low bands move less because voices hold them, high ones because they
    are wide.
    """
    place = np.arange(bands) / 40 - 1
    return np.asarray(np.exp(-0.0608 - 0.3274 * place - 0.5624 * np.square(place)))
