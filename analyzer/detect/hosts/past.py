"""Samples kept until a model of their hosts can be made of them: stretches of rows of the engine's table.

In: stretches of history, or one column after the other. Out: one matrix of what was kept for some rows. Samples are stored as
float32 differences to the series' first one, so that large values keep their small movements; when memory is full, the oldest
stretch goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.columns import Array, StateError
from analyzer.window import Floats, Ints

MOST_BYTES = 128 << 20
PIECE = 60  # columns that are collected before they become a stretch
HUGE = 1e30


@dataclass(slots=True, eq=False)
class Stretch:
    """float64 [time]; int64 [rows], increasing; float32 [rows, time]."""

    times: Floats
    rows: Ints
    values: NDArray[np.float32]


class Kept:
    """What is kept."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.first: Floats = np.zeros(0)  # of every row of the table
        self.used = 0  # columns of the last stretch that are filled, where it is one that grows
        self.growing = False

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(s.values.nbytes for s in self.stretches) + self.first.nbytes

    @property
    def columns(self) -> int:
        """How many moments are kept."""
        return sum(len(s.times) for s in self.stretches)

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last moment; nothing is (0, 0)."""
        self._close()
        return (float(self.stretches[0].times[0]), float(self.stretches[-1].times[-1])) if self.stretches else (0.0, 0.0)

    def add(self, times: Floats, rows: Ints, values: Floats) -> None:
        """A stretch of the past: values float64 [rows, time]."""
        self._close()
        self._see(rows, values)
        self.stretches.append(Stretch(times.astype(np.float64), rows, (values - self.first[rows, None]).astype(np.float32)))
        while self.nbytes > MOST_BYTES and len(self.stretches) > 1:
            self.stretches.pop(0)

    def append(self, now: float, rows: Ints, x: Floats) -> None:
        """One column: float64 [rows]."""
        fits = self.growing and self.used < PIECE and np.array_equal(self.stretches[-1].rows, rows)
        if not fits:
            self._close()
            self.add(np.zeros(PIECE), rows, np.full((len(rows), PIECE), np.nan))
            self.growing, self.used = True, 0
        self._see(rows, x[:, None])
        last = self.stretches[-1]
        last.times[self.used], last.values[:, self.used] = now, x - self.first[rows]
        self.used += 1

    def matrix(self, rows: Ints) -> tuple[Floats, Floats]:
        """Everything that is kept of these rows: times float64 [time], increasing, values float64 [rows, time]."""
        self._close()
        times = np.concatenate([s.times for s in self.stretches]) if self.stretches else np.zeros(0)
        out = np.full((len(rows), len(times)), np.nan)
        at = 0
        for s in self.stretches:
            place = np.searchsorted(s.rows, rows)
            place = np.minimum(place, max(len(s.rows) - 1, 0))
            known = np.flatnonzero(s.rows[place] == rows) if len(s.rows) else np.zeros(0, np.int64)
            out[known, at : at + len(s.times)] = s.values[place[known]] + self.first[rows[known], None]
            at += len(s.times)
        return times, out

    def keep(self, rows: Ints) -> None:
        """Only these rows from now on; none: nothing."""
        self._close()
        for s in self.stretches:
            some = np.isin(s.rows, rows)
            if not some.all():
                s.rows, s.values = s.rows[some], s.values[some]
        self.stretches = [s for s in self.stretches if len(s.rows)]
        if not self.stretches:
            self.first = np.zeros(0)

    def move(self, place: Ints) -> None:
        """The table was packed: `place` int64 [old rows], new position or -1."""
        self._close()
        for s in self.stretches:
            to = place[s.rows]
            order = np.argsort(to, kind="stable")
            order = order[to[order] >= 0]
            s.rows, s.values = to[order], s.values[order]
        self.stretches = [s for s in self.stretches if len(s.rows)]
        stays = np.flatnonzero(place[: len(self.first)] >= 0)
        first = np.full(int(place.max(initial=-1)) + 1, np.nan)
        first[place[stays]] = self.first[stays]
        self.first = first

    def dump(self) -> dict[str, Array]:
        """Plain arrays."""
        self._close()
        out: dict[str, Array] = {"first": self.first.copy()}
        for i, s in enumerate(self.stretches):
            out |= {f"{i}.times": s.times.copy(), f"{i}.rows": s.rows.copy(), f"{i}.values": s.values.copy()}
        return out

    def load(self, arrays: Mapping[str, Array], rows: int) -> None:
        """Take `dump` back. Raises StateError where it does not fit a table of so many rows."""
        self.first = np.asarray(arrays["first"], np.float64)
        for i in range(sum(name.endswith(".times") for name in arrays)):
            s = Stretch(*(arrays[f"{i}.{part}"].copy() for part in ("times", "rows", "values")))
            if s.values.shape != (len(s.rows), len(s.times)) or (len(s.rows) and not 0 <= s.rows.min() <= s.rows.max() < rows):
                raise StateError("state: kept samples do not fit the table")
            self.stretches.append(s)

    def _close(self) -> None:
        """End the stretch that grows."""
        if self.growing:
            last = self.stretches.pop()
            if self.used:
                self.stretches.append(Stretch(last.times[: self.used].copy(), last.rows, last.values[:, : self.used].copy()))
        self.growing, self.used = False, 0

    def _see(self, rows: Ints, values: Floats) -> None:
        """Remember the first finite sample of each row."""
        size = int(rows.max(initial=-1)) + 1
        if size > len(self.first):
            self.first = np.concatenate([self.first, np.full(size - len(self.first), np.nan)])
        fresh = np.flatnonzero(np.isnan(self.first[rows]))
        if len(fresh):
            has = np.isfinite(values[fresh])
            first = values[fresh, has.argmax(axis=1)]
            self.first[rows[fresh[has.any(axis=1)]]] = first[has.any(axis=1)]
