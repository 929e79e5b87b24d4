"""Level: how far the last minutes lie from the usual at this hour.

In: residuals in standard deviations. Out: their average over the last minute or two, signed. EWMA (Roberts 1959).
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools


class Level:
    """Deviation from the profile, sustained."""

    kind = "level"
    calibrated = True
    floor = 3.5

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c = columns

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """The sustained deviation is the baseline's."""
        return {}

    def measure(self, f: Frame) -> Measure:
        """The sustained deviation, signed."""
        value = np.where(f.seen, f.zs, np.nan)
        return Measure(value, np.abs(value) * f.sigma, np.full(len(value), np.nan))

    def learn(self, f: Frame, mask: Bools) -> None:
        """Nothing of its own."""
