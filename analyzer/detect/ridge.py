"""A server's own habits: every metric predicted from older averages of all its metrics.

In: standardised rows [metrics] of one host, one after the other. Out: residuals in units of their usual size. Ridge regression
on two exponential averages that end some minutes ago (so that an anomaly cannot predict itself), the usual day and its harmonics.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.window import Floats

DAY = 86400.0
RIDGE = 1e-2  # of the mean diagonal


@dataclass(frozen=True, slots=True)
class Lagged:
    """Two exponential averages of older rows: (rate a row, rows back) each. `profile`: the usual day is an input too."""

    quick: tuple[float, int]
    slow: tuple[float, int]
    profile: bool


class Ridge:
    """One forecaster with a gap.

    Parameters
    ----------
    lagged : which averages.
    metrics : how many.
    """

    def __init__(self, lagged: Lagged, metrics: int) -> None:
        self.lagged, self.m = lagged, metrics
        back = max(lagged.quick[1], lagged.slow[1])
        self.past = np.zeros((back, metrics))  # the newest rows, oldest first
        self.averages = np.zeros((2, metrics))
        self.weights: Floats = np.zeros((0, 0))
        self.scale: Floats = np.ones(metrics)

    def inputs(self, now: float, usual: Floats) -> Floats:
        """What the next row is predicted from, float64 [inputs]; call before `take`."""
        turn = 2 * np.pi * now / DAY * np.arange(1, 5)
        wave = np.concatenate([np.sin(turn), np.cos(turn), [1.0]])
        parts = [self.averages.ravel(), wave]
        if self.lagged.profile:
            parts.append(usual)
        return np.concatenate(parts)

    def take(self, row: Floats) -> None:
        """Move on by one row, float64 [metrics]."""
        self.past = np.concatenate([self.past[1:], row[None]])
        for k, (rate, back) in enumerate((self.lagged.quick, self.lagged.slow)):
            self.averages[k] += rate * (self.past[-back] - self.averages[k])

    def fit(self, inputs: Floats, rows: Floats) -> Floats:
        """Learn from history: inputs [time, inputs], rows [time, metrics]. Returns the residuals [time, metrics], in usual
        sizes.
        """
        gram = inputs.T @ inputs
        gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram)
        self.weights = np.asarray(np.linalg.solve(gram, inputs.T @ rows), np.float64)
        left = rows - inputs @ self.weights
        self.scale = np.maximum(left.std(axis=0), 0.02)
        residual: Floats = np.asarray(left / self.scale, np.float64)
        return residual

    def residual(self, inputs: Floats, row: Floats) -> Floats:
        """Row minus what was expected, in usual sizes: float64 [metrics]."""
        left: Floats = (row - inputs @ self.weights) / self.scale
        return left


class Top:
    """The mean of the worst fifth of the metrics, on residuals as they are and smoothed twice over."""

    def __init__(self, metrics: int) -> None:
        self.worst = max(1, round(metrics / 5))
        self.smooth = np.zeros((2, metrics))

    def score(self, residual: Floats) -> float:
        """One figure for a row of residuals, float64 [metrics]."""
        for k, rate in enumerate((0.3, 0.1)):
            self.smooth[k] += rate * (residual - self.smooth[k])
        sizes = np.abs(np.stack([residual, *self.smooth]))
        sizes[1] *= 2.38  # sqrt((2 - rate) / rate): averages of noise are smaller
        sizes[2] *= 4.36
        top = np.partition(sizes, -self.worst, axis=1)[:, -self.worst :]
        return float(top.mean())


def nearest(window: Floats, centres: NDArray[np.float64]) -> float:
    """Distance of a window [n] to the nearest centre [centres, n]."""
    return float(np.sqrt(((centres - window) ** 2).sum(axis=1).min()))
