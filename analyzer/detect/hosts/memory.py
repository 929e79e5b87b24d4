"""Longer stretches of a server's residuals: has anything like this been seen before?

In: rows of residuals. Out: distance of the newest stretch, taken as one vector, to the nearest of the centres of those seen
(k-means, Lloyd 1982).
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import HostMeasure, Past, Row, pushed, rows_in, windows_of
from analyzer.window import Ints

CENTRES = 16
MOST_WINDOWS = 3_000


class Memory:
    """Distance to the nearest known stretch; subclasses say how long one is."""

    kind = "memory"
    seconds, least = 600.0, 10

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.rows = columns, rows_in(self.seconds, spacing, self.least)
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The newest rows."""
        return {f"{cls.kind}.window": Field(0.0, (rows_in(cls.seconds, spacing, cls.least), slots), np.float16)}

    def fit(self, past: Past) -> None:
        """The centres: float32 [centres, n], and their squared lengths."""
        from sklearn.cluster import KMeans

        windows = windows_of(past.left, self.rows, MOST_WINDOWS)
        if not len(windows):
            windows = np.zeros((1, windows.shape[1]), np.float32)
        k = min(CENTRES, len(np.unique(windows, axis=0)))
        centres = KMeans(n_clusters=k, n_init=1, random_state=0).fit(windows).cluster_centers_
        self.shared["centres"] = centres.astype(np.float32)

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing of a host's own."""

    def measure(self, row: Row) -> HostMeasure:
        """The distance."""
        window, centres = self.c[f"{self.kind}.window"], self.shared["centres"]
        window[:] = pushed(window, row.left)
        flat = window.reshape(len(window), -1).astype(np.float32)
        squared = (flat * flat).sum(axis=1, keepdims=True) - 2.0 * (flat @ centres.T) + (centres * centres).sum(axis=1)
        return HostMeasure(np.sqrt(np.maximum(squared.min(axis=1), 0.0).astype(np.float64)))


class MemoryShort(Memory):
    """Ten minutes, at least ten rows."""

    kind = "memory_short"


class MemoryLong(Memory):
    """Half an hour, at least thirty rows."""

    kind = "memory_long"
    seconds, least = 1800.0, 30
