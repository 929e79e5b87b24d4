"""What comes next: expected values with bands at any horizon up to seven days, and the time until a limit.

In: the same columns as the engine gets. Out: `Forecast`. Simple experts compete per series and horizon, weighted by their error
of the last days; bands are online quantiles of the pool's own residuals, so that they hold their share whatever the series does
(adaptive conformal inference; Gibbs and Candès 2021). No state per forecast: last week's ring tells what would have been said.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analyzer.detect.columns import Array, Columns, Field, StateError
from analyzer.detect.experts import EXPERTS, PLAIN, SEASONAL, SLOT, WEEK_SLOTS, Array32, Recent, forecasts, look, pool
from analyzer.detect.limits import Trend, choose, crossing, gate, trend
from analyzer.detect.profile import sorted_median
from analyzer.detect.rules import Rules
from analyzer.detect.table import Table
from analyzer.records import Forecast
from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Ints, Series, Window

__all__ = ["Forecaster", "StateError", "forecast_rows"]

VERSION = 1
HUGE = 1e30  # nobody measures so much: such a sample is none
TRACKED = (3600.0, 21600.0, 86400.0)  # horizons whose record is kept; others lean on the nearest
MEMORY_HOURS = 96.0  # memory of an expert's record
COVER = 0.9
STEP = 0.3  # of the mean residual, how far one miss moves its side of the band
MINUTES = 32
LONGEST = 7 * 86400.0
FIELDS = {
    "ring": Field(np.nan, (WEEK_SLOTS,), np.float32),
    "day": Field(np.nan, (96,), np.float32),
    "error": Field(np.nan, (len(TRACKED), len(EXPERTS)), np.float32),
    "miss": Field(np.nan, (len(TRACKED),), np.float32),  # mean absolute residual of the pool
    "band": Field(np.nan, (len(TRACKED), 2), np.float32),  # quantiles of its residual
    "recent": Field(np.nan, (MINUTES,), np.float32),  # one sample a minute
    "sum": Field(0.0),
    "n": Field(0.0),
    "last": Field(np.nan),
    "judged": Field(0.0, (len(TRACKED),), np.float32),  # how often
    "move": Field(np.nan),  # mean absolute change from slot to slot
    "held": Field(0.0),
    "open": Field(0.0),
    "seen": Field(np.nan),
}


class Forecaster:
    """Forecasts of many series, learned online.

    Parameters
    ----------
    signals : bounds and limits, by alias.
    utc_offset_seconds : local midnight.
    forget_seconds, max_series : as the engine's.
    """

    def __init__(
        self,
        signals: Mapping[str, Signal],
        *,
        utc_offset_seconds: float = 0.0,
        forget_seconds: float = 86400.0,
        max_series: int = 200_000,
    ) -> None:
        self.signals, self.offset = dict(signals), utc_offset_seconds
        self.forget_seconds, self.max_series = forget_seconds, max_series
        self._start()

    def _start(self) -> None:
        self.c, self.table = Columns(FIELDS), Table()
        self.rules = Rules.of(self.table.series, self.signals)
        self.slot, self.minute, self.last, self.spoke = -1, -1, -np.inf, -np.inf

    @property
    def series(self) -> Series:
        """The forecaster's own table: the rows of every Forecast."""
        return self.table.series

    @property
    def nbytes(self) -> int:
        """Bytes of state, labels left out."""
        return self.c.nbytes

    def bootstrap(self, history: Window) -> None:
        """Learn from the past, in consecutive stretches, at most one sample a minute."""
        self.learn(history)

    def learn(self, window: Window, *, muted: Bools | None = None) -> None:
        """Take the window's columns in time order; what is not newer than the last one is passed over.

        muted : bool [series of the window], kept out (maintenance, silences).
        """
        rows = self._rows(window.series)
        takes = rows >= 0 if muted is None else (rows >= 0) & ~muted
        for column in np.argsort(window.times, kind="stable").tolist():
            now = float(window.times[column])
            if self.last >= now > self.last - 3600.0:
                continue
            values = window.values[:, column]
            fits = takes & (np.abs(values) < HUGE)
            x = np.full(len(self.table), np.nan)
            x[rows[fits]] = values[fits]
            self._take(now, x)
        self._forget()

    def forecast(self, now: float, horizons: Sequence[float], rows: Ints | None = None) -> Forecast:
        """Expected value and 90 % band at now + each horizon (seconds, up to 7 days), and the time until the signal's limit.

        rows : only these rows of `series`, in this order; None = all of them.
        """
        pick = np.arange(len(self.table)) if rows is None else rows
        series = self.table.series if rows is None else self.table.series.take(rows)
        tau = (now + self.offset) / SLOT
        recent, ring, day = self._now(now, pick), self.c["ring"][pick], self.c["day"][pick]
        shape = (len(pick), len(horizons))
        yhat, lower, upper = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
        for j, h in enumerate(horizons):
            at = _nearest(h)
            made = forecasts(ring, day, tau, min(h, LONGEST) / SLOT, recent)
            yhat[:, j] = pool(made, self.c["error"][pick, at].T)
            low, high = self._width(h, pick)
            lower[:, j], upper[:, j] = yhat[:, j] + low, yhat[:, j] + high
        until = self._limits(now, tau, pick, horizons, (yhat, lower, upper))
        part = self.rules if rows is None else Rules.of(series, self.signals)
        yhat, lower, upper = part.clip(yhat), part.clip(lower), part.clip(upper)
        return Forecast(now, series, tuple(horizons), yhat, lower, upper, *until)

    def state(self) -> dict[str, Array]:
        """Everything learned, as plain arrays."""
        head = np.array([VERSION, self.slot, self.minute, self.last, self.spoke], np.float64)
        return {"head": head, "series": self.table.dump(), **self.c.dump("c.")}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take `state` back; on StateError the forecaster is empty and can learn anew."""
        self._start()
        try:
            head = np.asarray(state["head"], np.float64)
            if head.shape != (5,) or head[0] != VERSION:
                raise StateError(f"state: version {head[:1]} is not {VERSION}")
            self.table.load(state["series"])
            self.c.load(state, "c.", len(self.table))
        except (KeyError, ValueError, TypeError, AttributeError, UnicodeDecodeError, StateError) as error:
            self._start()
            raise error if isinstance(error, StateError) else StateError(f"state: {error}") from error
        self.slot, self.minute, self.last, self.spoke = int(head[1]), int(head[2]), float(head[3]), float(head[4])
        self.rules = Rules.of(self.table.series, self.signals)

    def _rows(self, series: Series) -> Ints:
        rows, fresh = self.table.rows(series, room=self.max_series - len(self.table))
        if len(fresh):
            self.c.grow(len(fresh))
            self.rules = Rules.of(self.table.series, self.signals)
        return rows

    def _take(self, now: float, x: Floats) -> None:
        """One column: into the open quarter of an hour and the minute."""
        c, seen = self.c, np.isfinite(x)
        slot = math.floor((now + self.offset) / SLOT)
        if slot != self.slot and self.slot >= 0:
            self._close()
        self.slot, self.last = slot, now
        minute = math.floor(now / 60.0)
        if minute != self.minute:
            gone = range(self.minute + 1, minute + 1) if 0 <= minute - self.minute < MINUTES else range(MINUTES)
            c["recent"][:, [m % MINUTES for m in gone]] = np.nan
            self.minute = minute
        c["recent"][seen, minute % MINUTES] = x[seen].astype(np.float32)
        c["sum"][seen] += x[seen]
        c["n"][seen] += 1.0
        c["last"][seen] = x[seen]
        c["seen"][seen] = now

    def _close(self) -> None:
        """The open slot is over: once an hour see who was right, then write it and bring the median day up to date."""
        c, s = self.c, self.slot
        some = c["n"] > 0
        mean = np.divide(c["sum"], c["n"], out=np.full(len(some), np.nan), where=some).astype(np.float32)
        if s % 4 == 3 and some.any():
            self._judge(np.where(some, c["last"], np.nan).astype(np.float32))
        before = c["ring"][:, (s - 1) % WEEK_SLOTS]
        step = np.abs(mean - before).astype(np.float64)
        fresh = np.isfinite(step)
        c["move"][fresh] = np.where(np.isnan(c["move"]), step, c["move"] + 0.02 * (step - c["move"]))[fresh]
        c["ring"][some, s % WEEK_SLOTS] = mean[some]
        c["sum"][:], c["n"][:] = 0.0, 0.0
        self._refresh(s % 96)

    def _refresh(self, slot: int) -> None:
        """The median of the last seven days at this time, neighbours included."""
        cells = [(d * 96 + slot + o) % WEEK_SLOTS for d in range(7) for o in (-1, 0, 1)]
        self.c["day"][:, slot] = sorted_median(self.c["ring"][:, cells])

    def _judge(self, x: Array32) -> None:
        """What would have been forecast for this moment, and how wrong it would have been."""
        c, tau = self.c, float(self.slot + 1)
        for j, h in enumerate(TRACKED):
            ahead = h / SLOT
            made = forecasts(c["ring"], c["day"], tau - ahead, ahead, self._then(self.slot - int(ahead)))
            residual = x - pool(made, c["error"][:, j].T)
            rate = np.float32(1.0) / np.minimum(c["judged"][:, j] + 1, np.float32(MEMORY_HOURS))
            self._widen(j, residual, rate)
            c["judged"][np.isfinite(residual), j] += 1
            wrong = np.abs(made - x).T
            fresh = np.isfinite(wrong)
            error = c["error"][:, j]
            moved = np.where(np.isnan(error), wrong, error + rate[:, None] * (wrong - error))
            error[fresh] = moved[fresh]

    def _widen(self, j: int, residual: Array32, rate: Array32) -> None:
        """Move the band of one horizon: a miss moves its side out, a hit pulls both in a little."""
        c, ok = self.c, np.isfinite(residual)
        miss, size = c["miss"][:, j], np.abs(residual)
        begins = ok & np.isnan(miss)
        miss[begins] = size[begins]
        bounded = np.minimum(size, 6 * miss + np.float32(1e-12))
        miss[ok] += (rate * (bounded - miss))[ok]
        tail = (1.0 - COVER) / 2.0
        for side, sign in ((0, -1.0), (1, 1.0)):
            q = c["band"][:, j, side]
            q[begins] = (sign * 2.0 * size)[begins]
            out = sign * residual > sign * q
            q[ok] += (sign * STEP * miss * (out / tail - 1.0) * tail)[ok]

    def _then(self, slot: int) -> Recent:
        """What was recent when `slot` had just ended."""
        ring = self.c["ring"]
        return Recent(ring[:, slot % WEEK_SLOTS], _mean([ring[:, (slot - k) % WEEK_SLOTS] for k in range(4)]))

    def _now(self, now: float, pick: Ints) -> Recent:
        """What is recent: the open quarter of an hour, completed with the one before."""
        c, ring = self.c, self.c["ring"]
        share = np.float32((now + self.offset) / SLOT - self.slot if self.slot >= 0 else 0.0)
        share = np.clip(share, np.float32(0.05), np.float32(1.0))
        n = c["n"][pick]
        mean = np.divide(c["sum"][pick], n, out=np.full(len(pick), np.nan), where=n > 0).astype(np.float32)
        before = ring[pick, (self.slot - 1) % WEEK_SLOTS]
        last = np.where(np.isnan(mean), before, np.where(np.isnan(before), mean, share * mean + (1 - share) * before))
        last = np.where(np.isnan(last), c["last"][pick].astype(np.float32), last)
        hour = _mean([last, *[ring[pick, (self.slot - k) % WEEK_SLOTS] for k in range(1, 4)]])
        return Recent(last, hour)

    def _width(self, h: float, pick: Ints) -> tuple[Floats, Floats]:
        """Lower and upper half of the band at a horizon: between the tracked ones, wider beyond, guessed where nothing is known."""
        log = np.log(np.clip(h, TRACKED[0], TRACKED[-1]))
        marks = np.log(TRACKED)
        j = min(int(np.searchsorted(marks, log, side="right")) - 1, len(TRACKED) - 2)
        share = (log - marks[j]) / (marks[j + 1] - marks[j])
        a, b = self.c["band"][pick, j].astype(np.float64), self.c["band"][pick, j + 1].astype(np.float64)
        mixed = np.where(np.isnan(b), a, np.where(np.isnan(a), b, a + share * (b - a)))
        beyond = 1.0 + 0.1 * max(h / TRACKED[-1] - 1.0, 0.0)
        move, last = np.nan_to_num(self.c["move"][pick]), np.abs(np.nan_to_num(self.c["last"][pick]))
        guess = 3.0 * move * math.sqrt(max(h, SLOT) / SLOT) + 0.02 * last
        low = np.where(np.isnan(mixed[:, 0]), -guess, np.minimum(mixed[:, 0], 0.0) * beyond)
        high = np.where(np.isnan(mixed[:, 1]), guess, np.maximum(mixed[:, 1], 0.0) * beyond)
        return low, high

    def _limits(
        self, now: float, tau: float, pick: Ints, horizons: Sequence[float], path: tuple[Floats, Floats, Floats]
    ) -> tuple[Floats, Floats, Floats]:
        """Seconds until the limit with its band, float64 [picked] each; where a trend is believed the path follows it."""
        out = (np.full(len(pick), np.nan), np.full(len(pick), np.nan), np.full(len(pick), np.nan))
        at = np.flatnonzero(~np.isnan(self.rules.limit[pick]))
        if not len(at) or not len(horizons):
            return out
        rows = pick[at]
        found, season, x = self._trend(tau, rows)
        limit = self.rules.limit[rows]
        rising = limit > x
        towards = np.where(rising, found.slope, -found.slope) > 0
        sure = found.sure & towards & np.isfinite(x)
        is_open = self._gate(now, rows, sure)
        grid = np.linspace(0.0, min(max(horizons), LONGEST), 97)[1:]
        wave = np.stack([look(self.c["day"], tau + h / SLOT, rows) for h in grid], axis=1).astype(np.float64)
        wave = np.where(season[:, None], np.nan_to_num(wave - look(self.c["day"], tau, rows)[:, None].astype(np.float64)), 0.0)
        for k, lean in enumerate((0.0, 1.645, -1.645)):
            slope = found.slope + np.where(rising, lean, -lean) * found.error
            when = crossing(x[:, None] + wave + slope[:, None] * grid, grid, limit, rising)
            out[k][at] = np.where(is_open & sure, when, np.nan)
        out[2][at] = np.where(np.isnan(out[2][at]) & ~np.isnan(out[0][at]), grid[-1], out[2][at])
        follow = is_open & sure
        for j, h in enumerate(horizons):
            wave_at = wave[:, min(int(np.searchsorted(grid, h)), len(grid) - 1)]
            moved = x + wave_at + found.slope * h
            shift = np.where(follow, moved - path[0][at, j], 0.0)
            for figure in path:
                figure[at, j] += shift
        return out

    def _gate(self, now: float, rows: Ints, sure: Bools) -> Bools:
        """Move the gate of these rows by the time since the last forecast."""
        dt = float(np.clip(now - self.spoke, 0.0, 300.0)) if np.isfinite(self.spoke) else 120.0
        self.spoke = max(self.spoke, now)
        held, is_open = gate(self.c["held"][rows], self.c["open"][rows] > 0, sure, dt)
        self.c["held"][rows], self.c["open"][rows] = held, is_open
        return is_open

    def _trend(self, tau: float, rows: Ints) -> tuple[Trend, Bools, Floats]:
        """Trend of the series with limits, without their usual day where that explains them; and the value they have now."""
        c = self.c
        error = c["error"][rows, 1]
        best_seasonal = np.min(np.where(np.isnan(error), np.inf, error)[:, list(SEASONAL)], axis=1)
        best_plain = np.min(np.where(np.isnan(error), np.inf, error)[:, list(PLAIN)], axis=1)
        season = best_seasonal < best_plain
        ages = np.arange(MINUTES - 1, -1, -1)
        minutes = c["recent"][rows][:, (self.minute - ages) % MINUTES].astype(np.float64)
        slots = c["ring"][rows][:, (self.slot - np.arange(24, 0, -1)) % WEEK_SLOTS].astype(np.float64)
        usual_min = np.stack([look(c["day"], tau - a * 60.0 / SLOT, rows) for a in ages], axis=1)
        usual_slot = np.stack([look(c["day"], self.slot - a + 0.5, rows) for a in range(24, 0, -1)], axis=1)
        minutes_off = np.where(season[:, None], minutes - usual_min, minutes)
        slots_off = np.where(season[:, None], slots - usual_slot, slots)
        miss = np.nan_to_num(c["miss"][rows].astype(np.float64))
        found = choose(trend(minutes_off, 60.0, 0.5 * miss[:, 0]), trend(slots_off, SLOT, 0.7 * miss[:, 1]))
        newest = sorted_median(minutes[:, -5:].astype(np.float32)).astype(np.float64)
        x = np.where(np.isnan(newest), c["last"][rows], newest)
        return found, season, x

    def _forget(self) -> None:
        """Drop series that sent nothing for long, when they are many."""
        if not np.isfinite(self.last):
            return
        seen = np.where(np.isnan(self.c["seen"]), self.last, self.c["seen"])
        gone = self.last - seen > self.forget_seconds
        if gone.any() and gone.sum() > max(0.02 * len(gone), 64):
            keep = np.flatnonzero(~gone)
            self.c.take(keep)
            self.table.take(keep)
            self.rules = Rules.of(self.table.series, self.signals)


def forecast_rows(
    times: Floats,
    values: Floats,
    horizons: Sequence[float],
    *,
    low: Sequence[float | None] = (),
    high: Sequence[float | None] = (),
    limits: Sequence[float | None] = (),
    utc_offset_seconds: float = 0.0,
) -> Forecast:
    """Forecast data in hand: values float64 [series, time] at unix seconds; bounds and limits one a series, or none.

    The rows of the answer are the rows of `values`; few samples give wide bands.
    """
    n = len(values)

    def of(given: Sequence[float | None], i: int) -> float | None:
        return given[i] if i < len(given) else None

    names = [f"c{i:06d}" for i in range(n)]
    signals = {
        name: Signal(name, "", {}, "count", low=of(low, i), high=of(high, i), limit=of(limits, i)) for i, name in enumerate(names)
    }
    series = Series.build((name, "data", "", (("column", name),)) for name in names)
    forecaster = Forecaster(signals, utc_offset_seconds=utc_offset_seconds)
    forecaster.bootstrap(Window(series, times, values))
    now = float(np.max(times)) if len(times) else 0.0
    if len(times):  # data in hand has no later cycles to prove a trend by
        forecaster.c["held"][:] = 1200.0
    return forecaster.forecast(now, horizons)


def _nearest(h: float) -> int:
    return int(np.argmin([abs(math.log(max(h, 1.0) / t)) for t in TRACKED]))


def _mean(parts: list[Array32]) -> Array32:
    """Mean of the finite ones: float32 [series]."""
    total, n = np.zeros_like(parts[0]), np.zeros(len(parts[0]), np.float32)
    for part in parts:
        has = np.isfinite(part)
        total[has] += part[has]
        n[has] += 1
    mean: Array32 = np.divide(total, n, out=np.full_like(total, np.nan), where=n > 0)
    return mean
