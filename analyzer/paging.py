"""How bad an incident is, under which name it goes out, and whether it is sure enough to reach people.

In: a Case with its findings and causes. Out: severity, alert name, the reason why it does not page (empty = it does). An anomaly
alone is at most a warning; critical takes a server down, a limit within the hour, or dependants affected.
"""

import numpy as np

from analyzer.cases import RANK, Case
from analyzer.graph import Graph
from analyzer.habits import WORK
from analyzer.limits import Limits
from analyzer.policy import Policy
from analyzer.records import Finding, Severity

FELT = ("response_time", "errors")
LONGER = 6  # a server that merely works more than usual, and nobody knows why, may do so for longer
LIKE_A_JOB = frozenset({"cpu_runaway", "unknown"})  # at first a job that somebody started looks the same
NAMED_DIRECTLY = frozenset({"clock_skew", "stuck_metric"})  # one fact is all there is to see


def name(case: Case) -> str:
    """The alert name that fits now."""
    kinds = {f.kind for f in case.firing} or {f.kind for f in case.findings.values()}
    if any(f.kind == "down" and f.host == case.host for f in case.findings.values()):
        return "OpenManagerServerDown"
    if kinds == {"limit"}:
        return "OpenManagerLimitForecast"
    if kinds == {"vanished"}:
        return "OpenManagerSeriesVanished"
    return "OpenManagerAnomaly"


def severity(case: Case, limits: Limits, graph: Graph, policy: Policy) -> Severity:
    """As bad as what is known now says; never better than what was said before."""
    if case.benign and not case.alerted:
        return "info"
    now: Severity = "warning" if case.confidence >= policy.page_confidence or case.lone > 0 else "info"
    down = case.down >= policy.down_hold
    soon = any(limits.until(f) < policy.limit_critical for f in case.firing if f.kind == "limit")
    if down or soon or (now == "warning" and affects(case, graph)):
        now = "critical"
    return now if RANK[now] >= RANK[case.severity] or not case.alerted else case.severity


def affects(case: Case, graph: Graph) -> bool:
    """Do servers that need the root answer more slowly or with errors?"""
    if case.host not in graph.at:
        return False
    near = graph.dependents(graph.at[case.host])
    return any(f.signal in FELT and graph.at.get(f.host, -1) in near for f in case.firing)


def hold_back(case: Case, limits: Limits, now: float, policy: Policy) -> str:
    """Why it does not page; "" = it does."""
    steady = [f for f in case.firing if not f.flapping]
    if case.benign or not steady:
        return "benign" if case.benign else "flapping" if case.firing else case.why_not
    if case.down >= policy.down_hold or any(_runs_out(f, steady, limits, policy) for f in steady):
        return ""
    if now - case.opened < policy.settle or case.kind == "crash":
        return "hold"
    if case.kind in LIKE_A_JOB and case.stirs and not case.felt and now - case.opened < policy.doubt:
        return "hold"
    if case.kind != "unknown" and case.confidence >= policy.page_confidence:
        return "" if _certain(case, steady, policy) else "evidence"
    strange = {f.signal for f in case.firing}
    only_work = not case.felt and strange <= WORK and strange != {"temperature"}  # heat without work is no job
    return "" if case.lone >= policy.lone_hold * (LONGER if only_work else 1) else "confidence"


def _runs_out(finding: Finding, steady: list[Finding], limits: Limits, policy: Policy) -> bool:
    """A limit that is sure: of something that only fills, within the hour, or where the series itself is strange too."""
    until = limits.until(finding)
    if finding.kind != "limit" or not np.isfinite(until):
        return False
    strange = any(f.kind != "limit" and (f.host, f.signal) == (finding.host, finding.signal) for f in steady)
    return strange or until < policy.limit_critical or finding.signal in policy.only_fills


def _certain(case: Case, steady: list[Finding], policy: Policy) -> bool:
    """A named kind with enough corroborated strangeness behind it."""
    if case.kind in NAMED_DIRECTLY:
        return any(f.host == case.host for f in steady)
    return case.evidence >= policy.page_evidence


def headline(case: Case, is_core: dict[str, bool]) -> Finding | None:
    """The finding that gives the alert its signal: on the root, a mark of the kind, the strongest."""
    pool = list(case.findings.values())
    if not pool:
        return None
    return max(pool, key=lambda f: (f.host == case.host, f.kind == "down", is_core.get(f.id, False), f.peak))
