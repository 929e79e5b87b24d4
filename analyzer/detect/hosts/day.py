"""The usual day of whole servers: the median of every quarter of an hour, smoothed over its neighbours.

In: rows in standard deviations. Out: what is usual at a time, between the middles of the quarters.
"""

import numpy as np
from numpy.typing import NDArray

from analyzer.detect.columns import Array
from analyzer.detect.hosts.members import Array32
from analyzer.detect.profile import DAY
from analyzer.window import Floats

SLOTS = 96
MIX = (0.2, 0.6, 0.2)


def usual_day(times: Floats, z: Array32, seen: NDArray[np.bool_]) -> Array32:
    """float32 [hosts, time, slots] -> [hosts, SLOTS, slots]; a quarter without samples is like the mean, 0."""
    at = _quarter(times)[0]
    day = np.zeros((z.shape[0], SLOTS, z.shape[2]), np.float32)
    for quarter in np.unique(at).tolist():
        part, has = z[:, at == quarter], seen[:, at == quarter]
        ordered = np.sort(np.where(has, part, np.inf), axis=1)
        n = has.sum(axis=1)
        low = np.take_along_axis(ordered, (np.maximum(n - 1, 0) // 2)[:, None], 1)[:, 0]
        high = np.take_along_axis(ordered, np.minimum(n // 2, ordered.shape[1] - 1)[:, None], 1)[:, 0]
        day[:, quarter] = np.where(n > 0, 0.5 * np.where(n > 0, low + high, 0.0), 0.0)
    smooth: Array32 = np.tensordot(np.array(MIX, np.float32), np.stack([np.roll(day, k, axis=1) for k in (-1, 0, 1)]), 1)
    return smooth


def at_times(day: Array, times: Floats) -> Array32:
    """What is usual at some times: [hosts, SLOTS, slots] -> float32 [hosts, time, slots]."""
    at, share = _quarter(times - DAY / SLOTS / 2)
    left, right = day[:, at].astype(np.float32), day[:, (at + 1) % SLOTS].astype(np.float32)
    usual: Array32 = left + share[:, None].astype(np.float32) * (right - left)
    return usual


def _quarter(times: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Which quarter of the day a time lies in, and how far."""
    at = times % DAY / DAY * SLOTS
    whole = np.minimum(at.astype(np.int64), SLOTS - 1)
    return whole, at - whole
