"""Keeping faults out of what is normal, and letting a new normal in.

In: scores of one column. Out: which series may learn now, and which were promoted. While a series is anomalous its baseline
rests and a shadow level learns beside it; when that was stable for long enough, the past is moved to it. A drift towards a limit
never is stable.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools, Floats

CALM_SECONDS = 600.0  # an anomaly ends for learning after this long below its edge
QUICK, SLOW = 1200.0, 7200.0


class Shadow:
    """What is paused, since when, and where its new level would be."""

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.promote_seconds = columns, settings.promote_seconds

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """Since when it is paused, for how long that was watched, for how long it is calm, two shadow levels and their spread."""
        return {
            "paused": Field(np.nan),
            "stayed": Field(0.0),
            "calm": Field(0.0, (), np.float32),
            "shadow_quick": Field(0.0, (), np.float32),
            "shadow_slow": Field(0.0, (), np.float32),
            "shadow_spread": Field(0.0, (), np.float32),
        }

    def watch(self, f: Frame, score: Floats, *, unheard: Bools | bool = False) -> Bools:
        """Note what is anomalous now. Returns the series whose learning is paused: bool [series].

        unheard : bool [series] or all, nobody is told of it, so that it does not count as having stayed.
        """
        c = self.c
        anomalous = np.nan_to_num(score) >= 1.0
        begins = anomalous & np.isnan(c["paused"])
        c["paused"][begins] = f.now
        c["stayed"][begins] = 0.0
        c["calm"][anomalous] = 0.0
        calm = ~anomalous & f.seen & (f.settled >= 1.0)  # silence, and the first minutes after it, are no return to normal
        c["calm"][calm] += f.dt
        off = f.x - f.base
        for name in ("shadow_quick", "shadow_slow"):
            c[name][begins & f.seen] = off[begins & f.seen]
        c["shadow_spread"][begins] = 0.0
        paused: Bools = ~np.isnan(c["paused"])
        watched = paused & ~begins & f.seen & (f.settled >= 1.0) & ~np.asarray(unheard)  # hours that nobody saw prove nothing
        c["stayed"][watched] += f.dt
        self._learn(f, off, paused & f.seen)
        c["paused"][paused & (c["calm"] >= CALM_SECONDS)] = np.nan
        return paused

    def promote(self, f: Frame) -> Bools:
        """Series whose shadow level was stable long enough: bool [series]. The caller moves their past."""
        c, r = self.c, f.rules
        sigma = np.maximum(f.sigma, 1.2533 * c["shadow_spread"])
        drift = c["shadow_quick"] - c["shadow_slow"]
        towards = np.where(np.isnan(r.limit), 0.0, np.sign(np.nan_to_num(r.limit) - np.nan_to_num(f.yhat)))
        leaning = (towards != 0) & (drift * towards > 0.1 * sigma)
        stable = (np.abs(drift) < sigma) & ~leaning
        promoted: Bools = ~np.isnan(c["paused"]) & (c["stayed"] >= self.promote_seconds) & stable & f.seen
        return promoted

    def _learn(self, f: Frame, off: Floats, rows: Bools) -> None:
        c = self.c
        for name, memory in (("shadow_quick", QUICK), ("shadow_slow", SLOW)):
            rate = -np.expm1(-f.dt / memory)
            c[name][rows] += (rate * (off - c[name]))[rows]
        rate = -np.expm1(-f.dt / SLOW)
        c["shadow_spread"][rows] += (rate * (np.abs(off - c["shadow_quick"]) - c["shadow_spread"]))[rows]
