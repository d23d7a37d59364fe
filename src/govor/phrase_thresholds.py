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
    lengths: Sequence[int] = (8, 16, 32, 64),
    rates: Sequence[float] = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2),
) -> Thresholds:
    """Fit the table to out-of-list trials: for each list size, the best phrase's length and ratio of each.

    Each condition, such as clear or unclear speech, has its own trials; the rate is kept in the worst of
    them. A cell is a quantile over the trials within a factor of two of its length. Made monotonic: a longer
    list never gets a lower threshold. Raises ValueError where there are no trials at all.
    """
    sizes = sorted(set().union(*conditions))
    table = np.full((len(sizes), len(lengths), len(rates)), -math.inf)
    for i, size in enumerate(sizes):
        for j, length in enumerate(lengths):
            first = 0 if j == 0 else length / 2
            last = math.inf if j == len(lengths) - 1 else 2 * length
            for trials in conditions:
                found = np.array(trials.get(size, ()), np.float64).reshape(-1, 2)
                near = found[(found[:, 0] >= first) & (found[:, 0] <= last), 1]
                if len(near) >= min(_FEW, len(found)) and len(near):
                    table[i, j] = np.maximum(table[i, j], np.quantile(near, 1 - np.array(rates)))
            if np.isinf(table[i, j]).any():
                raise ValueError(f"no trials of length {length} with {size} phrases")
    table = np.maximum.accumulate(np.maximum(table, -20.0), axis=0)
    return Thresholds(tuple(sizes), tuple(lengths), tuple(rates), _nested(table))


# Measured on an early shipped model; recipes/confidence.py gives a model its own.
DEFAULT_THRESHOLDS = Thresholds(
    (10, 50, 200, 1000),
    (8, 16, 32, 64),
    (0.01, 0.02, 0.03, 0.05, 0.1, 0.2),
    (
        (
            (-1.54, -1.72, -1.83, -2.08, -2.43, -2.80),
            (-1.65, -1.87, -2.10, -2.38, -2.72, -3.18),
            (-1.63, -1.83, -2.23, -2.59, -3.11, -3.60),
            (-2.63, -2.97, -3.10, -3.25, -3.63, -4.01),
        ),
        (
            (-1.15, -1.26, -1.46, -1.65, -1.95, -2.35),
            (-1.26, -1.61, -1.72, -1.92, -2.29, -2.77),
            (-1.44, -1.67, -1.85, -2.21, -2.73, -3.28),
            (-2.30, -2.78, -2.95, -3.16, -3.46, -3.99),
        ),
        (
            (-0.85, -1.10, -1.16, -1.29, -1.56, -1.92),
            (-1.24, -1.40, -1.48, -1.63, -1.93, -2.37),
            (-1.44, -1.60, -1.70, -1.94, -2.37, -2.91),
            (-2.30, -2.72, -2.79, -3.07, -3.39, -3.78),
        ),
        (
            (-0.61, -0.85, -0.90, -1.10, -1.29, -1.59),
            (-1.06, -1.19, -1.26, -1.37, -1.60, -1.93),
            (-1.28, -1.37, -1.43, -1.58, -1.85, -2.51),
            (-2.30, -2.72, -2.79, -3.07, -3.38, -3.75),
        ),
    ),
)


def model_thresholds(decoding: Mapping[str, Any]) -> Thresholds:
    """Return the table in a model's ``decoding`` metadata, or the default one. Raises ModelError."""
    row = decoding.get("phrases")
    return DEFAULT_THRESHOLDS if row is None else thresholds_from_json(row)
