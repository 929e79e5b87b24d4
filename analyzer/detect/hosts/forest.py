"""Rows of a server that are easy to tell apart from all others: an isolation forest over what the group's hosts were like.

In: standardised rows. Out: 0..1, the anomaly score of Liu, Ting and Zhou (2008). Fitted by scikit-learn, kept as plain arrays and
walked here, all trees and hosts at once.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import HostMeasure, Past, Row, sample
from analyzer.window import Floats, Ints

TREES, SAMPLES = 48, 64
MOST_ROWS = 4_096
LAID = {"feature": np.int16, "left": np.int16, "right": np.int16, "threshold": np.float32, "length": np.float32}


class Forest:
    """Isolation forest of the state vector."""

    kind = "forest"

    def __init__(self, columns: Columns, slots: int, spacing: float) -> None:
        self.shared: dict[str, Array] = {}

    @classmethod
    def fields(cls, slots: int, spacing: float) -> Mapping[str, Field]:
        """None: a row stands for itself."""
        return {}

    def fit(self, past: Past) -> None:
        """Grow the trees and lay them out: feature, threshold, children, path length, all [trees, nodes]."""
        from sklearn.ensemble import IsolationForest

        rows = past.z[:, past.skip :].reshape(-1, past.z.shape[-1])
        rows = rows[sample(len(rows), MOST_ROWS)]
        samples = min(SAMPLES, len(rows))
        grown = IsolationForest(n_estimators=TREES, max_samples=samples, random_state=0, n_jobs=1).fit(rows)
        trees = [tree.tree_ for tree in grown.estimators_]
        nodes = max(tree.node_count for tree in trees)
        laid = {name: np.zeros((len(trees), nodes), dtype) for name, dtype in LAID.items()}
        for t, tree in enumerate(trees):
            n, inner = tree.node_count, tree.children_left >= 0
            own = np.arange(n)
            laid["feature"][t, :n] = np.where(inner, tree.feature, 0)
            laid["threshold"][t, :n] = np.where(inner, tree.threshold, 0.0)
            laid["left"][t, :n] = np.where(inner, tree.children_left, own)  # a leaf leads to itself
            laid["right"][t, :n] = np.where(inner, tree.children_right, own)
            laid["length"][t, :n] = _depths(tree.children_left, tree.children_right) + _average_path(tree.n_node_samples)
        self.shared.update(laid, usual=np.array(float(_average_path(np.array([samples]))[0]), np.float32))

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing of a host's own."""

    def measure(self, row: Row) -> HostMeasure:
        """Two to the power of minus the mean path, in units of the usual path."""
        s = self.shared
        trees, hosts = np.arange(len(s["feature"])), np.arange(len(row.z))[:, None]
        node = np.zeros((len(row.z), len(trees)), np.int64)
        for _ in range(int(np.ceil(np.log2(SAMPLES))) + 1):
            goes_left = row.z[hosts, s["feature"][trees, node]] <= s["threshold"][trees, node]
            node = np.where(goes_left, s["left"][trees, node], s["right"][trees, node]).astype(np.int64)
        path = s["length"][trees, node].mean(axis=1, dtype=np.float64)
        return HostMeasure(np.exp2(-path / max(float(s["usual"]), 1e-9)))


def _average_path(n: Array) -> Floats:
    """Mean path of an unsuccessful search in a binary tree of n samples."""
    n = np.asarray(n, np.float64)
    many = 2.0 * (np.log(np.maximum(n - 1.0, 1.0)) + np.euler_gamma) - 2.0 * (n - 1.0) / np.maximum(n, 1.0)
    return np.where(n > 2, many, np.where(n == 2, 1.0, 0.0))


def _depths(left: Array, right: Array) -> Floats:
    """Depth of every node; parents come before their children."""
    depth = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0).tolist():
        depth[left[node]] = depth[right[node]] = depth[node] + 1
    return depth
