"""Bands that hold their share whatever the series does: quantiles of residuals that move with every one of them.

In: residuals as they come. Out: the lower and the upper edge, in place. Adaptive conformal inference (Gibbs and Candès 2021) on the
quantiles themselves: a miss moves its side out, a hit pulls it in a little.
"""

import numpy as np
from numpy.typing import NDArray

Array32 = NDArray[np.float32]
STEP = 0.25  # of the mean residual, how far one miss moves its side
BURST = 6.0  # a residual counts as at most so many mean ones


def widen(miss: Array32, band: Array32, residual: Array32, rate: Array32, tail: float) -> None:
    """Learn one residual of each series, NaN = none.

    miss : mean absolute residual [series]; band : lower and upper quantile [series, 2]; both changed in place.
    rate : share by which the mean follows [series]. tail : share of the residuals wanted beyond each edge.
    """
    ok = np.isfinite(residual)
    size = np.abs(residual)
    begins = ok & np.isnan(miss)
    miss[begins] = size[begins]
    bounded = np.where(miss > 0, np.minimum(size, np.float32(BURST) * miss), size)
    miss[ok] += (rate * (bounded - miss))[ok]
    for side, sign in ((0, np.float32(-1.0)), (1, np.float32(1.0))):
        edge = band[:, side]
        edge[begins] = (sign * np.float32(2.0) * size)[begins]
        out = sign * residual > sign * edge
        edge[ok] += (sign * np.float32(STEP) * miss * (out - np.float32(tail)))[ok]
