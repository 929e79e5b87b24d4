"""The usual day: median over the last seven days of each quarter of an hour, weekdays and weekends apart.

In: samples that may be learned, at local times. Out: `base`, the expected value at this time of day, float64 [series]. A ring of
one week holds the mean of every quarter of an hour; a slot in which nothing could be learned keeps last week's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.columns import Columns, Field
from analyzer.detect.ring import FIELDS as RING_FIELDS
from analyzer.detect.ring import SLOTS, Ring
from analyzer.window import Bools, Floats, Ints

DAY, SLOT = 86400.0, 900.0
FIELDS = {
    **RING_FIELDS,
    "slot_sum": Field(0.0),
    "slot_n": Field(0.0, (), np.float32),
    "center": Field(np.nan),  # what stands in for the profile until two days are known
    "known": Field(0.0),  # seconds of learned samples
    "lent": Field(0.0, (), np.float32),  # trust in a profile borrowed from peers
}
NEAR = 8  # slots whose usual value is kept at hand
MIX = (0.2, 0.6, 0.2)  # neighbouring slots calm the median of seven values without washing out a half-hour job


@dataclass(frozen=True, slots=True)
class Clock:
    """A local time of day: weekday (Monday 0), slot, and how far into the slot (0..1)."""

    week_day: int
    slot: int
    share: float

    @classmethod
    def at(cls, now: float, utc_offset: float) -> "Clock":
        """From unix seconds; 1970-01-01 was a Thursday."""
        local = now + utc_offset
        day = int(local // DAY)
        inside = (local - day * DAY) / SLOT
        slot = min(int(inside), SLOTS - 1)
        return cls((day + 3) % 7, slot, inside - slot)

    @property
    def kind(self) -> int:
        """0 on weekdays, 1 on weekends."""
        return int(self.week_day >= 5)


def sorted_median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of the finite values along the last axis, NaN where there are none."""
    ordered = np.sort(values, axis=-1)  # NaN last
    n = np.isfinite(ordered).sum(axis=-1)
    left, right = np.maximum(n - 1, 0) // 2, np.maximum(n, 1) // 2
    right = np.minimum(right, ordered.shape[-1] - 1)
    low = np.take_along_axis(ordered, left[..., None], -1)[..., 0]
    high = np.take_along_axis(ordered, right[..., None], -1)[..., 0]
    median: NDArray[np.float32] = np.where(n > 0, 0.5 * low + 0.5 * high, np.float32(np.nan)).astype(np.float32)
    return median


class Profile:
    """Time-of-day profile over the rows of `columns`.

    Parameters
    ----------
    columns : the state; the fields are `FIELDS`.
    utc_offset : seconds to local time.
    """

    def __init__(self, columns: Columns, utc_offset: float = 0.0) -> None:
        self.c, self.utc_offset, self.ring = columns, utc_offset, Ring(columns)
        self.open: Clock | None = None  # the slot that is being filled
        self._near: dict[tuple[int, int], tuple[Floats, Bools | None]] = {}  # the usual day around now, by kind of day and slot
        self._near_of: object = None  # the array that it was made from

    def weight(self) -> Floats:
        """How far the profile is trusted: 0 up to one day, 1 from two. float64 [series]."""
        weight: Floats = np.maximum(np.clip((self.c["known"] / DAY - 0.9) / 0.9, 0.0, 1.0), self.c["lent"])
        return weight

    def base(self, now: float, weight: Floats) -> Floats:
        """Expected value at a time, NaN for series that nothing is known about. float64 [series]."""
        at, total = Clock.at(now, self.utc_offset), np.zeros(len(weight))
        mass = np.zeros(1)
        for offset, share in _kernel(at.share):
            part, has = self._usual(at.kind, (at.slot + offset) % SLOTS)
            total += share * part
            mass = mass + (share if has is None else share * has)
        center = self.c["center"]
        usual = np.divide(total, mass, out=center.copy(), where=mass > 0.2)
        blended: Floats = center + weight * (usual - center)
        return blended

    def met(self, now: float) -> Bools:
        """Whether this hour of such a day (weekday, weekend) was seen before: bool [series]."""
        at = Clock.at(now, self.utc_offset)
        first, last = (5, 7) if at.kind else (0, 5)
        cells = self.c["ring"][:, first * SLOTS + at.slot : last * SLOTS : SLOTS]
        return np.asarray(np.isfinite(cells).any(axis=1))

    def learn(self, now: float, x: Floats, mask: Bools) -> None:
        """Take the samples where `mask` into the slot of `now`; closes the slot before when a new one begins."""
        at = Clock.at(now, self.utc_offset)
        if self.open is not None and (at.week_day, at.slot) != (self.open.week_day, self.open.slot):
            self.close()
        self.open = at
        fresh = mask & np.isnan(self.c["center"])
        self.c["center"][fresh] = x[fresh]
        self.c["slot_sum"][mask] += x[mask]
        self.c["slot_n"][mask] += 1.0

    def close(self) -> None:
        """Write the open slot into the ring."""
        if self.open is None:
            return
        n, at = self.c["slot_n"], self.open
        rows = np.flatnonzero(n > 0)
        self.ring.write(rows, np.array([at.week_day * SLOTS + at.slot]), (self.c["slot_sum"][rows] / n[rows])[:, None])
        self.c["slot_sum"][:] = 0.0
        n[:] = 0.0
        for kind in (0, 1):
            self._near.pop((kind, at.slot), None)

    def fill(self, times: Floats, x: Floats, rows: Ints) -> None:
        """Write a whole stretch of history at once: x float64 [rows, times], NaN = no sample."""
        clocks = [Clock.at(t, self.utc_offset) for t in times.tolist()]
        cell = np.array([k.week_day * SLOTS + k.slot for k in clocks], np.int64)
        edges = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]])
        has = np.isfinite(x)
        total = np.add.reduceat(np.where(has, x, 0.0), edges, axis=1)
        count = np.add.reduceat(has, edges, axis=1, dtype=np.int64)
        means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        cells = cell[edges]
        for first in range(0, len(cells), 7 * SLOTS):  # of more than a week the newest stays
            self.ring.write(rows, cells[first : first + 7 * SLOTS], means[:, first : first + 7 * SLOTS])
        self._near = {}

    def shift(self, rows: Ints, by: Floats) -> None:
        """Move the usual day of these rows by so much."""
        self.ring.shift(rows, by)
        self.c["center"][rows] += by
        self._near = {}

    def _usual(self, kind: int, slot: int) -> tuple[Floats, Bools | None]:
        """The usual value of one slot, 0 where it is not known, and where it is known (None = everywhere)."""
        if self._near_of is not self.c["ring"] or len(self._near) > NEAR:
            self._near, self._near_of = {}, self.c["ring"]
        found = self._near.get((kind, slot))
        if found is None:
            middle = self.ring.median(slot, weekend=kind == 1)
            has = np.isfinite(middle)
            found = (middle, None) if has.all() else (np.where(has, middle, 0.0), has)
            self._near[kind, slot] = found
        return found


def _kernel(share: float) -> list[tuple[int, float]]:
    """Weights of the slots around a time `share` into its slot: MIX, moved linearly between slot middles."""
    ahead = share - 0.5
    step, ahead = (0, ahead) if ahead >= 0 else (-1, 1 + ahead)
    weights: dict[int, float] = {}
    for offset, mix in zip((-1, 0, 1), MIX, strict=True):
        for extra, part in ((0, 1 - ahead), (1, ahead)):
            at = step + offset + extra
            weights[at] = weights.get(at, 0.0) + mix * part
    return sorted(weights.items())
