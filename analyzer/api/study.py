"""Rows in hand studied: what is odd, where it goes, when a limit is reached, how sure all that is. Pure.

In: `Rows`. Out: `Study`, which `account.py` puts into words. The detectors and the forecast are the live path's own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analyzer.api.rows import Rows
from analyzer.detect.offline import LIVE_ROWS, Analysis, Anomaly, analyse
from analyzer.explain.nouns import NOUNS
from analyzer.explain.safe import plain
from analyzer.explain.say import capital
from analyzer.explain.units import Shown, show
from analyzer.forecast import forecast_rows
from analyzer.records import Forecast
from analyzer.window import Floats

HORIZONS = (3600.0, 21600.0, 86400.0)
FORECAST_ROWS, FORECAST_POINTS = 10, 5_000
WEEK = 7 * 86400.0
MOST_ANOMALIES = 100_000
FULL = 100.0
PERCENT = ("cpu", "memory", "disk", "swap", "inodes", "iowait", "steal", "nice")
SEVERE = 2.0  # twice the edge of normal
BELIEVED, LINE_ROWS = 0.9, 20  # R² and rows from which a straight line is followed
SOON, AHEAD = 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Column:
    """A column as people call it. `percent`: 0..100, and full at 100."""

    name: str
    noun: Shown
    percent: bool

    @property
    def title(self) -> Shown:
        """The noun at the start of a sentence; a name that somebody gave stays as it is."""
        known = self.name.lower() in NOUNS
        return Shown(capital(self.noun.en), self.noun.ko) if known else self.noun

    @property
    def unit(self) -> str:
        """The unit of `Column.base`."""
        return "ratio" if self.percent else "count"

    def base(self, value: float) -> float:
        """The value in that unit."""
        return value / FULL if self.percent else value

    def show(self, value: float) -> Shown:
        """The value with its unit."""
        return show(self.base(value), self.unit)


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything known about the rows. `columns` in the rows' order; `until`: seconds until each is full, NaN = not in sight."""

    rows: Rows
    columns: tuple[Column, ...]
    analysis: Analysis
    forecast: Forecast | None
    until: tuple[float, ...]
    severity: str
    confidence: float

    @property
    def missing(self) -> float:
        """Share of values that are not there."""
        return float(np.isnan(self.rows.values).mean())

    def column(self, name: str) -> Column:
        """By name."""
        return self.columns[self.rows.names.index(name)]

    def newest(self, name: str) -> float:
        """The newest value of a column that is one; NaN where there is none."""
        values = self.rows.values[self.rows.names.index(name)]
        there = values[np.isfinite(values)]
        return float(there[-1]) if len(there) else math.nan

    def odd(self, name: str) -> list[Anomaly]:
        """Odd values of a column, strongest first; of whole rows for ""."""
        return [a for a in self.analysis.anomalies if a.column == name]


def study(rows: Rows, seed: int = 0, horizons: Sequence[float] | None = None) -> Study:
    """Study the rows: seconds of work for 100,000 of them. `horizons`: seconds ahead; None = as far as the rows can tell."""
    columns = tuple(_column(name, values) for name, values in zip(rows.names, rows.values, strict=True))
    analysis = analyse(rows.times, rows.values, rows.names, seed=seed, most=MOST_ANOMALIES)
    forecast = _follow(rows, columns, _forecast(rows, columns, horizons), analysis)
    until = tuple(forecast.until_limit.tolist()) if forecast else (math.nan,) * len(columns)
    return Study(rows, columns, analysis, forecast, until, _severity(analysis, until), _confidence(rows, analysis))


def _column(name: str, values: Floats) -> Column:
    word = name.lower()
    called = word in PERCENT or word.endswith(("percent", "_pct"))
    there = values[np.isfinite(values)]
    fits = len(there) > 0 and there.min() >= 0 and there.max() <= FULL
    return Column(name, NOUNS.get(word, Shown(plain(name), plain(name))), called and bool(fits))


def _horizons(rows: Rows) -> list[float]:
    """How far ahead rows of this span tell anything: as far as they reach back, doubled at most."""
    if len(rows.times) < FORECAST_ROWS or rows.span <= 0:
        return []
    return [h for h in HORIZONS if h <= 2 * rows.span] or [rows.span]


def _forecast(rows: Rows, columns: Sequence[Column], wanted: Sequence[float] | None) -> Forecast | None:
    possible = _horizons(rows)
    if not possible:
        return None
    horizons = possible if wanted is None else wanted
    recent = np.flatnonzero(rows.times >= rows.times[-1] - WEEK)
    picked = recent[np.unique(np.linspace(0, len(recent) - 1, min(len(recent), FORECAST_POINTS)).astype(np.int64))]
    limits = [FULL if c.percent else None for c in columns]
    low = [0.0 if np.nanmin(values) >= 0 else None for values in rows.values]
    return forecast_rows(rows.times[picked], rows.values[:, picked], horizons, low=low, high=limits, limits=limits)


def _follow(rows: Rows, columns: Sequence[Column], forecast: Forecast | None, analysis: Analysis) -> Forecast | None:
    """The forecast, moved onto the line through a column where that explains nearly all of it: the live path waits for proof that
    rows in hand cannot give any more.
    """
    if forecast is None:
        return None
    yhat, lower, upper = forecast.yhat.copy(), forecast.lower.copy(), forecast.upper.copy()
    until, ends = forecast.until_limit.copy(), np.array(forecast.horizons)
    for i, column in enumerate(columns):
        trend = analysis.trends.get(column.name)
        if trend is None or trend.r2 < BELIEVED or len(rows.times) < LINE_ROWS:
            continue
        slope, newest = trend.slope_per_hour / 3600.0, _line_at_end(rows, i, trend.slope_per_hour / 3600.0)
        shift = newest + slope * ends - yhat[i]
        for part in (yhat, lower, upper):
            part[i] = np.clip(part[i] + shift, 0.0 if column.percent else None, FULL if column.percent else None)
        left = (FULL - newest) / slope if slope > 0 else math.nan
        if column.percent and math.isnan(until[i]) and 0 <= left <= 2 * rows.span:
            until[i] = left
    return replace(forecast, yhat=yhat, lower=lower, upper=upper, until_limit=until)


def _line_at_end(rows: Rows, i: int, slope: float) -> float:
    there = np.isfinite(rows.values[i])
    return float(rows.values[i][there].mean() + slope * (rows.times[-1] - rows.times[there].mean()))


def _severity(analysis: Analysis, until: Sequence[float]) -> str:
    """critical: full within the hour; warning: full within a day, or clearly odd; info: a little odd; none."""
    nearest = min((s for s in until if math.isfinite(s)), default=math.inf)
    if nearest <= SOON:
        return "critical"
    strongest = max((a.score for a in analysis.anomalies), default=0.0)
    if nearest <= AHEAD or strongest >= SEVERE:
        return "warning"
    return "info" if strongest > 0 else "none"


def _confidence(rows: Rows, analysis: Analysis) -> float:
    """More with more rows (full at 1,000), with fewer gaps, and where several methods agree. 0..0.95."""
    there = float(np.isfinite(rows.values).mean())
    odd = [len(a.methods) > 1 for a in analysis.anomalies if a.column]
    agreed = sum(odd) / len(odd) if odd else float(len(rows.times) >= LIVE_ROWS)
    return round(there * (0.2 + 0.6 * min(1.0, math.log10(len(rows.times)) / 3) + 0.15 * agreed), 3)
