"""What was expected: the usual day plus a level that follows slowly, and a robust spread by hour.

In: one column of samples. Out: a `Frame` with residuals in standard deviations, each side by its own. One-sample spikes are
taken out by a median of three before anything else looks at a residual. Spread: winsorised mean absolute residual, in 2-hour
bins shrunk to the whole.
"""

import math

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Column, Frame
from analyzer.detect.profile import DAY, Clock, Profile
from analyzer.detect.rules import Rules
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools, Floats

BINS = 12
SIGMA = 1.2533  # makes a mean absolute deviation estimate a normal's sigma
NORMAL_99 = 2.326  # the normal's quantile that `up` and `down` track
CLIP = 12.0  # a sustained deviation saturates here, so that one wild sample cannot stand for minutes
FULL_SECONDS = 3 * DAY  # of samples, after which nothing is missing
SMOOTH_SECONDS = 168.0  # an EWMA of 0.3 at one sample a minute
FIELDS = {
    "level": Field(np.nan, (), np.float32),
    "level_n": Field(0.0, (), np.float32),
    "spread": Field(0.0, (), np.float32),
    "spread_n": Field(0.0, (), np.float32),
    "hourly": Field(0.0, (BINS,), np.float32),
    "hourly_n": Field(0.0, (BINS,), np.float32),
    "up": Field(NORMAL_99, (), np.float32),
    "down": Field(NORMAL_99, (), np.float32),
    "low_seen": Field(np.inf),
    "high_seen": Field(-np.inf),
    "r1": Field(np.nan, (), np.float32),
    "r2": Field(np.nan, (), np.float32),
    "zs": Field(0.0, (), np.float32),
    "z": Field(0.0, (), np.float32),
    "last_seen": Field(np.nan),
    "back": Field(-np.inf),
}


def decay(dt: float, half_life: float) -> float:
    """What an average with this half-life gives to a sample that stands for dt seconds."""
    return 1.0 - math.exp2(-dt / half_life)


class Baseline:
    """Expectation and residuals over the rows of `columns`."""

    def __init__(self, columns: Columns, profile: Profile, settings: DetectionSettings) -> None:
        self.c, self.profile, self.settings = columns, profile, settings

    def frame(self, column: Column, rules: Rules) -> Frame:
        """Compare a column with what was expected, before anything is learned from it; the sustained deviations move on."""
        c, now, dt, x = self.c, column.now, column.dt, column.x
        seen = np.isfinite(x)
        self._returning(now, column.pace, seen)
        weight = self.profile.weight()
        base = self.profile.base(now, weight)
        base = np.where(np.isnan(base), x, base)  # a series' first sample expects itself
        level = np.where(np.isnan(c["level"]), 0.0, c["level"])
        yhat = rules.clip(base + level)
        sigma = self._sigma(now, yhat, rules)
        raw = x - base - level
        r = self._despiked(raw, seen, dt)
        up, down = np.maximum(c["up"] / NORMAL_99, 1.0), np.maximum(c["down"] / NORMAL_99, 1.0)
        z = np.clip(r / (sigma * np.where(r > 0, up, down)), -30.0, 30.0)
        loud = np.clip(raw / (sigma * np.where(raw > 0, up, down)), -30.0, 30.0)
        held = -np.expm1(-dt / self.settings.persistence_seconds)
        c["zs"][seen] += (held * (np.clip(z, -CLIP, CLIP) - c["zs"]))[seen]
        c["z"][seen] += (-np.expm1(-dt / SMOOTH_SECONDS) * (loud - c["z"]))[seen]
        known, ready = c["known"], self.settings.ready_seconds
        mature = 0.5 * np.minimum(known / ready, 1.0) + 0.5 * np.minimum(known / FULL_SECONDS, 1.0)
        settled = np.clip((now - c["back"]) / 300.0, 0.0, 1.0)
        return Frame(
            now,
            dt,
            x,
            seen,
            column.sends,
            column.partial,
            rules,
            base,
            yhat,
            sigma,
            r,
            z,
            loud,
            c["zs"].astype(np.float64),
            mature,
            settled,
            dt if dt <= max(1800.0, 3.0 * column.pace) else column.pace,
        )

    def band(self, f: Frame) -> tuple[Floats, Floats]:
        """Where 99 of 100 samples lie at this hour: lower and upper, float64 [series]."""
        c = self.c
        wide = f.sigma * np.maximum(2.576 / NORMAL_99, 1.0)
        return f.rules.clip(f.yhat - wide * np.maximum(c["down"], 1.0)), f.rules.clip(f.yhat + wide * np.maximum(c["up"], 1.0))

    def learn(self, f: Frame, mask: Bools, calm: Bools) -> None:
        """Move the level towards the samples where `mask`; the spread and its skew where `calm`, not during a deviation."""
        c = self.c
        self._learn_level(f, mask)
        size = np.minimum(np.abs(f.x - f.yhat), 5.0 * f.sigma)
        self._learn_spread(f, size, calm)
        self._learn_sides(f, calm)
        fade = decay(f.dt, 7 * DAY)
        for name, widest in (("low_seen", np.minimum), ("high_seen", np.maximum)):
            before = np.where(np.isfinite(c[name]), c[name], f.x)
            c[name][mask] = widest(before + fade * (f.x - before), f.x)[mask]
        c["known"][mask] += f.dt

    def _returning(self, now: float, pace: float, seen: Bools) -> None:
        """After a long gap the level is stale: it is trusted less, and the first minutes do not score."""
        c = self.c
        gap = np.where(np.isnan(c["last_seen"]), 0.0, now - c["last_seen"])
        back = seen & (gap > max(1800.0, 3.0 * pace))
        if back.any():
            c["back"][back] = now
            c["level_n"][back] *= np.exp2(-gap[back] / 7200.0)
            self.c.reset(np.flatnonzero(back), ("r1", "r2", "zs", "z"))
        c["last_seen"][seen] = now

    def _despiked(self, raw: Floats, seen: Bools, dt: float) -> Floats:
        """Median of the last three residuals: a single odd sample is not a deviation. Slow sampling has no such thing as a blip."""
        c = self.c
        a, b = c["r1"], c["r2"]
        r = raw
        if dt <= 120.0:
            middle = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), raw))
            r = np.where(np.isnan(middle), raw, middle)
        c["r2"][seen] = a[seen]
        c["r1"][seen] = raw[seen]
        return r

    def _sigma(self, now: float, yhat: Floats, rules: Rules) -> Floats:
        c, at = self.c, self._bin(now)
        n, whole = c["hourly_n"][:, at].astype(np.float64), c["spread"]
        hourly = (n * c["hourly"][:, at] + 7200.0 * whole) / (n + 7200.0)
        span = np.where(np.isfinite(c["high_seen"]), c["high_seen"] - c["low_seen"], 0.0)
        floor = np.maximum(0.25 * rules.trifle(yhat), 0.005 * span)
        floor = np.maximum(floor, 1e-6 * np.abs(np.nan_to_num(yhat)) + 1e-12)
        sigma: Floats = np.maximum(SIGMA * np.maximum(hourly, 0.4 * whole), floor)
        return sigma

    def _bin(self, now: float) -> int:
        return Clock.at(now, self.profile.utc_offset).slot * BINS // 96

    def _learn_level(self, f: Frame, mask: Bools) -> None:
        c, s = self.c, self.settings
        weight = self.profile.weight()
        half_life = s.young_half_life_seconds + weight * (s.level_half_life_seconds - s.young_half_life_seconds)
        rate = np.maximum(1.0 - np.exp2(-f.dt / half_life), f.dt / (c["level_n"] + f.dt))
        fresh = mask & np.isnan(c["level"])
        c["level"][fresh] = 0.0
        step = np.where(c["level_n"] > 1800.0, np.clip(f.r, -3 * f.sigma, 3 * f.sigma), f.r)
        c["level"][mask] += (rate * step)[mask]
        c["level_n"][mask] += f.dt

    def _learn_spread(self, f: Frame, size: Floats, mask: Bools) -> None:
        c, at = self.c, self._bin(f.now)
        rate = np.maximum(decay(f.dt, self.settings.scale_half_life_seconds), f.dt / (c["spread_n"] + f.dt))
        c["spread"][mask] += (rate * (size - c["spread"]))[mask]
        c["spread_n"][mask] += f.dt
        n = c["hourly_n"][:, at].astype(np.float64)
        rate = np.maximum(decay(f.dt, self.settings.scale_half_life_seconds / BINS), f.dt / (n + f.dt))
        c["hourly"][mask, at] += (rate * (size - c["hourly"][:, at]))[mask].astype(np.float32)
        c["hourly_n"][mask, at] = np.minimum(n + f.dt, 14 * DAY)[mask].astype(np.float32)

    def _learn_sides(self, f: Frame, mask: Bools) -> None:
        """Track the 99th percentile of each side by stochastic approximation: skewed metrics get a wide side and a narrow one."""
        c = self.c
        rate = np.maximum(decay(f.dt, self.settings.scale_half_life_seconds), f.dt / (c["spread_n"] + 7200.0))
        rate = np.minimum(rate, 0.01)
        miss = (f.x - f.yhat) / f.sigma
        for name, sign in (("up", 1.0), ("down", -1.0)):
            q = c[name]
            moved = q + rate * 0.16 * q * ((sign * miss > q) / 0.01 - 1.0)
            q[mask] = np.clip(moved, 0.5, 12.0)[mask]
