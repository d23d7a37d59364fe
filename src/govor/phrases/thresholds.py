"""How sure a phrase list must be, for a chosen rate of false accepts: a table measured on a dev set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from govor.errors import ConfigError, ModelError
from govor.language import tr

# A condition with fewer trials of a length says nothing of rates of some percent.
_FEW = 30
# The part of listed phrases that a threshold rejects at least, where other speech would allow a lower one: a
# part of what the dev set has under noise and other distortions is hopeless, and reaching for it lets other
# phrases pass. Who asks for a higher rate wants less of them lost.
_LOST, _LOST_TIMES_RATE = 0.05, 0.003


@dataclass(frozen=True)
class Thresholds:
    """Least ratio of an accepted phrase, by list size, length of the phrase and rate of false accepts.

    The longer the list, the better the best of its phrases fits other speech, so the higher the threshold;
    the longer the phrase, the worse it fits by chance.
    """

    list_sizes: tuple[int, ...]
    lengths: tuple[int, ...]
    """Letters and spaces of a phrase."""
    rates: tuple[float, ...]
    """Each axis rises."""
    values: tuple[tuple[tuple[float, ...], ...], ...]
    """One for each list size, length and rate."""

    def at(self, rate: float, list_size: int, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the thresholds for phrases of `lengths` (n) in a list of `list_size`.

        Interpolated over the logarithms; sizes and lengths outside the table take its edge. Raises
        ConfigError for a rate outside the table.
        """
        low, high = self.rates[0], self.rates[-1]
        if not low <= rate <= high:
            raise ConfigError(
                tr(
                    f"доля ложных срабатываний {rate}: нужно от {low} до {high}",
                    f"false accept rate {rate}: must be {low} to {high}",
                )
            )
        by_rate = [
            [np.interp(math.log(rate), np.log(self.rates), row) for row in table] for table in self.values
        ]
        size = math.log(max(list_size, 1))
        by_length = [np.interp(size, np.log(self.list_sizes), column) for column in np.array(by_rate).T]
        found: NDArray[np.float64] = np.interp(
            np.log(np.maximum(lengths, 1)), np.log(self.lengths), by_length
        )
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that a model's metadata stores."""
        values = np.round(self.values, 3).tolist()
        axes = {"list_sizes": list(self.list_sizes), "lengths": list(self.lengths), "rates": list(self.rates)}
        return {**axes, "values": values}


def thresholds_from_json(row: Mapping[str, Any]) -> Thresholds:
    """Read what `Thresholds.to_json` gave. Raises ModelError if it is not such a table."""
    try:
        axes = (
            tuple(int(size) for size in row["list_sizes"]),
            tuple(int(length) for length in row["lengths"]),
            tuple(float(rate) for rate in row["rates"]),
        )
        numbers = np.array(row["values"], np.float64)
        fits = numbers.shape == tuple(map(len, axes)) and bool(np.isfinite(numbers).all())
        rising = all(axis[0] > 0 and list(axis) == sorted(set(axis)) for axis in axes)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _broken() from error
    if not fits or not rising:
        raise _broken()
    return Thresholds(*axes, _nested(numbers))


def _nested(numbers: NDArray[np.float64]) -> tuple[tuple[tuple[float, ...], ...], ...]:
    return tuple(tuple(tuple(float(value) for value in row) for row in table) for table in numbers)


def _broken() -> ModelError:
    return ModelError(
        tr(
            "таблица порогов phrases в модели испорчена; подберите заново: recipes/confidence.py",
            "the model's table of phrase thresholds is corrupt; fit it again: recipes/confidence.py",
        )
    )


def fit_thresholds(
    *conditions: Mapping[int, Sequence[tuple[int, float]]],
    listed: Sequence[tuple[int, float]] = (),
    lengths: Sequence[int] = (5, 8, 16, 32, 64),
    rates: Sequence[float] = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2),
) -> Thresholds:
    """Fit the table to out-of-list trials: for each list size, the best phrase's length and ratio of each.

    Each condition, such as clear or unclear speech, has its own trials; the rate is kept in the worst of
    them. A cell is a quantile over the trials within a factor of 1.5 of its length. `listed` holds the length
    and ratio of listed phrases that were found: no threshold is lower than what 95 % of them reach, or 97 %
    at a rate of 10 %, as it would let other speech pass and gain hardly anything. Made monotonic: a longer
    list never gets a lower threshold. Raises ValueError where there are no trials at all.
    """
    sizes = sorted(set().union(*conditions))
    table = np.full((len(sizes), len(lengths), len(rates)), -math.inf)
    lost = np.minimum(_LOST, _LOST_TIMES_RATE / np.array(rates))
    for j, length in enumerate(lengths):
        first = 0 if j == 0 else length / 1.5
        last = math.inf if j == len(lengths) - 1 else 1.5 * length
        for i, size in enumerate(sizes):
            for trials in conditions:
                near = _ratios_of_length(trials.get(size, ()), first, last)
                if len(near):
                    table[i, j] = np.maximum(table[i, j], np.quantile(near, 1 - np.array(rates)))
            if np.isinf(table[i, j]).any():
                raise ValueError(f"no trials of length {length} with {size} phrases")
        if len(near := _ratios_of_length(listed, first, last)):
            table[:, j] = np.maximum(table[:, j], np.quantile(near, lost))
    table = np.maximum.accumulate(np.maximum(table, -20.0), axis=0)
    return Thresholds(tuple(sizes), tuple(lengths), tuple(rates), _nested(table))


def _ratios_of_length(trials: Sequence[tuple[int, float]], first: float, last: float) -> NDArray[np.float64]:
    """Return the ratios of trials with that length; none where they are too few to tell anything."""
    found = np.array(trials, np.float64).reshape(-1, 2)
    near: NDArray[np.float64] = found[(found[:, 0] >= first) & (found[:, 0] <= last), 1]
    return near if len(near) >= min(_FEW, len(found)) else near[:0]


# Measured on a shipped model; recipes/confidence.py gives a model its own.
DEFAULT_THRESHOLDS = Thresholds(
    (10, 50, 200, 1000),
    (5, 8, 16, 32, 64),
    (0.01, 0.02, 0.03, 0.05, 0.1, 0.2),
    (
        (
            (-0.66, -0.76, -0.87, -1.06, -1.36, -1.71),
            (-1.16, -1.27, -1.33, -1.48, -1.7, -2.17),
            (-1.16, -1.34, -1.54, -1.62, -1.75, -2.23),
            (-1.36, -1.36, -1.36, -1.36, -1.6, -1.69),
            (-1.25, -1.25, -1.25, -1.25, -1.41, -1.56),
        ),
        (
            (-0.36, -0.44, -0.53, -0.63, -0.91, -1.22),
            (-0.74, -0.92, -1.04, -1.15, -1.36, -1.73),
            (-0.97, -1.16, -1.27, -1.42, -1.75, -2.23),
            (-1.22, -1.36, -1.36, -1.36, -1.6, -1.69),
            (-1.25, -1.25, -1.25, -1.25, -1.41, -1.56),
        ),
        (
            (-0.25, -0.35, -0.36, -0.51, -0.7, -1.0),
            (-0.57, -0.67, -0.73, -0.84, -1.13, -1.35),
            (-0.67, -0.84, -1.04, -1.26, -1.59, -2.1),
            (-1.22, -1.36, -1.36, -1.36, -1.6, -1.69),
            (-1.25, -1.25, -1.25, -1.25, -1.41, -1.56),
        ),
        (
            (-0.25, -0.35, -0.36, -0.51, -0.67, -0.94),
            (-0.57, -0.63, -0.68, -0.75, -0.98, -1.25),
            (-0.67, -0.82, -0.91, -1.15, -1.42, -1.8),
            (-1.11, -1.33, -1.36, -1.36, -1.6, -1.69),
            (-1.25, -1.25, -1.25, -1.25, -1.41, -1.56),
        ),
    ),
)


def model_thresholds(decoding: Mapping[str, Any]) -> Thresholds:
    """Return the table in a model's ``decoding`` metadata, or the default one. Raises ModelError."""
    row = decoding.get("phrases")
    return DEFAULT_THRESHOLDS if row is None else thresholds_from_json(row)
