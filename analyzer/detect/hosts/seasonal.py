"""How far a whole server is from its usual day, and how much of it changes at once.

In: standardised rows. Out: one figure a host, and for the blame what is left of each signal when the usual day is taken away.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.habit import pace, unused
from analyzer.detect.hosts.members import HostMeasure, Past, Row
from analyzer.window import Ints


class Seasonal:
    """Mean absolute residual to the usual day, in usual sizes."""

    kind = "seasonal"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.pace = columns, pace(spacing)
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The residuals' usual size and habit; the usual day is the group's."""
        return {f"{cls.kind}.scale": Field(1.0, (slots,), np.float32), f"{cls.kind}.habit": Field(0.0, (slots,), np.float32)}

    def fit(self, past: Past) -> None:
        """Nothing is shared."""

    def adapt(self, past: Past, hosts: Ints) -> None:
        """The usual size of each residual."""
        self.c[f"{self.kind}.scale"][hosts] = np.maximum(past.left[:, past.skip :].std(axis=1), 0.02)

    def measure(self, row: Row) -> HostMeasure:
        """The mean."""
        residual = unused((row.left / self.c[f"{self.kind}.scale"]).astype(np.float32), self.c[f"{self.kind}.habit"], self.pace)
        return HostMeasure(np.abs(residual).sum(axis=1, dtype=np.float64) / np.maximum(row.count, 1), residual)


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
