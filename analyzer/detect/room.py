"""Room for new series where the table is full: those that have been silent longest go first.

In: when each series was last seen. Out: which rows may go. What still sends is never pushed out by what is new.
"""

import numpy as np

from analyzer.window import Bools, Floats, Ints

SILENT = 3 * 3600.0  # seconds without a sample after which a series may have to make room
SHARE = 0.05  # of the table that goes at once, so that arrays are not copied for every single newcomer


def longest_silent(last_seen: Floats, now: float, need: int, asked: Bools) -> Ints:
    """Rows that make room, the longest silent first: at least `need` where so many are silent. int64 [rows].

    last_seen : float64 [series], unix seconds, NaN = never. asked : bool [series], rows that are being sent right now.
    """
    if not np.isfinite(now):
        return np.zeros(0, np.int64)
    silent = now - np.nan_to_num(last_seen, nan=-np.inf)
    old = np.flatnonzero((silent > SILENT) & ~asked)
    order = old[np.argsort(-silent[old], kind="stable")]
    return order[: max(need, int(SHARE * len(last_seen)))]
