"""Short windows of a server's residuals: how far from the middle of those seen before, in the shape of their scatter.

In: rows of residuals. Out: root Mahalanobis distance (Mahalanobis 1936) of the newest rows, taken as one vector, with a ridge on
the covariance.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import HostMeasure, Past, Row, pushed, rows_in, windows_of
from analyzer.window import Ints

SECONDS, LEAST = 300.0, 5
PENALTY = 0.02  # of the mean variance
MOST_WINDOWS = 30_000


class Windowed:
    """Mahalanobis distance of the last five minutes, at least five rows."""

    kind = "windowed"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.rows = columns, rows_in(SECONDS, spacing, LEAST)
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The newest rows."""
        return {f"{cls.kind}.window": Field(0.0, (rows_in(SECONDS, spacing, LEAST), slots), np.float32)}

    def fit(self, past: Past) -> None:
        """Middle and inverse covariance of the windows: float32 [n], [n, n]."""
        windows = windows_of(past.left, self.rows, MOST_WINDOWS).astype(np.float64)
        covariance = np.atleast_2d(np.cov(windows.T)) if len(windows) > 1 else np.eye(windows.shape[1])
        covariance[np.diag_indices_from(covariance)] += PENALTY * np.trace(covariance) / len(covariance) + 1e-9
        self.shared["centre"] = (windows.mean(axis=0) if len(windows) else np.zeros(windows.shape[1])).astype(np.float32)
        self.shared["inverse"] = np.linalg.inv(covariance).astype(np.float32)

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing of a host's own."""

    def measure(self, row: Row) -> HostMeasure:
        """The distance."""
        window = self.c[f"{self.kind}.window"]
        window[:] = pushed(window, row.left)
        off = window.reshape(len(window), -1) - self.shared["centre"]
        squared = ((off @ self.shared["inverse"]) * off).sum(axis=1, dtype=np.float64)
        return HostMeasure(np.sqrt(np.maximum(squared, 0.0)))
