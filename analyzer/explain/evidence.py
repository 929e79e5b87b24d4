"""From an incident and the board to `Evidence`: which readings belong to the story, and which rule other stories out.

In: `Incident`, `Board` (scores, forecast, topology) and the reader's zone. Out: `Evidence`. Only rows of the servers concerned are
looked at, so the cost does not grow with the number of series beyond one comparison a server.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

import numpy as np

from analyzer.explain.facts import NAN, Bearing, Doubt, Evidence, Fact, Limit, Speaking, Suspect
from analyzer.explain.nouns import LEADING, SUFFERING, noun, own_labels
from analyzer.explain.safe import plain
from analyzer.records import Board, Cause, Finding, Incident, Reason, Topology
from analyzer.window import Ints, Labels

MOST_PEERS = 3
SURE = 0.85  # above this confidence single doubts are not worth a reader's time
MOST_NEEDS = 4
MOST_UNFELT = 6
MOST_FELT = 12
MOST_FINDINGS = 100
FURTHEST = 4  # dependencies of dependencies beyond this say nothing any more
_BY_KIND: dict[str, Bearing] = {"stuck": "frozen", "vanished": "gone", "down": "down", "restart": "restarted"}
_SIDES = frozenset({"above", "below", "usual"})
_LONELY = frozenset(
    {"disk_fill", "memory_leak", "clock_skew", "stuck_metric", "batch_job"}
)  # kinds that often move one signal only
_SELF_EVIDENT = frozenset({"limit", "stuck", "vanished", "down", "restart"})  # findings that need no company to be believed


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Looks rows of the board up and turns them into facts."""

    board: Board

    def role(self, host: str) -> str:
        """The role of a server; "" where unknown."""
        series = self.board.scores.series
        return series.roles[series.hosts.index(host)] if host in series.hosts else ""

    def rows(self, host: str, signal: str | None = None) -> Ints:
        """The rows of a server (and signal). int64 [n]."""
        return self.board.scores.series.rows_of(host=host, signal=signal)

    def fact(self, row: int) -> Fact:
        """A row of the board as a fact, without a finding's opinion."""
        scores = self.board.scores
        alias, labels = scores.series.key(row)
        value, lower, upper = float(scores.value[row]), float(scores.lower[row]), float(scores.upper[row])
        score, onset = float(scores.score[row]), float(scores.onset[row])
        side = _side(value, lower, upper)
        bearing: Bearing = "usual" if side != "unknown" and (side == "usual" or score < 1) else side
        fact = self.empty(scores.series.host_of(row), alias, labels)
        return replace(
            fact,
            observed=value, expected=float(scores.yhat[row]), lower=lower, upper=upper,
            onset=onset if bearing != "usual" else NAN, bearing=bearing, was=bearing, score=score,
        )  # fmt: skip

    def empty(self, host: str, alias: str, labels: Labels) -> Fact:
        """A fact that knows its names and nothing else."""
        signal = self.board.signals.get(alias)
        own = own_labels(signal, labels)
        return Fact(
            host=plain(host), signal=alias, noun=noun(alias, signal, own), unit=signal.unit if signal else "",
            role=plain(self.role(host)),
            labels=tuple((name, plain(value)) for name, value in own), low=_open(signal.low if signal else None, -math.inf),
            high=_open(signal.high if signal else None, math.inf),
        )  # fmt: skip

    def of_finding(self, finding: Finding) -> Fact:
        """A finding as a fact: its own numbers, with the present value where it is over."""
        side = _side(finding.observed, finding.lower, finding.upper)
        if side in ("usual", "unknown") and math.isfinite(finding.z):
            side = "above" if finding.z > 0 else "below"
        row = self.row_of(finding)
        now = float(self.board.scores.value[row]) if row >= 0 else finding.observed
        observed = now if finding.state == "resolved" and math.isfinite(now) else finding.observed
        inside = _side(observed, finding.lower, finding.upper) == "usual"
        # Other kinds may be strange inside their range; a server that answers again is up although the finding still holds.
        over = finding.state == "resolved" or (finding.kind == "level" and inside) or (finding.kind == "down" and now >= 1)
        return replace(
            self.empty(finding.host, finding.signal, finding.labels),
            observed=observed, expected=finding.expected, lower=finding.lower, upper=finding.upper, onset=finding.onset,
            ended=finding.ended, bearing="usual" if over else _BY_KIND.get(finding.kind, side),
            was=_BY_KIND.get(finding.kind, side), kind=finding.kind, score=finding.score,
        )  # fmt: skip

    def row_of(self, finding: Finding) -> int:
        """The row of a finding's series, -1 where the board does not have it."""
        labels = self.board.scores.series.labels
        return next((r for r in self.rows(finding.host, finding.signal).tolist() if labels[r] == finding.labels), -1)

    def clearest(self, host: str, signals: Iterable[str]) -> Fact | None:
        """The first of these signals that a server has a judged reading of."""
        for signal in signals:
            for row in self.rows(host, signal).tolist():
                fact = self.fact(row)
                if fact.bearing != "unknown":
                    return fact
        return None


def gather(incident: Incident, board: Board, zone: tzinfo = UTC) -> Evidence:
    """The facts of one incident at the board's time."""
    reader = Reader(board)
    found = [(f, reader.of_finding(f)) for f in _weightiest(incident)]
    lead = _lead(incident, found, reader)
    own = [fact for f, fact in found if f.host == incident.host and not _same(fact, lead)]
    dependents = _depending(board.topology, incident.host)
    felt = _felt(incident, found, reader)
    evidence = Evidence(
        id=incident.id, time=board.time, zone=zone, host=plain(incident.host), role=plain(reader.role(incident.host)),
        kind=incident.kind, benign=incident.benign, state=incident.state, severity=incident.severity,
        confidence=incident.confidence,
        started=incident.started, ended=incident.ended, closed_because=incident.closed_because, lead=lead,
        moved=_once(own), felt=felt, work=_work(felt, incident, reader), affected=tuple(plain(h) for h in incident.affected),
        dependents=tuple(plain(h) for h in dependents), steady=_steady(incident, reader),
        unfelt=_unfelt(incident, dependents, reader), needs=_needs(incident, board, reader), peers=_peers(incident, lead, reader),
        restarted=_restarted(incident, reader), limit=_limit(incident, board, reader),
        suspects=tuple(_suspect(c, reader) for c in incident.causes),
    )  # fmt: skip
    return replace(evidence, doubts=_doubts(evidence, incident, board, reader))


def _weightiest(incident: Incident) -> list[Finding]:
    """The findings worth reading: a storm has thousands, a reader wants a few of each side."""
    own = [f for f in incident.findings if f.host == incident.host]
    others = [f for f in incident.findings if f.host != incident.host]
    return [f for side in (own, others) for f in sorted(side, key=lambda f: -f.peak)[:MOST_FINDINGS]]


def _depending(topology: Topology, host: str) -> tuple[str, ...]:
    """Who needs a server, directly or through others, the nearest first."""
    users: dict[str, list[str]] = {}
    for dependent, on in topology.edges:
        users.setdefault(on, []).append(dependent)
    seen, near = {host: None}, [host]
    for _ in range(FURTHEST):
        near = [user for on in near for user in users.get(on, ()) if user not in seen]
        seen |= dict.fromkeys(near)
    return tuple(seen)[1:]


def _open(edge: float | None, otherwise: float) -> float:
    return otherwise if edge is None else edge


def _side(value: float, lower: float, upper: float) -> Bearing:
    if not math.isfinite(value):
        return "unknown"
    if math.isfinite(upper) and value > upper:
        return "above"
    if math.isfinite(lower) and value < lower:
        return "below"
    return "usual" if math.isfinite(lower) or math.isfinite(upper) else "unknown"


def _same(one: Fact, other: Fact) -> bool:
    return (one.host, one.signal, one.labels) == (other.host, other.signal, other.labels)


def _order(fact: Fact) -> float:
    return fact.onset if math.isfinite(fact.onset) else math.inf


def _once(facts: list[Fact]) -> tuple[Fact, ...]:
    """In order of onset, each series once (a series may have two findings: its level and its pace)."""
    seen: dict[tuple[str, str, Labels], Fact] = {}
    for fact in sorted(facts, key=_order):
        seen.setdefault((fact.host, fact.signal, fact.labels), fact)
    return tuple(seen.values())


def _lead(incident: Incident, found: list[tuple[Finding, Fact]], reader: Reader) -> Fact:
    leading = LEADING.get(incident.kind, ())

    def rank(pair: tuple[Finding, Fact]) -> tuple[bool, bool, bool, bool, float]:
        finding = pair[0]
        fits = set(incident.labels) <= set(finding.labels)
        return (finding.host == incident.host, finding.signal in leading, finding.signal == incident.signal, fits, finding.score)

    if found:
        lead = max(found, key=rank)[1]
        # A series may have had several findings in one incident: it is strange since the first of them.
        return replace(lead, onset=min(fact.onset for _, fact in found if _same(fact, lead)))
    for row in reader.rows(incident.host, incident.signal).tolist():
        return replace(reader.fact(row), onset=incident.started)
    return replace(reader.empty(incident.host, incident.signal, incident.labels), onset=incident.started)


def _felt(incident: Incident, found: list[tuple[Finding, Fact]], reader: Reader) -> tuple[Fact, ...]:
    """The clearest reading of every other server: what its users notice first, otherwise the strongest."""
    by_host: dict[str, list[Fact]] = {}
    for finding, fact in found:
        if finding.host != incident.host:
            by_host.setdefault(finding.host, []).append(fact)
    for host in incident.affected[:MOST_FELT]:
        if host not in by_host and host != incident.host:
            facts = [f for f in (reader.fact(r) for r in reader.rows(host).tolist()) if f.strange]
            if facts:
                by_host[host] = facts
    chosen = [min(facts, key=_clarity) for facts in by_host.values()]
    return tuple(sorted(chosen, key=_order))


def _work(felt: tuple[Fact, ...], incident: Incident, reader: Reader) -> tuple[Fact, ...]:
    strange = {f.host for f in incident.findings if f.signal == "cpu"}
    facts = [reader.clearest(f.host, ("cpu",)) for f in felt[:MOST_FELT] if f.host not in strange and f.signal != "cpu"]
    return tuple(f for f in facts if f is not None and f.bearing == "usual")


def _clarity(fact: Fact) -> tuple[int, float]:
    place = SUFFERING.index(fact.signal) if fact.signal in SUFFERING else len(SUFFERING)
    return place, -fact.score if math.isfinite(fact.score) else 0.0


def _steady(incident: Incident, reader: Reader) -> tuple[Fact, ...]:
    strange = {(f.signal, f.labels) for f in incident.findings if f.host == incident.host}
    labels, signals = reader.board.scores.series.labels, reader.board.scores.series.signals
    rows = reader.rows(incident.host)
    usual = rows[np.nan_to_num(reader.board.scores.score[rows], nan=9.0) < 1]
    at = reader.board.scores.series.signal
    facts = (reader.fact(r) for r in usual.tolist() if (signals[int(at[r])], labels[r]) not in strange)
    return tuple(f for f in facts if f.bearing == "usual")


def _unfelt(incident: Incident, dependents: tuple[str, ...], reader: Reader) -> tuple[Fact, ...]:
    suffering = {f.host for f in incident.findings} | set(incident.affected)
    calm = [host for host in dependents if host not in suffering]
    facts = (reader.clearest(host, SUFFERING) for host in calm[:MOST_UNFELT])
    return tuple(f for f in facts if f is not None and f.bearing == "usual")


def _needs(incident: Incident, board: Board, reader: Reader) -> tuple[Fact, ...]:
    facts = (reader.clearest(host, (*SUFFERING, "cpu")) for host in board.topology.on(incident.host)[:MOST_NEEDS])
    return tuple(f for f in facts if f is not None)


def _peers(incident: Incident, lead: Fact, reader: Reader) -> tuple[Fact, ...]:
    """The same signal on servers in the same role, the ones with the same labels only."""
    series = reader.board.scores.series
    role = reader.role(incident.host)
    if not role:
        return ()
    hosts = [h for h, r in zip(series.hosts, series.roles, strict=True) if r == role and h != incident.host][:MOST_PEERS]
    facts = [reader.fact(row) for host in hosts for row in reader.rows(host, lead.signal).tolist()]
    return tuple(f for f in facts if f.labels == lead.labels and f.bearing != "unknown")


def _restarted(incident: Incident, reader: Reader) -> float:
    """When the server last started, where that lies within the incident."""
    for row in reader.rows(incident.host, "uptime").tolist():
        uptime = float(reader.board.scores.value[row])
        began = reader.board.time - uptime
        if math.isfinite(uptime) and began >= incident.started - 300:  # a restart may be seen a few samples late
            return began
    return NAN


def _limit(incident: Incident, board: Board, reader: Reader) -> Limit | None:
    forecast, signal = board.forecast, board.signals.get(incident.signal)
    moot = incident.state == "resolved" or incident.kind in ("stuck_metric", "crash")  # nothing known of now, nothing ahead
    if forecast is None or signal is None or signal.limit is None or moot:
        return None
    age = board.time - forecast.time  # a forecast serves several cycles
    findings = [f for f in incident.findings if f.host == incident.host and f.signal == incident.signal]
    for finding in findings:
        rows = forecast.series.rows_of(host=finding.host, signal=finding.signal).tolist()
        for row in (r for r in rows if forecast.series.labels[r] == finding.labels):
            seconds = float(forecast.until_limit[row]) - age
            if math.isfinite(seconds) and seconds > 0:
                low, high = float(forecast.until_limit_low[row]) - age, float(forecast.until_limit_high[row]) - age
                left = signal.limit - reader.of_finding(finding).observed
                return Limit(signal.limit, seconds, max(low, 0.0), high, left * 3600 / seconds)
    return None


def _suspect(cause: Cause, reader: Reader) -> Suspect:
    def speaking(reasons: tuple[Reason, ...]) -> tuple[Speaking, ...]:
        ordered = sorted(reasons, key=lambda r: -r.weight)
        return tuple(Speaking(_of_reason(r, reader), r.what, r.weight) for r in ordered)

    return Suspect(plain(cause.host), cause.kind, cause.confidence, speaking(cause.reasons_for), speaking(cause.reasons_against))


def _of_reason(reason: Reason, reader: Reader) -> Fact:
    rows = reader.rows(reason.host, reason.signal).tolist()
    base = reader.fact(rows[0]) if len(rows) == 1 else reader.empty(reason.host, reason.signal, ())
    return replace(base, observed=reason.value, expected=reason.expected)


def _doubts(evidence: Evidence, incident: Incident, board: Board, reader: Reader) -> tuple[Doubt, ...]:
    """What lowers the confidence, weightiest first."""
    doubts = []
    finding = next((f for f in incident.findings if (f.host, f.signal) == (incident.host, incident.signal)), None)
    row = reader.row_of(finding) if finding is not None else -1
    ready = float(board.scores.ready[row]) if row >= 0 else NAN
    if math.isfinite(ready) and ready < 0.9:
        doubts.append(Doubt("learning", ready))
    rivals = [s for s in evidence.suspects[1:] if s.confidence >= 0.15 and s.kind != "unknown"]
    doubts += [Doubt("rival", s.confidence, s.host, s.kind) for s in rivals[:1]]
    if evidence.suspects and not incident.confidence >= SURE:
        against = [s for s in evidence.suspects[0].speaks_against if s.weight >= 0.1 and s.what in _SIDES and s.fact.reading.en]
        doubts += [Doubt("missing" if s.what == "usual" else "against", fact=s.fact) for s in against[:1]]
    lonely = evidence.lead.kind in _SELF_EVIDENT or incident.kind in _LONELY
    if not evidence.moved and not evidence.felt and not lonely and not incident.confidence >= SURE:
        doubts.append(Doubt("alone"))
    if evidence.felt and not board.topology.edges:
        doubts.append(Doubt("unmapped"))
    if incident.state == "open" and evidence.time - incident.started < 180:
        doubts.append(Doubt("young"))
    return tuple(doubts)
