"""What others would have said: three standard deviations on every series, and the node-mixin's alert conditions.

In: windows in time order. Out: for each server the times at which an alarm began.
"""

from collections import defaultdict

import numpy as np

from analyzer.window import Bools, Floats, Ints, Window

REARM = 300.0  # seconds of calm after which a new excursion is a new alarm
SPAN = 3600.0  # seconds over which the mean and the deviation are taken


class Alarms:
    """Times at which each server's alarm began."""

    def __init__(self) -> None:
        self.began: dict[str, list[float]] = defaultdict(list)
        self._last: dict[str, float] = {}

    def note(self, hosts: tuple[str, ...], host: Ints, on: Bools, times: Floats) -> None:
        """Take excursions: bool [series, time]."""
        for h in range(len(hosts)):
            for at in times[on[host == h].any(axis=0)].tolist():
                if at - self._last.get(hosts[h], -np.inf) > REARM:
                    self.began[hosts[h]].append(at)
                self._last[hosts[h]] = at

    def first(self, host: str, start: float, end: float) -> float:
        """The first alarm of a server in a span; NaN when there was none."""
        return min((t for t in self.began[host] if start <= t <= end), default=float("nan"))

    def count(self, since: float) -> int:
        """Alarms of all servers."""
        return sum(t >= since for times in self.began.values() for t in times)


class ThreeSigma(Alarms):
    """|x - mean| > 3 standard deviations of the last hour, on every series."""

    def __init__(self) -> None:
        super().__init__()
        self._tail: dict[object, Floats] = {}

    def take(self, window: Window) -> None:
        """One stretch."""
        width = round(SPAN / float(np.median(np.diff(window.times))))
        keys = window.series.keys()
        nothing = np.full(width, np.nan)
        before = np.stack([self._tail.get(k, nothing) for k in keys])
        values = np.concatenate([before, window.values], axis=1)
        self._tail = {k: values[i, -width:] for i, k in enumerate(keys)}
        known = np.isfinite(values)
        x = np.where(known, values, 0.0)
        scale = np.maximum(np.abs(x).max(1, keepdims=True), 1e-12)
        x = x / scale
        n, total, square = (np.cumsum(np.pad(a, ((0, 0), (1, 0))), axis=1) for a in (known.astype(float), x, x * x))
        n, total, square = (a[:, width:-1] - a[:, : -width - 1] for a in (n, total, square))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / n
            deviation = np.sqrt(np.maximum(square / n - mean**2, 0))
            off = np.abs(x[:, width:] - mean) > 3 * deviation + 1e-6
        self.note(window.series.hosts, window.series.host, off & known[:, width:] & (n >= width / 2), window.times)


HELD = (  # signal, condition, seconds: the alert rules of the node-mixin that the fleet's readings can answer
    ("cpu", "above", 0.90, 900.0), ("memory", "above", 0.90, 900.0), ("load", "above", 2.0, 900.0),
    ("disk", "above", 0.95, 1800.0), ("inodes", "above", 0.95, 3600.0), ("open_files", "above", 0.70, 900.0),
    ("clock_skew", "away", 0.05, 600.0), ("up", "below", 0.5, 300.0),
)  # fmt: skip
FILLING = ((0.60, 24 * 3600.0), (0.80, 4 * 3600.0))  # used share, and how soon the last six hours' slope would fill the rest


class Mixin(Alarms):
    """Conditions with their `for`, and disks that a straight line through six hours would fill."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[tuple[object, ...], float] = {}
        self._disk: dict[object, list[tuple[Floats, Floats]]] = defaultdict(list)

    def take(self, window: Window) -> None:
        """One stretch."""
        step = float(np.median(np.diff(window.times)))
        for signal, side, bound, hold in HELD:
            rows = window.series.rows_of(signal=signal)
            x = window.values[rows]
            with np.errstate(invalid="ignore"):
                on = {"above": x > bound, "below": x < bound, "away": np.abs(x) > bound}[side]
            for i, row in enumerate(rows.tolist()):
                self._hold(window, row, (signal, window.series.labels[row]), on[i], hold, step)
        self._filling(window, step)

    def _hold(self, window: Window, row: int, key: tuple[object, ...], on: Bools, hold: float, step: float) -> None:
        held = self._held.get(key, 0.0)
        if not on.any():
            self._held[key] = 0.0
            return
        for at, true in zip(window.times.tolist(), on.tolist(), strict=True):
            held = held + step if true else 0.0
            if held > hold:
                host = window.series.host_of(row)
                self.note((host,), np.zeros(1, np.int64), np.ones((1, 1), bool), np.array([at]))
        self._held[key] = held

    def _filling(self, window: Window, step: float) -> None:
        coarse = slice(None, None, max(round(600 / step), 1))
        for row in window.series.rows_of(signal="disk").tolist():
            key = window.series.labels[row]
            kept = self._disk[key]
            kept.append((window.times[coarse], window.values[row][coarse]))
            del kept[:-2]
            times, used = (np.concatenate(parts) for parts in zip(*kept, strict=True))
            on = np.zeros(len(window.times[coarse]), bool)
            for j, at in enumerate(window.times[coarse].tolist()):
                near = (times > at - 21600) & (times <= at) & np.isfinite(used)
                if near.sum() > 10 and used[near][-1] > FILLING[0][0]:
                    slope = float(np.polyfit(times[near] - at, used[near], 1)[0])
                    on[j] = any(used[near][-1] > full and used[near][-1] + slope * ahead > 1 for full, ahead in FILLING)
            self._hold(
                Window(window.series, window.times[coarse], window.values[:, coarse]), row, ("filling", key), on, 3600.0, 600.0
            )
