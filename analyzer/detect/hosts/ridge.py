"""A server's own habits: every signal predicted from older averages of all its signals.

In: standardised rows. Out: residuals in units of their usual size, and the mean of the worst fifth of them. Ridge regression
(Hoerl and Kennard 1970) on two exponential averages that end some minutes ago (so that an anomaly cannot predict itself), the
usual day and its harmonics.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import CLIP, Array32, HostMeasure, Past, Row, averaged, pushed, rows_in, sample
from analyzer.window import Floats, Ints

DAY = 86400.0
GAP = 180.0  # seconds between the newest row that is used and the one that is predicted
PENALTY = 1e-2  # of the mean diagonal
MOST_ROWS = 40_000  # of all hosts together; a fixed sample of more says the same
SMOOTH = (0.3, 0.1)
SMOOTHED = (1.0, 2.38, 4.36)  # sqrt((2 - rate) / rate): averages of noise are smaller


class Ridge:
    """One forecaster with a gap; subclasses say with which averages.

    Attributes
    ----------
    rates : of the quick and the slow average, a row. gaps : how many gaps old their newest row is.
    profile : the usual day is an input too.
    """

    kind = "ridge"
    rates, gaps, profile = (0.4, 0.1), (1, 2), True

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.slots, self.back = columns, slots, self._back(spacing)
        self.shared: dict[str, Array] = {}

    @classmethod
    def _back(cls, spacing: float) -> tuple[int, int]:
        gap = rows_in(GAP, spacing, 3)
        return cls.gaps[0] * gap, cls.gaps[1] * gap

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The newest rows, their averages, and the residuals' usual sizes and averages."""
        return {
            f"{cls.kind}.past": Field(0.0, (max(cls._back(spacing)), slots), np.float16),
            f"{cls.kind}.averages": Field(0.0, (2, slots), np.float32),
            f"{cls.kind}.smooth": Field(0.0, (2, slots), np.float32),
            f"{cls.kind}.scale": Field(1.0, (slots,), np.float32),
        }

    def fit(self, past: Past) -> None:
        """The weights: float32 [inputs, slots]."""
        inputs, rows = self._history(past), past.z[:, past.skip :]
        inputs, rows = inputs.reshape(-1, inputs.shape[-1]), rows.reshape(-1, self.slots)
        pick = sample(len(inputs), MOST_ROWS)
        a, b = inputs[pick].astype(np.float64), rows[pick].astype(np.float64)
        gram = a.T @ a
        gram[np.diag_indices_from(gram)] += PENALTY * np.trace(gram) / len(gram) + 1e-9
        self.shared["weights"] = np.linalg.solve(gram, a.T @ b).astype(np.float32)

    def adapt(self, past: Past, hosts: Ints) -> None:
        """The usual size of each residual."""
        left = past.z[:, past.skip :] - self._history(past) @ self.shared["weights"]
        self.c[f"{self.kind}.scale"][hosts] = np.maximum(left.std(axis=1), 0.02)

    def measure(self, row: Row) -> HostMeasure:
        """Mean of the worst fifth of the signals, on residuals as they are and smoothed twice over."""
        k, c = self.kind, self.c
        expected = self._inputs(row) @ self.shared["weights"]
        off = np.clip((row.z - expected) / c[f"{k}.scale"], -3 * CLIP, 3 * CLIP)
        residual: Array32 = np.where(row.seen, off, 0.0).astype(np.float32)
        self._take(row)
        smooth = c[f"{k}.smooth"]
        for i, rate in enumerate(SMOOTH):
            smooth[:, i] += np.float32(rate) * (residual - smooth[:, i])
        sizes = np.abs(np.concatenate([residual[:, None], smooth], axis=1)) * np.array(SMOOTHED, np.float32)[:, None]
        return HostMeasure(worst_fifth(sizes, row.count), residual)

    def _inputs(self, row: Row) -> Array32:
        averages = self.c[f"{self.kind}.averages"]
        parts = [averages.reshape(len(averages), -1), np.broadcast_to(_waves(np.array([row.now])), (len(averages), 9))]
        return np.concatenate([*parts, row.usual] if self.profile else parts, axis=1)

    def _take(self, row: Row) -> None:
        past, averages = self.c[f"{self.kind}.past"], self.c[f"{self.kind}.averages"]
        past[:] = pushed(past, row.z)
        for i, (rate, back) in enumerate(zip(self.rates, self.back, strict=True)):
            averages[:, i] += np.float32(rate) * (past[:, -back].astype(np.float32) - averages[:, i])

    def _history(self, past: Past) -> Array32:
        """Inputs of every row of the past after the first ones: float32 [hosts, time, inputs]."""
        parts = []
        for rate, back in zip(self.rates, self.back, strict=True):
            parts.append(averaged(past.z, rate, back)[:, past.skip :])
        waves = _waves(past.times[past.skip :])
        parts.append(np.broadcast_to(waves, (len(past.z), *waves.shape)))
        return np.concatenate([*parts, past.usual[:, past.skip :]] if self.profile else parts, axis=2)


class RidgeQuick(Ridge):
    """Some minutes ahead, with the usual day."""

    kind = "ridge_quick"


class RidgeSlow(Ridge):
    """Twice as far ahead, without."""

    kind = "ridge_slow"
    rates, gaps, profile = (0.2, 0.05), (2, 4), False


def worst_fifth(sizes: Array32, count: Ints) -> Floats:
    """Mean over the worst fifth of each host's slots and over the kinds of size: [hosts, kinds, slots] -> float64 [hosts]."""
    most = np.maximum(1, np.round(count / 5)).astype(np.int64)
    widest = min(int(most.max(initial=1)), sizes.shape[-1])
    top = np.partition(sizes, -widest, axis=-1)[..., -widest:]
    if (most != widest).any():
        top = np.sort(top, axis=-1) * (np.arange(widest) >= widest - most[:, None])[:, None]
    mean: Floats = top.sum(axis=(1, 2), dtype=np.float64) / (sizes.shape[1] * most)
    return mean


def _waves(times: Floats) -> Array32:
    """Four harmonics of the day and a constant: float32 [times, 9]."""
    turn = 2 * np.pi * times[:, None] / DAY * np.arange(1, 5)
    return np.concatenate([np.sin(turn), np.cos(turn), np.ones((len(times), 1))], axis=1).astype(np.float32)
