"""Rows of a server that are easy to tell apart from all others: an isolation forest over what the group's hosts were like.

In: standardised rows. Out: 0..1, the anomaly score of Liu, Ting and Zhou (2008). Fitted by scikit-learn, kept as plain arrays and
walked here, all trees and hosts at once.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.members import HostMeasure, Past, Row, sample
from analyzer.window import Floats, Ints

TREES, SAMPLES = 24, 32
MOST_ROWS = 4_096
LAID = {"feature": np.int8, "left": np.int16, "right": np.int16, "threshold": np.float32, "length": np.float16}


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
        """Grow the trees and lay them out: feature, threshold, children (among all nodes) and path length, [trees, nodes] each."""
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
            own = np.arange(n) + t * nodes
            laid["feature"][t, :n] = np.where(inner, tree.feature, 0)
            laid["threshold"][t, :n] = np.where(inner, tree.threshold, 0.0)
            laid["left"][t, :n] = np.where(inner, tree.children_left + t * nodes, own)  # a leaf leads to itself
            laid["right"][t, :n] = np.where(inner, tree.children_right + t * nodes, own)
            laid["length"][t, :n] = _depths(tree.children_left, tree.children_right) + _average_path(tree.n_node_samples)
        self.shared.update(laid, usual=_average_path(np.array([samples])).astype(np.float32))

    def adapt(self, past: Past, hosts: Ints) -> None:
        """Nothing of a host's own."""

    def measure(self, row: Row) -> HostMeasure:
        """Two to the power of minus the mean path, in units of the usual path."""
        s = self.shared
        trees, nodes = s["feature"].shape
        z, first = row.z.ravel(), np.arange(len(row.z), dtype=np.int32)[:, None] * np.int32(row.z.shape[1])
        node = np.broadcast_to(np.arange(trees, dtype=np.int32) * np.int32(nodes), (len(row.z), trees))
        for _ in range(int(np.ceil(np.log2(SAMPLES)))):
            goes_left = z.take(s["feature"].take(node) + first) <= s["threshold"].take(node)
            node = np.where(goes_left, s["left"].take(node), s["right"].take(node))
        path = s["length"].take(node).mean(axis=1, dtype=np.float64)
        return HostMeasure(np.exp2(-path / max(float(s["usual"][0]), 1e-9)))


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
