"""One score of a whole server out of many detectors' figures, and a yes or no within a budget.

In: figures float64 [hosts, detectors], each in its own unit. Out: score (1.0 = the edge of normal at the budget) and alarm [hosts].
Figures are put on one scale by their own past, as log(1 + figure / 99th percentile), and averaged; edges come from the tail beyond
a high quantile, were it exponential (peaks over threshold, Pickands 1975), and follow slowly. What changes fast raises the alarm,
what is far off keeps it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.window import Bools, Floats, Ints

DAY = 86400.0
WEIGHTS = {"ridge_quick": 1.0, "ridge_slow": 1.0, "windowed": 1.0}  # what earned its place; the others only answer when asked
OPENER = "change"
TAIL = 0.02  # share of the rows beyond the quantile
STEADY_DAYS, QUICK_DAYS = 1.0, 4.0  # one row in so many days is asked for
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
        self.weights = np.array([WEIGHTS.get(k, 0.0) for k in kinds])
        self.opener = list(kinds).index(OPENER) if OPENER in kinds else None
        self.used = self.weights > 0  # whose past must be known
        if self.opener is not None:
            self.used[self.opener] = True
        rows = DAY / spacing
        self.rate = 1.0 / (MEMORY_DAYS * rows)
        asked = {"steady": STEADY_DAYS, "quick": QUICK_DAYS}
        self.odds = {name: max(float(np.log(TAIL * days * rows)), 1.0) for name, days in asked.items()}

    @staticmethod
    def fields(kinds: Sequence[str]) -> Mapping[str, Field]:
        """Each detector's 99th percentile, and two tails."""
        tails = {f"{name}.{part}": Field(fill) for name in ("steady", "quick") for part, fill in (("u", np.inf), ("e", 1.0))}
        return {"q99": Field(1.0, (len(kinds),)), "edge": Field(np.inf), **tails}

    def fit(self, figures: Floats, hosts: Ints) -> None:
        """Learn the scale and begin the tails from the past of these hosts: [hosts, time, detectors]."""
        self.c["q99"][hosts] = np.maximum(np.quantile(figures, 0.99, axis=1), 1e-9)
        total = self._total(figures, self.c["q99"][hosts, None])
        self._begin("steady", total, hosts)
        self.c["edge"][hosts] = self._edge("steady")[hosts]
        if self.opener is not None:
            self._begin("quick", figures[..., self.opener], hosts)

    def judge(self, figures: Floats, learn: Bools) -> tuple[Floats, Bools]:
        """Score and alarm of a row, [hosts]; the tails follow where `learn`."""
        total = self._total(figures, self.c["q99"])
        score = total / self.c["edge"]
        alarm = total > self._edge("steady")
        self._follow("steady", total, learn)
        if self.opener is not None:
            quick = figures[:, self.opener]
            alarm |= quick > self._edge("quick")
            self._follow("quick", quick, learn)
        return score, alarm

    def _total(self, figures: Floats, q99: Floats) -> Floats:
        total: Floats = (np.log1p(figures / q99) * self.weights).sum(axis=-1) / max(self.weights.sum(), 1e-9)
        return total

    def _edge(self, name: str) -> Floats:
        edge: Floats = self.c[f"{name}.u"] + self.c[f"{name}.e"] * self.odds[name]
        return edge

    def _begin(self, name: str, past: Floats, hosts: Ints) -> None:
        u = np.quantile(past, 1 - TAIL, axis=1)
        beyond = past > u[:, None]
        excess = np.where(beyond, past - u[:, None], 0.0).sum(axis=1) / np.maximum(beyond.sum(axis=1), 1)
        self.c[f"{name}.u"][hosts], self.c[f"{name}.e"][hosts] = u, np.maximum(excess, 1e-3)

    def _follow(self, name: str, x: Floats, learn: Bools) -> None:
        u, e = self.c[f"{name}.u"], self.c[f"{name}.e"]
        edge = self._edge(name)
        learn = learn & np.isfinite(edge)
        rate = np.where(x > edge, 0.3, 1.0) * self.rate  # little from what is called anomalous
        x = np.minimum(x, edge)
        moved = u + rate * e * ((x > u) / TAIL - 1.0)
        u[learn] = moved[learn]
        above = learn & (x > u)
        e[above] = np.maximum(e + rate / TAIL * (x - u - e), 1e-3)[above]
