"""Forecasts -> findings of the kind "limit": what runs out within a few hours, and has said so for a while.

In: the newest Forecast and Scores. Out: open findings and those that just ended. A forecast alone is a guess; held, and with a
good part of the room already used, it is worth a word.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analyzer import plain
from analyzer.policy import Policy
from analyzer.records import Finding, Forecast, Scores
from analyzer.signals import Signal
from analyzer.window import Key, Series

RISING_Z = 2.5  # memory comes and goes; as long as it lies where it usually lies at this hour, its slope is no news


@dataclass(slots=True)
class _Watch:
    """One series that nears its limit: seconds for which the forecast has said so, and for which it has not."""

    said: float = 0.0
    calm: float = 0.0
    until: float = np.nan
    finding: Finding | None = None


class Limits:
    """Watches what runs out.

    Parameters
    ----------
    signals : for the limit of each alias.
    policy : `limit_*`.
    """

    def __init__(self, signals: Mapping[str, Signal], policy: Policy) -> None:
        self.signals, self.policy = signals, policy
        self.watched: dict[Key, _Watch] = {}
        self.nearer: Mapping[tuple[str, str], float] = {}  # (host, signal) -> so many times nearer a limit must be to be told
        self._rows: tuple[Series, dict[Key, int]] = (Series.empty(), {})

    def step(self, forecast: Forecast | None, scores: Scores, seconds: float) -> list[Finding]:
        """Findings that are open, and those that ended now."""
        near = self._near(forecast, scores)
        for key in near:
            self.watched.setdefault(key, _Watch())
        out = []
        for key, watch in list(self.watched.items()):
            row, watch.until = near.get(key, (-1, np.nan))
            if key in near:
                watch.said, watch.calm = min(watch.said + seconds, 2 * self.policy.limit_hold), 0.0
            else:
                watch.said, watch.calm = max(watch.said - seconds, 0.0), watch.calm + seconds
            if watch.finding is None and watch.said >= self.policy.limit_hold and row >= 0:
                watch.finding = self._new(key, row, watch, scores)
            elif watch.finding is not None:
                watch.finding = self._again(watch.finding, watch.until, row, scores)
            if watch.finding is not None:
                out.append(watch.finding)
            if watch.calm >= 2 * self.policy.limit_hold:
                if watch.finding is not None:
                    out[-1] = replace(watch.finding, state="resolved", ended=scores.time, closed_because="recovered")
                del self.watched[key]
        return out

    def until(self, finding: Finding) -> float:
        """Seconds until the limit that a finding speaks of, as last forecast; NaN = not sure any more."""
        watch = self.watched.get((finding.signal, finding.labels))
        return watch.until if watch else np.nan

    def _near(self, forecast: Forecast | None, scores: Scores) -> dict[Key, tuple[int, float]]:
        """Series whose limit lies near and that have used much of the room: key -> (row in scores, seconds)."""
        if forecast is None or not len(forecast.series):
            return {}
        with np.errstate(invalid="ignore"):
            soon = np.flatnonzero(forecast.until_limit < self.policy.limit_within)
        found = {}
        at = self._positions(scores.series) if len(soon) else {}
        for i in soon.tolist():
            key = forecast.series.key(i)
            row, signal = at.get(key, -1), self.signals.get(key[0])
            limit = signal.limit if signal else None
            until = float(forecast.until_limit[i])
            if until * self.nearer.get((forecast.series.host_of(i), key[0]), 1.0) >= self.policy.limit_within:
                continue
            usual = scores.z[row] < RISING_Z and key[0] not in self.policy.only_fills and until >= self.policy.limit_critical
            if row >= 0 and limit is not None and scores.value[row] >= self.policy.limit_level * limit and not usual:
                found[key] = (row, until)
        return found

    def _positions(self, series: Series) -> dict[Key, int]:
        if self._rows[0] is not series:
            self._rows = (series, {key: row for row, key in enumerate(series.keys())})
        return self._rows[1]

    def _new(self, key: Key, row: int, watch: _Watch, scores: Scores) -> Finding:
        host, now = scores.series.host_of(row), scores.time
        digest = hashlib.sha256(f"limit|{key}|{now:.3f}".encode()).hexdigest()[:16]
        blank = Finding(
            id=digest, signal=key[0], host=host, labels=key[1], kind="limit", state="firing", onset=now - watch.said, opened=now,
            updated=now, ended=None, score=0.0, peak=0.0, observed=np.nan, expected=np.nan, lower=np.nan, upper=np.nan, z=np.nan,
        )  # fmt: skip
        return self._again(blank, watch.until, row, scores)

    def _again(self, old: Finding, until: float, row: int, scores: Scores) -> Finding:
        if row < 0:
            return old
        score = self._score(until)
        return replace(
            old, updated=scores.time, score=score, peak=max(old.peak, score), observed=float(scores.value[row]),
            expected=float(scores.yhat[row]), lower=float(scores.lower[row]), upper=float(scores.upper[row]),
            z=float(scores.z[row]),
        )  # fmt: skip

    def _score(self, until: float) -> float:
        """1 at the far edge of what counts as near, 4 when it is there."""
        return float(1 + 3 * (1 - min(max(until, 0.0), self.policy.limit_within) / self.policy.limit_within))

    def state(self) -> list[Any]:
        """As JSON."""
        return [
            [plain.key(k), w.said, w.calm, plain.number(w.until), None if w.finding is None else plain.finding(w.finding)]
            for k, w in self.watched.items()
        ]

    def restore(self, rows: list[Any]) -> None:
        """From `state`."""
        self.watched = {
            plain.to_key(k): _Watch(said, calm, np.nan if until is None else until, None if f is None else plain.to_finding(f))
            for k, said, calm, until, f in rows
        }
