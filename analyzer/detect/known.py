"""Series whose meaning is known: `up` (0 = the target does not answer) and `uptime` (smaller than before = it was restarted).

In: one column. Out: score, kind and onset for those rows. No learning: a server that is down is not a matter of statistics.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.window import Bools, Floats

DOWN, RESTART = 3.0, 1.5
SAID_SECONDS = 300.0  # a restart is news for this long


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is said about rows of known meaning: `rows` bool, the rest float64, all [series]."""

    rows: Bools
    down: Bools
    restart: Bools
    score: Floats
    yhat: Floats
    onset: Floats


class Liveness:
    """Watches `up` and `uptime`."""

    def __init__(self, columns: Columns) -> None:
        self.c = columns

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """The last uptime and when it was read, when it was last reset, and since when it is down."""
        return {"before": Field(np.nan), "before_at": Field(np.nan), "reset": Field(np.nan), "down_since": Field(np.nan)}

    def judge(self, f: Frame) -> Known:
        """Down and restarted rows of this column."""
        c, r = self.c, f.rules
        down = r.up & f.seen & (f.x < 0.5)
        c["down_since"][down & np.isnan(c["down_since"])] = f.now
        c["down_since"][r.up & f.seen & ~down] = np.nan
        rows = r.uptime & f.seen
        expected = c["before"] + (f.now - c["before_at"])
        fell = rows & (f.x < c["before"] - 1.0) & (f.x < expected - 30.0)
        c["reset"][fell] = f.now
        c["before"][rows], c["before_at"][rows] = f.x[rows], f.now
        restart = rows & (f.now - c["reset"] <= SAID_SECONDS)
        score = np.where(down, DOWN, np.where(restart, RESTART, np.where(f.seen, 0.0, np.nan)))
        yhat = np.where(r.up, 1.0, np.where(np.isnan(expected), f.x, expected))
        onset = np.where(down, c["down_since"], np.where(restart, c["reset"], np.nan))
        return Known(r.up | r.uptime, down, restart, score, yhat, onset)
