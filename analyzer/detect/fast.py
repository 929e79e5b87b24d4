"""Fast change: the last minute against the ten minutes before.

In: samples without their usual day and without one-sample spikes. Out: the difference of a fast and a slow average in units of
how much it usually is. Catches what a wide band hides: a wandering series that suddenly jumps.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.baseline import decay
from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools, Floats

QUICK, SLOW = 60.0, 900.0


class Fast:
    """Rate of change."""

    kind = "fast"
    calibrated = True
    floor = 5.0

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.memory = columns, settings.scale_half_life_seconds

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """Two averages and the usual size of their difference."""
        return {
            "quick": Field(np.nan, (), np.float32),
            "slow": Field(np.nan, (), np.float32),
            "change": Field(0.0, (), np.float32),
            "change_n": Field(0.0, (), np.float32),
        }

    def measure(self, f: Frame) -> Measure:
        """Signed change in units of its usual size. A change that led back into the usual band is none."""
        c, r = self.c, f.r + (f.yhat - f.base)
        for name, memory in (("quick", QUICK), ("slow", max(SLOW, 3 * f.dt))):
            average = c[name]
            fresh = f.seen & np.isnan(average)
            average[fresh] = r[fresh]
            average[f.seen] += (-np.expm1(-f.dt / memory) * (r - average))[f.seen]
        step = np.where(f.seen, c["quick"].astype(np.float64) - c["slow"], np.nan)
        scale = np.maximum(1.2533 * c["change"], 0.25 * f.sigma)
        away = np.where((np.sign(step) == np.sign(f.zs)) & (np.abs(f.zs) > 1.0), 1.0, 0.3)
        return Measure(np.clip(away * step / scale, -30.0, 30.0), np.abs(step), np.full(len(step), np.nan))

    def learn(self, f: Frame, mask: Bools) -> None:
        """Move the usual size of a change."""
        c = self.c
        step: Floats = np.abs(c["quick"] - c["slow"])
        usual = np.minimum(step, np.maximum(5.0 * c["change"], f.sigma))
        rate = np.maximum(decay(f.dt, self.memory), f.dt / (c["change_n"] + f.dt))
        c["change"][mask] += (rate * (usual - c["change"]))[mask]
        c["change_n"][mask] += f.dt
