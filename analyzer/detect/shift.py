"""Level shift: a small deviation that lasts.

In: residuals in standard deviations, clipped. Out: their average over half an hour, signed; small on noise, steady after a step
or a leak. EWMA control chart with a long memory, the practical cousin of CUSUM (Page 1954) under autocorrelated noise.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools


class Shift:
    """Deviation from the profile over a long while."""

    kind = "shift"
    calibrated = True
    floor = 2.5

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.memory = columns, settings.shift_seconds

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """The long average."""
        return {"shift": Field(0.0, (), np.float32)}

    def measure(self, f: Frame) -> Measure:
        """The long average of the residual, signed."""
        shift = self.c["shift"]
        rate = -np.expm1(-f.dt / self.memory)
        shift[f.seen] += (rate * (np.clip(f.z, -6.0, 6.0) - shift))[f.seen]
        value = np.where(f.seen, shift.astype(np.float64), np.nan)
        return Measure(value, np.abs(value) * f.sigma, np.full(len(value), np.nan))

    def learn(self, f: Frame, mask: Bools) -> None:
        """Nothing of its own."""
