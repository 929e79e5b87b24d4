"""Simple forecasters that compete: last values, the usual day, yesterday, last week, blends of both, trends.

In: a ring of one week of quarter-hour means and the median day. Out: one forecast per expert, float32 [experts, series]. Which
of them is believed is decided per series and horizon by how they did lately (`forecast.py`).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array32 = NDArray[np.float32]
SLOT, DAY_SLOTS, WEEK_SLOTS = 900.0, 96, 672
EXPERTS = ("last", "hour", "yesterday", "day", "week", "day_2h", "day_8h", "yesterday_8h", "trend_6h", "trend_24h")
SEASONAL = tuple(EXPERTS.index(n) for n in ("day", "week", "day_8h", "yesterday_8h"))
PLAIN = tuple(EXPERTS.index(n) for n in ("last", "trend_6h", "trend_24h"))


def look(table: NDArray[Any], tau: float, picked: Any = slice(None)) -> Array32:
    """Value of a cyclic table [series, slots] at time `tau` (in slots), between the middles of slots; NaN only where both are."""
    n = table.shape[1]
    at = tau - 0.5
    i = math.floor(at)
    share = np.float32(at - i)
    a, b = table[picked, i % n], table[picked, (i + 1) % n]
    mixed = a + share * (b - a)
    value: Array32 = np.where(np.isnan(a), b, np.where(np.isnan(b), a, mixed)).astype(np.float32)
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """What was known at an origin: means of the last quarter of an hour and of the last hour, float32 [series]."""

    last: Array32
    hour: Array32


def forecasts(ring: Array32, day: Array32, tau: float, ahead: float, recent: Recent) -> Array32:
    """Every expert's forecast made at `tau` for `tau + ahead` (both in slots): float32 [experts, series], NaN = cannot say."""
    target = tau + ahead
    back = DAY_SLOTS * math.ceil(max(ahead, 1e-9) / DAY_SLOTS)
    usual, usual_now = look(day, target), look(day, tau)
    yesterday, yesterday_now = look(ring, target - back), look(ring, tau - DAY_SLOTS)
    week = look(ring, target - WEEK_SLOTS)
    off = recent.last - usual_now
    fade = [np.float32(math.exp(-ahead * SLOT / 3600.0 / hours)) for hours in (2.0, 8.0)]
    out = np.empty((len(EXPERTS), len(recent.last)), np.float32)
    out[0], out[1], out[2], out[3] = recent.last, recent.hour, yesterday, usual
    out[4] = np.float32(0.5) * (week + usual)
    out[5], out[6] = usual + fade[0] * off, usual + fade[1] * off
    out[7] = yesterday + fade[1] * (recent.hour - yesterday_now)
    for k, span in ((8, 24), (9, DAY_SLOTS)):
        out[k] = recent.last + np.float32(ahead / span) * (recent.last - look(ring, tau - span))
    return out


def pool(made: Array32, error: Array32) -> Array32:
    """Mean of the experts, each weighted by its own error to the power of -8: float32 [series].

    made, error : float32 [experts, series]; an expert without a record counts only where none has one, the first that can speak.
    """
    can = np.isfinite(made)
    known = can & np.isfinite(error)
    best = np.min(np.where(known, error, np.inf), axis=0)
    ratio = np.divide(best, error, out=np.zeros_like(error), where=known & (error > 0))
    weight = np.where(known, np.where(error > 0, ratio, 1.0) ** 8, 0.0)
    first = np.zeros_like(weight)
    first[np.argmax(can, axis=0), np.arange(made.shape[1])] = 1.0
    weight = np.where(known.any(axis=0), weight, first * can)
    total = weight.sum(axis=0)
    mixed = (weight * np.where(can, made, 0.0)).sum(axis=0)
    pooled: Array32 = np.divide(mixed, total, out=np.full(made.shape[1], np.nan), where=total > 0).astype(np.float32)
    return pooled
