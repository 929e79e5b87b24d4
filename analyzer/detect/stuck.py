"""Stuck: a value that usually changes and has not changed at all.

In: samples. Out: time without change over three times the longest that was ever seen, 1 = the edge. Constant series never pass it.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.baseline import decay
from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.detect.profile import DAY
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools


class Stuck:
    """Exactly unchanged for too long."""

    kind = "stuck"
    calibrated = False
    floor = 1.0

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.least = columns, settings.stuck_seconds
        self.ended = np.zeros(0)  # [series], the stay that this column ended; between measure and learn

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """The last value, since when, the longest stay, and the share of samples that move."""
        return {
            "last": Field(np.nan),
            "changed": Field(np.nan),
            "longest": Field(0.0, (), np.float32),
            "moves": Field(0.0, (), np.float32),
            "moves_n": Field(0.0, (), np.float32),
        }

    def measure(self, f: Frame) -> Measure:
        """Stay over allowed stay. A young series, or one that often rests, has to rest much longer."""
        c = self.c
        moved = f.seen & (f.x != c["last"])
        self.ended = np.where(moved & ~np.isnan(c["changed"]), f.now - c["changed"], 0.0)
        c["changed"][moved] = f.now
        c["last"][moved] = f.x[moved]
        stay = np.where(f.seen, f.now - c["changed"], 0.0)
        allowed = np.maximum(3.0 * c["longest"], max(self.least, 10.0 * f.dt))
        restless = (c["moves"] > 0.8) & (c["known"] > min(DAY, 4 * 3600.0))
        score = np.where(restless & ~f.rules.up & ~f.rules.uptime, stay / allowed, 0.0)
        score = np.where(score > 0.5, score, 0.0)
        return Measure(np.where(f.seen, score, np.nan), np.full(len(stay), np.inf), c["changed"].copy())

    def learn(self, f: Frame, mask: Bools) -> None:
        """Remember the longest stay, fading over weeks, and how often the value moves. A stay counts once it has ended."""
        c, moved = self.c, mask & (self.c["changed"] == f.now)
        c["longest"][mask] *= 1.0 - decay(f.dt, 14 * DAY)
        rests = self.ended > 1.5 * f.dt
        c["longest"][moved & rests] = np.maximum(c["longest"], np.minimum(self.ended, 2 * DAY))[moved & rests]
        rate = np.maximum(decay(f.dt, DAY), f.dt / (c["moves_n"] + f.dt))
        c["moves"][mask] += (rate * (moved - c["moves"]))[mask]
        c["moves_n"][mask] += f.dt
