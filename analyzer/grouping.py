"""Which findings belong to which incident: what a known failure explains joins it, the rest makes new cases, twins become one.

In: cases, findings, symptoms, graph. Out: the same cases with findings handed out. Independent failures that overlap stay apart
because each case is judged blind to what the others explain.
"""

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from analyzer.cases import Case
from analyzer.causes import COVER, KINDS, NEVER, Hypothesis, Judge, Verdict
from analyzer.graph import Graph
from analyzer.policy import Policy
from analyzer.records import Finding, Scores
from analyzer.symptoms import SEEN, Symptoms
from analyzer.window import Ints

JOINS = 0.25  # how natural a finding must be to join
SAME_HOST = 0.3  # what being on the same server is worth
IN_PROPORTION = 1.6  # demand that doubled explains a processor that doubled, not one that tripled
NAMED = 0.5
DISKS, STIRRING_Z = ("disk_time", "iowait"), 1.2
FELT = ("response_time", "errors")
EXCLUSIVE = {  # signals that only their own kinds move: elsewhere they are a failure of their own
    "disk": ("disk_fill",), "inodes": ("disk_fill",), "clock_skew": ("clock_skew",), "steal": ("steal",),
    "memory": ("memory_leak", "crash"), "swap": ("memory_leak",), "cache_hit": ("cache_stampede", "crash", "traffic_surge"),
    "open_files": ("unknown",), "temperature": ("cpu_runaway", "unknown"),
}  # fmt: skip
GONE = ("down", "vanished")
New = Callable[[Hypothesis, list[Finding]], Case]


class Grouping:
    """Hands findings out.

    Parameters
    ----------
    judge, graph, symptoms, scores : of this instant.
    policy : `together` and `fleet_share`.
    """

    def __init__(self, judge: Judge, graph: Graph, symptoms: Symptoms, scores: Scores, policy: Policy) -> None:
        self.judge, self.graph, self.symptoms, self.scores, self.policy = judge, graph, symptoms, scores, policy
        self._column = {name: i for i, name in enumerate(symptoms.signals)}
        self._told: dict[tuple[str, str, tuple[str, ...]], set[tuple[int, int]]] = {}
        self._found: dict[tuple[str, str], Ints] = {}

    @cached_property
    def most_gone(self) -> bool:
        """Are so many servers away that it is one story (a network, a rack, the scraper) and not many?"""
        columns = [self.symptoms.signals.index(f"!{kind}") for kind in GONE]
        away = int((self.symptoms.strength[:, columns] > 0).any(axis=1).sum())
        return away >= max(3, self.policy.fleet_share * len(self.symptoms.hosts))

    def adopt(self, cases: Iterable[Case], finding: Finding) -> Case | None:
        """The open case that explains a new finding best, if any does."""
        fits = [(self.fit(case, finding), case.evidence, i, case) for i, case in enumerate(cases)]
        best = max(fits, default=None)
        return best[3] if best is not None and best[0] >= JOINS else None

    def fit(self, case: Case, finding: Finding) -> float:
        """How naturally a finding belongs to a case, 0..1."""
        if finding.onset < case.started - self.policy.together:
            return 0.0
        if finding.kind in GONE and self.most_gone and any(f.kind in GONE for f in case.firing):
            return 1.0
        natural = self.explained(case.host, case.kind, finding)
        if case.host == finding.host:
            return natural if natural > 0 else 0.0 if self._foreign(case, finding) else SAME_HOST
        if natural == 0 and finding.host in case.hosts() and not self._foreign(case, finding) and case.kind == "unknown":
            return JOINS
        return natural

    def _foreign(self, case: Case, finding: Finding) -> bool:
        """Is the finding the mark of a failure other than this one?"""
        if case.kind == "unknown" or case.confidence < NAMED:
            return False
        if finding.kind == "stuck" and case.kind in EXCLUSIVE.get(finding.signal, ()):
            return False  # on a full disk no file is made any more: what reached its end stands still
        special = {"stuck": "stuck_metric", "down": "crash"}.get(finding.kind)
        if special is not None:
            return special != case.kind
        return case.kind not in EXCLUSIVE.get(finding.signal, (case.kind,)) or (case.kind == "stuck_metric")

    def explained(self, host: str, kind: str, finding: Finding) -> float:
        """How naturally a finding follows from a failure; more work than the demand that came is not explained by demand."""
        natural = self.judge.explains(host, kind, finding, self.graph)
        if kind == "traffic_surge" and natural > 0 and finding.signal != "requests":
            return natural if self._in_proportion(finding) else 0.0
        return natural

    def _in_proportion(self, finding: Finding) -> bool:
        """Did requests on that server grow about as much? True where it counts none."""
        rows = self._rows("requests", finding.host)
        if not len(rows) or finding.signal in ("response_time", "errors", "cache_hit", "replication_lag"):
            return True
        if self.symptoms.cell(finding.host, "requests") < SEEN:
            return False
        with np.errstate(invalid="ignore", divide="ignore"):
            demand = float(self.scores.value[rows[0]] / self.scores.yhat[rows[0]])
        grown = finding.observed / finding.expected if finding.expected else np.inf
        return not np.isfinite(demand) or grown <= IN_PROPORTION * max(demand, 1.0)

    def open_new(self, cases: list[Case], findings: list[Finding], habits: set[str], make: New) -> list[Case]:
        """Cases for findings that nothing explains yet, the strongest hypothesis first."""
        left = list(findings)
        made: list[Case] = []
        while left:
            hypothesis = self._hypothesis([*cases, *made], left, habits)
            taken = [f for f in left if self.explained(*hypothesis, f) >= JOINS]
            taken = taken or [f for f in left if f.host == hypothesis[0]]
            case = make(hypothesis, taken)
            left = [f for f in left if f not in taken]
            still = [f for f in left if self.fit(case, f) >= JOINS]
            case.findings.update({f.id: f for f in still})
            left = [f for f in left if f not in still]
            made.append(case)
        return made

    def _hypothesis(self, cases: list[Case], left: list[Finding], habits: set[str]) -> Hypothesis:
        """The best (host, kind) that explains the strongest finding; "unknown" on its own host where there is none."""
        strongest = max(left, key=lambda f: f.peak)
        verdict = self.weigh(self.blind_to(cases), self.candidates(left), [strongest], habits)
        order = np.argsort(-verdict.merit, axis=None)[:12]
        for position in order.tolist():
            h, k = divmod(position, len(KINDS))
            host, kind = verdict.hosts[h], KINDS[k]
            if self.explained(host, kind, strongest) >= JOINS:
                return host, kind
        return strongest.host, "unknown"

    def weigh(self, symptoms: Symptoms, hosts: Iterable[str], findings: Iterable[Finding], habits: Iterable[str]) -> Verdict:
        """Merit of every kind on the hosts; what they leave unexplained of these findings speaks against them."""
        verdict = self.judge.weigh(symptoms, self.graph, hosts, habits)
        missed = 1.0 - self.judge.covers(verdict.hosts, findings, self.graph)
        return Verdict(verdict.hosts, np.where(verdict.merit > NEVER / 2, verdict.merit - COVER * missed, NEVER))

    def candidates(self, findings: Iterable[Finding]) -> list[str]:
        """Hosts on which it may have begun: those of the findings, and strange servers that these depend on."""
        hosts = dict.fromkeys(f.host for f in findings if f.host in self.graph.at)
        strange = np.abs(self.symptoms.strength).max(1, initial=0.0) >= 0.5
        for host in list(hosts):
            for near in self.graph.dependencies(self.graph.at[host]):
                if strange[near]:
                    hosts.setdefault(self.graph.hosts[near])
        return list(hosts)

    def felt(self, host: str, symptoms: Symptoms) -> bool:
        """Do users of a server, or of those that need it, get slower answers or more errors?"""
        if host not in self.graph.at:
            return False
        at = self.graph.at[host]
        columns = [symptoms.signals.index(s) for s in FELT if s in symptoms.signals]
        rows = [at, *self.graph.dependents(at)]
        return bool((symptoms.strength[np.ix_(rows, columns)] >= SEEN).any()) if columns else False

    def stirs(self, host: str) -> bool:
        """Do its disks do a little more than usual, as for a job? Less than a mark, but more than noise once smoothed."""
        rows = np.concatenate([self._rows(s, host) for s in DISKS])
        return bool((self.scores.z[rows] >= STIRRING_Z).any())

    def blind_to(self, cases: Iterable[Case]) -> Symptoms:
        """The symptoms without what these cases explain."""
        cells: set[tuple[int, int]] = set()
        for case in cases:
            cells |= self._told_by(case)
        return self.symptoms.without(cells) if cells else self.symptoms

    def _told_by(self, case: Case) -> set[tuple[int, int]]:
        """(host, signal) positions that a case explains; remembered, since every case asks it of every other."""
        firing = case.firing
        key = (case.host, case.kind, tuple(f.id for f in firing))
        if key not in self._told:
            told = [f for f in firing if f.host == case.host or self.explained(case.host, case.kind, f) >= JOINS]
            hosts, columns = self.graph.at, self._column
            cells = {(hosts.get(f.host, -1), columns.get(s, -1)) for f in told for s in (f.signal, f"!{f.kind}")}
            if case.kind != "unknown":
                own, k = self.judge.matrices.own, KINDS.index(case.kind)
                cells |= {(hosts.get(case.host, -1), int(s)) for s in np.flatnonzero(own[0][k] + own[1][k] > 0)}
            self._told[key] = {cell for cell in cells if min(cell) >= 0}
        return self._told[key]

    def _rows(self, signal: str, host: str) -> Ints:
        """Rows of one signal on one host, remembered for this instant."""
        if (signal, host) not in self._found:
            self._found[signal, host] = self.scores.series.rows_of(signal=signal, host=host)
        return self._found[signal, host]

    def twins(self, cases: list[Case]) -> list[tuple[Case, Case]]:
        """Pairs (stays, goes): the second is told by the first."""
        pairs: list[tuple[Case, Case]] = []
        gone: set[str] = set()
        for stays in sorted(cases, key=lambda c: (not c.alerted, c.opened)):
            for goes in cases:
                if stays is goes or {stays.id, goes.id} & gone:
                    continue
                if self._same(stays, goes):
                    pairs.append((stays, goes))
                    gone.add(goes.id)
        return pairs

    def _same(self, a: Case, b: Case) -> bool:
        if self.most_gone and all(any(f.kind in GONE for f in case.firing) for case in (a, b)):
            return True
        if a.host == b.host and (a.kind == b.kind or ("unknown" in (a.kind, b.kind) and not self._own_failure(a, b))):
            return True
        if a.kind == "unknown" or a.confidence < NAMED or not b.firing or b.started < a.started - self.policy.together:
            return False
        if b.kind != "unknown" and b.confidence >= NAMED and self._own_failure(a, b):
            return False
        return all(self.explained(a.host, a.kind, f) >= JOINS for f in b.firing)

    def _own_failure(self, a: Case, b: Case) -> bool:
        """Does `b` hold a mark that `a` does not explain?"""
        return any(self.explained(a.host, a.kind, f) < JOINS and (f.host != a.host or self._foreign(a, f)) for f in b.firing)
