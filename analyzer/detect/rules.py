"""What is known beforehand about each series, as arrays: the signals' declarations spread over the rows.

In: the table of series and the signals. Out: `Rules`. A series without a declared signal gets open bounds and no floor.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Ints, Series

GENERIC = Signal(alias="", topic="", title={}, unit="count")
SIDES = {"both": 0.0, "above": 1.0, "below": -1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What is known of each series, one array entry a row.

    Attributes
    ----------
    low, high, limit : NaN = none.
    min_deviation, min_relative : below them nothing is worth a word.
    side : +1 above matters, -1 below, 0 both.
    up, uptime : series whose meaning is known; sparse : gaps are usual.
    group : peers (same signal, role and the signal's labels), -1 = no role known.
    host, hosts : position of the host, and how many there are.
    """

    low: Floats
    high: Floats
    limit: Floats
    min_deviation: Floats
    min_relative: Floats
    side: Floats
    up: Bools
    uptime: Bools
    sparse: Bools
    group: Ints
    host: Ints
    hosts: int

    @classmethod
    def of(cls, series: Series, signals: Mapping[str, Signal]) -> "Rules":
        """Spread the declarations of `signals` over the rows of `series`."""
        known = [signals.get(a, GENERIC) for a in series.signals]

        def spread(values: list[float]) -> Floats:
            return np.array(values, np.float64)[series.signal] if values else np.zeros(0)

        nan = float("nan")
        return cls(
            low=spread([nan if s.low is None else s.low for s in known]),
            high=spread([nan if s.high is None else s.high for s in known]),
            limit=spread([nan if s.limit is None else s.limit for s in known]),
            min_deviation=spread([s.min_deviation for s in known]),
            min_relative=spread([s.min_relative for s in known]),
            side=spread([SIDES[s.direction] for s in known]),
            up=_alias(series, "up"),
            uptime=_alias(series, "uptime"),
            sparse=spread([float(s.sparse) for s in known]) > 0,
            group=_groups(series, known),
            host=series.host,
            hosts=len(series.hosts),
        )

    def trifle(self, expected: Floats) -> Floats:
        """The deviation below which nothing is worth a word: float64 [series], in the series' unit."""
        relative = self.min_relative * np.abs(np.nan_to_num(expected))
        return np.maximum(self.min_deviation, relative)

    def clip(self, values: Floats) -> Floats:
        """Values kept to what the metric can be; [series] or [series, n]."""
        low, high = np.where(np.isnan(self.low), -np.inf, self.low), np.where(np.isnan(self.high), np.inf, self.high)
        if values.ndim == 2:
            low, high = low[:, None], high[:, None]
        clipped: Floats = np.clip(values, low, high)
        return clipped


def _alias(series: Series, alias: str) -> Bools:
    at = series.signals.index(alias) if alias in series.signals else -1
    same: Bools = series.signal == at
    return same


def _groups(series: Series, known: list[Signal]) -> Ints:
    """Peers share signal, role and the signal's own labels (mountpoint, device); -1 where no role is known."""
    ids: dict[tuple[object, ...], int] = {}
    out = np.full(len(series), -1, np.int64)
    own = [frozenset(s.labels) for s in known]
    for row, (sig, host, labels) in enumerate(zip(series.signal.tolist(), series.host.tolist(), series.labels, strict=True)):
        if role := series.roles[host]:
            extra = tuple(p for p in labels if p[0] in own[sig]) if own[sig] else ()
            out[row] = ids.setdefault((sig, role, extra), len(ids))
    return out
