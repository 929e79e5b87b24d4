"""One server as a whole: is this combination of its metrics, now, like it was before?

In: rows of all metrics of one host at even spacing, a stretch of history first. Out: one score a row (ranks what is strange), a
yes/no by budget, and how much each metric is to blame. Members: two ridge forecasters with a gap and a Mahalanobis distance of
short windows of the residual to the usual day, each on the scale of its own history; what changes fast raises the alarm, what is
far off keeps it.
"""

from dataclasses import dataclass

import numpy as np

from analyzer.detect.ridge import DAY, Lagged, Ridge, Top
from analyzer.window import Floats

CLIP = 30.0
HUGE = 1e30  # larger samples are taken as this: sums of them stay finite
WINDOW = 5  # rows of the Mahalanobis member
TAIL = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class HostScore:
    """`score` (0 = as in history, about 1 = rare), `alarm` by budget, `blame` float64 [metrics]."""

    score: float
    alarm: bool
    blame: Floats


class Budget:
    """Alarms when a statistic passes what its tail allows about once in `days`; the tail learns on, slowly, not from alarms.

    Parameters
    ----------
    days : one row in so many days is asked for.
    rows : rows a day.
    """

    def __init__(self, days: float, rows: float) -> None:
        self.odds, self.rate = np.log(TAIL * days * rows), 1.0 / (3.0 * rows)
        self.u, self.e = np.inf, 1.0

    def fit(self, history: Floats) -> None:
        """Begin with the tail of history."""
        self.u = float(np.quantile(history, 1 - TAIL))
        beyond = history[history > self.u]
        self.e = max(float((beyond - self.u).mean()) if len(beyond) else 0.0, 1e-3)

    def passes(self, x: float) -> bool:
        """Whether x is beyond, and learn from it."""
        edge = self.u + self.e * self.odds
        over = x > edge
        rate, x = self.rate * (0.3 if over else 1.0), min(x, edge)
        self.u += rate * self.e * ((x > self.u) / TAIL - 1.0)
        if x > self.u:
            self.e += rate / TAIL * (x - self.u - self.e)
        self.e = max(self.e, 1e-3)
        return bool(over)


class HostModel:
    """All metrics of one host together.

    Parameters
    ----------
    metrics : how many.
    step : seconds between rows.
    """

    def __init__(self, metrics: int, step: float) -> None:
        self.m, self.step = metrics, step
        self.slots = max(1, min(1440, round(DAY / step)))
        gap = max(3, round(180.0 / step))  # minutes, and at least a few rows
        self.ridges = (
            Ridge(Lagged((0.4, gap), (0.1, 2 * gap), profile=True), metrics),
            Ridge(Lagged((0.2, 2 * gap), (0.05, 4 * gap), profile=False), metrics),
        )
        self.tops = (Top(metrics), Top(metrics))
        self.window = np.zeros((WINDOW, metrics))
        self.blame = np.zeros(metrics)
        self.before = np.zeros(metrics)
        self.quick, self.steady = Budget(4.0, DAY / step), Budget(1.0, DAY / step)
        self.ready = False

    def fit(self, times: Floats, rows: Floats) -> None:
        """Learn from history, rows float64 [time, metrics], NaN = no sample. Too little of it leaves the model silent."""
        if len(rows) < max(60, 4 * self.m):
            return
        rows = np.clip(rows, -HUGE, HUGE)
        self._standard(rows)
        z = self._standardise(rows)
        self._learn_day(times, z)
        usual = self._usual(times)
        z = np.where(np.isnan(z), usual, z)
        skip = min(200, len(z) // 4)
        for ridge in self.ridges:
            inputs = np.empty((len(z), len(ridge.inputs(0.0, usual[0]))))
            for i, t in enumerate(times.tolist()):
                inputs[i] = ridge.inputs(t, usual[i])
                ridge.take(z[i])
            ridge.fit(inputs[skip:], z[skip:])
            ridge.past[:], ridge.averages[:] = 0.0, 0.0
        self._learn_windows(z - usual)
        self.ready = True
        self.scales = np.ones(3)
        parts = np.array([self._members(t, z[i], usual[i])[0] for i, t in enumerate(times.tolist())])
        self.scales = np.maximum(np.quantile(parts[skip:, :3], 0.99, axis=0), 1e-9)
        self.steady.fit(np.log1p(parts[skip:, :3] / self.scales).sum(axis=1))
        self.quick.fit(parts[skip:, 3])

    def step_on(self, now: float, row: Floats) -> HostScore:
        """Judge the next row, float64 [metrics], with what was learned before it."""
        if not self.ready:
            return HostScore(0.0, False, np.zeros(self.m))
        usual = self._usual(np.array([now]))[0]
        z = self._standardise(row[None])[0]
        parts, residual = self._members(now, np.where(np.isnan(z), usual, z), usual)
        total = float(np.log1p(parts[:3] / self.scales).sum())
        self.blame += 0.3 * (residual - self.blame)
        fast, far = self.quick.passes(float(parts[3])), self.steady.passes(total)
        return HostScore(total / (3 * np.log(2.0)), fast or far, self.blame.copy())

    def _members(self, now: float, z: Floats, usual: Floats) -> tuple[Floats, Floats]:
        """Figures of one row: two forecasters, windows, change; and the mean residual of each metric."""
        left = np.clip(z - usual, -CLIP, CLIP)
        sizes = [np.abs(left)]
        figures = []
        for ridge, top in zip(self.ridges, self.tops, strict=True):
            residual = ridge.residual(ridge.inputs(now, usual), z)
            ridge.take(z)
            sizes.append(np.abs(residual))
            figures.append(top.score(residual))
        self.window = np.concatenate([self.window[1:], left[None]])
        off = self.window.ravel() - self.centre
        figures.append(float(np.sqrt(max(off @ self.inverse @ off, 0.0))))
        figures.append(float(np.abs(z - self.before).mean()))
        self.before = z
        return np.array(figures), np.mean(sizes, axis=0)

    def _standard(self, rows: Floats) -> None:
        """Mean and deviation of each metric; a metric that hardly moves gets at least a small share of its range."""
        some = np.isfinite(rows).any(axis=0)
        clean = np.where(some, rows, 0.0)
        self.mean = np.nanmean(clean, axis=0)
        span = np.nanmax(clean, axis=0) - np.nanmin(clean, axis=0)
        floor = np.maximum(0.005 * span, 1e-3 * np.maximum(np.abs(self.mean), 1e-9))
        self.deviation = np.maximum(np.nanstd(clean, axis=0), floor)

    def _standardise(self, rows: Floats) -> Floats:
        z: Floats = np.clip((np.clip(rows, -HUGE, HUGE) - self.mean) / self.deviation, -CLIP, CLIP)
        return z

    def _learn_day(self, times: Floats, z: Floats) -> None:
        """Median of every time of day, smoothed over five slots."""
        slot = self._slot(times)
        day = np.zeros((self.slots, self.m))
        order = np.argsort(slot, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(slot[order])) + 1):
            day[slot[part[0]]] = np.nan_to_num(np.nanmedian(np.where(np.isnan(z[part]).all(axis=0), 0.0, z[part]), axis=0))
        seen = np.unique(slot)
        if len(seen) < self.slots:  # less than a day: no usual day
            day[:] = 0.0
        self.day = np.mean([np.roll(day, k, axis=0) for k in range(-2, 3)], axis=0)

    def _slot(self, times: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return (np.floor(times / DAY * self.slots + 1e-6).astype(np.int64)) % self.slots

    def _usual(self, times: Floats) -> Floats:
        usual: Floats = self.day[self._slot(times)]
        return usual

    def _learn_windows(self, left: Floats) -> None:
        """Mean and inverse covariance of short windows of the residual."""
        clipped = np.clip(left, -CLIP, CLIP)
        windows = np.lib.stride_tricks.sliding_window_view(clipped, WINDOW, axis=0).transpose(0, 2, 1).reshape(-1, WINDOW * self.m)
        self.centre = windows.mean(axis=0)
        covariance = np.atleast_2d(np.cov(windows.T))
        covariance[np.diag_indices_from(covariance)] += 0.02 * np.trace(covariance) / len(covariance) + 1e-9
        self.inverse = np.linalg.inv(covariance)
