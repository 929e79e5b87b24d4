"""One score of a whole server out of many detectors' figures, and a yes or no within a budget.

In: figures float64 [hosts, detectors], each in its own unit. Out: score (1.0 = the edge of normal at the budget) and alarm [hosts].

Ranking and alarming are not the same. The score is the logarithm of the root mean square of the members, each on the scale of its
own past; a silence deeper than any before adds to it; and it fades slowly, since what broke is rarely over with the first calm
minute. The alarm follows the row alone: what changes in many signals at once opens it, what the forecasters keep missing holds it.
Edges come from the tail beyond a high quantile, were it exponential (peaks over threshold, Pickands 1975); they keep learning,
little from alarms.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.hosts.members import rows_in
from analyzer.detect.profile import DAY
from analyzer.window import Bools, Floats, Ints

MEMBERS = ("near", "far", "memory")  # what earned its place in the score (tests/bench/members.py); the others answer when asked
FORECASTERS = ("near", "far")
QUIET, OPENER = "quiet", "change"
USUAL, DEEP = 0.99, 0.999  # quantiles of the past: of a member's scale, and of the deepest silence
LEAST_SILENCE = 2.0  # usual sizes, mean over the signals: a shallower one is none, however lively the past was
SILENCE, WEIGHT = 1.1, 2.0  # what is this much beyond it counts, and how much
FADE_SECONDS, FADE_ROWS = 1200.0, 17  # the score halves in so long, at least so many rows
TAIL = 0.02  # share of the rows beyond the quantile
BUDGET = {"steady": 1.5, "quick": 8.0}  # one row in so many days is asked for
MEMORY_DAYS = 3.0


class Combined:
    """Score and alarm of the hosts of `columns`.

    Parameters
    ----------
    kinds : the detectors, in the order of their figures.
    spacing : seconds between rows.
    """

    def __init__(self, columns: Columns, kinds: Sequence[str], spacing: float) -> None:
        self.c = columns
        self.members, self.forecasters = ([i for i, k in enumerate(kinds) if k in some] for some in (MEMBERS, FORECASTERS))
        self.quiet, self.opener = ([i for i, k in enumerate(kinds) if k == one] for one in (QUIET, OPENER))
        needed = [*self.members, *self.forecasters, *self.quiet, *self.opener]
        self.used = np.isin(np.arange(len(kinds)), needed)  # whose past must be known
        self.levels = [DEEP if k == QUIET else USUAL for k in kinds]
        self.least = np.array([LEAST_SILENCE if k == QUIET else 1e-9 for k in kinds])
        self.fade = 0.5 ** (1.0 / rows_in(FADE_SECONDS, spacing, FADE_ROWS))
        rows = DAY / spacing
        self.rate = 1.0 / (MEMORY_DAYS * rows)
        self.odds = {name: max(float(np.log(TAIL * days * rows)), 1.0) for name, days in BUDGET.items()}

    @staticmethod
    def fields(kinds: Sequence[str]) -> Mapping[str, Field]:
        """Each detector's scale, the score's edge and what is left of it, and two tails."""
        tails = {f"{name}.{part}": Field(fill) for name in BUDGET for part, fill in (("u", np.inf), ("e", 1.0))}
        return {"usual": Field(1.0, (len(kinds),)), "edge": Field(np.inf), "held": Field(0.0), **tails}

    def fit(self, figures: Floats, hosts: Ints) -> None:
        """Learn the scales and begin the tails from the past of these hosts: [hosts, time, detectors]."""
        usual = np.stack([np.quantile(figures[..., i], level, axis=1) for i, level in enumerate(self.levels)], axis=1)
        usual = np.maximum(usual, self.least)
        self.c["usual"][hosts], sizes = usual, figures / usual[:, None]
        u, e = _tail(self._total(sizes))
        self.c["edge"][hosts], self.c["held"][hosts] = u + e * self.odds["steady"], 0.0
        for name, past in (("steady", self._steady(sizes)), ("quick", self._quick(figures))):
            self.c[f"{name}.u"][hosts], self.c[f"{name}.e"][hosts] = _tail(past)

    def judge(self, figures: Floats, learn: Bools) -> tuple[Floats, Bools]:
        """Score and alarm of a row, [hosts]; the tails follow where `learn`."""
        c, sizes = self.c, figures / self.c["usual"]
        c["held"] = np.maximum(self._total(sizes), self.fade * c["held"])
        steady = self._passes("steady", self._steady(sizes), learn)
        quick = self._passes("quick", self._quick(figures), learn)
        return c["held"] / c["edge"], steady | quick

    def _total(self, sizes: Floats) -> Floats:
        """The score of rows by themselves: [..., detectors] -> [...]."""
        silence = np.maximum(_mean(sizes, self.quiet, 1) - SILENCE, 0.0)
        total: Floats = np.log1p(np.sqrt(_mean(sizes, self.members, 2))) + WEIGHT * silence
        return total

    def _steady(self, sizes: Floats) -> Floats:
        return _mean(np.log1p(sizes), self.forecasters, 1)

    def _quick(self, figures: Floats) -> Floats:
        return _mean(figures, self.opener, 1)

    def _passes(self, name: str, x: Floats, learn: Bools) -> Bools:
        """Whether a statistic is beyond its edge; the tail follows where `learn`, and little from what is beyond."""
        u, e = self.c[f"{name}.u"], self.c[f"{name}.e"]
        edge = u + e * self.odds[name]
        over: Bools = x > edge
        learn = learn & np.isfinite(edge)
        rate = np.where(over, 0.3, 1.0) * self.rate
        x = np.minimum(x, edge)
        u[learn] = (u + rate * e * ((x > u) / TAIL - 1.0))[learn]
        above = learn & (x > u)
        e[above] = np.maximum(e + rate / TAIL * (x - u - e), 1e-3)[above]
        return over


def _mean(sizes: Floats, some: Sequence[int], power: int) -> Floats:
    """Mean over some detectors: [..., detectors] -> [...]; 0 where none of them runs."""
    mean: Floats = (sizes[..., some] ** power).sum(axis=-1) / max(len(some), 1)
    return mean


def _tail(past: Floats) -> tuple[Floats, Floats]:
    """High quantile and mean excess of [hosts, time]."""
    u = np.quantile(past, 1 - TAIL, axis=1)
    beyond = past > u[:, None]
    excess = np.where(beyond, past - u[:, None], 0.0).sum(axis=1) / np.maximum(beyond.sum(axis=1), 1)
    return u, np.maximum(excess, 1e-3)
