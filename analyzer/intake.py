"""Between a source's answer and the cycle: what is judged, what is taken for a failure of the scrapes, what may teach.

In: windows as a source gave them. Out: columns for `Cycle.run`, history for `Cycle.bootstrap`. Pure. The service and backtests both
hand samples on through here, so that what is tried on the past is what runs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from analyzer.maintenance import Window as MaintenanceWindow
from analyzer.maintenance import muted
from analyzer.records import Finding
from analyzer.window import Key, Window

LOST_FOR = 900.0  # most hosts silent for longer than this: they are gone, not the scrapes


def down(value: float, step: float) -> float:
    """The multiple of `step` at or before a value."""
    return float(np.floor(value / step) * step)


def spans(first: float, last: float, step: float, most: int) -> Iterator[tuple[float, float]]:
    """Consecutive stretches of first, first + step, … last with at most `most` steps each, as (first, last) of each."""
    count = int(np.floor((last - first) / step + 1e-6)) + 1
    for at in range(0, count, most):
        yield first + at * step, first + (min(at + most, count) - 1) * step


def filled(window: Window) -> Iterator[Window]:
    """The columns that hold samples, one by one: where there are none, the source was away, not every server."""
    for column in np.flatnonzero(np.isfinite(window.values).any(axis=0)).tolist():
        part = slice(column, column + 1)
        yield Window(window.series, window.times[part], window.values[:, part], window.partial, window.warnings, window.refused)


def teaching(history: Window, windows: Iterable[MaintenanceWindow], found: Mapping[Key, Finding]) -> Window:
    """History that may be learned: without what lies inside maintenance windows, or inside findings that are open (`found`)."""
    hide = np.zeros(history.values.shape, bool)
    for one in windows:
        columns = np.flatnonzero((history.times >= one.start) & (history.times < one.end))
        if len(columns):
            hide[np.ix_(np.flatnonzero(muted([one], history.series, one.start)), columns)] = True
    rows = history.series.positions(list(found)) if found else np.zeros(0, np.int64)
    for row, finding in zip(rows, found.values(), strict=True):
        if row >= 0:  # a fault that goes on must not be excused by a restart
            hide[row, history.times >= finding.onset] = True
    return replace(history, values=np.where(hide, np.nan, history.values)) if hide.any() else history


class Watch:
    """Marks columns partial where most hosts fell silent at once: then it is the watching that failed, for a while.

    Attributes
    ----------
    since : when they fell silent, unix seconds; NaN while they are there.
    """

    def __init__(self) -> None:
        self._seen, self.since = 0, np.nan

    def check(self, column: Window) -> Window:
        """One column in, the same or its partial twin out; the twin's last warning says why."""
        now, hosts = float(column.times[0]), len(np.unique(column.series.host[np.isfinite(column.values[:, 0])]))
        if self._seen < 3 or hosts >= self._seen / 2:
            self._seen, self.since = hosts, np.nan
            return column
        if not self.since <= now:
            self.since = now
        if now - self.since >= LOST_FOR:
            self._seen = hosts
            return column
        why = f"{self._seen - hosts} of {self._seen} hosts fell silent at once"
        return replace(column, partial=True, warnings=(*column.warnings, why))
