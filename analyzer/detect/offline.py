"""Analysis of data in hand: what is odd in these rows, where are they going, which states do they show.

In: rows of numeric columns at unix seconds, float64 [columns, time], NaN = no value. Out: `Analysis`. The live engine judges
what is long enough for it; light detectors (robust z, interquartile range) and scikit-learn's IsolationForest and KMeans on
whole rows say what can be said of less. Same input, same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analyzer.detect.engine import Engine
from analyzer.window import Floats, Ints, Series, Window

LIGHT_ROWS, TREND_ROWS, FOREST_ROWS, LIVE_ROWS = 5, 3, 20, 60
MOST_FIT = 5_000  # rows that forest and clusters are fitted on: a fixed sample of more says the same
MOST_LIVE = 3_000  # a second or two
STATES = ("idle", "normal", "busy", "stressed")
EDGE = 3.5  # of robust z (Iglewicz and Hoaglin 1993)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One odd value, or an odd row (`column` ""). `score` 1 = edge of normal; `methods`: who says so."""

    time: float
    column: str
    value: float
    expected: float
    score: float
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnTrend:
    """A straight line through a column: units an hour, and how much of the movement it explains."""

    slope_per_hour: float
    direction: Literal["rising", "falling", "flat"]
    r2: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found.

    Attributes
    ----------
    anomalies : strongest first. `trends` : by column. `states` : (name, share of rows), calmest first. `state` : of the newest row.
    methods : what ran. `notes` : what could not be said, and why ("rows<20: forest").
    """

    anomalies: tuple[Anomaly, ...]
    trends: dict[str, ColumnTrend]
    states: tuple[tuple[str, float], ...]
    state: str
    methods: tuple[str, ...]
    notes: tuple[str, ...]


def analyse(times: Floats, values: Floats, names: Sequence[str], *, seed: int = 0, most: int = 1000) -> Analysis:
    """Everything that can be said about the rows; they may be unsorted. At most `most` anomalies are returned."""
    order = np.argsort(times, kind="stable")
    times, values = times[order], np.where(np.isfinite(values[:, order]), np.clip(values[:, order], -1e30, 1e30), np.nan)
    n = values.shape[1]
    methods: list[str] = []
    notes: list[str] = []
    score, expected = light(values) if n >= LIGHT_ROWS else (np.zeros_like(values), values)
    said: dict[tuple[int, int], tuple[float, set[str]]] = {}
    _note(said, score, "z-score/iqr")
    _tell(n, LIGHT_ROWS, "z-score/iqr", methods, notes)
    if _tell(n, LIVE_ROWS, "live detectors", methods, notes):
        _note(said, _live(times, values), "live")
    odd: Floats = np.zeros(n)
    states: tuple[tuple[str, float], ...] = ()
    state = ""
    if _tell(n, FOREST_ROWS, "isolation forest, k-means", methods, notes):
        filled = np.where(np.isnan(values), expected, values)
        usable = np.isfinite(filled).all(axis=1) & (np.nanstd(filled, axis=1) > 0)
        if usable.any():
            odd = forest(filled[usable], seed)
            states, state = clusters(filled[usable], seed)
    trends = lines(times, values, names) if _tell(n, TREND_ROWS, "linear regression", methods, notes) else {}
    found = [
        Anomaly(float(times[j]), names[i], float(values[i, j]), float(expected[i, j]), s, tuple(sorted(by)))
        for (i, j), (s, by) in said.items()
    ]
    rows = [Anomaly(float(times[j]), "", float("nan"), float("nan"), float(odd[j]), ("isolation forest",)) for j in _above(odd)]
    ranked = sorted(found + rows, key=lambda a: (-a.score, a.time, a.column))[:most]
    return Analysis(tuple(ranked), trends, states, state, tuple(methods), tuple(notes))


def light(values: Floats) -> tuple[Floats, Floats]:
    """Robust z and interquartile range, the milder of the two: score and expected value, float64 [columns, time] each."""
    with np.errstate(invalid="ignore"):
        some = np.isfinite(values).any(axis=1, keepdims=True)
        clean = np.where(some, values, 0.0)
        q1, middle, q3 = np.nanpercentile(clean, [25, 50, 75], axis=1)[..., None]
        off = clean - middle
        mad = np.nanmedian(np.abs(off), axis=1)[:, None]
        floor = np.maximum(1e-9 * np.abs(middle), 1e-12)
        spread = np.maximum(1.4826 * mad, (q3 - q1) / 1.349)
        spread = np.maximum(np.where(spread > floor, spread, np.nanstd(clean, axis=1)[:, None] / 3.0), floor)
        z = np.abs(off) / spread / EDGE
        fence = np.maximum(np.maximum(q1 - clean, clean - q3), 0.0) / np.maximum(1.5 * (q3 - q1), 1.5 * spread)
        score = np.where(np.isnan(values), 0.0, np.minimum(np.minimum(z, fence), 1e6))
    return np.nan_to_num(score), np.broadcast_to(middle, values.shape).copy()


def lines(times: Floats, values: Floats, names: Sequence[str]) -> dict[str, ColumnTrend]:
    """Least squares through every column (scikit-learn's LinearRegression)."""
    from sklearn.linear_model import LinearRegression

    hours = ((times - times[0]) / 3600.0)[:, None]
    out = {}
    for name, column in zip(names, values, strict=True):
        has = np.isfinite(column)
        if has.sum() < TREND_ROWS or np.ptp(hours[has]) <= 0:
            continue
        size = max(float(np.abs(column[has]).max()), 1e-300)  # huge values must not overflow when they are squared
        fit = LinearRegression().fit(hours[has], column[has] / size)
        varies = bool(np.ptp(column[has]) > 0)
        r2 = float(fit.score(hours[has], column[has] / size)) if varies else 0.0
        slope = float(fit.coef_[0]) * size
        span = abs(slope) * float(np.ptp(hours[has]))
        moves = varies and span > 0.02 * float(np.ptp(column[has])) and r2 > 0.1
        out[name] = ColumnTrend(slope, ("rising" if slope > 0 else "falling") if moves else "flat", r2)
    return out


def forest(values: Floats, seed: int = 0) -> Floats:
    """How odd whole rows are, columns taken together: float64 [time], 1 = edge. IsolationForest (Liu, Ting and Zhou 2008)."""
    from sklearn.ensemble import IsolationForest

    rows = _scaled(values).T
    model = IsolationForest(n_estimators=100, max_samples=min(256, len(rows)), random_state=seed, n_jobs=1)
    model.fit(rows[_sample(len(rows))])
    odd = -model.score_samples(rows)
    middle = float(np.median(odd))
    spread = max(1.4826 * float(np.median(np.abs(odd - middle))), 0.01)
    score: Floats = np.maximum(odd - middle, 0.0) / spread / 5.0
    return score


def clusters(values: Floats, seed: int = 0) -> tuple[tuple[tuple[str, float], ...], str]:
    """States of the host, k-means of its rows, named by how high the values are: (name, share) calmest first, and the newest
    row's.
    """
    from sklearn.cluster import KMeans

    rows = _scaled(values).T
    distinct = len(np.unique(rows.round(9), axis=0))
    k = min(len(STATES), distinct, max(1, len(rows) // 10))
    model = KMeans(n_clusters=k, n_init=3, random_state=seed).fit(rows[_sample(len(rows))])
    order = np.argsort(model.cluster_centers_.mean(axis=1))
    names = {1: ("normal",), 2: ("normal", "busy"), 3: ("idle", "normal", "busy")}.get(k, STATES)
    of = model.predict(rows)
    named = {int(cluster): names[rank] for rank, cluster in enumerate(order)}
    shares = tuple((names[rank], float((of == cluster).mean())) for rank, cluster in enumerate(order))
    return shares, named[int(of[-1])]


def _live(times: Floats, values: Floats) -> Floats:
    """The live engine over the newest rows: score, float64 [columns, time], 0 where it cannot say."""
    series = Series.build((f"column{i}", "data", "", (("column", str(i)),)) for i in range(len(values)))
    score = np.zeros_like(values)
    first = max(0, len(times) - MOST_LIVE)
    _, keep = np.unique(times[first:], return_index=True)
    columns = keep + first
    said = Engine({}).step(Window(series, times[columns], values[:, columns]))
    for j, one in zip(columns.tolist(), said, strict=True):
        score[:, j] = np.nan_to_num(one.score)
    return score


def _note(said: dict[tuple[int, int], tuple[float, set[str]]], score: Floats, method: str) -> None:
    """Remember where a method passes its edge."""
    for i, j in np.argwhere(score >= 1.0).tolist():
        best, by = said.get((i, j), (0.0, set()))
        said[i, j] = (max(best, float(score[i, j])), by | {method})


def _tell(n: int, least: int, method: str, methods: list[str], notes: list[str]) -> bool:
    """Whether there are rows enough; noted either way."""
    if n >= least:
        methods.append(method)
        return True
    notes.append(f"{n} rows: {method} needs {least}")
    return False


def _scaled(values: Floats) -> Floats:
    """Each column around its mean in its own deviation; float64 [columns, time]. Huge values are divided before they are
    squared.
    """
    size = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-300)
    small = values / size
    scaled: Floats = (small - small.mean(axis=1, keepdims=True)) / np.maximum(small.std(axis=1, keepdims=True), 1e-9)
    return scaled


def _sample(n: int) -> Ints:
    """At most MOST_FIT positions, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_FIT)).astype(np.int64))


def _above(score: Floats) -> list[int]:
    above: list[int] = np.flatnonzero(score >= 1.0).tolist()
    return above
