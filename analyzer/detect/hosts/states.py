"""What a server is doing: idle, normal, busy or stressed, by the nearest of the states that its group was seen in.

In: standardised rows. Out: distance to the nearest centre (k-means, Lloyd 1982), and the position of its name in `NAMES`. A centre
is named by the mean of its signals; a server that lies far above everything that was seen is stressed.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import HostMeasure, Past, Row, sample
from analyzer.window import Ints

NAMES = ("idle", "normal", "busy", "stressed")
EDGES = (-0.5, 0.75)  # mean over the signals, in deviations of the past, between the first three
STRESS = 1.5  # this far above the highest state that was seen
CENTRES = 6
MOST_ROWS = 4_096
RATE = 0.3  # a state is a matter of minutes


class States:
    """k-means of the state vector."""

    kind = "states"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.c, self.shared = columns, dict[str, Array]()

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """The smoothed row, and the name."""
        return {f"{cls.kind}.smooth": Field(0.0, (slots,), np.float32), "state": Field(-1, (), np.int8)}

    def fit(self, past: Past) -> None:
        """The centres: float32 [centres, slots]."""
        from sklearn.cluster import KMeans

        rows = past.z[:, past.skip :].reshape(-1, past.z.shape[-1])
        rows = rows[sample(len(rows), MOST_ROWS)]
        k = min(CENTRES, len(np.unique(rows.round(6), axis=0)))
        self.shared["centres"] = KMeans(n_clusters=k, n_init=3, random_state=0).fit(rows).cluster_centers_.astype(np.float32)

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing of a host's own."""

    def measure(self, row: Row) -> HostMeasure:
        """The distance; the name goes to the columns."""
        smooth, centres = self.c[f"{self.kind}.smooth"], self.shared["centres"]
        smooth += np.float32(RATE) * (row.z - smooth)
        squared = (smooth * smooth).sum(axis=1, keepdims=True) - 2.0 * (smooth @ centres.T) + (centres * centres).sum(axis=1)
        of, share = squared.argmin(axis=1), smooth.shape[1] / np.maximum(row.count, 1)
        level = centres.mean(axis=1)
        name = np.searchsorted(EDGES, level[of] * share)
        stressed = (smooth.mean(axis=1) - level.max()) * share > STRESS
        self.c["state"][:] = np.where(stressed, len(NAMES) - 1, name)
        return HostMeasure(np.sqrt(np.maximum(squared.min(axis=1), 0.0).astype(np.float64)))
