"""Simple forecasters that compete: last values, the level of hours and days, the usual day, yesterday, last week, blends, a trend.

In: a ring of one week, one code (`codes.py`) a quarter of an hour, and the median day. Out: one forecast per expert in units of
each series' scale, float32 [experts, series]. Which of them is believed is decided per series and horizon by how they did lately.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.codes import Codes, code_median, decode
from analyzer.detect.profile import sorted_median

Array32 = NDArray[np.float32]
SLOT, DAY_SLOTS, WEEK_SLOTS = 900.0, 96, 672
HALF = 0.5  # slots: a cell tells the middle of its slot, and the newest level is that of half a slot ago
HOURS = np.arange(12)  # ages in slots, of the level of the last hours
DAYS = 13 * np.arange(22)  # of three days, at all times of the day
WEEK = 25 * np.arange(23)  # of six
EXPERTS = (
    "last", "hours", "days", "week_level", "usual", "yesterday", "last_week", "usual_days", "usual_now", "usual_hour", "usual_keep",
    "usual_ratio", "trend",
)  # fmt: skip
SEASONAL = tuple(EXPERTS.index(n) for n in ("usual", "last_week", "usual_days", "usual_now", "usual_hour", "usual_ratio"))
PLAIN = tuple(EXPERTS.index(n) for n in ("last", "hours", "trend"))
FADE_HOURS = 24.0  # how long what is odd now stays
TREND_SLOTS = 24
KEEP = 0.75  # of it, whatever the horizon
FINE = np.float32(1e-3)  # units of the scale: errors below are alike, and nothing is a share of less
POWER = np.float32(14.0)  # of the errors' weights


def look(table: Codes, tau: float, picked: Any = slice(None)) -> Array32:
    """Value of a cyclic table [series, slots] at time `tau` (in slots), between its cells; NaN only where both are."""
    n, at = table.shape[1], tau - HALF
    i = math.floor(at)
    a, b = decode(table[picked, i % n]), decode(table[picked, (i + 1) % n])
    mixed = a + np.float32(at - i) * (b - a)
    value: Array32 = np.where(np.isnan(a), b, np.where(np.isnan(b), a, mixed))
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """What changes slowly, float32 [series] each, in units of the scale.

    last : the three newest cells. hours, days, week : medians of three hours, three days, six days. drift : median distance from
    the usual day over three days.
    """

    last: tuple[Array32, ...]
    hours: Array32
    days: Array32
    week: Array32
    drift: Array32


def levels(ring: Codes, day: Codes, slot: int) -> Levels:
    """What is known when `slot` was the last to have ended."""
    days = np.take(ring, (slot - DAYS) % WEEK_SLOTS, axis=1)
    off = decode(days) - decode(np.take(day, (slot - DAYS) % DAY_SLOTS, axis=1))
    return Levels(
        tuple(decode(np.ascontiguousarray(ring[:, (slot - k) % WEEK_SLOTS])) for k in range(3)),
        code_median(np.take(ring, (slot - HOURS) % WEEK_SLOTS, axis=1)),
        code_median(days),
        code_median(np.take(ring, (slot - WEEK) % WEEK_SLOTS, axis=1)),
        sorted_median(off),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where a forecast starts.

    tau : when, in slots. ring, day : codes [series, slots]. last : the median of the quarter of an hour before, float32 [series].
    zero : where 0 lies, in units of the scale; for what goes up and down by a share of itself.
    """

    tau: float
    ring: Codes
    day: Codes
    last: Array32
    levels: Levels
    zero: Array32


def forecasts(o: Origin, ahead: float) -> Array32:
    """Every expert's forecast for `ahead` slots after the origin: float32 [experts, series], NaN = cannot say."""
    target, last = o.tau + ahead, o.last
    usual, off = look(o.day, target), last - look(o.day, o.tau - HALF)
    hour = sorted_median(np.stack([last, *o.levels.last], axis=1))
    fade = np.float32(math.exp(-ahead * SLOT / 3600.0 / FADE_HOURS))
    back, last_week = target - DAY_SLOTS * math.ceil(max(ahead, 1e-9) / DAY_SLOTS), target - WEEK_SLOTS
    made = np.stack([
        last,
        o.levels.hours,
        o.levels.days,
        o.levels.week,
        usual,
        last if back > o.tau - 1.5 else look(o.ring, back),
        np.full_like(last, np.nan) if last_week > o.tau - 1.5 else look(o.ring, last_week),
        usual + np.float32(0.5) * o.levels.drift,
        usual + fade * off,
        usual + fade * (hour - last + off),
        usual + np.float32(KEEP) * off,
        o.zero + (usual - o.zero) * _share(last - o.zero, last - off - o.zero),
        last + np.float32(ahead / TREND_SLOTS) * (last - look(o.ring, o.tau - HALF - TREND_SLOTS)),
    ])  # fmt: skip
    return made.astype(np.float32, copy=False)


def _share(now: Array32, usual: Array32) -> Array32:
    """How many times its usual height something has now; 1 where that is near 0."""
    share = np.divide(now, usual, out=np.ones_like(now), where=np.abs(usual) > FINE)
    clipped: Array32 = np.clip(share, np.float32(0.2), np.float32(5.0))
    return clipped


def pool(made: Array32, error: Array32) -> Array32:
    """Mean of the experts, each weighted by its own error to the power of -14: float32 [series].

    made, error : float32 [experts, series]; an expert without a record counts only where none has one, the first that can speak.
    """
    can = np.isfinite(made)
    known = can & np.isfinite(error)
    size = np.where(known, error, np.inf) + FINE
    best = np.where(known.any(axis=0), size.min(axis=0), np.float32(1.0))
    weight = np.where(known, np.divide(best, size, out=np.zeros_like(size), where=known), np.float32(0.0)) ** POWER
    unknown = ~known.any(axis=0)
    if unknown.any():
        first = np.zeros_like(weight)
        first[np.argmax(can, axis=0), np.arange(made.shape[1])] = 1.0
        weight = np.where(unknown, first * can, weight)
    total = weight.sum(axis=0)
    mixed = (weight * np.where(can, made, np.float32(0.0))).sum(axis=0)
    pooled: Array32 = np.divide(mixed, total, out=np.full(made.shape[1], np.nan, np.float32), where=total > 0)
    return pooled
