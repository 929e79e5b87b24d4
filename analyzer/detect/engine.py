"""The engine: samples in, Scores out, one column at a time, scored before anything is learned from it.

In: `Window`s whose series may come, go and change order. Out: one `Scores` a column. State is arrays [series, ...]; time is in
seconds, so that the spacing of columns may change. Every service cycle, replay and benchmark runs this code.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from analyzer.detect.baseline import FIELDS as BASELINE_FIELDS
from analyzer.detect.baseline import FULL_SECONDS, Baseline
from analyzer.detect.columns import Array, Columns, Field, StateError
from analyzer.detect.combine import loudest, member_score
from analyzer.detect.frame import Column, Frame
from analyzer.detect.hosts.members import HostDetector
from analyzer.detect.hosts.model import HostModel
from analyzer.detect.known import Known, Liveness
from analyzer.detect.lend import lend
from analyzer.detect.members import Detector, Measure
from analyzer.detect.profile import DAY, SLOT, Clock, Profile
from analyzer.detect.profile import FIELDS as PROFILE_FIELDS
from analyzer.detect.registry import DETECTORS, HOST_DETECTORS
from analyzer.detect.room import longest_silent
from analyzer.detect.rules import Rules
from analyzer.detect.settings import DetectionSettings
from analyzer.detect.shadow import Shadow
from analyzer.detect.surprise import Surprise
from analyzer.detect.table import Table
from analyzer.detect.tail import BASE, Tail
from analyzer.detect.tail import fields as tail_fields
from analyzer.records import HostScores, Learning, Scores
from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Ints, Series, Window, apart

__all__ = ["Engine", "StateError"]

VERSION = 3
HUGE = 1e30  # nobody measures so much: such a sample is none, and sums of all others stay finite
LONGEST_STEP = 3600.0
COARSE = 300.0  # bootstrap reads older history this far apart
RECENT = 2 * 86400.0  # and this much of its end as it is
EPISODE = 600.0  # a deviation older than this is one event, however many samples it has
NAMED = 1000  # of the series that found no room, so many are known by name
LENT_READY = 0.5  # of a series that is judged by what its peers lend it: enough to be heard
STRANGE_DAY = 0.7  # what is known of weekdays is worth so much on the first weekend, and the other way round
ROWS = 2048  # bootstrap fills the profile of this many series at once


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One scored column: the frame, the measures in the detectors' order, and what came of them. Floats are float64 [series]."""

    frame: Frame
    measures: tuple[Measure, ...]
    score: Floats
    kind: Ints
    onset: Floats
    surprise: Floats
    known: Known


class Engine:
    """All detectors over all series.

    Parameters
    ----------
    signals : what is known beforehand, by alias; series of other aliases are watched without.
    settings : the budget and the memories.
    seed : kept for detectors that draw; the shipped ones do not.
    detectors, host_detectors : which run, by kind: over single series, over whole servers.
    """

    def __init__(
        self,
        signals: Mapping[str, Signal],
        settings: DetectionSettings | None = None,
        seed: int = 0,
        *,
        detectors: Mapping[str, type[Detector]] = DETECTORS,
        host_detectors: Mapping[str, type[HostDetector]] = HOST_DETECTORS,
    ) -> None:
        self.signals, self.settings, self.seed = dict(signals), settings or DetectionSettings(), seed
        self.classes, self.host_classes = dict(detectors), dict(host_detectors)
        self.refused = 0  # series that found no room, here or with the reader
        self.left_out = Series.empty()  # the first of them
        self._start()

    def _start(self) -> None:
        """Bind everything to empty state."""
        s = self.settings
        spec: dict[str, Field] = {
            **PROFILE_FIELDS,
            **BASELINE_FIELDS,
            **Shadow.fields(),
            **Liveness.fields(),
            **Surprise.fields(),
            "onset": Field(np.nan),
        }
        calibrated = [k for k, d in self.classes.items() if d.calibrated]
        for kind, detector in self.classes.items():
            spec |= dict(detector.fields()) | (tail_fields(kind, detector.floor) if detector.calibrated else {})
        self.c, self.table = Columns(spec), Table()
        self.profile = Profile(self.c, s.utc_offset_seconds)
        self.baseline = Baseline(self.c, self.profile, s)
        self.shadow, self.liveness, self.surprise = Shadow(self.c, s), Liveness(self.c), Surprise(self.c, s)
        self.members = {k: d(self.c, s) for k, d in self.classes.items()}
        odds = s.tail_odds(BASE) + float(np.log(max(len(calibrated), 1)))  # the budget is shared
        memory = s.tail_half_life_seconds
        self.tails = {k: Tail(self.c, k, odds=odds, floor=self.classes[k].floor, memory_seconds=memory) for k in calibrated}
        self.rules = Rules.of(self.table.series, self.signals)
        self.hosts = HostModel(self.host_classes)
        self.kinds = (*self.classes, "down", "restart")
        self.last, self.pace = -np.inf, 60.0

    @property
    def series(self) -> Series:
        """The engine's own table: the rows of every Scores."""
        return self.table.series

    @property
    def nbytes(self) -> int:
        """Bytes of state, labels left out."""
        return self.c.nbytes + self.hosts.nbytes

    def step(self, window: Window, *, muted: Bools | None = None) -> list[Scores]:
        """Score every column of the window in time order, and learn from it where nothing is strange.

        muted : bool [series of the window], kept out of learning (maintenance, silences); scored all the same.
        A column that is not newer than the last one is answered with the time's NaN scores and changes nothing.
        """
        rows = self._rows(window, borrow=True)
        muted_rows = self._spread(muted, rows)
        out = []
        for column in np.argsort(window.times, kind="stable").tolist():
            now = float(window.times[column])
            if not now > self.last and self.last - now < SLOT * 4:
                out.append(self._nothing(now))
                continue
            if now // SLOT != self.last // SLOT:
                self._lend_late()
            x = self._column(window.values[:, column], rows)
            judged = self._judge(now, x, partial=window.partial)
            promoted, calm = self._learn(judged, muted_rows)
            whole = self.hosts.step(judged.frame, self.table.series, calm)
            out.append(self._scores(judged, promoted, whole))
        self._forget()
        return out

    def learning(self) -> Learning:
        """What each series has of what it needs, as of the newest column."""
        c, ready, rules = self.c, self.settings.ready_seconds, self.rules
        able = (c["known"] >= ready) & (rules.group >= 0)
        peers = np.bincount(rules.group[able], minlength=int(rules.group.max(initial=-1)) + 2)[rules.group]  # -1 finds the last
        return Learning(
            self.table.series, self.last, c["known"].copy(), self.last - c["last_seen"], c["lent"] > 0, (peers - able) > 0,
            rules.up | rules.uptime, ~np.isnan(c["paused"]), ready, FULL_SECONDS, self.refused, self.left_out,
        )  # fmt: skip

    def bootstrap(self, history: Window, *, guarded: bool = False) -> None:
        """Learn from the past: the usual day first, then spread, tails and levels along the columns.

        May be called with consecutive stretches. Older columns are subsampled, never averaged. Nothing is scored for the caller.

        guarded : series that are known well keep what is strange out of it, as they would have live: what was missed in an absence.
        """
        order = np.argsort(history.times, kind="stable")
        times = history.times[order]
        order = order[np.r_[True, np.diff(times) > 0]] if len(times) else order
        order = order[history.times[order] > self.last]
        if not len(order):
            return
        rows = self._rows(history, borrow=False)
        coarse = apart(history.times[order], COARSE)
        covered = np.zeros(len(self.table)) if guarded else self._fill(history, order[coarse], rows)
        recent = history.times[order] > history.times[order[-1]] - RECENT
        self._remember(history, order[apart(history.times[order], 60.0)], rows)
        known = np.maximum(self.c["known"], 0.0) + covered
        self.c["known"] = known
        for column in order[coarse | recent].tolist():
            x = self._column(history.values[:, column], rows)
            judged = self._judge(float(history.times[column]), x, partial=history.partial)
            self._learn(judged, None, past=True, guarded=guarded)
        if not guarded:
            self.c["known"] = known

    def settle(self) -> None:
        """Learn whole servers from the history that was read: seconds of work, which the next column would have to wait for."""
        self.hosts.learn(self.last)

    def state(self) -> dict[str, Array]:
        """Everything learned, as plain arrays."""
        open_slot = self.profile.open
        clock = (-1.0, -1.0, 0.0) if open_slot is None else (open_slot.week_day, open_slot.slot, open_slot.share)
        head = np.array([VERSION, self.last, self.pace, *clock], np.float64)
        hosts = {f"h.{name}": array for name, array in self.hosts.state().items()}
        return {"head": head, "series": self.table.dump(), **self.c.dump("c."), **hosts}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take `state` back; on StateError the engine is empty and can learn anew, as are whole servers that do not fit."""
        self._start()
        try:
            head = np.asarray(state["head"], np.float64)
            if head.shape != (6,) or head[0] != VERSION:
                raise StateError(f"state: version {head[:1]} is not {VERSION}")
            self.table.load(state["series"])
            self.c.load(state, "c.", len(self.table))
        except (KeyError, ValueError, TypeError, AttributeError, UnicodeDecodeError, StateError) as error:
            self._start()
            raise error if isinstance(error, StateError) else StateError(f"state: {error}") from error
        self.last, self.pace = float(head[1]), float(head[2])
        self.profile.open = None if head[3] < 0 else Clock(int(head[3]), int(head[4]), float(head[5]))
        self.rules = Rules.of(self.table.series, self.signals)
        with suppress(StateError):
            self._restore_hosts(state)

    def _restore_hosts(self, state: Mapping[str, Array]) -> None:
        """Whole servers, all or nothing: a state of before there were any has none."""
        mine = {name[2:]: array for name, array in state.items() if name.startswith("h.")}
        if mine:
            known = HostModel(self.host_classes)
            known.restore(mine, self.table.series)
            self.hosts = known

    def _remember(self, history: Window, columns: Ints, rows: Ints) -> None:
        """Keep a stretch of history for the whole servers."""
        values = np.full((len(self.table), len(columns)), np.nan)
        fits = np.flatnonzero(rows >= 0)
        part = history.values[np.ix_(fits, columns)]
        values[rows[fits]] = np.where(np.abs(part) < HUGE, part, np.nan)
        self.hosts.remember(self.table.series, history.times[columns], values)

    def _rows(self, window: Window, *, borrow: bool) -> Ints:
        """Positions of the window's series, new ones taken in."""
        series = window.series
        rows = self._admit(series, borrow=borrow)
        out = np.flatnonzero(rows < 0)
        if len(out) and len(window.times) and self._make_room(rows, float(window.times.min())):
            rows = self._admit(series, borrow=borrow)
            out = np.flatnonzero(rows < 0)
        self.refused = len(out) + window.refused
        self.left_out = series.take(out[:NAMED]) if len(out) else Series.empty()
        return rows

    def _admit(self, series: Series, *, borrow: bool) -> Ints:
        rows, fresh = self.table.rows(series, room=self.settings.max_series - len(self.table))
        if len(fresh):
            self.c.grow(len(fresh))
            self.rules = Rules.of(self.table.series, self.signals)
            if borrow:
                lend(self.c, self.rules, fresh, self.settings, tuple(self.tails))
        return rows

    def _make_room(self, rows: Ints, now: float) -> bool:
        """Let go of series that are silent for long, where others found no room. Returns whether any went."""
        keep = np.ones(len(self.table), bool)
        asked = np.isin(np.arange(len(keep)), rows)
        keep[longest_silent(self.c["last_seen"], now, int((rows < 0).sum()), asked)] = False
        if not keep.all():
            self._keep(np.flatnonzero(keep))
        return not keep.all()

    def _lend_late(self) -> None:
        """Lend to series that are too young to be judged and that nobody could lend to when they came: history begins somewhere."""
        young = (self.c["known"] < 0.25 * self.settings.ready_seconds) & (self.c["lent"] == 0) & (self.rules.group >= 0)
        if young.any():
            lend(self.c, self.rules, np.flatnonzero(young & ~self.rules.up & ~self.rules.uptime), self.settings, tuple(self.tails))

    def _keep(self, rows: Ints) -> None:
        place = np.full(len(self.table), -1, np.int64)
        place[rows] = np.arange(len(rows))
        self.c.take(rows)
        self.table.take(rows)
        self.rules = Rules.of(self.table.series, self.signals)
        self.hosts.move(place, self.table.series)

    def _spread(self, flags: Bools | None, rows: Ints) -> Bools | None:
        if flags is None:
            return None
        out = np.zeros(len(self.table), bool)
        out[rows[(rows >= 0) & flags]] = True
        return out

    def _column(self, values: Floats, rows: Ints) -> Floats:
        """The samples of one column on the engine's rows: finite or NaN."""
        x = np.full(len(self.table), np.nan)
        fits = (rows >= 0) & (np.abs(values) < HUGE)
        x[rows[fits]] = values[fits]
        return x

    def _judge(self, now: float, x: Floats, *, partial: bool) -> Judged:
        """Score one column with what was learned before it."""
        first = not np.isfinite(self.last) or now < self.last
        dt = self.pace if first else min(now - self.last, LONGEST_STEP)
        talks = np.isfinite(x) & ~self.rules.up
        sends = np.bincount(self.rules.host, talks, minlength=max(self.rules.hosts, 1))[self.rules.host] > 0
        column = Column(now, dt, self.pace, x, sends, partial)
        f = self.baseline.frame(column, self.rules)
        self.last, self.pace = now, dt
        measures, scores = [], []
        for kind, detector in self.members.items():
            measure = detector.measure(f)
            measures.append(measure)
            scores.append(member_score(measure, self._edge(kind, f), f))
        score, best, since = loudest(scores, measures, len(x))
        surprise = self.surprise.judge(f)
        known = self.liveness.judge(f)
        score = np.where(known.rows, known.score, np.where(self._speaks() & ~(f.settled < 1.0), score, np.nan))
        kind_at = np.where(known.down, len(self.members), np.where(known.restart, len(self.members) + 1, best))
        onset = self._onset(f, score, since, known)
        surprise = np.where(known.rows | ~self._speaks(), np.nan, surprise)
        return Judged(f, tuple(measures), score, kind_at, onset, surprise, known)

    def _edge(self, kind: str, f: Frame) -> Floats | None:
        """Where a detector's 1.0 lies; further out while a series is young."""
        if kind not in self.tails:
            return None
        edge = self.tails[kind].edge(self.table.series.signal, len(self.table.series.signals))
        young = np.sqrt(np.clip(self.settings.ready_seconds / np.maximum(self.c["known"], 60.0), 1.0, 4.0))
        wide: Floats = edge * np.where(self.c["lent"] > 0, 1.0, young)
        return wide

    def _speaks(self) -> Bools:
        """Series that are known well enough to be judged at all: a quarter of what is needed, or peers that lend theirs."""
        speaks: Bools = (self.c["known"] >= 0.25 * self.settings.ready_seconds) | (self.c["lent"] > 0)
        return speaks

    def _onset(self, f: Frame, score: Floats, since: Floats, known: Known) -> Floats:
        """When the present deviation began: the first sample out of the usual that was not followed by a return."""
        onset, odd = self.c["onset"], np.nan_to_num(score) >= 0.6
        out = f.seen & (np.abs(f.raw) > 2.5)
        back = f.seen & ~out & (np.abs(f.zs) < 1.5) & ~odd
        onset[back] = np.nan
        onset[(out | odd) & np.isnan(onset)] = f.now
        told = np.where(odd, onset, np.nan)
        told = np.where(odd & np.isfinite(since), since, told)
        chosen: Floats = np.where(known.rows, known.onset, told)
        return chosen

    def _learn(self, j: Judged, muted: Bools | None, *, past: bool = False, guarded: bool = False) -> tuple[Bools, Bools]:
        """Learn where nothing is strange. Returns the rows whose new level became normal, and those learned from: bool [series]."""
        f, plain = j.frame, j.frame.seen & ~j.known.rows
        promoted = np.zeros(len(plain), bool)
        if past and not guarded:
            mask = plain
        else:
            unheard = past if muted is None else muted | past
            paused = self.shadow.watch(f, np.where(j.known.rows, 0.0, j.score), unheard=unheard)
            if paused.any() and not past:
                promoted = self.shadow.promote(f) & ~np.asarray(unheard)
                self._promote(promoted)
            paused &= (self.c["known"] >= self.settings.ready_seconds) | (self.c["lent"] > 0)  # else no normal to protect yet
            mask = plain & ~paused & ~promoted
        daily = mask | (plain & self._habitual(f))
        if muted is not None:
            mask &= ~muted
            daily &= ~muted
        age = np.nan_to_num(f.now - self.c["onset"])
        episode = (age > EPISODE) & (self.c["known"] > DAY) & (not past)
        self._learn_tails(j, mask, np.where(episode, np.minimum(0.1, (EPISODE / np.maximum(age, EPISODE)) ** 2), 1.0))
        for detector in self.members.values():
            detector.learn(f, mask)
        self.surprise.learn(f, plain if muted is None else plain & ~muted)
        self.baseline.learn(f, mask, calm=mask & ~episode)
        self.profile.learn(f.now, f.x, daily)
        return promoted, mask

    def _habitual(self, f: Frame) -> Bools:
        """Anomalous samples that may still enter the usual day: its median over seven days shrugs off one odd day, and what
        comes back every day becomes usual. Not on weekends, which are two days only, and not where a drift leans towards a limit.
        """
        if Clock.at(f.now, self.profile.utc_offset).week_day >= 5:
            return np.zeros(len(f.x), bool)
        habitual: Bools = (self.c["known"] >= 5 * DAY) & np.isnan(f.rules.limit)
        return habitual

    def _learn_tails(self, j: Judged, mask: Bools, weight: Floats) -> None:
        """Tails learn from the side that matters, once the spread they are measured in is known.

        weight : a long episode counts little, and less the longer it is, so that all of it stays one event: its minutes are not
        many, and a slow leak must not move its own edge.
        """
        f = j.frame
        settled = mask & (self.c["spread_n"] > 3600.0) & (f.settled >= 1.0)
        for (kind, _), measure in zip(self.members.items(), j.measures, strict=True):
            if kind in self.tails:
                side = f.rules.side
                a = np.where(side * measure.value < 0, 0.0, np.abs(measure.value))
                self.tails[kind].learn(np.nan_to_num(a), settled & np.isfinite(measure.value), f.dt, weight)

    def _promote(self, rows: Bools) -> None:
        """Move the past of these rows to their shadow level: from now on that is normal."""
        at = np.flatnonzero(rows)
        if not len(at):
            return
        c = self.c
        shift = c["shadow_quick"][at].astype(np.float64) - np.nan_to_num(c["level"][at])
        self.profile.shift(at, shift)
        c["spread"][at] = np.maximum(c["spread"][at], np.minimum(c["shadow_spread"][at], 10 * c["spread"][at] + 1e-12))
        c["hourly_n"][at] *= np.float32(0.1)
        own = ("r1", "r2", "zs", "z", "paused", "calm", "onset", "quick", "slow", "shift", "slot_sum", "slot_n")
        c.reset(at, tuple(n for n in own if n in c.arrays))

    def _scores(self, j: Judged, promoted: Bools, whole: HostScores) -> Scores:
        """The record of one column."""
        f, c = j.frame, self.c
        lower, upper = self.baseline.band(f)
        unknown = ~self._speaks() & ~j.known.rows
        yhat = np.where(j.known.rows, j.known.yhat, np.where(unknown, np.nan, f.yhat))
        z = np.where(j.known.rows, np.where(j.known.down | j.known.restart, -10.0, 0.0), c["z"])
        z = np.where(f.seen, z, np.nan)
        seen_such = np.where(self.profile.met(f.now), f.mature, np.minimum(f.mature, np.maximum(STRANGE_DAY * f.mature, 0.5)))
        ready = np.where(j.known.rows, 1.0, np.maximum(seen_such, LENT_READY * (c["lent"] > 0)))
        lower, upper = (np.where(j.known.rows | unknown, yhat, side) for side in (lower, upper))
        return Scores(
            f.now, self.table.series, f.x, yhat, lower, upper, j.score, z, j.kind, self.kinds, j.onset, ready, promoted, whole,
            j.surprise,
        )  # fmt: skip

    def _nothing(self, now: float) -> Scores:
        """A column that cannot be judged: every figure unknown."""
        n = len(self.table)
        nan = np.full(n, np.nan)
        kind, none = np.zeros(n, np.int64), np.zeros(n, bool)
        return Scores(now, self.table.series, nan, nan, nan, nan, nan, nan, kind, self.kinds, nan, np.zeros(n), none)

    def _fill(self, history: Window, columns: Ints, rows: Ints) -> Floats:
        """Read a stretch of history into the profile. Returns the seconds of samples of each row: float64 [series]."""
        covered = np.zeros(len(self.table))
        times = history.times[columns]
        step = float(np.median(np.diff(times))) if len(times) > 1 else self.pace
        inside = np.flatnonzero(rows >= 0)
        place = np.full(len(self.table), -1, np.int64)
        place[rows[inside]] = inside
        for first in range(0, len(self.table), ROWS):
            block = slice(first, min(first + ROWS, len(self.table)))
            source = place[block]
            x = np.where((source >= 0)[:, None], history.values[np.ix_(np.maximum(source, 0), columns)], np.nan)
            x = np.where(np.abs(x) < HUGE, x, np.nan)
            covered[block] = np.isfinite(x).sum(axis=1) * min(step, LONGEST_STEP)
            self.profile.fill(times, x, np.arange(block.start, block.stop))
            self.c["center"][block] = self.profile.ring.middle(block)
        return covered

    def _forget(self) -> None:
        """Drop series that sent nothing for long, all at once when they are many: rows stay stable in between."""
        if not np.isfinite(self.last):
            return
        seen = np.where(np.isnan(self.c["last_seen"]), self.last, self.c["last_seen"])
        gone = self.last - seen > self.settings.forget_seconds
        if gone.any() and gone.sum() > max(0.02 * len(gone), 64):
            self._keep(np.flatnonzero(~gone))
