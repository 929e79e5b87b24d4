"""Time until a limit: a trend that is steady, and larger than anything that the series ever took back, before a word is said.

In: recent levels of the few series that have a limit. Out: slopes with errors, and a gate with hysteresis. What swings, wanders or
is cleared now and then falls as far as it rises; what leaks does not. The slope is that of block medians (after Tukey's resistant
line, 1977), at linear cost.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.profile import sorted_median
from analyzer.window import Bools, Floats

OPEN_SECONDS, MOST_SECONDS = 480.0, 1800.0
SPANS = (2, 8, 24, 96)  # slots over which a trend may show: half an hour to a day
BLOCKS = 4
SHARE = 0.15  # of the whole move that each step from block to block makes at least
BEYOND = 1.25  # times the largest move back
SCATTERS = 3.0  # standard errors of the move, at least


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """Slope and its standard error in units per second, float64 [series].

    sure : it is one; likely : it goes on, if it was one before. bool [series].
    """

    slope: Floats
    error: Floats
    sure: Bools
    likely: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """The largest falls and rises of a week over each of SPANS, float64 [series, spans], both positive."""

    falls: Floats
    rises: Floats

    @classmethod
    def of(cls, past: NDArray[Any]) -> "Moves":
        """past : levels of a week, oldest first [series, slots], NaN = none."""
        falls, rises = np.zeros((len(past), len(SPANS))), np.zeros((len(past), len(SPANS)))
        for k, span in enumerate(SPANS):
            move = past[:, span:] - past[:, :-span]
            rises[:, k] = np.fmax.reduce(move, axis=1, initial=0.0)
            falls[:, k] = -np.fmin.reduce(move, axis=1, initial=0.0)
        return cls(falls, rises)


def trend(values: NDArray[Any], spacing: float, falls: Floats, rises: Floats) -> Trend:
    """The trend of evenly spaced values [series, n], NaN = no sample; falls, rises [series]: the largest over this span."""
    n = values.shape[1] // BLOCKS * BLOCKS
    recent = values[:, -n:].reshape(len(values), BLOCKS, n // BLOCKS)
    level = np.stack([sorted_median(recent[:, b].astype(np.float32)) for b in range(BLOCKS)], axis=1).astype(np.float64)
    step = np.diff(level, axis=1)
    whole, seconds = level[:, -1] - level[:, 0], (n - n // BLOCKS) * spacing
    slope = whole / seconds
    line = level.mean(axis=1)[:, None] + slope[:, None] * spacing * (np.arange(n) - (n - 1) / 2.0)
    off = np.abs(values[:, -n:] - line)
    scatter = 1.4826 * sorted_median(off.astype(np.float32)).astype(np.float64)
    error = 2.0 * scatter / np.sqrt(n / BLOCKS)  # of the difference of two block medians
    size = np.abs(whole)
    steady = (step * np.sign(whole)[:, None] >= SHARE * size[:, None]).all(axis=1) & (size > SCATTERS * error) & (size > 0)
    back = np.where(whole > 0, falls, rises)
    return Trend(slope, error / seconds, steady & (np.abs(slope) * n * spacing > BEYOND * back), steady)


def choose(trends: list[Trend]) -> Trend:
    """The trend whose slope is known best of those that are sure; where none is, of those that are likely."""
    best = trends[0]
    for t in trends[1:]:
        finer = (t.error < best.error) | ~best.likely
        better = np.where(t.sure == best.sure, t.likely & finer, t.sure)
        slope, error = np.where(better, t.slope, best.slope), np.where(better, t.error, best.error)
        best = Trend(slope, error, best.sure | t.sure, best.likely | t.likely)
    return best


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
