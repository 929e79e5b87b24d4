"""When a series was there: columns of samples in, stretches of time out.

For series that exist only while something is so, such as Prometheus's `ALERTS` or the simulated fleet's truth about its faults.
"""

import numpy as np

from analyzer.backtest.outcome import Spell
from analyzer.window import Labels, Window

Told = tuple[str, Labels, Spell]  # the series' signal and labels, and when it was there


class Presence:
    """Collects stretches from windows in time order.

    Parameters
    ----------
    gap : seconds that may be missing in between; longer = a new stretch.
    """

    def __init__(self, gap: float) -> None:
        self.gap = gap
        self._begun: dict[tuple[str, Labels], tuple[float, float]] = {}  # first and newest sample of the stretch that goes on
        self._ended: list[Told] = []
        self._last = -np.inf

    def take(self, window: Window) -> None:
        """One window; those that follow are later."""
        if not len(window.times):
            return
        self._last = float(window.times[-1])
        here = np.isfinite(window.values) & (window.values != 0)
        for row in np.flatnonzero(here.any(axis=1)).tolist():
            self._row(window.series.key(row), window.times[here[row]])

    def _row(self, key: tuple[str, Labels], times: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
        for run in np.split(times, np.flatnonzero(np.diff(times) > self.gap) + 1):
            first, newest = float(run[0]), float(run[-1])
            if key in self._begun and first - self._begun[key][1] <= self.gap:
                first = self._begun[key][0]
            elif key in self._begun:
                self._close(key)
            self._begun[key] = first, newest

    def _close(self, key: tuple[str, Labels]) -> None:
        first, newest = self._begun.pop(key)
        self._ended.append((*key, Spell(first, newest)))

    def told(self) -> list[Told]:
        """Every stretch by its start; those still there in the last column have no end."""
        going = [(*k, Spell(a, None if b >= self._last - self.gap else b)) for k, (a, b) in self._begun.items()]
        return sorted([*self._ended, *going], key=lambda t: (t[2].start, t[0], t[1]))
