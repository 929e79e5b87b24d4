"""Raw samples of the newest while: one matrix [raw series, time], bounded both ways.

A series that one scrape has and the next has not gets a stale marker, as in Prometheus. When the table is full, series that have
stopped make room; if none has, new ones are refused.
"""

import numpy as np

from analyzer.evaluate import LOOKBACK, STALE_BITS, Raw
from analyzer.exposition import REFUSED
from analyzer.window import Floats, Ints, Labels

SET_BACK = 60.0  # seconds; less than that is jitter


class Ring:
    """Keeps `columns` scrapes (at least) of at most `max_series` series.

    `generation` changes whenever row numbers that were given out before are no longer true; `version` with every change of who the
    rows are.
    """

    def __init__(self, columns: int, max_series: int) -> None:
        self._columns, self._max = max(columns, 2), max_series
        self._names: list[str] = []
        self._labels: list[Labels] = []
        self._row: dict[tuple[str, Labels], int] = {}
        self._values = np.full((64, 2 * self._columns), np.nan)
        self._times = np.zeros(2 * self._columns)
        self._count = 0
        self.generation = self.version = 0
        self.refused = self.evicted = 0

    def __len__(self) -> int:
        return len(self._names)

    @property
    def newest(self) -> float:
        """Time of the newest scrape; 0 before the first."""
        return float(self._times[self._count - 1]) if self._count else 0.0

    def row(self, name: str, labels: Labels) -> int:
        """The row number of a series, given now if need be; `REFUSED` where there is no room (counted in `refused`)."""
        key = (name, labels)
        at = self._row.get(key)
        if at is not None:
            return at
        if len(self._names) >= self._max:
            self.refused += 1
            return REFUSED
        if len(self._names) == len(self._values):
            more = np.full((min(len(self._values), self._max) or 64, self._values.shape[1]), np.nan)
            self._values = np.concatenate([self._values, more])
        self._row[key] = at = len(self._names)
        self._names.append(name)
        self._labels.append(labels)
        self.version += 1
        return at

    def make_room(self) -> None:
        """When nearly full, forget series that no evaluation can see any more."""
        if len(self._names) < 0.9 * self._max or not self._count:
            return
        seen = ~np.isnan(self._values[: len(self._names), : self._count])
        recent = self._times[: self._count] >= self.newest - LOOKBACK
        keep = np.flatnonzero(seen[:, recent].any(axis=1))
        if len(keep) == len(self._names):
            return
        self.evicted += len(self._names) - len(keep)
        kept = self._values[keep]
        self._values[:] = np.nan
        self._values[: len(keep)] = kept
        self._names = [self._names[i] for i in keep.tolist()]
        self._labels = [self._labels[i] for i in keep.tolist()]
        self._row = {key: i for i, key in enumerate(zip(self._names, self._labels, strict=True))}
        self.generation += 1
        self.version += 1

    def push(self, time: float, rows: Ints, values: Floats) -> None:
        """One scrape of everything: rows int64 [sample], values float64 [sample].

        Times must increase: one that does not is skipped, and a clock that was set back starts the history over.
        """
        at = round(time, 3)
        if self._count and at <= self.newest:
            if at > self.newest - SET_BACK:
                return
            self._values[:] = np.nan
            self._count = 0
        if self._count == len(self._times):
            keep = self._columns
            self._values[:, :keep] = self._values[:, -keep:]
            self._values[:, keep:] = np.nan
            self._times[:keep] = self._times[-keep:]
            self._count = keep
        column = self._values[:, self._count]
        column[:] = np.nan
        if self._count:
            column.view(np.int64)[~np.isnan(self._values[:, self._count - 1])] = STALE_BITS
        column[rows] = values
        column.view(np.int64)[rows[np.isnan(values)]] = STALE_BITS  # "NaN" on a page: there, and no number
        self._times[self._count] = at
        self._count += 1

    def raw(self) -> Raw:
        """Everything kept, without copying: valid until the next push."""
        return Raw(
            tuple(self._names),
            tuple(self._labels),
            self._times[: self._count],
            self._values[: len(self._names), : self._count],
        )

    def present(self, name: str) -> list[Labels]:
        """Label sets of a metric that the newest scrape has."""
        if not self._count:
            return []
        there = ~np.isnan(self._values[: len(self._names), self._count - 1])
        return [self._labels[i] for i in np.flatnonzero(there).tolist() if self._names[i] == name]
