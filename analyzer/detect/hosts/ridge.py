"""A server's own habits: every signal predicted from older averages of all its signals.

In: standardised rows. Out: root mean square over the signals of what the forecast missed, in usual sizes; and that, signed, for the
blame. Ridge regression (Hoerl and Kennard 1970) on two exponential averages of older rows, the usual day and its harmonics. The
near forecaster sees the row before and tells what breaks the movement of minutes; the far one ends a good while ago, so that what
builds up slowly cannot predict itself.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.habit import pace, unused
from analyzer.detect.hosts.members import CLIP, Array32, HostMeasure, Past, Row, averaged, pushed, rate_of, rows_in, sample
from analyzer.detect.profile import DAY
from analyzer.window import Floats, Ints

PENALTY = 1e-2  # of the mean diagonal
MOST_ROWS = 40_000  # of all hosts together; a fixed sample of more says the same


class Ridge:
    """One forecaster; subclasses say from which rows.

    Attributes
    ----------
    halves : half-lives of the quick and the slow average; 0 = the row alone. back : how old their newest row is.
    smooth : half-life of the average of residuals that is judged; 0 = as they are. All in minutes, and at least in as many rows.
    """

    kind = "ridge"
    halves, back, smooth = (0.0, 2.0), (1, 2), 0.0

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.slots, self.rows, self.pace = columns, slots, self._rows(spacing), pace(spacing)
        self.rates = [_rate(half, spacing) for half in self.halves]
        self.rate = _rate(self.smooth, spacing)
        self.shared: dict[str, Array] = {}

    @classmethod
    def _rows(cls, spacing: float) -> tuple[int, int]:
        quick, slow = (rows_in(60.0 * least, spacing, least) for least in cls.back)
        return quick, slow

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The newest rows and their averages; the residuals' usual size, habit and average."""
        row = Field(0.0, (slots,), np.float32)
        return {
            f"{cls.kind}.past": Field(0.0, (max(cls._rows(spacing)), slots), np.float32),
            f"{cls.kind}.averages": Field(0.0, (2, slots), np.float32),
            f"{cls.kind}.scale": Field(1.0, (slots,), np.float32),
            f"{cls.kind}.habit": row,
            f"{cls.kind}.smooth": row,
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
        """Root mean square of the smoothed residuals, each no larger than where everything is equally far."""
        k, c = self.kind, self.c
        off = np.clip((row.z - self._inputs(row) @ self.shared["weights"]) / c[f"{k}.scale"], -3 * CLIP, 3 * CLIP)
        residual = unused(np.where(row.seen, off, 0.0).astype(np.float32), c[f"{k}.habit"], self.pace)
        self._take(row)
        smooth, rate = c[f"{k}.smooth"], self.rate
        smooth += rate * (residual - smooth)
        size = np.minimum(np.abs(smooth) * np.sqrt((2 - rate) / rate), CLIP)  # averages of noise are smaller
        squares = (size * size).sum(axis=1, dtype=np.float64)
        return HostMeasure(np.sqrt(squares / np.maximum(row.count, 1)), residual)

    def _inputs(self, row: Row) -> Array32:
        averages = self.c[f"{self.kind}.averages"]
        waves = np.broadcast_to(_waves(np.array([row.now])), (len(averages), 9))
        return np.concatenate([averages.reshape(len(averages), -1), waves, row.usual], axis=1)

    def _take(self, row: Row) -> None:
        past, averages = self.c[f"{self.kind}.past"], self.c[f"{self.kind}.averages"]
        past[:] = pushed(past, row.z)
        for i, (rate, back) in enumerate(zip(self.rates, self.rows, strict=True)):
            averages[:, i] += rate * (past[:, -back] - averages[:, i])

    def _history(self, past: Past) -> Array32:
        """Inputs of every row of the past after the first ones: float32 [hosts, time, inputs]."""
        parts = [averaged(past.z, float(rate), back)[:, past.skip :] for rate, back in zip(self.rates, self.rows, strict=True)]
        waves = _waves(past.times[past.skip :])
        return np.concatenate([*parts, np.broadcast_to(waves, (len(past.z), *waves.shape)), past.usual[:, past.skip :]], axis=2)


class Near(Ridge):
    """From the row before and the rows before that; what it missed is averaged over a few rows."""

    kind = "near"
    smooth = 2.0


class Far(Ridge):
    """From rows at least six minutes old."""

    kind = "far"
    halves, back = (3.0, 13.0), (6, 12)


def _rate(half: float, spacing: float) -> np.float32:
    return rate_of(half, spacing) if half else np.float32(1.0)


def _waves(times: Floats) -> Array32:
    """Four harmonics of the day and a constant: float32 [times, 9]."""
    turn = 2 * np.pi * times[:, None] / DAY * np.arange(1, 5)
    return np.concatenate([np.sin(turn), np.cos(turn), np.ones((len(times), 1))], axis=1).astype(np.float32)
