"""Time until a limit: a robust trend that has to be steady, larger than the usual wander, and stay so, before anything is said.

In: recent deviations of the few series that have a limit. Out: slopes with errors, and a gate with hysteresis. The slope is the
median of differences over half the window (after Theil 1950 and Sen 1968, at linear cost).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.profile import sorted_median
from analyzer.window import Bools, Floats

OPEN_SECONDS, MOST_SECONDS = 480.0, 1200.0
STEADY = 0.85  # share of the differences that go the same way
WANDER = 1.5  # times the usual error of a forecast over that time


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """Slope and its standard error in units per second, and whether it is one at all; float64 and bool [series]."""

    slope: Floats
    error: Floats
    sure: Bools


def trend(values: NDArray[Any], spacing: float, wander: Floats) -> Trend:
    """The trend of evenly spaced values [series, n], NaN = no sample; `wander` [series]: what such a stretch usually moves."""
    half = values.shape[1] // 2
    step = values[:, half : 2 * half] - values[:, :half]
    span = half * spacing
    middle = sorted_median(step.astype(np.float32)).astype(np.float64)
    spread = 1.4826 * sorted_median(np.abs(step - middle[:, None]).astype(np.float32)).astype(np.float64)
    n = np.isfinite(step).sum(axis=1)
    error = spread / np.sqrt(np.maximum(n / 4.0, 1.0))  # neighbours are alike: a quarter of them counts
    same = (np.sign(step) == np.sign(middle)[:, None]).sum(axis=1) / np.maximum(n, 1)
    sure = (n >= 0.6 * half) & (same >= STEADY) & (np.abs(middle) > 3.0 * error) & (np.abs(middle) > WANDER * wander)
    return Trend(middle / span, error / span, sure & np.isfinite(middle) & (middle != 0))


def choose(short: Trend, long: Trend) -> Trend:
    """The short trend where it is sure, otherwise the long one unless the short one contradicts it."""
    against = np.sign(short.slope) * np.sign(long.slope) < 0
    slope = np.where(short.sure, short.slope, long.slope)
    error = np.where(short.sure, short.error, long.error)
    sure: Bools = short.sure | (long.sure & ~against)
    return Trend(slope, error, sure)


def crossing(paths: Floats, ahead: Floats, limit: Floats, rising: Bools) -> Floats:
    """Seconds until paths [series, times] first pass the limit, between the grid points; NaN = they do not."""
    gap = np.where(rising[:, None], paths - limit[:, None], limit[:, None] - paths)
    over = gap >= 0
    first = np.argmax(over, axis=1)
    rows = np.arange(len(paths))
    before = np.maximum(first - 1, 0)
    a, b = gap[rows, before], gap[rows, first]
    share = np.where(first > 0, np.divide(-a, b - a, out=np.ones(len(a)), where=(b - a) > 0), 0.0)
    at = np.where(first > 0, ahead[before] + np.clip(share, 0.0, 1.0) * (ahead[first] - ahead[before]), ahead[0])
    crossed: Floats = np.where(over.any(axis=1), at, np.nan)
    return crossed


def gate(held: Floats, is_open: Bools, sure: Bools, dt: float) -> tuple[Floats, Bools]:
    """How long a trend held, and whether it is believed: opens after minutes of certainty, closes after as many without."""
    held = np.clip(held + np.where(sure, dt, -dt), 0.0, MOST_SECONDS)
    is_open = (is_open & (held > 0)) | (held >= OPEN_SECONDS)
    return held, is_open
