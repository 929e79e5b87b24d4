"""One week of every series in a byte a quarter of an hour, and the usual day that it holds.

In: the median of each series in every quarter of an hour. Out: the ring and the median day as codes (`codes.py`), and how
they are read: `centre` and `scale`. Both follow the series: when its values outgrow or leave what the codes tell well, the week is
written anew. Samples are never averaged.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.codes import FAR, NONE, UNITS, Codes, decode, encode
from analyzer.detect.columns import Columns, Field
from analyzer.detect.experts import DAY_SLOTS, WEEK_SLOTS
from analyzer.window import Floats, Ints

Array32 = NDArray[np.float32]
FIELDS = {
    "ring": Field(NONE, (WEEK_SLOTS,), np.int8),
    "day": Field(NONE, (DAY_SLOTS,), np.int8),
    "centre": Field(np.nan),
    "scale": Field(0.0),  # 0 = nothing but the centre was ever seen
}
MOST_UNITS = 1e18
RARE = 14.0  # units within which all but one in a hundred lies
OFF, SMALL, LARGE = 2.0, UNITS / 2.0, UNITS * 1.6  # a centre this far off, a ninth decile this near or far: written anew
YOUNG = 48.0  # hours for which that is asked every two hours, not once a day


class Week:
    """The weeks over the rows of `columns`.

    Parameters
    ----------
    columns : the state; the fields are `FIELDS`.
    scaled : names of further fields that are kept in units of the scale.
    """

    def __init__(self, columns: Columns, scaled: Iterable[str]) -> None:
        self.c, self.scaled = columns, tuple(scaled)

    def meet(self, x: Floats) -> None:
        """Take the samples of one column into account: float64 [series], NaN = none. The first gives the centre, the next scale."""
        centre, scale = self.c["centre"], self.c["scale"]
        strange = np.flatnonzero(~(scale > 0) & ~(x == centre))
        strange = strange[np.isfinite(x[strange])]
        if len(strange):
            first = np.isnan(centre[strange])
            centre[strange[first]] = x[strange[first]]
            second = strange[~first]
            scale[second] = np.maximum(np.abs(x[second] - centre[second]) / UNITS, 1e-300)

    def units(self, x: Floats, rows: Ints | slice = slice(None)) -> Array32:
        """Values as distances from the centre in units of the scale: float32 [series]."""
        scale = self.c["scale"][rows]
        far = np.divide(x - self.c["centre"][rows], scale, out=np.zeros(len(x)), where=scale > 0)
        return np.where(np.isnan(x), np.nan, np.clip(far, -MOST_UNITS, MOST_UNITS)).astype(np.float32)

    def values(self, units: Array32, rows: Ints | slice = slice(None)) -> Floats:
        """`units` undone: float64, [series] or [series, n]."""
        tail = (slice(None),) + (None,) * (units.ndim - 1)
        out: Floats = self.c["centre"][rows][tail] + self.c["scale"][rows][tail] * units.astype(np.float64)
        return out

    def skip(self, first: int, last: int) -> None:
        """Nothing was seen in these slots, both included."""
        count = min(last - first + 1, WEEK_SLOTS)
        if count > 0:
            self.c["ring"][:, (last - np.arange(count)) % WEEK_SLOTS] = NONE

    def write(self, slot: int, x: Floats) -> None:
        """The levels of a slot: float64 [series], NaN = no sample. Brings the median day up to date."""
        ring = self.c["ring"]
        self._outgrown(slot, x)
        ring[:, slot % WEEK_SLOTS] = encode(self.units(x))
        self._follow(slot)
        cells = np.array([(d * DAY_SLOTS + slot) % WEEK_SLOTS for d in range(7)])
        self.c["day"][:, slot % DAY_SLOTS] = middle_code(np.take(ring, cells, axis=1))

    def _outgrown(self, slot: int, x: Floats) -> None:
        """Where two levels in a row lie beyond what a code can tell, the scale grows."""
        with np.errstate(invalid="ignore"):
            beyond = np.abs(self.units(x)) > FAR
        rows = np.flatnonzero(beyond)
        rows = rows[np.abs(self.c["ring"][rows, (slot - 1) % WEEK_SLOTS].astype(np.int16)) == 127]
        if len(rows):
            self._rewrite(rows, self.c["centre"][rows], np.abs(x[rows] - self.c["centre"][rows]) / UNITS)

    def _follow(self, slot: int) -> None:
        """Once a day for each series, oftener for young ones: are centre and scale still in the middle of what is seen?"""
        row = np.arange(len(self.c))
        young = self.c["judged"][:, 0] < YOUNG
        rows = np.flatnonzero((row % DAY_SLOTS == slot % DAY_SLOTS) | (young & (row % 8 == slot % 8)))
        rows = rows[self.c["scale"][rows] > 0]
        if not len(rows):
            return
        units = decode(self.c["ring"][rows])
        ordered = np.sort(units, axis=1)
        n = np.isfinite(ordered).sum(axis=1)
        at = np.arange(len(rows))
        middle = np.where(n > 0, ordered[at, np.maximum(n - 1, 0) // 2], 0.0)
        away = np.sort(np.abs(units - middle[:, None].astype(np.float32)), axis=1)
        wide = np.maximum(_share(away, n, 0.9), _share(away, n, 0.99) * np.float32(UNITS / RARE))
        most = np.where(n > 0, away[at, np.maximum(n - 1, 0)], 0.0)
        wide = np.where(wide > 0, wide, most)
        level = ((units == middle[:, None]).sum(axis=1) > 0.5 * n) & (middle != 0)  # mostly one value: that is to be exact
        off = level | (np.abs(middle) > np.maximum(OFF, 0.25 * wide))
        wide = np.where(wide > 0, wide, np.float32(UNITS))
        bad = off | (wide < SMALL) | (wide > LARGE)
        if bad.any():
            centre = np.where(off, self._centre(rows, middle), self.c["centre"][rows])
            self._rewrite(rows[bad], centre[bad], self.c["scale"][rows[bad]] * wide[bad] / UNITS)

    def _centre(self, rows: Ints, middle: Array32) -> Floats:
        """A new centre: the newest sample itself where the middle is that, so that a new constant is exact."""
        value, last = self.values(middle, rows), self.c["last"][rows]
        near = encode(self.units(last, rows)) == encode(middle)
        return np.where(near, last, value)

    def _rewrite(self, rows: Ints, centre: Floats, scale: Floats) -> None:
        """Write the week of these rows, and all that is kept in its units, with another centre and scale."""
        c = self.c
        grown = c["scale"][rows] / scale
        shift = (c["centre"][rows] - centre) / scale
        for name in ("ring", "day"):
            c[name][rows] = encode(decode(c[name][rows]) * grown[:, None] + shift[:, None])
        for name in self.scaled:
            tail = (slice(None),) + (None,) * (c[name].ndim - 1)
            c[name][rows] = (c[name][rows] * grown[tail]).astype(c[name].dtype)
        c["centre"][rows], c["scale"][rows] = centre, scale


def _share(ordered: Array32, n: Ints, share: float) -> Array32:
    """The value below which this share of the first n of a row lies: float32 [rows]."""
    at = np.clip((share * n).astype(np.int64), 0, np.maximum(n - 1, 0))
    out: Array32 = np.where(n > 0, ordered[np.arange(len(n)), at], np.float32(0.0))
    return out


def middle_code(codes: Codes) -> Codes:
    """The lower median of codes along the last axis, NONE where there is none."""
    ordered = np.sort(codes, axis=-1)
    gone = (ordered == NONE).sum(axis=-1)
    at = np.minimum(gone + np.maximum(ordered.shape[-1] - gone - 1, 0) // 2, ordered.shape[-1] - 1)
    out: Codes = np.take_along_axis(ordered, at[..., None], -1)[..., 0]
    return out
