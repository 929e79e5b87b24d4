"""How strange each signal is on each server at one instant, as one small matrix: what causes are judged by.

In: Scores and the open findings. Out: `Symptoms`, signed strength in [-1, 1] per (host, signal); of several devices the
strangest counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analyzer.kinds import SPECIAL
from analyzer.records import Finding, Scores
from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Ints

FAINT_Z, CLEAR_Z = 2.0, 6.5  # robust deviations where a mark begins to count and where it counts fully
FAINT_SCORE, CLEAR_SCORE = 0.5, 1.5  # the same for scores, where 1 is the edge of normal
MOVING_Z, BEYOND = 1.5, 0.7  # a value three times as far out as the band reaches is a mark before its average is; this much of one
SEEN = 0.25  # weaker marks are not marks
TRIFLE = 0.5  # what a deviation below the smallest worth a word counts
LATE = 600.0  # seconds after a host's first clear mark from which another one began on its own, or followed


@dataclass(frozen=True, slots=True, eq=False)
class Symptoms:
    """The matrix and where its cells come from.

    strength : float64 [host, signal], + above, - below what is expected; 0 where nothing is strange or known.
    row : int64 [host, signal], the series behind a cell, -1 where there is none.
    onset : float64 [host], when the first clear mark of a host began; NaN where it has none.
    late : bool [host, signal], cells that began well after their host's first clear mark.
    """

    hosts: tuple[str, ...]
    signals: tuple[str, ...]
    strength: Floats
    row: Ints
    onset: Floats
    late: Bools

    def cell(self, host: str, signal: str) -> float:
        """Strength of one signal on one host; 0 where unknown."""
        if host not in self.hosts or signal not in self.signals:
            return 0.0
        return float(self.strength[self.hosts.index(host), self.signals.index(signal)])

    def without(self, cells: Iterable[tuple[int, int]]) -> "Symptoms":
        """The same, blind to some cells (positions in hosts and signals): those that another incident explains."""
        strength = self.strength.copy()
        at = np.array(list(cells), np.int64)
        strength[at[:, 0], at[:, 1]] = 0.0
        return replace(self, strength=strength)


def observe(scores: Scores, findings: Iterable[Finding], signals: Mapping[str, Signal]) -> Symptoms:
    """The matrix of one instant; the marks of stuck, vanished, down and restart findings get columns of their own."""
    series = scores.series
    names = (*series.signals, *SPECIAL)
    strength = np.zeros((len(series.hosts), len(names)))
    row = np.full(strength.shape, -1, np.int64)
    signed = _strength(scores, signals)
    order = np.argsort(np.abs(signed), kind="stable")
    strength[series.host[order], series.signal[order]] = signed[order]  # of equal cells the last, the strangest, stays
    row[series.host[order], series.signal[order]] = order
    onset = _onsets(scores, signed, len(series.hosts))
    at = {host: i for i, host in enumerate(series.hosts)}
    for finding in findings:
        special = f"!{finding.kind}"
        if special in names and finding.host in at and finding.state == "firing":
            i = at[finding.host]
            strength[i, names.index(special)] = 1.0
            if finding.signal in names:
                row[i, names.index(special)] = row[i, names.index(finding.signal)]
                strength[i, names.index(finding.signal)] = 0.0  # it froze or went away; it did not rise
            onset[i] = np.fmin(onset[i], finding.onset)
    _niced(strength, row, names, scores)
    return Symptoms(series.hosts, names, strength, row, onset, _late(row, onset, scores))


def _niced(strength: Floats, row: Ints, names: tuple[str, ...], scores: Scores) -> None:
    """Niced time is part of CPU time: where it is the smaller half of what CPU use rose by, it explains as much less of it."""
    if "nice" not in names or "cpu" not in names:
        return
    nice, cpu = names.index("nice"), names.index("cpu")
    at = np.flatnonzero((strength[:, nice] > 0) & (strength[:, cpu] > 0))
    rose = [(scores.value - scores.yhat)[row[at, column]] for column in (nice, cpu)]
    share = 2.0 * rose[0] / np.maximum(rose[1], 1e-9)
    strength[at, nice] *= np.clip(np.nan_to_num(share, nan=1.0), 0.0, 1.0)


def _late(row: Ints, onset: Floats, scores: Scores) -> Bools:
    """Cells that began more than LATE seconds after their host's first clear mark. bool [host, signal]."""
    began = np.where(row >= 0, scores.onset[np.maximum(row, 0)], np.nan) if len(scores.onset) else np.full(row.shape, np.nan)
    late: Bools = began - onset[:, None] > LATE
    return late


def _strength(scores: Scores, signals: Mapping[str, Signal]) -> Floats:
    """Signed strength of every row. float64 [series]."""
    known = [signals.get(alias) for alias in scores.series.signals]
    at = scores.series.signal
    floor = np.array([s.min_deviation if s else 0.0 for s in known] or [0.0])[at]
    relative = np.array([s.min_relative if s else 0.0 for s in known] or [0.0])[at]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        deviation = scores.value - scores.yhat
        by_z = (np.abs(scores.z) - FAINT_Z) / (CLEAR_Z - FAINT_Z)
        by_score = (scores.score - FAINT_SCORE) / (CLEAR_SCORE - FAINT_SCORE)
        band = np.where(deviation > 0, scores.upper - scores.yhat, scores.yhat - scores.lower)
        by_band = np.where(np.abs(scores.z) >= MOVING_Z, BEYOND * np.clip((np.abs(deviation) / band - 1) / 2, 0, 1), 0.0)
        size = np.clip(np.nanmax([by_z, by_score, by_band, np.zeros(len(by_z))], axis=0), 0, 1)
        side = np.where(np.abs(scores.z) >= 1, np.sign(scores.z), np.sign(deviation))
        trifle = np.abs(deviation) < np.fmax(floor, relative * np.abs(scores.yhat))
    size = np.where(trifle, TRIFLE * size, size)
    return np.where(np.isfinite(scores.value), np.nan_to_num(side) * size, 0.0)


def _onsets(scores: Scores, signed: Floats, hosts: int) -> Floats:
    """When each host's first clear mark began. float64 [host]."""
    out = np.full(hosts, np.inf)
    clear = (np.abs(signed) >= 0.5) & np.isfinite(scores.onset)
    np.minimum.at(out, scores.series.host[clear], scores.onset[clear])
    return np.where(np.isfinite(out), out, np.nan)
