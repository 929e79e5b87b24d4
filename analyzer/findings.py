"""Scores -> findings: threshold with hysteresis, hold times, flapping, the smallest deviation worth a word.

In: `Scores` of one instant, and which rows are muted. Out: the findings that are open (or just ended) and what was held back.
The one place that compares a score with a threshold. Work in Python only for rows that are above it or open.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from analyzer import plain
from analyzer.ledger import Ledger
from analyzer.policy import Policy
from analyzer.records import Finding, FindingKind, Scores, Suppression
from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Key, Series

KINDS: tuple[str, ...] = get_args(FindingKind)
WITHOUT_VALUE = ("stuck", "vanished", "down", "restart")  # kinds that say something other than "too far from expected"
BY_VALUE = ("level", "shift", "fast", "peer")
DOWN_SCORE = 9.0  # `up` is a fact and no estimate: beyond doubt
Memory = dict[str, Any]


@dataclass(slots=True, eq=False)
class _Track:
    """Per row: seconds above the threshold, below it and silent (leaky), whether open, smoothed deviation."""

    above: Floats
    calm: Floats
    silent: Floats
    open: Bools
    deviation: Floats
    floor: Floats  # smallest deviation in the unit
    relative: Floats  # smallest deviation as a share of the expected value
    side: Floats  # 1 only above matters, -1 only below, 0 both
    up: Bools  # rows of the signal that says whether a server answers

    @classmethod
    def fresh(cls, series: Series, signals: Mapping[str, Signal]) -> "_Track":
        known = [signals.get(alias) for alias in series.signals]
        sides = {"above": 1.0, "below": -1.0, "both": 0.0}

        def column(values: list[float]) -> Floats:
            return np.array(values, np.float64)[series.signal] if values else np.zeros(0)

        n = len(series)
        return cls(
            np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, bool), np.zeros(n),
            column([s.min_deviation if s else 0.0 for s in known]),
            column([s.min_relative if s else 0.0 for s in known]),
            column([sides[s.direction] if s else 0.0 for s in known]),
            column([float(alias == "up") for alias in series.signals]) > 0,
        )  # fmt: skip


class Findings:
    """Keeps which series are strange.

    Parameters
    ----------
    signals : what is known about each alias.
    policy : thresholds and times.
    """

    def __init__(self, signals: Mapping[str, Signal], policy: Policy) -> None:
        self.signals = signals
        self.policy = policy
        self.time = -np.inf
        self.series: Series | None = None
        self.track = _Track.fresh(Series.empty(), signals)
        self.open: dict[Key, Finding] = {}
        self.usual: dict[Key, float] = {}  # what was expected when a finding opened
        self.opens: dict[Key, list[float]] = {}
        self.ledger = Ledger(policy.ledger_every)
        self._restored: dict[Key, list[float]] = {}

    def step(
        self, scores: Scores, *, muted: Bools | None = None, partial: bool = False, edges: Floats | None = None
    ) -> tuple[list[Finding], list[Suppression]]:
        """Take one instant.

        Parameters
        ----------
        scores : of this instant.
        muted : bool [series], inside a maintenance window or a silence.
        partial : the source's answer was not whole: nothing opens, nothing ends.
        edges : float64 [series], how much further out the edge of normal lies because people said so; None = nowhere.

        Returns
        -------
        Open findings and those that ended now; suppressions worth a line.
        """
        lines: list[Suppression] = []
        seconds = self._passed(scores.time)
        ended = self._align(scores)
        if partial or self._blind(scores):
            for row in np.flatnonzero(scores.score > self.policy.open_score)[:100].tolist():
                self._note(lines, scores, row, "partial")
            return [*self.open.values(), *ended], lines
        quiet = np.zeros(len(scores.series), bool) if muted is None else muted
        score, size = self._judge(scores, edges)
        waiting = (self.track.above > 0) & ~self.track.open
        self._count(scores, score, size & ~quiet, seconds)
        for row in np.flatnonzero(waiting & (self.track.above == 0) & ~quiet & size).tolist():
            self._note(lines, scores, row, "hold")  # it did not last
        self._explain_silence(lines, scores, score > self.policy.open_score, quiet, size)
        if edges is not None:
            spared = (scores.score > self.policy.open_score) & ~(score > self.policy.open_score) & ~quiet & ~self.track.open
            for row in np.flatnonzero(spared).tolist():
                self._note(lines, scores, row, "feedback")
        self._open(lines, scores, score, quiet)
        ended += self._update(scores, score, quiet)
        return [*self.open.values(), *ended], lines

    def _passed(self, now: float) -> float:
        """Seconds since the last step that count; a clock that went back, or a long pause, is not evidence."""
        seconds = min(max(now - self.time, 0.0), self.policy.max_gap) if np.isfinite(self.time) else 0.0
        self.time = now
        return seconds

    def _align(self, scores: Scores) -> list[Finding]:
        """Carry what is remembered over to the engine's present table; findings of rows that left it end."""
        if scores.series is self.series:
            return []
        new = _Track.fresh(scores.series, self.signals)
        if self.series is not None and len(self.series):
            at = scores.series.positions(self.series.keys())
            old, keep = np.flatnonzero(at >= 0), at[at >= 0]
            for name in ("above", "calm", "silent", "open", "deviation"):
                getattr(new, name)[keep] = getattr(self.track, name)[old]
        self.track, self.series = new, scores.series
        known = set(scores.series.keys())
        self._put_back(scores.series)
        gone = [key for key in self.open if key not in known]
        for key in [key for key in self.opens if key not in known]:
            del self.opens[key]
        return [self._end(key, scores.time, "gone") for key in gone]

    def _blind(self, scores: Scores) -> bool:
        """Nothing at all came in: the source is away, not every server at once."""
        return len(scores.series) > 0 and not np.isfinite(scores.value).any()

    def _judge(self, scores: Scores, edges: Floats | None) -> tuple[Floats, Bools]:
        """The score that counts, and whether the deviation is worth a word on the side that matters."""
        track = self.track
        down = track.up & (scores.value < 0.5)
        score = scores.score if edges is None else scores.score / edges
        score = np.where(down, np.fmax(score, DOWN_SCORE), score)
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = scores.value - scores.yhat
            fresh = np.where(np.isfinite(deviation), deviation, track.deviation)
            track.deviation = np.where(track.above > 0, 0.5 * (track.deviation + fresh), fresh)
            worth = np.abs(track.deviation) >= np.fmax(track.floor, track.relative * np.abs(np.nan_to_num(scores.yhat)))
            worth &= (track.side == 0) | (np.sign(track.deviation) == track.side)
        names = np.array([name in WITHOUT_VALUE for name in scores.kinds] or [False])
        worth |= names[np.clip(scores.kind, 0, len(names) - 1)] | down
        return score, worth

    def _count(self, scores: Scores, score: Floats, counts: Bools, seconds: float) -> None:
        """Add this step to the seconds above, below and silent; all leak, so that noise around a threshold adds up to nothing."""
        track, policy = self.track, self.policy
        known = np.isfinite(score)
        above = known & (score > self._edge(scores)) & counts
        low = known & ((score < policy.close_score) | ~counts)
        track.above = np.where(above, track.above + seconds, np.where(known, np.fmax(track.above - 2 * seconds, 0), track.above))
        track.calm = np.where(low, track.calm + seconds, np.where(above, 0.0, track.calm))
        track.silent = np.where(known, 0.0, track.silent + seconds)
        slow = policy.hold + 2 * seconds
        track.above = np.fmin(track.above, slow)  # what lasted for hours must not need hours to be forgotten

    def _edge(self, scores: Scores) -> Floats:
        """Above which score a finding may open: further out while the usual day is known from a day or two only."""
        young = 1.0 - np.clip(np.nan_to_num(scores.ready), 0.0, 1.0)
        edge: Floats = self.policy.open_score * (1.0 + self.policy.youth * np.where(self.track.up, 0.0, young))
        return edge

    def _together(self, scores: Scores, above: Bools) -> Floats:
        """How many signals of the same host are beyond their edge and worth a word, at least 1: float64 [series]. What shows in
        several places at once is no chance, and need not last as long.
        """
        counts = above & (self.track.above > 0)
        pairs = np.unique(np.stack([scores.series.host[counts], scores.series.signal[counts]]), axis=1)
        hosts = np.bincount(pairs[0], minlength=len(scores.series.hosts) or 1)
        together: Floats = np.maximum(hosts[scores.series.host], 1).astype(np.float64)
        return together

    def _explain_silence(self, lines: list[Suppression], scores: Scores, above: Bools, quiet: Bools, size: Bools) -> None:
        """Lines for what is above the threshold but does not count."""
        shut = above & ~self.track.open
        for row in np.flatnonzero(shut & quiet).tolist():
            self._note(lines, scores, row, "maintenance")
        for row in np.flatnonzero(shut & ~quiet & ~size).tolist():
            self._note(lines, scores, row, "min_deviation")

    def _open(self, lines: list[Suppression], scores: Scores, score: Floats, quiet: Bools) -> None:
        track, policy = self.track, self.policy
        edge = self._edge(scores)
        together = self._together(scores, score > edge)
        with np.errstate(invalid="ignore", divide="ignore"):
            need = np.clip(policy.hold / (score / edge) ** 2 / together, policy.sharp_hold, policy.hold)
        ripe = (score > edge) & (track.above >= np.fmax(need, 1e-9)) & ~track.open & ~quiet
        early = ripe & (scores.ready < policy.ready_min) & ~track.up
        for row in np.flatnonzero(early).tolist():
            self._note(lines, scores, row, "warmup")
        for row in np.flatnonzero(ripe & ~early).tolist():
            key = scores.series.key(row)
            opens = [t for t in self.opens.get(key, []) if 0 <= scores.time - t < policy.flap_window] + [scores.time]
            self.opens[key] = opens
            flapping = len(opens) >= policy.flap_opens
            if flapping:
                self._note(lines, scores, row, "flapping")
            self.open[key] = self._new(scores, row, float(score[row]), flapping)
            self.usual[key] = float(scores.yhat[row])
            track.open[row] = True
            track.calm[row] = 0.0

    def _new(self, scores: Scores, row: int, score: float, flapping: bool) -> Finding:
        alias, labels = scores.series.key(row)
        host, now = scores.series.host_of(row), scores.time
        onset = float(scores.onset[row])
        if not np.isfinite(onset) or onset > now:
            onset = now - float(self.track.above[row])
        digest = hashlib.sha256(f"{alias}|{host}|{labels}|{now:.3f}".encode()).hexdigest()[:16]
        return Finding(
            id=digest, signal=alias, host=host, labels=labels, kind=self._kind(scores, row), state="firing", onset=onset,
            opened=now, updated=now, ended=None, score=score, peak=score, observed=float(scores.value[row]),
            expected=float(scores.yhat[row]), lower=float(scores.lower[row]), upper=float(scores.upper[row]),
            z=float(scores.z[row]), flapping=flapping,
        )  # fmt: skip

    def _kind(self, scores: Scores, row: int) -> FindingKind:
        if self.track.up[row] and not scores.value[row] >= 0.5:
            return "down"
        name = scores.kinds[int(scores.kind[row])] if 0 <= int(scores.kind[row]) < len(scores.kinds) else "level"
        found: FindingKind = next((k for k in get_args(FindingKind) if k == name), "level")
        return found

    def _update(self, scores: Scores, score: Floats, quiet: Bools) -> list[Finding]:
        """Refresh the open ones; end those that were calm or silent long enough, or are muted."""
        ended: list[Finding] = []
        track, policy = self.track, self.policy
        for row in np.flatnonzero(track.open).tolist():
            key = scores.series.key(row)
            self.open[key] = finding = self._refreshed(self.open[key], scores, row, float(score[row]))
            because: Literal["", "maintenance", "gone", "new_normal", "recovered"] = ""
            if quiet[row]:
                because = "maintenance"
            elif track.silent[row] >= policy.gone_after:
                because = "gone"
            elif track.calm[row] >= policy.resolve_after:
                because = "new_normal" if self._moved(key, finding, scores, row) else "recovered"
            if because:
                ended.append(self._end(key, scores.time, because))
                track.open[row], track.above[row] = False, 0.0
        return ended

    def _refreshed(self, old: Finding, scores: Scores, row: int, score: float) -> Finding:
        if not np.isfinite(score):
            return old
        stronger = score > old.peak and self._kind(scores, row) in BY_VALUE  # a disk that is full at last did not freeze
        return replace(
            old, updated=scores.time, score=score, peak=max(old.peak, score), observed=float(scores.value[row]),
            expected=float(scores.yhat[row]), lower=float(scores.lower[row]), upper=float(scores.upper[row]),
            z=float(scores.z[row]), kind=self._kind(scores, row) if stronger and old.kind in BY_VALUE else old.kind,
        )  # fmt: skip

    def _moved(self, key: Key, finding: Finding, scores: Scores, row: int) -> bool:
        """Calm because what is expected moved to the value, not because the value came back."""
        value, before = float(scores.value[row]), self.usual.get(key, finding.expected)
        now_expected = float(scores.yhat[row])
        if not np.isfinite([value, before, now_expected]).all() or scores.time - finding.opened < self.policy.together:
            return False
        width = max(finding.upper - finding.lower, 1e-12)
        return abs(now_expected - before) > width and abs(value - before) > 0.5 * abs(now_expected - before)

    def _end(self, key: Key, now: float, because: str) -> Finding:
        finding = self.open.pop(key)
        self.usual.pop(key, None)
        return replace(finding, state="resolved", ended=now, updated=now, closed_because=because)

    def _note(self, lines: list[Suppression], scores: Scores, row: int, reason: str) -> None:
        alias, _ = scores.series.key(row)
        self.ledger.note(Suppression(scores.time, scores.series.host_of(row), alias, reason, float(scores.score[row])), lines)

    def state(self) -> Memory:
        """Everything that a restart needs, JSON-able."""
        rows = np.flatnonzero((self.track.above > 0) | self.track.open).tolist() if self.series is not None else []
        columns = (self.track.above, self.track.calm, self.track.silent)
        return {
            "time": self.time if np.isfinite(self.time) else None,
            "open": [plain.finding(f) for f in self.open.values()],
            "usual": [[plain.key(key), plain.number(at)] for key, at in self.usual.items()],
            "opens": [[plain.key(key), times] for key, times in self.opens.items()],
            "rows": [[plain.key(self.series.key(r)), *(float(c[r]) for c in columns)] for r in rows] if self.series else [],
            "ledger": self.ledger.state(),
        }

    def restore(self, state: Memory) -> None:
        """Take `state` back. Raises KeyError, TypeError or ValueError on what is not one."""
        found = [plain.to_finding(f) for f in state["open"]]
        usual = {plain.to_key(key): np.nan if at is None else float(at) for key, at in state["usual"]}
        opens = {plain.to_key(key): [float(t) for t in times] for key, times in state["opens"]}
        rows = {plain.to_key(key): [float(v) for v in values] for key, *values in state["rows"]}
        self.ledger.restore(state["ledger"])
        self.time = -np.inf if state["time"] is None else float(state["time"])
        self.open = {(f.signal, f.labels): f for f in found}
        self.usual, self.opens, self._restored, self.series = usual, opens, rows, None

    def _put_back(self, series: Series) -> None:
        """The remembered seconds of restored rows, once the table they belong to is known."""
        if not self._restored and not self.open:
            return
        at = {key: row for row, key in enumerate(series.keys())}
        for key, values in self._restored.items():
            if key in at:
                row = at[key]
                self.track.above[row], self.track.calm[row], self.track.silent[row] = values
        for key in self.open:
            if key in at:
                self.track.open[at[key]] = True
        self._restored = {}
