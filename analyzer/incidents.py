"""Findings -> incidents: what belongs together is one, with a root, a kind, ranked causes, a severity, and a yes or no to paging.

In: findings, scores, forecast, topology of one instant. Out: `Step`. An incident keeps its id from opening to the end of its
cooldown; once it was alerted its identity is frozen, and a new root or a higher severity makes a new revision that supersedes it.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyzer import cases as casebook
from analyzer import paging, plain
from analyzer.cases import RANK, Case
from analyzer.causes import NEVER, Hypothesis, Judge, cause
from analyzer.graph import Graph
from analyzer.grouping import Grouping
from analyzer.habits import Habits
from analyzer.ledger import Ledger
from analyzer.limits import Limits
from analyzer.people import NOBODY, People
from analyzer.policy import Policy
from analyzer.records import Finding, Forecast, Incident, Scores, Suppression, Topology
from analyzer.signals import Signal
from analyzer.silences import alert_labels
from analyzer.symptoms import Symptoms, observe
from analyzer.window import Series

MEMORY = 240.0  # seconds over which the merit of a hypothesis is smoothed, so that a verdict does not flicker
WANING = 0.5  # a failure that has lost so much of its strength tells no more about its cause
CLOSED_KEPT = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One instant's outcome.

    open : incidents that go on. changed : opened, revised, or ended now. superseded : old identities whose alert ends now.
    """

    open: list[Incident]
    changed: list[Incident]
    superseded: list[Incident]
    suppressions: list[Suppression]


class Incidents:
    """Keeps the incidents.

    Parameters
    ----------
    signals : what is known about each alias.
    policy : times and thresholds.
    """

    def __init__(self, signals: Mapping[str, Signal], policy: Policy) -> None:
        self.signals, self.policy = signals, policy
        self.cases: list[Case] = []
        self.closed: deque[Case] = deque(maxlen=CLOSED_KEPT)
        self.limits = Limits(signals, policy)
        self.habits = Habits(policy)
        self.ledger = Ledger(policy.ledger_every)
        self.time = -np.inf
        self._people = NOBODY
        self._judge: Judge | None = None
        self._graph: tuple[Topology, Series, Graph] | None = None

    def step(
        self,
        findings: Iterable[Finding],
        scores: Scores,
        forecast: Forecast | None,
        topology: Topology,
        now: float,
        *,
        partial: bool = False,
        people: People = NOBODY,
    ) -> Step:
        """Take one instant. With `partial`, or when nothing came in at all, nothing opens and nothing ends.

        people : silences and verdicts in force; what they cover pages nobody, and its limits have to be nearer.
        """
        self._people, self.limits.nearer = people, people.verdicts.edges
        seconds = min(max(now - self.time, 0.0), self.policy.max_gap) if np.isfinite(self.time) else 0.0
        self.time = now
        if partial or (len(scores.series) and not np.isfinite(scores.value).any()):
            return Step([case.last for case in self.cases if case.last], [], [], [])
        found = [*findings, *self.limits.step(forecast, scores, seconds)]
        if not found and not self.cases:
            return Step([], [], [], [])
        graph = self._near(topology, scores.series)
        symptoms = observe(scores, found, self.signals)
        grouping = Grouping(self._judged_by(symptoms), graph, symptoms, scores, self.policy)
        self._hand_out(found, grouping, now)
        for case in self.cases:
            self._weigh(case, grouping, scores, seconds)
        gone = self._join_twins(grouping, now)
        for case in self.cases:
            self._count(case, now, seconds)
        return self._tell(now, graph, gone)

    def _near(self, topology: Topology, series: Series) -> Graph:
        if self._graph is None or self._graph[0] != topology or self._graph[1] is not series:
            self._graph = (topology, series, Graph(topology, series.hosts, series.roles))
        return self._graph[2]

    def _judged_by(self, symptoms: Symptoms) -> Judge:
        if self._judge is None or self._judge.matrices.signals != symptoms.signals:
            self._judge = Judge(symptoms.signals)
        return self._judge

    def _hand_out(self, found: list[Finding], grouping: Grouping, now: float) -> None:
        """Refresh the findings that cases hold; give new ones to a case, or open one."""
        owner = {f: case for case in self.cases for f in case.findings}
        fresh: list[Finding] = []
        for finding in found:
            if finding.id in owner:
                owner[finding.id].findings[finding.id] = finding
            elif finding.state == "firing":
                fresh.append(finding)
        left = []
        for finding in sorted(fresh, key=lambda f: -f.peak):
            case = grouping.adopt(self.cases, finding)
            if case is None:
                left.append(finding)
            else:
                case.findings[finding.id] = finding
        if left:
            habits = {f.host for f in left if self.habits.usual(f.host, f.signal, now)}
            made = grouping.open_new(self.cases, left, habits, lambda h, taken: self._make(h, taken, now))
            self.cases += made
            for case in made:
                self.habits.note(case.hosts(), {f.signal for f in case.findings.values()}, now)

    def _make(self, hypothesis: Hypothesis, taken: list[Finding], now: float) -> Case:
        """A new case, or the one that closed a short while ago at the same place and now goes on."""
        host, kind = hypothesis
        started = min((f.onset for f in taken), default=now)
        for old in list(self.closed):
            signals = {f.signal for f in old.findings.values()}
            recent = old.ended is not None and 0 <= now - old.ended < self.policy.cooldown
            if recent and old.host == host and (old.kind == kind or signals & {f.signal for f in taken}):
                self.closed.remove(old)
                old.ended, old.closed_because, old.quiet = None, "", 0.0
                old.findings.update({f.id: f for f in taken})
                return old
        digest = hashlib.sha256(f"{host}|{kind}|{now:.3f}|{sorted(f.id for f in taken)}".encode()).hexdigest()[:16]
        return Case(digest, now, started, host, kind, findings={f.id: f for f in taken})

    def _weigh(self, case: Case, grouping: Grouping, scores: Scores, seconds: float) -> None:
        """Rank its causes again, blind to what other cases explain, as long as something is strange now."""
        strength = sum(
            abs(grouping.symptoms.cell(f.host, f"!{f.kind}") or grouping.symptoms.cell(f.host, f.signal)) for f in case.firing
        )
        case.strongest = max(case.strongest, strength)
        if case.causes and strength < WANING * case.strongest:
            return
        rest = [c for c in self.cases if c is not case]
        symptoms = grouping.blind_to(rest)
        habits = {f.host for f in case.findings.values() if self.habits.usual(f.host, f.signal, case.opened)}
        verdict = grouping.weigh(symptoms, [case.host, *grouping.candidates(case.firing)], case.firing, habits)
        share = 1.0 if not case.merit else 1 - np.exp(-seconds / MEMORY)
        new = verdict.hypotheses()
        for key in {*case.merit, *new}:
            value = max(new.get(key, NEVER), -1.0)
            case.merit[key] = case.merit.get(key, value) + share * (value - case.merit.get(key, value))
        standing = case.standing()
        if standing:
            self._settle(case, standing)
            case.causes = tuple(cause(key, sure, symptoms, scores, grouping.graph) for key, sure in standing if sure >= 0.02)
            case.evidence = max(case.evidence, self._evidence(case, grouping, symptoms))
            case.felt = case.felt or grouping.felt(case.host, symptoms)
            case.stirs = grouping.stirs(case.host)

    def _settle(self, case: Case, standing: list[tuple[Hypothesis, float]]) -> None:
        """Root and kind from the ranking; an alerted incident moves only to a root that looked better for a while."""
        (host, kind), sure = standing[0]
        if host == case.host or not case.alerted:
            case.host, case.kind, case.confidence, case.wants = host, kind, sure, ""
            return
        mine = [(k, s) for (h, k), s in standing if h == case.host]
        case.kind, case.confidence = mine[0] if mine else (case.kind, 0.5 * case.confidence)
        if case.wants != host:
            case.wants, case.wants_since = host, self.time
        elif self.time - case.wants_since >= self.policy.reroot_hold and sure >= self.policy.page_confidence:
            case.host, case.kind, case.confidence, case.wants = host, kind, sure, ""

    def _evidence(self, case: Case, grouping: Grouping, symptoms: Symptoms) -> float:
        """Corroborated strangeness: the root's own marks, half a mark for a strong one and for a lasting one, a part of others'."""
        if case.host not in grouping.graph.at:
            return 0.0
        own = grouping.judge.evidence(symptoms, grouping.graph, case.host, case.kind)
        peak = max((f.peak for f in case.firing if f.host == case.host), default=0.0)
        age = self.time - case.opened
        return own + 0.5 * min(max((peak - 1) / 1.5, 0), 1) + 0.5 * min(age / 600.0, 1)

    def _join_twins(self, grouping: Grouping, now: float) -> list[Case]:
        """Cases that another one tells: their findings move there, their alerts end."""
        gone = []
        for stays, goes in grouping.twins(self.cases):
            stays.findings.update(goes.findings)
            stays.started = min(stays.started, goes.started)
            self.cases.remove(goes)
            goes.ended, goes.closed_because = now, "merged"
            gone.append(goes)
        return gone

    def _count(self, case: Case, now: float, seconds: float) -> None:
        """Seconds of silence, of a server being down, and of a score that may page without a name."""
        firing = case.firing
        case.updated = now
        case.quiet = 0.0 if firing else case.quiet + seconds
        down = [f for f in firing if f.kind == "down" and f.host == case.host and f.score > self.policy.open_score]
        case.down = max([case.down, *(now - f.onset for f in down)])
        top = max((f.score for f in firing if np.isfinite(f.score) and not f.flapping and f.kind != "limit"), default=0.0)
        case.lone = case.lone + seconds if top >= self.policy.lone_score else max(case.lone - seconds, 0.0)

    def _tell(self, now: float, graph: Graph, gone: list[Case]) -> Step:
        """Severity, names, paging and ends; what is new since it was last told."""
        out = Step([], [], [], [])
        for case in gone:
            if case.last is not None:
                (out.superseded if case.alerted else out.changed).append(casebook.superseded(case.last, now))
        for case in list(self.cases):
            if case.quiet >= self.policy.quiet_after or not case.findings:
                self._close(case, now)
            else:
                self._decide(case, graph, now, out)
            record = case.record(now)
            if casebook.news(case.last, record):
                out.changed.append(record)
            case.last = record
            if case.ended is None:
                out.open.append(record)
        return out

    def _decide(self, case: Case, graph: Graph, now: float, out: Step) -> None:
        """Identity and paging of a case that goes on."""
        name, severity = paging.name(case), paging.severity(case, self.limits, graph, self.policy)
        if case.alerted and case.last is not None:
            crashed = name == "OpenManagerServerDown" and case.alertname != name
            if case.host != case.last.host or RANK[severity] > RANK[case.severity] or crashed:
                out.superseded.append(casebook.superseded(case.last, now))
                case.revision += 1
                self._identify(case, name, severity)
            return
        self._identify(case, name, severity)
        case.why_not = paging.hold_back(case, self.limits, now, self.policy) or self._quiet(case, now)
        case.alerted = case.why_not == ""
        if not case.alerted and case.why_not != "hold":
            line = Suppression(now, case.host, case.signal, case.why_not, max((f.peak for f in case.firing), default=0.0))
            self.ledger.note(line, out.suppressions)

    def _quiet(self, case: Case, now: float) -> str:
        """Why people want to hear nothing of it; "" = they do."""
        labels = alert_labels(
            case.host, case.labels, alertname=case.alertname, severity=case.severity, signal=case.signal,
            identity=self._people.silences.identity,
        )  # fmt: skip
        return self._people.quiet(labels, case.host, case.kind, case.signal, now)

    def _identify(self, case: Case, name: str, severity: Any) -> None:
        judge = self._judge
        core = {f.id: judge is not None and judge.is_core(case.kind, f) for f in case.findings.values()}
        head = paging.headline(case, core)
        case.alertname, case.severity = name, severity
        if head is not None:
            keep = self.signals[head.signal].labels if head.signal in self.signals else ()
            case.signal, case.labels = (
                head.signal,
                tuple(pair for pair in head.labels if pair[0] in keep and head.host == case.host),
            )

    def _close(self, case: Case, now: float) -> None:
        ended = [f for f in case.findings.values() if f.closed_because]
        case.ended = now
        case.closed_because = max(ended, key=lambda f: f.peak).closed_because if ended else "recovered"
        self.cases.remove(case)
        self.closed.append(case)

    def state(self) -> dict[str, Any]:
        """Everything that a restart needs, JSON-able."""
        return {
            "time": plain.number(self.time),
            "cases": [casebook.to_json(c) for c in self.cases],
            "closed": [casebook.to_json(c) for c in self.closed],
            "limits": self.limits.state(),
            "habits": self.habits.state(),
            "ledger": self.ledger.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take `state` back. Raises KeyError, TypeError or ValueError on what is not one."""
        open_cases = [casebook.from_json(c) for c in state["cases"]]
        closed = [casebook.from_json(c) for c in state["closed"]]
        self.limits.restore(state["limits"])
        self.habits.restore(state["habits"])
        self.ledger.restore(state["ledger"])
        self.time = -np.inf if state["time"] is None else float(state["time"])
        self.cases, self.closed = open_cases, deque(closed, maxlen=CLOSED_KEPT)
