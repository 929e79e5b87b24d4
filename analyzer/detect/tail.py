"""The edge of normal, learned per series: a high quantile and the mean excess beyond it, both online.

In: one non-negative statistic [series] at a time. Out: `edge` [series], the value that is passed as rarely as the budget allows,
were the tail exponential (peaks over threshold; Pickands 1975). Young series lean on their signal's median.
"""

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.window import Bools, Floats, Ints

BASE = 0.02  # share of the time above the threshold
MINUTE = 60.0


def fields(name: str, floor: float) -> dict[str, Field]:
    """State of one statistic's tail; it begins as noise would have it whose edge lies somewhat beyond the floor."""
    return {f"{name}.u": Field(0.5 * floor), f"{name}.e": Field(0.08 * floor), f"{name}.n": Field(30.0, (), np.float32)}


class Tail:
    """The tail of one statistic.

    Parameters
    ----------
    columns, name : where the state lies.
    odds : ln(BASE / p) of the budget.
    floor : the edge is never below; memory_seconds : half-life of what was learned.
    """

    def __init__(self, columns: Columns, name: str, *, odds: float, floor: float, memory_seconds: float) -> None:
        self.c, self.name, self.odds, self.floor = columns, name, odds, floor
        self.memory = memory_seconds / MINUTE / np.log(2.0)

    def edge(self, signal: Ints, signals: int) -> Floats:
        """Where 1.0 lies: float64 [series]."""
        u, e, n = (self.c[f"{self.name}.{k}"] for k in "uen")
        own = u + self.odds * e
        trust = n / (n + 12 * 60.0)  # half a day counts as much as the signal's other series
        common = _median_by(own, signal, signals, n)
        edge: Floats = np.maximum(trust * own + (1 - trust) * common, self.floor)
        return edge

    def learn(self, a: Floats, mask: Bools, dt: float, weight: Floats) -> None:
        """Take in the statistic where `mask`. `dt` seconds: what one sample stands for; `weight` [series] < 1 learns more
        slowly.
        """
        u, e, n = (self.c[f"{self.name}.{k}"] for k in "uen")
        minutes = weight * min(dt, 300.0) / MINUTE
        youth = 0.3 * self.c["known"] / MINUTE  # what was learned before the spread was known must fade
        n[mask] = np.minimum(n + minutes, np.clip(youth, 30.0, self.memory))[mask]
        above = mask & (a > u)
        rate = np.where(mask, np.minimum(minutes / n, 0.02), 0.0)
        excess = np.minimum(a - u, 4 * e)  # one wild sample must not move the edge by itself
        spread = np.maximum(e, 0.02)
        u += rate * spread * (above / BASE - 1.0)
        np.maximum(u, 0.0, out=u)
        grow = np.minimum(0.4 * rate / BASE, 0.1)  # minutes come in bunches, and a bunch is one event
        e[above] += (grow * (excess - e))[above]
        np.maximum(e, 0.02, out=e)


def _median_by(values: Floats, signal: Ints, signals: int, n: Floats) -> Floats:
    """For every series the typical value of its signal: the mean weighted by how much was seen, winsorised by its own rank."""
    weight = np.bincount(signal, n, minlength=signals)
    mean = np.bincount(signal, n * np.minimum(values, 50.0), minlength=signals) / np.maximum(weight, 1e-9)
    typical: Floats = mean[signal]
    return typical
