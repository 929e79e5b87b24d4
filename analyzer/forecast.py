"""What comes next: expected values with bands at any horizon up to seven days, and the time until a limit.

In: the same columns as the engine gets. Out: `Forecast`. Simple experts compete per series and horizon, weighted by their error
of the last days; bands are online quantiles of the pool's own residuals, so that they hold their share whatever the series does
(adaptive conformal inference; Gibbs and Candès 2021). No state per forecast: last week's ring tells what would have been said.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analyzer.detect.band import widen
from analyzer.detect.codes import decode
from analyzer.detect.columns import Array, Columns, Field, StateError
from analyzer.detect.experts import (
    DAY_SLOTS,
    EXPERTS,
    HALF,
    PLAIN,
    SEASONAL,
    SLOT,
    WEEK_SLOTS,
    Array32,
    Levels,
    Origin,
    forecasts,
    levels,
    look,
    pool,
)
from analyzer.detect.limits import SPANS, Moves, Trend, choose, crossing, gate, trend
from analyzer.detect.profile import sorted_median
from analyzer.detect.rules import Rules
from analyzer.detect.table import Table
from analyzer.detect.week import FIELDS as WEEK_FIELDS
from analyzer.detect.week import Week
from analyzer.records import Forecast
from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Ints, Series, Window

__all__ = ["Forecaster", "StateError", "forecast_rows"]

VERSION = 2
HUGE = 1e30  # nobody measures so much: such a sample is none
TRACKED = (3600.0, 21600.0, 86400.0)  # horizons whose record is kept; others lean on the nearest
MEMORY = 224.0  # of an expert's record, in forecasts judged: a week
TAILS = (0.05, 0.05, 0.047)  # beyond each side of the 90 % band, aimed at; errors a day ahead come in runs
MINUTES = 32
NEWEST = 15  # minutes whose median is the level of now: what swings within a quarter of an hour is no level
CALM = 5  # minutes whose median a trend starts from
LONGEST = 7 * 86400.0
SCALED = {  # kept in units of the scale of each series
    "error": Field(np.nan, (len(TRACKED), len(EXPERTS)), np.float32),
    "miss": Field(np.nan, (len(TRACKED),), np.float32),  # mean absolute residual of the pool
    "band": Field(np.nan, (len(TRACKED), 2), np.float32),  # quantiles of its residual
    "move": Field(np.nan, (), np.float32),  # mean absolute change from slot to slot
}
FIELDS = {
    **WEEK_FIELDS,
    **SCALED,
    "recent": Field(np.nan, (MINUTES,), np.float32),  # one sample a minute
    "last": Field(np.nan),
    "seen": Field(np.nan),
    "judged": Field(0.0, (len(TRACKED),), np.float32),  # how often
    "held": Field(0.0, (), np.float32),
    "open": Field(0.0, (), np.int8),
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
        self.week = Week(self.c, SCALED)
        self._fresh()
        self.rules = Rules.of(self.table.series, self.signals)
        self.slot, self.minute, self.last, self.spoke = -1, -1, -np.inf, -np.inf

    def _fresh(self) -> None:
        """Forget what was worked out of the weeks: they have changed."""
        self._known: Levels | None = None
        self._week: tuple[Ints, Bools, Floats, Moves] | None = None

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
        x, zero = self._level(now, pick), self.week.units(np.zeros(len(pick)), pick)
        ring, day = (self.c[name] if rows is None else self.c[name][rows] for name in ("ring", "day"))
        origin = Origin(
            tau, ring, day, self.week.units(x, pick), self._levels() if rows is None else levels(ring, day, self.slot - 1), zero
        )
        shape = (len(pick), len(horizons))
        yhat, lower, upper = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
        for j, h in enumerate(horizons):
            made = forecasts(origin, min(h, LONGEST) / SLOT)
            yhat[:, j] = self.week.values(pool(made, self.c["error"][pick, _nearest(h)].T), pick)
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
            self._fresh()
            self.rules = Rules.of(self.table.series, self.signals)
        return rows

    def _take(self, now: float, x: Floats) -> None:
        """One column: into the open quarter of an hour and the minute."""
        c, seen = self.c, np.isfinite(x)
        slot = math.floor((now + self.offset) / SLOT)
        if slot != self.slot and self.slot >= 0:
            self._close()
            self.week.skip(self.slot + 1, slot - 1)
        self.slot, self.last = slot, now
        minute = math.floor(now / 60.0)
        if minute != self.minute:
            gone = range(self.minute + 1, minute + 1) if 0 <= minute - self.minute < MINUTES else range(MINUTES)
            c["recent"][:, [m % MINUTES for m in gone]] = np.nan
            self.minute = minute
        self.week.meet(x)
        np.copyto(c["recent"][:, minute % MINUTES], x, where=seen, casting="same_kind")
        np.copyto(c["last"], x, where=seen)
        c["seen"][seen] = now

    def _close(self) -> None:
        """The open slot is over: see who was right, one horizon every quarter of an hour, then write down how the slot ended."""
        c, s = self.c, self.slot
        inside = c["seen"] >= s * SLOT - self.offset
        first, last = math.ceil((s * SLOT - self.offset) / 60.0), self.minute
        if inside.any():
            drawn = min(first + s // len(TRACKED) * 7 % NEWEST, last)  # every minute of the hour has its turn: some things beat
            share = ((drawn + 0.5) * 60.0 + self.offset) / SLOT - s
            self._judge(s % len(TRACKED), np.where(inside, self._sample(first, drawn), np.nan), s + max(share, HALF))
        before = decode(np.ascontiguousarray(c["ring"][:, (s - 1) % WEEK_SLOTS]))
        x = np.where(inside, self._median(first, last), np.nan)
        x = np.where(inside & np.isnan(x), c["last"], x)
        step = np.abs(self.week.units(x) - before)
        moved = np.where(np.isnan(c["move"]), step, c["move"] + np.float32(0.02) * (step - c["move"]))
        np.copyto(c["move"], moved, where=np.isfinite(step))
        self.week.write(s, x)
        self._fresh()

    def _median(self, first: int, last: int, pick: Ints | slice = slice(None)) -> Floats:
        """Median of the samples of these minutes, both included: float64 [picked], NaN = none."""
        return sorted_median(self.c["recent"][pick][:, np.arange(first, last + 1) % MINUTES]).astype(np.float64)

    def _sample(self, first: int, minute: int) -> Floats:
        """The sample of a minute, or the next before it down to `first`: float64 [series], NaN = none."""
        x = np.full(len(self.c), np.nan)
        for m in range(first, minute + 1):
            sample = self.c["recent"][:, m % MINUTES]
            np.copyto(x, sample, where=np.isfinite(sample))
        return x

    def _judge(self, j: int, x: Floats, tau: float) -> None:
        """What would have been forecast for the moment `tau` at one horizon, and how wrong it would have been.

        tau : in slots, in the second half of the open one: for the first the cell before would be asked, and that knows today.
        """
        c, ahead = self.c, TRACKED[j] / SLOT
        then, zero = tau - ahead, self.week.units(np.zeros(len(x)))
        known = levels(c["ring"], c["day"], self.slot - int(ahead) - 1)
        made = forecasts(Origin(then, c["ring"], c["day"], look(c["ring"], then - HALF), known, zero), ahead)
        truth, error = self.week.units(x), c["error"][:, j]
        residual = truth - pool(made, error.T)
        rate = np.float32(1.0) / np.minimum(c["judged"][:, j] + 1, np.float32(MEMORY))
        widen(c["miss"][:, j], c["band"][:, j], residual, rate, TAILS[j])
        c["judged"][np.isfinite(residual), j] += 1
        wrong = np.abs(made - truth).T
        moved = np.where(np.isnan(error), wrong, error + rate[:, None] * (wrong - error))
        np.copyto(error, moved, where=np.isfinite(wrong))

    def _level(self, now: float, pick: Ints) -> Floats:
        """The level of now: float64 [picked]; of series silent for a quarter of an hour the last sample."""
        x = self._median(self.minute - NEWEST + 1, self.minute, pick)
        return np.where(np.isnan(x), self.c["last"][pick], x)

    def _levels(self) -> Levels:
        """What changes slowly, of all series: worked out once a slot."""
        if self._known is None:
            self._known = levels(self.c["ring"], self.c["day"], self.slot - 1)
        return self._known

    def _width(self, h: float, pick: Ints) -> tuple[Floats, Floats]:
        """Lower and upper half of the band at a horizon: between the tracked ones, wider beyond, guessed where nothing is known."""
        log = np.log(np.clip(h, TRACKED[0], TRACKED[-1]))
        marks = np.log(TRACKED)
        j = min(int(np.searchsorted(marks, log, side="right")) - 1, len(TRACKED) - 2)
        share = (log - marks[j]) / (marks[j + 1] - marks[j])
        scale = self.c["scale"][pick]
        a, b = self.c["band"][pick, j] * scale[:, None], self.c["band"][pick, j + 1] * scale[:, None]
        mixed = np.where(np.isnan(b), a, np.where(np.isnan(a), b, a + share * (b - a)))
        beyond = 1.0 + 0.1 * max(h / TRACKED[-1] - 1.0, 0.0)
        move, last = np.nan_to_num(self.c["move"][pick]) * scale, np.abs(np.nan_to_num(self.c["last"][pick]))
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
        towards = (np.where(rising, found.slope, -found.slope) > 0) & np.isfinite(x)
        is_open = self._gate(now, rows, found.sure & towards, found.likely & towards)
        grid = np.linspace(0.0, min(max(horizons), LONGEST), 97)[1:]
        usual = np.stack([look(self.c["day"], tau + h / SLOT, rows) for h in (0.0, *grid)], axis=1).astype(np.float64)
        wave = np.where(season[:, None], np.nan_to_num(usual[:, 1:] - usual[:, :1]), 0.0) * self.c["scale"][rows][:, None]
        for k, lean in enumerate((0.0, 1.645, -1.645)):
            slope = found.slope + np.where(rising, lean, -lean) * found.error
            when = crossing(x[:, None] + wave + slope[:, None] * grid, grid, limit, rising)
            out[k][at] = np.where(is_open & towards, when, np.nan)
        out[2][at] = np.where(np.isnan(out[2][at]) & ~np.isnan(out[0][at]), grid[-1], out[2][at])
        follow = is_open & towards
        for j, h in enumerate(horizons):
            wave_at = wave[:, min(int(np.searchsorted(grid, h)), len(grid) - 1)]
            moved = x + wave_at + found.slope * h
            shift = np.where(follow, moved - path[0][at, j], 0.0)
            for figure in path:
                figure[at, j] += shift
        return out

    def _gate(self, now: float, rows: Ints, sure: Bools, likely: Bools) -> Bools:
        """Move the gate of these rows by the time since the last forecast."""
        dt = float(np.clip(now - self.spoke, 0.0, 300.0)) if np.isfinite(self.spoke) else 120.0
        self.spoke = max(self.spoke, now)
        was_open = self.c["open"][rows] > 0
        held, is_open = gate(self.c["held"][rows], was_open, sure | (was_open & likely), dt)
        self.c["held"][rows], self.c["open"][rows] = held, is_open
        return is_open

    def _trend(self, tau: float, rows: Ints) -> tuple[Trend, Bools, Floats]:
        """Trend of the series with limits, without their usual day where that explains them; and the value they have now."""
        c = self.c
        season, past, moves = self._past(rows)
        ages = np.arange(MINUTES - 1, -1, -1)
        minutes = c["recent"][rows][:, (self.minute - ages) % MINUTES].astype(np.float64)
        newest = sorted_median(minutes[:, -CALM:].astype(np.float32)).astype(np.float64)
        usual = self.week.values(np.stack([look(c["day"], tau - a * 60.0 / SLOT, rows) for a in ages], axis=1), rows)
        off = np.where(season[:, None], minutes - usual, minutes)
        found = [trend(off, 60.0, moves.falls[:, 0], moves.rises[:, 0])]
        found += [trend(past[:, -n:], SLOT, moves.falls[:, k], moves.rises[:, k]) for k, n in enumerate(SPANS) if k]
        best = choose(found)
        late = np.where(best.likely, best.slope, 0.0) * (CALM - 1) / 2.0 * 60.0  # since the middle of those minutes
        return best, season, np.where(np.isnan(newest), c["last"][rows], newest + late)

    def _past(self, rows: Ints) -> tuple[Bools, Floats, Moves]:
        """The week of these rows, worked out once a slot: whether their usual day explains them; the levels, oldest first, without
        that day where it does, float64 [rows, slots]; and how far they moved.
        """
        if self._week is not None and np.array_equal(rows, self._week[0]):
            return self._week[1:]
        error = np.where(np.isnan(self.c["error"][rows, 1]), np.inf, self.c["error"][rows, 1])
        season: Bools = np.min(error[:, list(SEASONAL)], axis=1) < np.min(error[:, list(PLAIN)], axis=1)
        at = self.slot - np.arange(WEEK_SLOTS, 0, -1)
        usual = np.where(season[:, None], decode(self.c["day"][rows][:, at % DAY_SLOTS]), np.float32(0.0))
        units = (decode(self.c["ring"][rows][:, at % WEEK_SLOTS]) - usual).astype(np.float64)
        past = units * self.c["scale"][rows][:, None]
        self._week = (rows, season, past, Moves.of(past[:, : -SPANS[1]]))
        return self._week[1:]

    def _forget(self) -> None:
        """Drop series that sent nothing for long, when they are many."""
        if not np.isfinite(self.last):
            return
        seen = np.where(np.isnan(self.c["seen"]), self.last, self.c["seen"])
        gone = self.last - seen > self.forget_seconds
        if gone.any() and gone.sum() > max(0.02 * len(gone), 64):
            keep = np.flatnonzero(~gone)
            self.c.take(keep)
            self._fresh()
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
