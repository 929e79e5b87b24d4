"""Alertmanager's silences: which series they keep out of learning, and which alerts of ours they cover.

In: the answer of `/api/v2/silences`. Out: `Silences`. Matchers are Alertmanager's (=, !=, =~, !~; a label that is not there is ""),
regular expressions RE2 and anchored. A silence is about a series when our alert about it would match, or when the series' own
labels do: people silence `instance="web-01:9100"` as well as `instance="web-01", signal="cpu"`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, get_args

import numpy as np

from analyzer.cases import RANK, Name
from analyzer.derived import host_labels
from analyzer.signals import SignalError, compile_regex
from analyzer.window import Bools, Floats, Labels, Series, Window

MOST: Final = 1000  # silences that are honoured; beyond it those that end first are left out
MOST_MATCHERS: Final = 32
TABLES: Final = 2  # a source's and the engine's
OURS: Final[dict[str, tuple[str, ...]]] = {  # labels of our alerts that say nothing about a series
    "alertname": get_args(Name), "severity": tuple(RANK), "source": ("openmanager",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; `accepts` says whether a value fulfils it."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True
    _test: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = compile_regex(self.value).fullmatch if self.regex else self.value.__eq__
        object.__setattr__(self, "_test", lambda text: bool(found(text)))

    def accepts(self, value: str) -> bool:
        """Whether a label with this value fulfils the condition."""
        return self._test(value) == self.equal

    def accepts_some(self, values: Iterable[str]) -> bool:
        """The same for a label that goes by several values: one must fit; of what must not be, none may."""
        tried = [self.accepts(value) for value in values]
        return any(tried) if self.equal else all(tried)

    @property
    def picks(self) -> bool:
        """Whether it singles something out: a label must be there."""
        return not self.accepts("")


@dataclass(frozen=True, slots=True)
class Silence:
    """A span of unix seconds, the end not included, and the conditions that must all hold."""

    id: str
    start: float
    end: float
    matchers: tuple[Matcher, ...]
    comment: str = ""

    def covers(self, labels: Mapping[str, str], now: float) -> bool:
        """Whether an alert with these labels is silenced now."""
        return self.start <= now < self.end and all(m.accepts(labels.get(m.name, "")) for m in self.matchers)

    @property
    def about_series(self) -> bool:
        """Whether it can be about a series of ours: it names a server or a signal, and no alert of others only."""
        own = all(m.accepts_some(OURS[m.name]) for m in self.matchers if m.name in OURS)
        return own and any(m.equal and m.picks for m in self.matchers if m.name not in OURS)


def parse(answer: Any) -> tuple[tuple[Silence, ...], int]:
    """Silences of an answer that still count, the longest first, and how many could not be understood."""
    rows = answer if isinstance(answer, list) else []
    found, odd = [], int(not isinstance(answer, list))
    for row in rows:
        try:
            found.append(_silence(row))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SignalError):
            odd += 1
    found.sort(key=lambda s: (-s.end, s.id))
    return tuple(found[:MOST]), odd + max(len(found) - MOST, 0)


def _silence(row: Mapping[str, Any]) -> Silence:
    matchers = tuple(
        Matcher(str(m["name"]), str(m["value"]), m.get("isRegex") is True, m.get("isEqual", True) is True) for m in row["matchers"]
    )
    start, end = (datetime.fromisoformat(str(row[name])).timestamp() for name in ("startsAt", "endsAt"))
    if not 0 < len(matchers) <= MOST_MATCHERS or not end > start:
        raise ValueError("not a silence")
    return Silence(str(row["id"]), start, end, matchers, str(row.get("comment", ""))[:200])


class Silences:
    """What is silenced, for one table of series after another; looks at labels only when either has changed.

    Parameters
    ----------
    silences : as `parse` gives them.
    identity : the labels that a server's name is made of.
    """

    def __init__(self, silences: Iterable[Silence] = (), identity: tuple[str, ...] = ("instance",)) -> None:
        self.all, self.identity = tuple(silences), identity
        self._seen: list[tuple[Series, list[tuple[Silence, Bools]]]] = []  # of the last tables

    def covers(self, labels: Mapping[str, str], now: float) -> bool:
        """Whether an alert with these labels is silenced now."""
        return any(silence.covers(labels, now) for silence in self.all)

    def resting(self, series: Series, now: float) -> Bools:
        """Series that a silence keeps out of learning now: bool [series]."""
        rows = np.zeros(len(series), bool)
        for silence, mine in self._matched(series):
            if silence.start <= now < silence.end:
                rows |= mine
        return rows

    def hidden(self, window: Window) -> Window:
        """The same history without what was silenced at its time."""
        values: Floats | None = None
        for silence, mine in self._matched(window.series):
            columns = (window.times >= silence.start) & (window.times < silence.end)
            if mine.any() and columns.any():
                values = window.values.copy() if values is None else values
                values[np.ix_(mine, columns)] = np.nan
        return window if values is None else replace(window, values=values)

    def _matched(self, series: Series) -> list[tuple[Silence, Bools]]:
        """Each silence that is about some series, with the rows it is about."""
        for table, rows in self._seen:
            if table is series:
                return rows
        known = _Known(series, self.identity)
        found = ((s, known.rows(s)) for s in self.all if s.about_series)
        matched = [(s, rows) for s, rows in found if rows.any()]
        self._seen = [(series, matched), *self._seen[: TABLES - 1]]
        return matched


def alert_labels(
    host: str, labels: Labels, *, alertname: str, severity: str, signal: str, identity: Sequence[str]
) -> dict[str, str]:
    """The labels that our alert about an incident has."""
    place = {name: value for name, value in labels if name in ("mountpoint", "device")}
    named = {"alertname": alertname, "severity": severity, "signal": signal, "source": "openmanager"}
    return {**place, **dict(host_labels(host, identity)), **named}


class _Known:
    """The labels of a table of series, by name: every distinct set of values is looked at once."""

    def __init__(self, series: Series, identity: tuple[str, ...]) -> None:
        self.series, self.identity = series, identity
        self._hosts: list[Labels] = [host_labels(host, identity) for host in series.hosts]
        self._by_name: dict[str, tuple[list[tuple[str, ...]], Any]] = {}

    def rows(self, silence: Silence) -> Bools:
        """Rows that all conditions fit: bool [series]."""
        rows = np.ones(len(self.series), bool)
        for matcher in silence.matchers:
            if matcher.name not in OURS:
                values, code = self._values(matcher.name)
                rows &= np.array([matcher.accepts_some(each) for each in values], bool)[code]
        return rows

    def _values(self, name: str) -> tuple[list[tuple[str, ...]], Any]:
        """The distinct values that a label goes by, and which of them each row has: int64 [series]."""
        if name not in self._by_name:
            numbers: dict[tuple[str, ...], int] = {}
            code = [numbers.setdefault(self._of(name, row), len(numbers)) for row in range(len(self.series))]
            self._by_name[name] = list(numbers), np.array(code, np.int64)
        return self._by_name[name]

    def _of(self, name: str, row: int) -> tuple[str, ...]:
        if name == "signal":
            return (self.series.signals[int(self.series.signal[row])],)
        own = dict(self.series.labels[row]).get(name, "")
        ours = dict(self._hosts[int(self.series.host[row])]).get(name, own)
        return (own,) if own == ours else (own, ours)
