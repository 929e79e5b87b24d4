"""Longer stretches of a server's residuals: has anything like this been seen before?

In: rows of residuals to the usual day. Out: distance of the newest half hour, taken as one vector, to the nearest of the centres of
those seen (k-means, Lloyd 1982). Where a level moved and stayed, stretches are compared without it.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.habit import pace, unused, unused_past
from analyzer.detect.hosts.members import HostMeasure, Past, Row, pushed, rows_in, windows_of
from analyzer.window import Ints

SECONDS, LEAST = 1800.0, 30
CENTRES = 16
MOST_WINDOWS = 3_000


class Memory:
    """Distance to the nearest known stretch of half an hour, at least thirty rows."""

    kind = "memory"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.spacing, self.rows, self.pace = columns, spacing, rows_in(SECONDS, spacing, LEAST), pace(spacing)
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The newest rows, and what they have become used to."""
        window = Field(0.0, (rows_in(SECONDS, spacing, LEAST), slots), np.float16)
        return {f"{cls.kind}.window": window, f"{cls.kind}.habit": Field(0.0, (slots,), np.float32)}

    def fit(self, past: Past) -> None:
        """The centres: float16 [centres, rows * slots]; distances are far longer than its grain."""
        from sklearn.cluster import KMeans

        windows = windows_of(unused_past(past.left, self.spacing), self.rows, MOST_WINDOWS)
        if not len(windows):
            windows = np.zeros((1, windows.shape[1]), np.float32)
        k = min(CENTRES, len(np.unique(windows, axis=0)))
        self.shared["centres"] = KMeans(n_clusters=k, n_init=1, random_state=0).fit(windows).cluster_centers_.astype(np.float16)

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing of a host's own."""

    def measure(self, row: Row) -> HostMeasure:
        """The distance."""
        window, centres = self.c[f"{self.kind}.window"], self.shared["centres"].astype(np.float32)
        window[:] = pushed(window, unused(row.left, self.c[f"{self.kind}.habit"], self.pace))
        flat = window.reshape(len(window), -1).astype(np.float32)
        squared = (flat * flat).sum(axis=1, keepdims=True) - 2.0 * (flat @ centres.T) + (centres * centres).sum(axis=1)
        return HostMeasure(np.sqrt(np.maximum(squared.min(axis=1), 0.0).astype(np.float64)))
