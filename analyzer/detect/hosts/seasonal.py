"""How far a whole server is from its usual day: the mean size of what is left of its signals when the usual is taken away.

In: rows of residuals. Out: one figure a host, and the residuals themselves for the blame.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import HostMeasure, Past, Row
from analyzer.window import Ints


class Seasonal:
    """Mean absolute residual to the usual day."""

    kind = "seasonal"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """None: the usual day is the engine's."""
        return {}

    def fit(self, past: Past) -> None:
        """Nothing to learn."""

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing to learn."""

    def measure(self, row: Row) -> HostMeasure:
        """The mean."""
        return HostMeasure(np.abs(row.left).sum(axis=1, dtype=np.float64) / np.maximum(row.count, 1), row.left)


class Change:
    """Mean absolute difference to the row before: what changes fast in many signals at once."""

    kind = "change"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.shared = columns, dict[str, Array]()

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The row before."""
        return {f"{cls.kind}.before": Field(np.nan, (slots,), np.float32)}

    def fit(self, past: Past) -> None:
        """Nothing to learn."""

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing to learn."""

    def measure(self, row: Row) -> HostMeasure:
        """The mean."""
        before = self.c[f"{self.kind}.before"]
        size = np.nan_to_num(np.abs(row.z - before))
        before[:] = row.z
        return HostMeasure(size.sum(axis=1, dtype=np.float64) / np.maximum(row.count, 1))
