"""Declared signals over raw samples: the numbers that Prometheus would give, without a Prometheus.

In: raw series as one matrix [raw series, time]. Out: a `Window` [series, evaluation time]. Semantics are those of Prometheus 2.x:
`rate` extrapolates to the window's edges (promql/functions.go, extrapolatedRate), the window holds both of its ends, a counter that
falls has started over, an instant value is at most 5 minutes old, and a stale marker ends a series at once. Floor 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analyzer.identity import Identity
from analyzer.signals import Aggregate, Kind, Matcher, Signal, Term, compile_regex
from analyzer.window import Floats, Ints, Labels, Series, Window

LOOKBACK = 300.0  # seconds, Prometheus's --query.lookback-delta
STALE_BITS = 0x7FF0000000000002  # the NaN that Prometheus writes when a series ends
STALE = float(np.array(STALE_BITS, np.int64).view(np.float64))
CELLS = 500_000  # raw cells worked on at once: some ten temporary arrays of 4 MB
_Asked = tuple[bytes, bytes, Kind, Aggregate | None]


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Raw samples at common times.

    Attributes
    ----------
    names : metric names, one a row.
    labels : sorted pairs without `__name__`, one a row.
    times : float64 [time], unix seconds, increasing, whole milliseconds.
    values : float64 [row, time]; NaN = no sample, `STALE` = the series ended here (missing from a scrape, target down).
    """

    names: tuple[str, ...]
    labels: tuple[Labels, ...]
    times: Floats
    values: Floats


def stale_where_missing(values: Floats) -> Floats:
    """NaN -> `STALE` after a row's first sample, as a scraper marks a series that was there and is not. float64 [row, time]."""
    missing = np.isnan(values)
    seen = np.maximum.accumulate(~missing, axis=1)
    marked = values.copy()
    marked.view(np.int64)[missing & seen] = STALE_BITS
    return marked


def evaluate(
    signals: Sequence[Signal], raw: Raw, at: Floats, *, rate_window: float = 60.0, identity: Identity | None = None
) -> Window:
    """All declared signals at the times `at` (float64 [time], increasing); free PromQL gives no rows."""
    plan = Plan.build(signals, raw.names, raw.labels, identity or Identity())
    return plan.run(raw.times, raw.values, at, rate_window=rate_window)


@dataclass(frozen=True, slots=True, eq=False)
class _Branch:
    """One metric of one term: which raw rows, and which group each of them falls into (groups are contiguous)."""

    rows: Ints
    starts: Ints
    kind: Kind
    aggregate: Aggregate | None


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """A term: branches, and for each of its results the group in every branch that is added up."""

    branches: tuple[_Branch, ...]
    groups: tuple[Ints, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Formula:
    over: _Side
    under: _Side | None
    complement: bool


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to compute from which rows: made once for a table of raw series, run for any values of it."""

    series: Series
    formulas: tuple[_Formula, ...]

    @classmethod
    def build(cls, signals: Sequence[Signal], names: Sequence[str], labels: Sequence[Labels], identity: Identity) -> "Plan":
        """Select, group and match labels for every declared signal."""
        table = _Table(names, labels)
        rows: list[tuple[str, str, str, Labels]] = []
        formulas = []
        for signal in signals:
            if signal.declaration is None:
                continue
            over, keys = table.side(signal.declaration.over)
            under = None
            if signal.declaration.under is not None:
                under, under_keys = table.side(signal.declaration.under)
                at = {key: i for i, key in enumerate(under_keys)}
                keep = [i for i, key in enumerate(keys) if key in at]
                under = _pick(under, np.array([at[keys[i]] for i in keep], np.int64))
                over, keys = _pick(over, np.array(keep, np.int64)), [keys[i] for i in keep]
            formulas.append(_Formula(over, under, signal.declaration.complement))
            for key in keys:
                named = dict(key)
                rows.append((signal.alias, identity.host(named), identity.role(named), key))
        return cls(Series.build(rows), tuple(formulas))

    def run(self, times: Floats, values: Floats, at: Floats, *, rate_window: float) -> Window:
        """The window at the times `at`; rows without any value are left out, as an empty answer has none."""
        clock = _Clock.build(times, at, rate_window)
        cache: dict[_Asked, Floats] = {}
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is not finite in the end is no sample
            parts = [_formula(formula, values, clock, cache) for formula in self.formulas]
        found = np.concatenate(parts) if parts else np.zeros((0, len(at)))
        found[~np.isfinite(found)] = np.nan
        some = np.flatnonzero(~np.isnan(found).all(axis=1)) if len(at) else np.zeros(0, np.int64)
        if len(some) == len(found):
            return Window(self.series, at, found)
        return Window(self.series.take(some), at, found[some])


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """Where the evaluation times lie in the raw ones. Milliseconds, as Prometheus counts.

    times : int64 [time]; at : int64 [evaluation]; first, last : int64 [evaluation], columns of the rate window's first sample
    and of the newest one (last < first: none); oldest : int64 [evaluation], first column that an instant value may come from.
    """

    times: Ints
    at: Ints
    first: Ints
    last: Ints
    oldest: Ints
    window: int

    @classmethod
    def build(cls, times: Floats, at: Floats, rate_window: float) -> "_Clock":
        raw, now = np.rint(times * 1000).astype(np.int64), np.rint(at * 1000).astype(np.int64)
        window = round(rate_window * 1000)
        return cls(
            raw,
            now,
            np.searchsorted(raw, now - window, side="left"),
            np.searchsorted(raw, now, side="right") - 1,
            np.searchsorted(raw, now - round(LOOKBACK * 1000), side="left"),
            window,
        )


class _Table:
    """Raw series by metric name, for selecting and grouping."""

    def __init__(self, names: Sequence[str], labels: Sequence[Labels]) -> None:
        self._labels = labels
        self._named: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            self._named.setdefault(name, []).append(row)
        self._selected: dict[tuple[str, tuple[Matcher, ...]], list[int]] = {}

    def side(self, term: Term) -> tuple[_Side, list[Labels]]:
        """A term's branches, and the label sets of its results (those that every branch has)."""
        branches, keyed = [], []
        for metric in term.metrics:
            branch, keys = self._branch(metric, term)
            branches.append(branch)
            keyed.append({key: i for i, key in enumerate(keys)})
        common = [key for key in keyed[0] if all(key in other for other in keyed[1:])]
        groups = tuple(np.array([at[key] for key in common], np.int64) for at in keyed)
        return _Side(tuple(branches), groups), common

    def _branch(self, metric: str, term: Term) -> tuple[_Branch, list[Labels]]:
        rows = self._select(metric, term.matchers)
        gone = frozenset(term.without) if term.aggregate is not None else frozenset()
        members: dict[Labels, list[int]] = {}
        for row in rows:
            pairs = self._labels[row]
            key = tuple(pair for pair in pairs if pair[0] not in gone) if gone else pairs
            members.setdefault(key, []).append(row)
        sizes = [len(group) for group in members.values()]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if sizes else np.zeros(0, np.int64)
        flat = np.array([row for group in members.values() for row in group], np.int64)
        return _Branch(flat, starts, term.kind, term.aggregate), list(members)

    def _select(self, metric: str, matchers: tuple[Matcher, ...]) -> list[int]:
        asked = (metric, matchers)
        if asked not in self._selected:
            rows = self._named.get(metric, [])
            for matcher in matchers:
                accepts = _Accepts(matcher)
                rows = [row for row in rows if accepts(next((v for k, v in self._labels[row] if k == accepts.name), ""))]
            self._selected[asked] = rows
        return self._selected[asked]


class _Accepts:
    """One matcher as a function of a label's value ("" where the label is missing); answers are remembered."""

    def __init__(self, matcher: Matcher) -> None:
        self.name = matcher.name
        self._matcher = matcher
        self._regex: Any = compile_regex(matcher.value) if matcher.op in ("=~", "!~") else None
        self._known: dict[str, bool] = {}

    def __call__(self, value: str) -> bool:
        if value not in self._known:
            if len(self._known) > 100_000:  # labels that keep changing
                self._known.clear()
            hit = self._regex.fullmatch(value) is not None if self._regex is not None else value == self._matcher.value
            self._known[value] = hit == (self._matcher.op in ("=", "=~"))
        return self._known[value]


class Wanted:
    """Which raw series the declared signals are made of, for who keeps raw series; metrics of `also` are wanted whole."""

    def __init__(self, signals: Iterable[Signal], also: Iterable[str] = ()) -> None:
        self._ways: dict[str, list[list[_Accepts]]] = {name: [[]] for name in also}
        for signal in signals:
            sides = (signal.declaration.over, signal.declaration.under) if signal.declaration else ()
            for term in (side for side in sides if side is not None):
                for metric in term.metrics:
                    self._ways.setdefault(metric, []).append([_Accepts(matcher) for matcher in term.matchers])
        self.metrics = frozenset(self._ways)

    def __call__(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether any signal needs this series."""
        return any(all(accepts(labels.get(accepts.name, "")) for accepts in way) for way in self._ways.get(name, ()))


def _pick(side: _Side, results: Ints) -> _Side:
    return replace(side, groups=tuple(group[results] for group in side.groups))


def _formula(formula: _Formula, values: Floats, clock: _Clock, cache: dict[_Asked, Floats]) -> Floats:
    found = _side(formula.over, values, clock, cache)
    if formula.under is not None:
        found = found / _side(formula.under, values, clock, cache)
    return 1.0 - found if formula.complement else found


def _side(side: _Side, values: Floats, clock: _Clock, cache: dict[_Asked, Floats]) -> Floats:
    total: Floats | None = None
    for branch, groups in zip(side.branches, side.groups, strict=True):
        picked = _aggregate(branch, values, clock, cache)[groups]
        total = picked if total is None else total + picked
    return total if total is not None else np.zeros((0, len(clock.at)))


def _aggregate(branch: _Branch, values: Floats, clock: _Clock, cache: dict[_Asked, Floats]) -> Floats:
    """Instant values of a branch, one row a group. float64 [group, evaluation]."""
    asked = (branch.rows.tobytes(), branch.starts.tobytes(), branch.kind, branch.aggregate)
    if asked not in cache:
        cache[asked] = _blocks(branch, values, clock)
    return cache[asked]


def _blocks(branch: _Branch, values: Floats, clock: _Clock) -> Floats:
    """Group after group in blocks that fit the processor's caches and not all rows at once."""
    found = np.full((len(branch.starts), len(clock.at)), np.nan)
    if not len(branch.rows) or not len(clock.times) or not len(clock.at):
        return found
    # only the columns that any evaluation can see
    low = min(int(clock.first.min()), int(clock.oldest.min()))
    high = int(clock.last.max()) + 1
    if high <= low:
        return found
    near = replace(clock, times=clock.times[low:high], first=clock.first - low, last=clock.last - low, oldest=clock.oldest - low)
    ends = np.append(branch.starts[1:], len(branch.rows))
    budget, begin = max(CELLS // (high - low), 1), 0
    while begin < len(ends):
        end = max(int(np.searchsorted(ends, branch.starts[begin] + budget, side="right")), begin + 1)
        rows = branch.rows[branch.starts[begin] : ends[end - 1]]
        part = _instants(values[rows, low:high], branch.kind, near)
        found[begin:end] = _grouped(part, branch.starts[begin:end] - branch.starts[begin], branch.aggregate)
        begin = end
    return found


def _instants(values: Floats, kind: Kind, clock: _Clock) -> Floats:
    """Gauge, rate or age at the evaluation times. float64 [row, evaluation]."""
    if kind == "rate":
        return _rate(values, clock)
    return _latest(values, clock) if kind == "gauge" else clock.at / 1000.0 - _latest(values, clock)


def _grouped(found: Floats, starts: Ints, aggregate: Aggregate | None) -> Floats:
    """Rows of a group become one; a group without any value has none. float64 [group, evaluation]."""
    if aggregate is None:
        return found
    missing = np.isnan(found)
    some = np.add.reduceat(~missing, starts, axis=0, dtype=np.float64)
    if aggregate == "count":
        result = some
    elif aggregate in ("sum", "avg"):
        result = np.add.reduceat(np.where(missing, 0.0, found), starts, axis=0)
        if aggregate == "avg":
            result /= np.maximum(some, 1)
    else:
        result = (np.fmax if aggregate == "max" else np.fmin).reduceat(found, starts, axis=0)
    result[some == 0] = np.nan
    return result


def _latest(values: Floats, clock: _Clock) -> Floats:
    """The newest sample, if it is young enough and no stale marker. float64 [row, evaluation]."""
    gap = np.isnan(values) & (values.view(np.int64) != STALE_BITS)
    last = np.maximum(clock.last, 0)
    fresh = (clock.last >= clock.oldest) & (clock.last >= 0)
    if not gap.any():
        return np.where(fresh, values[:, last], np.nan)
    column = np.maximum.accumulate(np.where(gap, -1, np.arange(values.shape[1])), axis=1)[:, last]
    found = np.take_along_axis(values, np.maximum(column, 0), axis=1)
    return np.where(fresh & (column >= clock.oldest) & (column >= 0), found, np.nan)


def _rate(values: Floats, clock: _Clock) -> Floats:
    """Per second over the window. float64 [row, evaluation]."""
    missing = np.isnan(values)
    full = ~missing.any(axis=1)
    found = np.empty((len(values), len(clock.at)))
    if full.any():
        found[full] = _rate_full(values[full], clock)
    if not full.all():
        found[~full] = _rate_gaps(values[~full], missing[~full], clock)
    return found


def _rate_full(values: Floats, clock: _Clock) -> Floats:
    """Rows without a gap: the first and last columns are the same for all of them."""
    first, last = np.clip(clock.first, 0, values.shape[1] - 1), np.clip(clock.last, 0, values.shape[1] - 1)
    usable = (clock.last > clock.first) & (clock.first >= 0)
    fallen = np.zeros_like(values)
    np.multiply(values[:, :-1], values[:, 1:] < values[:, :-1], out=fallen[:, 1:])
    rise = values[:, last] - values[:, first]
    _add_lost(rise, fallen, np.broadcast_to(first, rise.shape), np.broadcast_to(last, rise.shape))
    rate = _extrapolate(rise, values[:, first], (clock.times[first], clock.times[last]), last - first, clock)
    return np.where(usable, rate, np.nan)


def _rate_gaps(values: Floats, missing: Any, clock: _Clock) -> Floats:
    columns = np.arange(values.shape[1])
    before = np.maximum.accumulate(np.where(missing, -1, columns), axis=1)  # newest sample up to here
    after = np.minimum.accumulate(np.where(missing, len(columns), columns)[:, ::-1], axis=1)[:, ::-1]  # oldest from here on
    filled = np.take_along_axis(values, np.maximum(before, 0), axis=1)
    filled[before < 0] = -np.inf  # nothing before the first sample to fall from
    fallen = np.zeros_like(values)
    np.copyto(fallen[:, 1:], filled[:, :-1], where=filled[:, 1:] < filled[:, :-1])
    counts = np.cumsum(~missing, axis=1)
    edge_low, edge_high = np.clip(clock.first, 0, len(columns) - 1), np.clip(clock.last, 0, len(columns) - 1)
    first, last = after[:, edge_low], before[:, edge_high]
    usable = (clock.last > clock.first) & (first < last)
    first, last = np.where(usable, first, 0), np.where(usable, last, 0)

    def at(table: Any, column: Any) -> Any:
        return np.take_along_axis(table, column, axis=1)

    rise = at(values, last) - at(values, first)
    _add_lost(rise, fallen, first, last)
    steps = at(counts, last) - at(counts, first)
    rate = _extrapolate(rise, at(values, first), (clock.times[first], clock.times[last]), steps, clock)
    return np.where(usable, rate, np.nan)


def _add_lost(rise: Floats, fallen: Floats, first: Ints, last: Ints) -> None:
    """Add to every rise what its window lost to resets, one after another as Prometheus adds them: a running sum over all columns
    would round off small rises of counters that were large before they started over. In place; arrays [row, evaluation]."""
    rows = np.flatnonzero(fallen.any(axis=1))
    if not len(rows):
        return
    here, begin, end = fallen[rows], first[rows], last[rows]
    total = rise[rows]
    for step in range(1, int((end - begin).max(initial=0)) + 1):
        column = begin + step
        inside = column <= end
        total += np.where(inside, np.take_along_axis(here, np.where(inside, column, 0), axis=1), 0.0)
    rise[rows] = total


def _extrapolate(rise: Floats, start: Floats, ends: tuple[Ints, Ints], steps: Ints, clock: _Clock) -> Floats:
    """From the rise between the first and last sample to a rate over the whole window: Prometheus's extrapolatedRate."""
    first, last = ends
    sampled = (last - first) / 1000.0
    average = sampled / steps
    to_start = (first - (clock.at - clock.window)) / 1000.0
    to_end = (clock.at - last) / 1000.0
    to_zero = np.where((rise > 0) & (start >= 0), sampled * (start / rise), np.inf)  # a counter was never below zero
    to_start = np.minimum(to_start, to_zero)
    threshold = average * 1.1
    span = sampled + np.where(to_start < threshold, to_start, average / 2)
    span = span + np.where(to_end < threshold, to_end, average / 2)
    rate: Floats = rise * (span / sampled / (clock.window / 1000.0))
    return rate
