"""Report -> derived series: what is written back next to the series that it was made from.

In: one `Report`. Out: `DerivedSeries`, columnar blocks of one metric each at the report's time, with a stale marker where something
ended. Names and fields follow vmanomaly's output (y, yhat, anomaly_score, `for`); the stale marker is Prometheus's. Pure: no clock,
no I/O. Label sets are checked once (a duplicate label name makes Prometheus 2.42 answer 500 for ever, so it never leaves) and kept
while the series stay the same, so that a cycle only fills in values.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from analyzer.records import Board, Forecast, Report
from analyzer.window import Bools, Floats, Ints, Key, Labels, Series

STALE: Final[float] = float(np.uint64(0x7FF0000000000002).view(np.float64))  # Prometheus's marker; a NaN with this very payload
HELP: Final[Mapping[str, str]] = {
    "y": "Newest value of the watched signal.",
    "yhat": "Expected value of the signal.",
    "yhat_lower": "Lower edge of what is usual.",
    "yhat_upper": "Upper edge of what is usual.",
    "anomaly_score": "0 as expected, 1 edge of the usual, above is anomalous.",
    "seconds_until_limit": "Seconds until the signal reaches its limit.",
    "server_anomaly_score": "Anomaly score of a whole server.",
    "health_score": "Health of a server, 0 to 100.",
    "server_state": "1 for the state that a server is in.",
    "incident_active": "1 while an incident is open.",
}
LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
PER_SERIES: Final = ("y", "yhat", "yhat_lower", "yhat_upper", "anomaly_score")


def clean(pairs: Iterable[tuple[str, str]]) -> tuple[Labels, str]:
    """Sorted pairs without empty values and "", or () and why the set cannot be written."""
    kept = sorted(pair for pair in pairs if pair[1] != "")
    for at, (name, value) in enumerate(kept):
        if name.startswith("__"):
            return (), "reserved_label"
        if not LABEL_NAME.fullmatch(name):
            return (), "label_name"
        if at and kept[at - 1][0] == name:
            return (), "duplicate_label"
        try:
            value.encode()
        except UnicodeEncodeError:  # a lone surrogate: Prometheus would store it and break its own API
            return (), "bad_utf8"
    return tuple(kept), ""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class LabelTable:
    """Distinct, clean label sets; `source` int64 [series]: for each the row that it was built from."""

    labels: tuple[Labels, ...]
    source: Ints

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def build(cls, rows: Iterable[Iterable[tuple[str, str]]], dropped: Counter[str]) -> Self:
        """From any label sets; what cannot be written or is there twice is counted in `dropped` by reason."""
        picked: dict[Labels, int] = {}
        for row, pairs in enumerate(rows):
            labels, reason = clean(pairs)
            if reason or labels in picked:
                dropped[reason or "duplicate_series"] += 1
            else:
                picked[labels] = row
        return cls(tuple(picked), np.fromiter(picked.values(), np.int64, len(picked)))

    def align(self, values: Floats) -> Floats:
        """Values of the rows that were kept, from values of the rows that it was built from."""
        return values[self.source]


@dataclass(frozen=True, slots=True)
class DerivedSettings:
    """How derived series are called and how many there may be.

    Attributes
    ----------
    name : metric name, `$VAR` stands for the field (vmanomaly's `metric_format.__name__`).
    for_label : label that carries the signal's alias.
    extra_labels : put on every derived series.
    identity : label names that a host's name is made of, joined by "/".
    max_written_series : more derived series than this are refused and counted.
    forecast_every : seconds between two writes of the forecasts.
    forecast_for : aliases to write forecasts for although they have no limit.
    """

    name: str = "openmanager_$VAR"
    for_label: str = "for"
    extra_labels: Labels = ()
    identity: tuple[str, ...] = ("instance",)
    max_written_series: int = 100_000
    forecast_every: float = 120.0
    forecast_for: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Family:
    """One metric over a table of label sets. Compared by identity: what is laid out for it is kept as long as it lives."""

    name: str
    var: str
    table: LabelTable


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples of one metric at one time.

    values : float64 [series]; a stale marker where the series ended now. written : bool [series], which rows have a sample at all.
    """

    family: Family
    values: Floats
    written: Bools


@dataclass(frozen=True, slots=True, eq=False)
class DerivedSeries:
    """Everything that one report writes, at `time` (unix seconds, the aligned evaluation time).

    refused : series over the cap. dropped : series that could not be written, by reason.
    """

    time: float
    blocks: tuple[Block, ...]
    refused: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(int(block.written.sum()) for block in self.blocks)

    def samples(self) -> Iterator[tuple[str, Labels, float]]:
        """(name, labels without the name, value) of every sample; for tests and tables, not for the hot path."""
        for block in self.blocks:
            for row in np.flatnonzero(block.written).tolist():
                yield block.family.name, block.family.table.labels[row], float(block.values[row])


def is_stale(values: Floats) -> Bools:
    """Which values are stale markers, told from other NaN by their bits. bool like `values`."""
    marker: Bools = values.view(np.uint64) == np.uint64(0x7FF0000000000002)
    return marker


def horizon_name(seconds: float) -> str:
    """`3600` -> "1h", `86400` -> "24h", `900` -> "15m"."""
    whole = round(seconds)
    if whole % 3600 == 0:
        return f"{whole // 3600}h"
    return f"{whole // 60}m" if whole % 60 == 0 else f"{whole}s"


def host_labels(host: str, identity: Sequence[str]) -> Labels:
    """The identity labels of a server from its name: "eu/web-01" with (cluster, instance) gives both."""
    parts = host.split("/", len(identity) - 1)
    return tuple(sorted(zip(identity[len(identity) - len(parts) :], parts, strict=True)))


class Deriver:
    """Turns one report after another into derived series; remembers what it wrote last to know what ended."""

    def __init__(self, settings: DerivedSettings = DerivedSettings()) -> None:
        self.settings = settings
        self._alive: dict[str, Block] = {}
        self._tables: dict[str, tuple[object, LabelTable]] = {}
        self._families: dict[str, Family] = {}
        self._rows = _Rows(settings)
        self._ended: set[Key] = set()
        self._places: tuple[Series, dict[Key, int]] = Series.empty(), {}
        self._host_labels: dict[str, Labels] = {}
        self._slot: int | None = None
        self._dropped: Counter[str] = Counter()

    def series_of(self, report: Report) -> DerivedSeries:
        """Everything that this report writes. Call it once a report, in time order."""
        board, scores = report.board, report.board.scores
        self._dropped.clear()
        wanted = [*self._hosts(board), *self._incidents(board)]
        spent = sum(len(values) for _, values in wanted)
        self._rows.fit(scores.series, self.settings.max_written_series - spent)
        wanted += self._per_series(report)
        wanted += self._forecasts(report)
        blocks: list[Block] = []
        for family, values in wanted:
            blocks += self._track(family, values, partial=report.partial)
        self._dropped.update(self._rows.dropped)
        kept = tuple(block for block in blocks if block.written.any())
        return DerivedSeries(report.time, kept, self._rows.refused, dict(self._dropped))

    def newest(self) -> tuple[Block, ...]:
        """The newest value of every derived series that has not ended, forecasts between two writes included."""
        return tuple(self._alive[name] for name in sorted(self._alive))

    def _family(self, var: str, table: LabelTable) -> Family:
        known = self._families.get(var)
        if known is None or known.table is not table:
            known = self._families[var] = Family(self.settings.name.replace("$VAR", var), var, table)
        return known

    def _table(self, group: str, rows: Sequence[Labels]) -> LabelTable:
        """The table of a small group of label sets (hosts, incidents), kept while they stay the same."""
        key = tuple(rows)
        known = self._tables.get(group)
        if known is not None and known[0] == key:
            return known[1]
        table = LabelTable.build(((*pairs, *self.settings.extra_labels) for pairs in key), self._dropped)
        self._tables[group] = (key, table)
        return table

    def _hosts(self, board: Board) -> list[tuple[Family, Floats]]:
        def rows(hosts: Iterable[str]) -> list[Labels]:
            return [self._labels_of(host) for host in hosts]

        given = [("server_anomaly_score", board.server_score), ("health_score", board.health)]
        found = []
        for var, values in given:
            table = self._table(var, rows(values))
            found.append((self._family(var, table), table.align(np.fromiter(values.values(), float, len(values)))))
        states = board.server_state
        labels = [(*pairs, ("state", state)) for pairs, state in zip(rows(states), states.values(), strict=True)]
        table = self._table("server_state", labels)
        return [*found, (self._family("server_state", table), np.ones(len(table)))]

    def _labels_of(self, host: str) -> Labels:
        known = self._host_labels.get(host)
        if known is None:
            if len(self._host_labels) > self.settings.max_written_series:  # hosts that came and went
                self._host_labels.clear()
            known = self._host_labels[host] = host_labels(host, self.settings.identity)
        return known

    def _incidents(self, board: Board) -> list[tuple[Family, Floats]]:
        active = {
            (*host_labels(i.host, self.settings.identity), ("alertname", i.alertname), ("severity", i.severity))
            for i in board.incidents
            if i.state == "open" and i.pages
        }
        table = self._table("incident_active", sorted(active))
        return [(self._family("incident_active", table), np.ones(len(table)))]

    def _per_series(self, report: Report) -> list[tuple[Family, Floats]]:
        scores = report.board.scores
        keep = self._rows.rows
        gone = self._gone(report)[keep]
        columns = (scores.value, scores.yhat, scores.lower, scores.upper, scores.score)
        found = []
        for var, column in zip(PER_SERIES, columns, strict=True):
            found.append((self._family(var, self._rows.table), np.where(gone, np.nan, column[keep])))
        return found

    def _gone(self, report: Report) -> Bools:
        """Rows whose series was said to have ended and has not come back since. bool [series]."""
        scores = report.board.scores
        gone = np.zeros(len(scores.series), bool)
        if len(report.ended_series):
            self._ended.update(report.ended_series.keys())
        if self._ended:
            keys = list(self._ended)
            at = self._at(scores.series, keys)
            back = (at >= 0) & np.isfinite(scores.value[at])
            stays = (at >= 0) & ~back  # what has left the table is known no longer, or churn would fill the memory
            self._ended = {key for key, is_gone in zip(keys, stays.tolist(), strict=True) if is_gone}
            gone[at[stays]] = True
        return gone

    def _at(self, series: Series, keys: Sequence[Key]) -> Ints:
        """Rows of keys, -1 where there is none; the table's keys are laid out once, not at every cycle."""
        if self._places[0] is not series:
            self._places = series, {key: row for row, key in enumerate(series.keys())}
        return np.array([self._places[1].get(key, -1) for key in keys], np.int64)

    def _forecasts(self, report: Report) -> list[tuple[Family, Floats]]:
        forecast = report.board.forecast
        slot = int(report.time // self.settings.forecast_every)
        if forecast is None or slot == self._slot:
            return []
        self._slot = slot
        rows, table = self._rows.ahead(forecast, report.board)
        found = []
        for at, seconds in enumerate(forecast.horizons):
            name = horizon_name(seconds)
            for var, column in (("yhat", forecast.yhat), ("yhat_lower", forecast.lower), ("yhat_upper", forecast.upper)):
                found.append((self._family(f"{var}_{name}", table), column[rows, at]))
        limits, limit_table = self._rows.limits(forecast, report.board)
        found.append((self._family("seconds_until_limit", limit_table), forecast.until_limit[limits]))
        return found

    def _track(self, family: Family, values: Floats, *, partial: bool) -> list[Block]:
        """The block of a metric, with stale markers for what was alive at its last write and is not now."""
        written = ~np.isnan(values)
        before = self._alive.get(family.name)
        blocks, alive, kept = [], written, values
        if before is not None:
            was, held, lost = _carry(before, family.table)
            gone = was & ~written
            if partial:  # what is missing from an answer that is not whole has not ended
                alive, kept = written | gone, np.where(gone, held, values)
                gone, lost = np.zeros_like(gone), []
            values, written = np.where(gone, STALE, values), written | gone
            if lost:
                ended = Family(family.name, family.var, LabelTable(tuple(lost), np.arange(len(lost))))
                blocks.append(Block(ended, np.full(len(lost), STALE), np.ones(len(lost), bool)))
        self._alive[family.name] = Block(family, kept, alive)
        return [Block(family, values, written), *blocks]


def _carry(before: Block, table: LabelTable) -> tuple[Bools, Floats, list[Labels]]:
    """What of an earlier block is in this table (alive bool [series], values [series]), and the living label sets that are not."""
    old = before.family.table
    if old is table:
        return before.written, before.values, []
    at = {labels: row for row, labels in enumerate(table.labels)}
    was, held = np.zeros(len(table), bool), np.full(len(table), np.nan)
    lost = []
    for row in np.flatnonzero(before.written).tolist():
        now = at.get(old.labels[row], -1)
        if now < 0:
            lost.append(old.labels[row])
        else:
            was[now], held[now] = True, before.values[row]
    return was, held, lost


class _Rows:
    """Which rows of the engine's table are written, under which labels; rebuilt only when the table changes."""

    def __init__(self, settings: DerivedSettings) -> None:
        self._settings = settings
        self._series: Series | None = None
        self._room = 0
        self._known: dict[Key, tuple[Labels, str]] = {}
        self._ahead: dict[str, tuple[Series, Ints, LabelTable]] = {}
        self.rows: Ints = np.zeros(0, np.int64)
        self.table = LabelTable((), self.rows)
        self.refused = 0
        self.dropped: Counter[str] = Counter()

    def fit(self, series: Series, room: int) -> None:
        """Take the engine's table of this cycle; `room`: how many derived series may still be written."""
        if self._series is not None and (series is self._series or _same(series, self._series)):
            fits = room == self._room or (room >= len(self.rows) * len(PER_SERIES) and not self.refused)
            if fits:
                self._room = room
                return
        self._series, self._room, self._ahead = series, room, {}
        self.dropped = Counter()
        known = {key: self._known.get(key) or self._prepare(key) for key in series.keys()}  # noqa: SIM118  # not a dict
        self._known = known
        picked: dict[Labels, int] = {}
        for row, (labels, reason) in enumerate(known[key] for key in series.keys()):  # noqa: SIM118
            if reason or labels in picked:
                self.dropped[reason or "duplicate_series"] += len(PER_SERIES)
            else:
                picked[labels] = row
        fitting = max(0, room // len(PER_SERIES))
        self.refused = max(0, len(picked) - fitting) * len(PER_SERIES)
        labels_kept = tuple(picked)[:fitting]
        self.rows = np.fromiter(picked.values(), np.int64, len(picked))[:fitting]
        self.table = LabelTable(labels_kept, np.arange(len(labels_kept)))

    def _prepare(self, key: Key) -> tuple[Labels, str]:
        alias, pairs = key
        mine = self._settings.for_label
        renamed = tuple((f"exported_{name}" if name == mine else name, value) for name, value in pairs)  # as Prometheus does
        return clean((*renamed, (mine, alias), *self._settings.extra_labels))

    def ahead(self, forecast: Forecast, board: Board) -> tuple[Ints, LabelTable]:
        """Rows of the forecast to write (limit known or asked for) and their labels."""
        asked = self._settings.forecast_for
        wanted = {a for a in forecast.series.signals if a in asked or (a in board.signals and board.signals[a].limit is not None)}
        rows, table = self._pick("ahead", forecast.series, wanted, {})
        width = 3 * len(forecast.horizons) + 1
        room = max(0, (self._room - len(self.rows) * len(PER_SERIES)) // width)
        if len(rows) > room:
            self.refused += (len(rows) - room) * width
            table = LabelTable(table.labels[:room], np.arange(room))
            self._ahead["ahead"] = (forecast.series, rows[:room], table)
            rows = rows[:room]
        return rows, table

    def limits(self, forecast: Forecast, board: Board) -> tuple[Ints, LabelTable]:
        """Rows of the forecast that have a limit, with the limit as a label."""
        limits = {a: board.signals[a].limit for a in forecast.series.signals if a in board.signals}
        shown = {alias: f"{limit:g}" for alias, limit in limits.items() if limit is not None}
        return self._pick("limits", forecast.series, set(shown), shown)

    def _pick(self, group: str, series: Series, wanted: set[str], limit: Mapping[str, str]) -> tuple[Ints, LabelTable]:
        known = self._ahead.get(group)
        if known is not None and (known[0] is series or _same(known[0], series)):
            return known[1], known[2]
        picked: dict[Labels, int] = {}
        places = [i for i, alias in enumerate(series.signals) if alias in wanted]
        written = set(self.table.labels)
        for row in np.flatnonzero(np.isin(series.signal, places)).tolist():
            alias, pairs = series.key(row)
            labels, reason = self._known.get((alias, pairs)) or self._prepare((alias, pairs))
            if reason or labels not in written:
                continue  # counted where the series itself was dropped
            if limit:
                labels, _ = clean((*(p for p in labels if p[0] != "limit"), ("limit", limit[alias])))
            picked.setdefault(labels, row)
        table = LabelTable(tuple(picked), np.arange(len(picked)))
        rows = np.fromiter(picked.values(), np.int64, len(picked))
        self._ahead[group] = (series, rows, table)
        return rows, table


def _same(a: Series, b: Series) -> bool:
    """Whether two tables list the same series in the same order."""
    return a.labels == b.labels and a.signals == b.signals and bool(np.array_equal(a.signal, b.signal))
