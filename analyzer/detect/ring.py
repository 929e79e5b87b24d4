"""The last week of many series, a mean every quarter of an hour, in two bytes each.

In: means in the series' own unit. Out: the same to a 2000th of how far they lie from the series' origin, and the median over days
of one quarter of an hour. Every series has an origin and a unit of its own, so that half precision is enough for bytes, shares and
seconds alike; both are chosen from its first values, and the unit grows when a value does not fit.
"""

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.columns import Columns, Field
from analyzer.window import Floats, Ints

SLOTS = 96
CELLS = 7 * SLOTS  # weekday (Monday 0) x quarter of an hour
MOST = 6e4  # codes are kept to this: half precision ends at 65504
FIRST = 1 / 16  # of the largest deviation seen first is the unit: room to grow, and a thousand steps below the unit
GROWTH = 2.0**16  # at once: one wild mean must not make all others coarse
FINEST = 2.0**-24  # of the origin: what is smaller is rounding
FIELDS = {
    "ring": Field(np.nan, (CELLS,), np.float16),  # (mean - origin) / unit
    "origin": Field(np.nan),
    "unit": Field(0.0, (), np.float32),
}
Floats32 = NDArray[np.float32]


class Ring:
    """The week of every row of `columns`."""

    def __init__(self, columns: Columns) -> None:
        self.c = columns

    def read(self, rows: Ints | slice = slice(None)) -> Floats:
        """Means of whole weeks: float64 [rows, cells], NaN = none."""
        codes = self.c["ring"][rows].astype(np.float64)
        decoded: Floats = self.c["origin"][rows, None] + self.c["unit"][rows, None].astype(np.float64) * codes
        return decoded

    def write(self, rows: Ints, cells: Ints, means: Floats) -> None:
        """Put means [rows, cells] into these cells; NaN leaves what is there."""
        c = self.c
        has = np.isfinite(means)
        some = has.any(axis=1)
        if not some.all():
            rows, means, has = rows[some], means[some], has[some]
        origin = c["origin"][rows]
        fresh = np.isnan(origin)
        if fresh.any():
            n = has[fresh].sum(axis=1)
            origin[fresh] = np.where(has[fresh], means[fresh], 0.0).sum(axis=1) / n
            c["origin"][rows] = origin
        off = np.where(has, means - origin[:, None], 0.0)
        unit = self._fit(rows, np.abs(off).max(axis=1, initial=0.0))[:, None]
        codes = np.clip(np.divide(off, unit, out=np.zeros_like(off), where=unit > 0), -MOST, MOST).astype(np.float16)
        at = (rows[:, None], cells[None, :])
        c["ring"][at] = codes if has.all() else np.where(has, codes, c["ring"][at])

    def shift(self, rows: Ints, by: Floats) -> None:
        """Move whole weeks by so much."""
        self.c["origin"][rows] += by

    def median(self, slot: int, *, weekend: bool) -> Floats:
        """Median over the days of one kind at one time of day, leaning on all days where they are few: float64 [series]."""
        days = np.ascontiguousarray(self.c["ring"][:, slot::SLOTS].T).astype(np.float32)
        whole, own = sorted_days(days), sorted_days(days[5:] if weekend else days[:5])
        n = np.isfinite(days[5:] if weekend else days[:5]).sum(axis=0)
        trust = n / (n + 1.0)  # two weekend days alone are thin: shrunk to all days
        mixed = np.where(n > 0, trust * own + (1 - trust) * whole, whole)
        decoded: Floats = self.c["origin"] + self.c["unit"].astype(np.float64) * mixed
        return decoded

    def middle(self, rows: slice) -> Floats:
        """Mean of the week: float64 [rows], NaN where there is nothing."""
        codes = self.c["ring"][rows].astype(np.float32)
        n = np.isfinite(codes).sum(axis=1)
        total = np.where(np.isfinite(codes), codes, np.float32(0)).sum(axis=1, dtype=np.float64)
        mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
        decoded: Floats = self.c["origin"][rows] + self.c["unit"][rows].astype(np.float64) * mean
        return decoded

    def _fit(self, rows: Ints, most: Floats) -> Floats:
        """Units in which deviations of this size fit: float64 [rows]. What was written in smaller ones is written anew."""
        c = self.c
        unit = c["unit"][rows].astype(np.float64)
        finest = FINEST * np.abs(c["origin"][rows])
        small = most > MOST * unit
        if not small.any():
            return unit
        wanted = np.maximum(FIRST * most, finest)
        grown = np.where(unit > 0, np.minimum(wanted, unit * GROWTH), wanted)
        grown = np.maximum(np.minimum(grown, 1e38), 1e-37)  # float32's reach
        unit = np.where(small, grown, unit).astype(np.float32).astype(np.float64)
        at = rows[small]
        c["ring"][at] = (c["ring"][at].astype(np.float32) * (c["unit"][at] / unit[small])[:, None]).astype(np.float16)
        c["unit"][at] = unit[small]
        return unit


def sorted_days(days: Floats32) -> Floats32:
    """Median of the finite values of each column of [day, series], NaN where there are none. An odd-even merge of whole rows."""
    rows = list(np.where(np.isnan(days), np.float32(np.inf), days))
    last = len(rows) - 1
    for turn in range(len(rows)):
        for i in range(turn % 2, last, 2):
            rows[i], rows[i + 1] = np.minimum(rows[i], rows[i + 1]), np.maximum(rows[i], rows[i + 1])
    n = np.isfinite(days).sum(axis=0)
    if (n == len(rows)).all():
        whole: Floats32 = np.float32(0.5) * (rows[last // 2] + rows[len(rows) // 2])
        return whole
    ordered = np.stack(rows)
    low = np.take_along_axis(ordered, (np.maximum(n - 1, 0) // 2)[None], 0)[0]
    high = np.take_along_axis(ordered, np.minimum(n // 2, last)[None], 0)[0]
    median: Floats32 = np.where(n > 0, 0.5 * low + 0.5 * high, np.float32(np.nan)).astype(np.float32)
    return median
