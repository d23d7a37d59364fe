"""Mixtures of Gaussians with diagonal covariances, one for each state of a hidden Markov model (numpy)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Integers = NDArray[np.int64]

VARIANCE_FLOOR = 0.05
"""Least variance of a component, as a share of that of all frames."""
FRAMES_A_COMPONENT = 60
MOST_FRAMES = 6000
"""k-means looks at no more frames of a state."""
KMEANS_ROUNDS = 8


@dataclass(frozen=True)
class Mixtures:
    """The components of all states, those of a state beside each other."""

    means: Array
    """(K, D)."""
    variances: Array
    """(K, D)."""
    log_weights: Array
    """(K,)."""
    starts: Integers
    """(S + 1,): state s has the components from starts[s] to before starts[s + 1]."""

    @classmethod
    def fit(cls, frames: Array, states: Integers, sizes: Sequence[int], rng: np.random.Generator) -> Self:
        """Fit to frames (T, D), of which each belongs to a state (T,), up to `sizes` components a state."""
        order = np.argsort(states, kind="stable")
        bounds = np.searchsorted(states[order], np.arange(len(sizes) + 1))
        mean, spread = frames.mean(axis=0), frames.var(axis=0)
        # A state that hardly occurs looks like an average frame.
        prior = np.stack([mean, mean + np.sqrt(spread), mean - np.sqrt(spread)])
        fitted = []
        for state, size in enumerate(sizes):
            mine = frames[order[bounds[state] : bounds[state + 1]]]
            if len(mine) < FRAMES_A_COMPONENT:
                mine = np.concatenate([mine, prior])
            count = min(size, 1 + len(mine) // FRAMES_A_COMPONENT)
            fitted.append(_components(mine, count, VARIANCE_FLOOR * spread, rng))
        return cls(
            np.concatenate([means for means, _, _ in fitted]),
            np.concatenate([variances for _, variances, _ in fitted]),
            np.concatenate([np.log(weights) for _, _, weights in fitted]),
            np.cumsum([0, *(len(weights) for _, _, weights in fitted)]),
        )

    def scores(self, frames: Array, states: Integers) -> Array:
        """Return the log-likelihood (T, S) of frames (T, D) in each of the `states` (S,)."""
        sizes = np.diff(self.starts)[states]
        ends = np.cumsum(sizes)
        # The numbers of the components of those states, one state after another.
        chosen = np.arange(ends[-1]) + np.repeat(self.starts[states] - (ends - sizes), sizes)
        means, variances = self.means[chosen], self.variances[chosen]
        constant = self.log_weights[chosen] - 0.5 * (
            np.log(2 * np.pi * variances) + means**2 / variances
        ).sum(axis=1)
        each = np.hstack([frames**2, frames]) @ np.hstack([-0.5 / variances, means / variances]).T + constant
        highest = np.maximum.reduceat(each, ends - sizes, axis=1)
        sums = np.add.reduceat(np.exp(each - np.repeat(highest, sizes, axis=1)), ends - sizes, axis=1)
        return np.asarray(highest + np.log(sums), np.float32)


def _components(
    frames: Array, count: int, floor: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return means, variances (K, D) and weights (K,) of up to `count` clusters of frames, by k-means."""
    if len(frames) > MOST_FRAMES and count > 1:
        frames = frames[rng.choice(len(frames), MOST_FRAMES, replace=False)]
    scaled = frames / np.sqrt(np.maximum(frames.var(axis=0), floor))
    centres = scaled[rng.choice(len(scaled), count, replace=False)]
    for _ in range(KMEANS_ROUNDS if count > 1 else 1):
        nearest = ((centres**2).sum(axis=1) - 2 * scaled @ centres.T).argmin(axis=1)
        members = [nearest == k for k in range(count)]
        centres = np.stack(
            [scaled[own].mean(axis=0) if own.any() else centres[k] for k, own in enumerate(members)]
        )
    clusters = [frames[own] for own in members if own.any()]
    means = np.stack([cluster.mean(axis=0) for cluster in clusters])
    # A cluster of few frames would be too sure of itself.
    variances = np.stack([np.maximum(cluster.var(axis=0), floor) for cluster in clusters])
    weights = np.array([len(cluster) for cluster in clusters]) / len(frames)
    return means.astype(np.float32), variances.astype(np.float32), weights.astype(np.float32)
