"""A case: what `incidents` remembers of one incident while it lasts, and how it becomes a record."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from analyzer import plain
from analyzer.causes import Hypothesis, ranked
from analyzer.records import BENIGN_KINDS, Cause, Finding, Incident, Severity
from analyzer.window import Labels

Name = Literal["OpenManagerAnomaly", "OpenManagerLimitForecast", "OpenManagerSeriesVanished", "OpenManagerServerDown"]
RANK = {"info": 0, "warning": 1, "critical": 2}


@dataclass(slots=True)
class Case:
    """One incident, mutable.

    `merit` is smoothed over time; `quiet` counts seconds without a firing finding; `wants` is the host that looks like a better
    root, and since when; `lone` counts seconds at a score that may page without a name; `down` is how long the server did not
    answer; `strongest` is the most that its findings' marks ever added up to; `felt`: users of the root or of what needs it notice;
    `stirs`: the root's disks work a little more.
    """

    id: str
    opened: float
    started: float
    host: str
    kind: str = "unknown"
    revision: int = 0
    confidence: float = 0.0
    findings: dict[str, Finding] = field(default_factory=dict)
    merit: dict[Hypothesis, float] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    alertname: str = "OpenManagerAnomaly"
    severity: Severity = "info"
    signal: str = ""
    labels: Labels = ()
    alerted: bool = False
    why_not: str = "hold"
    quiet: float = 0.0
    lone: float = 0.0
    down: float = 0.0
    evidence: float = 0.0
    strongest: float = 0.0
    felt: bool = False
    stirs: bool = False
    wants: str = ""
    wants_since: float = 0.0
    updated: float = 0.0
    ended: float | None = None
    closed_because: str = ""
    last: Incident | None = None

    @property
    def firing(self) -> list[Finding]:
        """Findings that have not ended."""
        return [f for f in self.findings.values() if f.state == "firing"]

    @property
    def benign(self) -> bool:
        """Normal life, whatever it looks like."""
        return self.kind in BENIGN_KINDS

    def hosts(self) -> list[str]:
        """Hosts of its findings, the root first."""
        return list(dict.fromkeys([self.host, *(f.host for f in self.findings.values())]))

    def standing(self) -> list[tuple[Hypothesis, float]]:
        """Hypotheses by confidence."""
        return ranked(self.merit)

    def record(self, now: float) -> Incident:
        """As a frozen record."""
        ordered = sorted(self.findings.values(), key=lambda f: (f.state != "firing", f.host != self.host, -f.peak))
        firing = [f.score for f in ordered if f.state == "firing" and np.isfinite(f.score)]
        return Incident(
            id=self.id, revision=self.revision, alertname=self.alertname, severity=self.severity, host=self.host,
            signal=self.signal, labels=self.labels, kind=self.kind, benign=self.benign, confidence=round(self.confidence, 4),
            started=self.started, state="open" if self.ended is None else "resolved", opened=self.opened, updated=now,
            ended=self.ended, score=max(firing, default=0.0), findings=tuple(ordered[:100]), causes=self.causes,
            affected=tuple(h for h in self.hosts() if h != self.host), pages=self.alerted,
            why_not="" if self.alerted else self.why_not, closed_because=self.closed_because,
        )  # fmt: skip


def news(before: Incident | None, after: Incident) -> bool:
    """Does a record differ from the one that was last told in what a reader would want to hear?"""
    if before is None:
        return True
    names = ("revision", "state", "pages", "kind", "host", "severity", "benign")
    return any(getattr(before, n) != getattr(after, n) for n in names)


def superseded(last: Incident, now: float) -> Incident:
    """The old identity of an incident that goes on under a new one: its alert ends now."""
    return replace(last, state="resolved", ended=now, updated=now, closed_because="superseded")


def to_json(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    bare = asdict(replace(case, findings={}, merit={}, causes=(), last=None))
    simple = {k: plain.number(v) if isinstance(v, float) else v for k, v in bare.items()}
    last = None if case.last is None else plain.incident(case.last)
    return simple | {
        "findings": [plain.finding(f) for f in case.findings.values()],
        "merit": [[*key, value] for key, value in case.merit.items()],
        "last": last,
        "causes": [] if last is None else last["causes"],
    }


def from_json(value: dict[str, Any]) -> Case:
    """Back from `to_json`. Raises KeyError or TypeError on what is not one."""
    fields = dict(value)
    fields["findings"] = {f["id"]: plain.to_finding(f) for f in value["findings"]}
    fields["merit"] = {(host, kind): float(merit) for host, kind, merit in value["merit"]}
    fields["labels"] = plain.to_labels(value["labels"])
    fields["causes"] = tuple(plain.to_cause(c) for c in value["causes"])
    fields["last"] = None if value["last"] is None else plain.to_incident(value["last"])
    return Case(**fields)
