"""How rare a value is among all that came before it: the highest ones are kept, and beyond them lies a power law.

In: one non-negative statistic [series] at a time, zero for most of the time. Out: its rarity, -log10 of the share of looks that go
as high. The tail index is Hill's (1975), the probability beyond it Weissman's (1978). Useful from twenty looks on: no scale, no
threshold and no shape has to be known beforehand.
"""

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.window import Bools, Floats, Ints

KEPT = 12
WARM = 20.0  # looks before anything can be called rare
STEEPEST = 0.1  # a tail is never taken to be thinner than this: a few equal values say nothing about what lies beyond


def fields(name: str) -> dict[str, Field]:
    """The highest values, ascending, and of how many looks they are the highest."""
    return {f"{name}.top": Field(0.0, (KEPT,), np.float32), f"{name}.n": Field(0.0, (), np.float32)}


class Extremes:
    """The tail of one statistic over the rows of `columns`.

    Parameters
    ----------
    columns, name : where the state lies. memory_seconds : over this long an old height loses its weight.
    """

    def __init__(self, columns: Columns, name: str, *, memory_seconds: float) -> None:
        self.c, self.name, self.memory = columns, name, memory_seconds

    def looks(self, rows: Ints) -> Floats:
        """How many looks the tail stands for: float64 [rows]."""
        return self.c[f"{self.name}.n"][rows].astype(np.float64)

    def young(self, rows: Ints) -> Bools:
        """Which of them were looked at too rarely: bool [rows]."""
        young: Bools = self.c[f"{self.name}.n"][rows] < WARM
        return young

    def rarity(self, rows: Ints, a: Floats, grain: Floats) -> Floats:
        """-log10 of the probability of a value as high as `a`; NaN while young. float64 [rows].

        rows : int64 [rows], which series. a, grain : float64 [rows]; differences below `grain` do not matter.
        """
        n, used = self.looks(rows), self._used(rows)
        first, slope = self._tail(rows, used, grain)
        beyond = np.maximum(np.log(a + grain) - np.log(first + grain), 0.0)
        rarity = (beyond / slope - np.log((used + 1.0) / (n + 1.0))) / np.log(10.0)
        said: Floats = np.where(n < WARM, np.nan, np.where(beyond > 0, np.maximum(rarity, 0.0), 0.0))
        return said

    def learn(self, rows: Ints, looked: Ints, a: Floats, step: float) -> None:
        """Take in values; those that are not given were zero. `looked`: all series that were looked at, `rows` among them.

        step : seconds that one look stands for.
        """
        top, n = self.c[f"{self.name}.top"], self.c[f"{self.name}.n"]
        n[looked] += 1.0
        most = max(self.memory / step, 4 * WARM)
        self._age(looked[n[looked] > 1.1 * most], most)
        higher = a > top[rows, 0]
        into = rows[higher]
        top[into, 0] = a[higher]
        top[into] = np.sort(top[into], axis=1)

    def _age(self, rows: Ints, most: float) -> None:
        """Let the tail sink as far as new values would lift it, so that it stands for `most` looks."""
        n, top = self.c[f"{self.name}.n"], self.c[f"{self.name}.top"]
        _, slope = self._tail(rows, self._used(rows), 0.01 * top[rows, -1] + 1e-30)
        top[rows] *= np.exp(-slope * (n[rows] / most - 1.0))[:, None].astype(np.float32)
        n[rows] = most

    def _used(self, rows: Ints) -> Ints:
        """How many of the kept values are the tail: a fifth of what was seen at most."""
        used: Ints = np.clip(self.c[f"{self.name}.n"][rows] // 5, 2, KEPT).astype(np.int64)
        return used

    def _tail(self, rows: Ints, used: Ints, grain: Floats) -> tuple[Floats, Floats]:
        """Where the tail begins, and the mean log excess beyond. float64 [rows]."""
        top = self.c[f"{self.name}.top"][rows].astype(np.float64)
        first = top[np.arange(len(rows)), KEPT - used]
        inside = np.arange(KEPT) >= (KEPT - used)[:, None]
        excess = np.log(top + grain[:, None]) - np.log(first + grain)[:, None]
        slope = np.maximum(np.where(inside, excess, 0.0).sum(axis=1) / used, STEEPEST)
        return first, slope
