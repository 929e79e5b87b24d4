"""Peer outlier: a server that deviates where the others of its role do not.

In: sustained deviations of all series. Out: the deviation minus the median of the same signal and role, where at least three
send. What happens to all of them (real demand) is small here, what happens to one stands out.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.groups import group_median
from analyzer.detect.members import Measure
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools


class Peer:
    """Deviation from the peers' deviation."""

    kind = "peer"
    calibrated = True
    floor = 4.0

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c = columns

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """Nothing of its own."""
        return {}

    def measure(self, f: Frame) -> Measure:
        """Signed difference to the median peer; NaN with fewer than three."""
        middle, members = group_median(np.where(f.seen, f.zs, np.nan), f.rules.group)
        apart = np.where(f.seen & (members >= 3), f.zs - middle, np.nan)
        own = np.where(np.abs(f.zs) > np.abs(apart), apart, f.zs)  # a still server among moving ones is not the odd one
        value = np.where(np.isnan(apart) | (np.sign(own) != np.sign(apart)), apart * 0.0, own)
        return Measure(value, np.abs(value) * f.sigma, np.full(len(value), np.nan))

    def learn(self, f: Frame, mask: Bools) -> None:
        """Nothing of its own."""
