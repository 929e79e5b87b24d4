"""Never seen before at this time of day: a value outside of all that this hour has held on any day so far.

In: samples. Out: how rare it is to lie that far outside, 1 = the edge. A metric may do every day what it likes; what it has not
done yet at this hour is news, and it is news once: what was seen is remembered, so that the score falls back by itself. Works from
the first hours on, when what all hours held stands in for an hour that is new. A band of extremes (Tukey's fences without a
distribution) with a tail estimate of its own; looks are five minutes apart, so that cycles of 15 s cost little.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.extremes import Extremes
from analyzer.detect.extremes import fields as extreme_fields
from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.detect.profile import DAY
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools, Floats, Ints

HOURS = 24
LOOK = 300.0
SMOOTH = 1200.0  # a level that lasts is news; single samples are other detectors' business
FADE = 1 / 28  # of the way to today's value goes each day: half of an extreme is forgotten in three weeks
YOUNG = DAY / 2  # how long an hour leans on what all hours held
RIPE = 2 * DAY  # the band of a single day is narrow: until then a little less is said
GRAIN = 0.03  # of all that was ever seen: differences below it do not matter
RELATIVE = 1e-3  # the same for a series that never moved


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """One look: the rows looked at, their hour, the rows out of their band, how far, the grain, and which side."""

    rows: Ints
    at: int
    out: Ints
    far: Floats
    grain: Floats
    above: Bools

    @classmethod
    def none(cls) -> "Looks":
        """Nobody looked."""
        rows, nothing = np.zeros(0, np.int64), np.zeros(0)
        return cls(rows, -1, rows, nothing, nothing, np.zeros(0, bool))


class Unseen:
    """Distance to the band of what was seen at this time of day."""

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.edge, self.utc_offset = columns, np.log10(settings.one_look_in), settings.utc_offset_seconds
        self.tail = Extremes(columns, "unseen", memory_seconds=14 * DAY)
        self.looks = Looks.none()  # between look and learn

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """The band, the smoothed value, seconds since the last look and its hour, and the tail."""
        band = Field(np.nan, (HOURS,), np.float32)
        own = {"unseen.low": band, "unseen.high": band, "unseen.smooth": Field(np.nan, (), np.float32)}
        return own | {"unseen.waited": Field(0.0, (), np.float32), "unseen.at": Field(-1, (), np.int8)} | extreme_fields("unseen")

    def look(self, f: Frame) -> Measure:
        """Rarity over the edge, signed by side; 0 between looks, NaN while too little was seen."""
        rows, at = self._due(f), int((f.now + self.utc_offset) % DAY // (DAY / HOURS))
        value, size = np.where(f.seen, 0.0, np.nan), np.zeros(len(f.x))
        looks = self.looks = self._outside(rows, at, max(f.dt, LOOK))
        value[rows[self.tail.young(rows)]] = np.nan
        far = looks.far
        ripe = np.sqrt(np.clip(self.tail.looks(looks.out) * max(f.dt, LOOK) / RIPE, 0.25, 1.0))
        value[looks.out] = np.where(looks.above, ripe, -ripe) * self.tail.rarity(looks.out, far, looks.grain) / self.edge
        size[looks.out] = far
        return Measure(value, size, np.where(np.abs(value) > 0, f.now, np.nan))

    def learn(self, f: Frame, mask: Bools) -> None:
        """What was seen belongs to the band from now on, strange or not."""
        looks, at, taken = self.looks, self.looks.at, mask[self.looks.out]
        rows = looks.rows[mask[looks.rows]]
        self.tail.learn(looks.out[taken], rows, looks.far[taken], max(f.dt, LOOK))
        x = self.c["unseen.smooth"][rows]
        came = np.where(self.c["unseen.at"][rows] == at, np.float32(0), np.float32(FADE))
        for name, widest in (("unseen.low", np.fmin), ("unseen.high", np.fmax)):
            side = self.c[name][rows, at]
            self.c[name][rows, at] = widest(side + came * (x - side), x)
        self.c["unseen.at"][rows] = at

    def _due(self, f: Frame) -> Ints:
        """Move the smoothed value on; the rows whose next look it is."""
        smooth, waited = self.c["unseen.smooth"], self.c["unseen.waited"]
        x = f.x.astype(np.float32)  # as the band is kept: what did not change must compare as equal
        fresh = f.seen & (np.isnan(smooth) | (f.settled <= 0.0))  # after a long silence nothing is carried over
        smooth[fresh] = x[fresh]
        smooth += np.where(f.seen, np.float32(-np.expm1(-f.dt / SMOOTH)) * (x - smooth), np.float32(0))
        waited[f.seen] += f.dt
        due = np.flatnonzero(f.seen & (waited >= LOOK - 0.5 * f.dt))
        waited[due] = 0.0
        return due

    def _outside(self, rows: Ints, at: int, step: float) -> Looks:
        """Where the value lies outside of what this hour held so far; a young one counts as wider than it is."""
        low, high = self.c["unseen.low"][rows, at], self.c["unseen.high"][rows, at]
        x = self.c["unseen.smooth"][rows]
        out = np.flatnonzero(~((low <= x) & (x <= high)))
        rows_out, x = rows[out], x[out].astype(np.float64)
        least = np.fmin.reduce(self.c["unseen.low"][rows_out].astype(np.float64), axis=1, initial=np.nan)
        most = np.fmax.reduce(self.c["unseen.high"][rows_out].astype(np.float64), axis=1, initial=np.nan)
        doubt = np.exp(-self.tail.looks(rows_out) * step / YOUNG)
        low = np.where(np.isnan(low[out]), least, low[out] + doubt * (least - low[out]))
        high = np.where(np.isnan(high[out]), most, high[out] + doubt * (most - high[out]))
        grain = GRAIN * np.maximum(np.nan_to_num(most - least), RELATIVE * np.abs(x) + 1e-9)
        far = np.nan_to_num(np.maximum(np.maximum(low - x, x - high), 0.0))
        return Looks(rows, at, rows_out, far, grain, x > high)
