"""Our alerts beside what was planted in the simulated fleet: found, right root, right kind, how soon, and alerts about nothing.

In: an `Outcome`, when which fault was active (the truth that the exporter publishes; nothing that judges ever reads it), and who
depends on whom. Out: `Verdict`s and false alarms. A harmless fault should page nobody: an alert about one is a false alarm.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.backtest.outcome import Alert, Outcome, Spell
from analyzer.backtest.spells import Told
from analyzer.causes import KINDS
from analyzer.records import Topology

AFTERMATH = 900.0  # seconds after a fault in which an alert is still its own
CLEARING = 3600.0  # a fault that began before the span is not judged, and excuses what is told so long after its end


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: what, where it began, whether it is harmless, whom it touched, when."""

    kind: str
    root: str
    benign: bool
    hosts: frozenset[str]
    spell: Spell


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one fault.

    alert : the first one about it; None = it was not found. delay : seconds from its start to that. alerts : how many about it.
    """

    fault: Planted
    alert: Alert | None = None
    delay: float = 0.0
    root: bool = False
    kind: bool = False
    alerts: int = 0


@dataclass(frozen=True, slots=True)
class Truth:
    """All faults of a span, and the alerts that none of them explains."""

    verdicts: tuple[Verdict, ...]
    false: tuple[Alert, ...]

    @property
    def judged(self) -> tuple[Verdict, ...]:
        """Those of faults that are none of the harmless ones."""
        return tuple(v for v in self.verdicts if not v.fault.benign)

    @property
    def false_alarms(self) -> int:
        """Alerts about nothing, or about what is harmless."""
        return len(self.false) + sum(v.alerts for v in self.verdicts if v.fault.benign)


def planted(told: Iterable[Told]) -> tuple[Planted, ...]:
    """`openmanager_fleet_fault_active` as faults: one a kind, root and stretch, with every server that it touched."""
    found: dict[tuple[str, str], list[Planted]] = {}
    for _, pairs, spell in told:
        labels = dict(pairs)
        kind, root = labels.get("kind", ""), labels.get("root", "")
        hosts = frozenset({root, labels.get("server", root)})
        one = Planted(kind, root, labels.get("benign") == "true", hosts, spell)
        same = found.setdefault((kind, root), [])
        last = same[-1] if same else None
        if last is not None and (last.spell.end is None or spell.start <= last.spell.end):
            ends = (last.spell.end, spell.end)
            end = None if None in ends else max(e for e in ends if e is not None)
            same[-1] = Planted(kind, root, last.benign, last.hosts | hosts, Spell(last.spell.start, end))
        else:
            same.append(one)
    return tuple(sorted((f for same in found.values() for f in same), key=lambda f: (f.spell.start, f.root, f.kind)))


def judge(faults: Iterable[Planted], outcome: Outcome, topology: Topology) -> Truth:
    """Match what was told to what was planted: the same root and kind first, then the same root, then a server it touched."""
    before = [f for f in faults if f.spell.start <= outcome.start]
    verdicts = [Verdict(f) for f in faults if f.spell.start > outcome.start]
    false = []
    for alert in outcome.alerts:
        best = _belongs(alert, verdicts, outcome.end, topology)
        if best is not None:
            verdicts[best] = _with(verdicts[best], alert)
        elif not any(_near(f, alert, outcome.end, CLEARING) and alert.hosts & _touched(f, topology) for f in before):
            false.append(alert)
    return Truth(tuple(verdicts), tuple(false))


def _belongs(alert: Alert, verdicts: list[Verdict], end: float, topology: Topology) -> int | None:
    near = [i for i, v in enumerate(verdicts) if _near(v.fault, alert, end, AFTERMATH)]
    root = [i for i in near if alert.incident.host == verdicts[i].fault.root]
    kind = [i for i in root if _right(alert, verdicts[i].fault)]
    fits = kind or root or [i for i in near if alert.hosts & _touched(verdicts[i].fault, topology)]
    return min(fits, key=lambda i: (verdicts[i].alerts, alert.start - verdicts[i].fault.spell.start)) if fits else None


def _near(fault: Planted, alert: Alert, end: float, after: float) -> bool:
    return fault.spell.start <= alert.start <= fault.spell.until(end) + after


def _touched(fault: Planted, topology: Topology) -> frozenset[str]:
    """Servers on which it may leave marks: demand and failover reach what the touched ones need as well."""
    return fault.hosts | {on for host in fault.hosts for on in topology.on(host)}


def _right(alert: Alert, fault: Planted) -> bool:
    """A kind that nobody was told of is right when it is called unknown."""
    return alert.incident.kind == (fault.kind if fault.kind in KINDS else "unknown")


def _with(verdict: Verdict, alert: Alert) -> Verdict:
    fault, first = verdict.fault, verdict.alert is None
    root = alert.incident.host == fault.root
    return Verdict(
        fault,
        alert if first else verdict.alert,
        alert.start - fault.spell.start if first else verdict.delay,
        verdict.root or root,
        verdict.kind or (root and _right(alert, fault)),
        verdict.alerts + 1,
    )
