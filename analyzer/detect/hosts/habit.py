"""What a residual has become used to: its mean of the last day or so, taken away from it.

In: residuals in usual sizes, row after row. Out: the same, less their slow average. A new level is normal a day or two later, while
a fault can hardly move the average: what is beyond a few sizes counts as if it were there. Learns whatever happens.
"""

import numpy as np

from analyzer.detect.hosts.members import Array32

HALF = 86400.0  # seconds after which half of a new level has become normal
MOST = np.float32(4.0)  # usual sizes


def pace(spacing: float) -> np.float32:
    """Share a row."""
    return np.float32(1.0 - 0.5 ** (spacing / HALF))


def unused(residual: Array32, habit: Array32, rate: np.float32) -> Array32:
    """The residual less its habit, [hosts, slots]; the habit moves on."""
    out: Array32 = residual - habit
    habit += rate * (np.clip(residual, -MOST, MOST) - habit)
    return out


def unused_past(residual: Array32, spacing: float) -> Array32:
    """The same over rows of the past: [hosts, time, slots]."""
    rate, habit = pace(spacing), np.zeros_like(residual[:, 0])
    out = np.empty_like(residual)
    for at in range(residual.shape[1]):
        out[:, at] = unused(residual[:, at], habit, rate)
    return out
