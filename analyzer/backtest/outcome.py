"""Reports of a span of the past -> what people would have been told, what was kept from them and why.

In: `Report`s in time order. Out: `Outcome`, values only. An alert lasts from the first column in which its incident pages to the
one in which it ends; an incident that comes back within its cooldown goes on as the same alert with one more spell.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from analyzer.ports import Explainer
from analyzer.records import Board, Incident, Report, Severity, Text
from analyzer.window import Labels

FLAP_WITHIN = 3600.0  # an alert that begins again so soon after its end is a flap
RANK = {"info": 0, "warning": 1, "critical": 2}
WEEK = 7 * 86400.0
EXPLAIN_AGAIN = 600.0  # seconds after which what would be said about an alert is written anew
Words = Mapping[str, Text]  # by language
Identity = tuple[str, str, str, Labels]


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time, unix seconds; `end` None = it went on when the span ended."""

    start: float
    end: float | None

    def until(self, otherwise: float) -> float:
        """Its end, or another time where it has none."""
        return otherwise if self.end is None else self.end


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident that would have reached people.

    Attributes
    ----------
    incident : as it was last seen while it paged (its findings are left out; `signals` are theirs). severity : the highest it had.
    spells : when it paged; more than one = it came back.
    words : what people would have been told first. words_last : and last.
    first_kind, first_host : what it was called at first.
    """

    incident: Incident
    severity: Severity
    spells: tuple[Spell, ...]
    signals: tuple[str, ...]
    words: Words
    words_last: Words
    first_kind: str
    first_host: str

    @property
    def start(self) -> float:
        """When people would have heard of it."""
        return self.spells[0].start

    @property
    def end(self) -> float | None:
        """When it ended; None = it was still firing."""
        return self.spells[-1].end

    @property
    def hosts(self) -> frozenset[str]:
        """The root and those that feel it."""
        return frozenset((self.incident.host, *self.incident.affected))

    @property
    def identity(self) -> Identity:
        """What Alertmanager would group on."""
        one = self.incident
        return one.alertname, one.host, one.signal, one.labels


@dataclass(frozen=True, slots=True)
class Quiet:
    """One incident that would have been kept for reading only; `why` names the reason that stood in the way when it ended."""

    incident: Incident
    start: float
    end: float | None
    why: str
    signals: tuple[str, ...]
    words: Words

    @property
    def hosts(self) -> frozenset[str]:
        """The root and those that feel it."""
        return frozenset((self.incident.host, *self.incident.affected))


@dataclass(frozen=True, slots=True)
class Held:
    """What one reason kept back: lines of the ledger, and whose they were, most often first as (name, lines)."""

    reason: str
    lines: int
    hosts: tuple[tuple[str, int], ...]
    signals: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything of one configuration over one span.

    start, end : of the span, unix seconds. columns : judged. partial : of them, columns that were not whole (nothing opens then).
    """

    start: float
    end: float
    columns: int = 0
    partial: int = 0
    hosts: tuple[str, ...] = ()
    series: int = 0
    alerts: tuple[Alert, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    held: tuple[Held, ...] = ()

    @property
    def days(self) -> float:
        """Length of the span."""
        return (self.end - self.start) / 86400.0

    @property
    def host_weeks(self) -> float:
        """Hosts times weeks."""
        return len(self.hosts) * (self.end - self.start) / WEEK

    @property
    def flaps(self) -> int:
        """How often the same alert began again soon after it had ended."""
        return flaps(self.alerts)


def flaps(alerts: tuple[Alert, ...]) -> int:
    """Spells of one identity that began within FLAP_WITHIN of the end of the spell before."""
    spells: dict[Identity, list[Spell]] = {}
    for alert in alerts:
        spells.setdefault(alert.identity, []).extend(alert.spells)
    count = 0
    for found in spells.values():
        found.sort(key=lambda s: s.start)
        for before, after in pairwise(found):
            count += before.end is not None and after.start - before.end < FLAP_WITHIN
    return count


@dataclass(slots=True)
class _Case:
    """One incident while it is followed."""

    last: Incident
    severity: Severity = "info"
    started: float = 0.0
    paged: list[Spell] = field(default_factory=list)
    signals: dict[str, None] = field(default_factory=dict)
    words: Words = field(default_factory=dict)
    words_last: Words = field(default_factory=dict)
    explained: float = 0.0
    first: Incident | None = None


class Recorder:
    """Listens to the reports of one configuration.

    Parameters
    ----------
    explainer : writes the words; it is asked when an incident opens, pages or is called something else, and while it pages
        every EXPLAIN_AGAIN seconds.

    Attributes
    ----------
    last : time of the newest report; -inf before the first.
    """

    def __init__(self, explainer: Explainer | None = None) -> None:
        self._explainer = explainer
        self._cases: dict[str, _Case] = {}
        self._held: Counter[tuple[str, str, str]] = Counter()
        self._hosts: dict[str, None] = {}
        self._columns = self._partial = self._series = 0
        self.last = float("-inf")

    def take(self, report: Report) -> None:
        """One report."""
        scores = report.board.scores
        self._columns, self.last = self._columns + 1, report.time
        self._partial += report.partial
        if len(self._hosts) != len(scores.series.hosts):
            self._hosts |= dict.fromkeys(scores.series.hosts)
        self._series = max(self._series, len(scores.series))
        for line in report.suppressions:
            self._held[line.reason, line.host, line.signal] += 1
        changed = {i.id for i in report.changed}
        told = (*report.superseded, *report.changed, *report.board.incidents)  # of one id the last counts
        for incident in {i.id: i for i in told}.values():
            self._follow(incident, report.board, told=incident.id in changed)

    def _follow(self, incident: Incident, board: Board, *, told: bool) -> None:
        case = self._cases.get(incident.id)
        if case is None:
            case = self._cases[incident.id] = _Case(incident, started=incident.opened)
        case.signals |= dict.fromkeys(f.signal for f in incident.findings)
        is_open = incident.state == "open"
        if is_open and incident.pages and (not case.paged or case.paged[-1].end is not None):
            case.paged.append(Spell(board.time, None))
            case.first = case.first or incident
            told = True
        if incident.pages and RANK[incident.severity] > RANK[case.severity]:
            case.severity = incident.severity
        if is_open and (told or (incident.pages and board.time - case.explained >= EXPLAIN_AGAIN)):
            self._explain(case, incident, board)
        if not is_open and case.paged and case.paged[-1].end is None:
            case.paged[-1] = Spell(case.paged[-1].start, board.time)
        kept = incident if is_open else replace(case.last, state="resolved", ended=incident.ended)
        case.last = replace(kept, closed_because=incident.closed_because, findings=(), causes=kept.causes[:3])

    def _explain(self, case: _Case, incident: Incident, board: Board) -> None:
        if self._explainer is None:
            return
        case.explained = board.time
        case.words_last = self._explainer.explain(incident, board).texts
        if not case.words or (incident.pages and len(case.paged) == 1 and case.paged[0].start == board.time):
            case.words = case.words_last

    def outcome(self, start: float, end: float) -> Outcome:
        """What was heard so far, as the outcome of a span."""
        alerts = [_alert(case) for case in self._cases.values() if case.paged]
        quiet = [_quiet(case) for case in self._cases.values() if not case.paged]
        return Outcome(
            start, end, self._columns, self._partial, tuple(self._hosts), self._series,
            tuple(sorted(alerts, key=lambda a: a.start)), tuple(sorted(quiet, key=lambda q: q.start)), self._reasons(),
        )  # fmt: skip

    def _reasons(self) -> tuple[Held, ...]:
        held = []
        for reason in dict.fromkeys(key[0] for key in self._held):
            hosts: Counter[str] = Counter()
            signals: Counter[str] = Counter()
            for (r, host, signal), lines in self._held.items():
                if r == reason:
                    hosts[host] += lines
                    signals[signal] += lines
            held.append(Held(reason, hosts.total(), tuple(hosts.most_common()), tuple(signals.most_common())))
        return tuple(sorted(held, key=lambda h: -h.lines))


def _quiet(case: _Case) -> Quiet:
    last = case.last
    end = last.ended if last.state == "resolved" else None
    return Quiet(last, case.started, end, last.why_not, tuple(case.signals), case.words)


def _alert(case: _Case) -> Alert:
    first = case.first or case.last
    return Alert(
        case.last, case.severity, tuple(case.paged), tuple(case.signals), case.words, case.words_last, first.kind, first.host
    )
