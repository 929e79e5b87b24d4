"""Our alerts beside those of Prometheus's own rules: for each of theirs, did we speak, and how much earlier or later.

In: an `Outcome`, and when which rule fired. Out: `Lead`s. Only alerts about a server that we watch can be compared; one that fired
already when the span began says nothing about who was first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from analyzer.backtest.outcome import Alert, Outcome, Quiet, Spell
from analyzer.backtest.spells import Told
from analyzer.identity import Identity

AFTERWARDS = 900.0  # what ended so shortly before the rule fired is still about the same
How = Literal["earlier", "later", "kept", "missed", "unwatched", "before"]


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert of one of Prometheus's own rules."""

    name: str
    host: str
    severity: str
    spell: Spell


@dataclass(frozen=True, slots=True)
class Lead:
    """What became of one alert of a rule.

    how : we told people `earlier` or `later`; saw it and paged nobody (`kept`); `missed` it; it names no server of ours
        (`unwatched`); it fired already when the span began (`before`).
    seconds : by how much we were earlier; negative = later; 0 where there is nothing to compare.
    """

    rule: Rule
    how: How
    seconds: float = 0.0
    alert: Alert | None = None
    quiet: Quiet | None = None


def rules(told: Iterable[Told], identity: Identity) -> tuple[Rule, ...]:
    """`ALERTS` as alerts: one a name, server and stretch, whatever further labels tell apart."""
    found: dict[tuple[str, str], list[Rule]] = {}
    for _, pairs, spell in told:
        labels = dict(pairs)
        one = Rule(labels.get("alertname", ""), identity.host(labels), labels.get("severity", ""), spell)
        same = found.setdefault((one.name, one.host), [])
        last = same[-1] if same else None
        if last is not None and (last.spell.end is None or spell.start <= last.spell.end):
            ends = (last.spell.end, spell.end)
            end = None if None in ends else max(e for e in ends if e is not None)
            same[-1] = Rule(last.name, last.host, last.severity, Spell(last.spell.start, end))
        else:
            same.append(one)
    return tuple(sorted((r for same in found.values() for r in same), key=lambda r: (r.spell.start, r.name, r.host)))


def leads(theirs: Iterable[Rule], outcome: Outcome) -> tuple[Lead, ...]:
    """Every alert of theirs, in order."""
    watched = set(outcome.hosts)
    return tuple(_lead(rule, outcome, watched) for rule in theirs)


def _lead(rule: Rule, outcome: Outcome, watched: set[str]) -> Lead:
    if rule.host not in watched:
        return Lead(rule, "unwatched")
    if rule.spell.start <= outcome.start:
        return Lead(rule, "before")
    until = rule.spell.until(outcome.end)
    spoke = [
        (spell.start, alert)
        for alert in outcome.alerts
        if rule.host in alert.hosts
        for spell in alert.spells
        if spell.start <= until and spell.until(outcome.end) >= rule.spell.start - AFTERWARDS
    ]
    if spoke:
        start, alert = min(spoke, key=lambda s: (s[1].incident.host != rule.host, s[0]))
        ahead = rule.spell.start - start
        return Lead(rule, "earlier" if ahead >= 0 else "later", ahead, alert)
    kept = [q for q in outcome.quiet if rule.host in q.hosts and q.start <= until]
    kept = [q for q in kept if (outcome.end if q.end is None else q.end) >= rule.spell.start - AFTERWARDS]
    if kept:
        near = min(kept, key=lambda q: (q.incident.host != rule.host, abs(q.start - rule.spell.start)))
        return Lead(rule, "kept", rule.spell.start - near.start, None, near)
    return Lead(rule, "missed")


def confirmed(alert: Alert, theirs: Iterable[Rule], end: float) -> bool:
    """Whether any rule fired about one of its servers while it lasted, or up to an hour after."""
    return any(
        rule.host in alert.hosts and rule.spell.start <= spell.until(end) + 3600.0 and rule.spell.until(end) >= spell.start
        for rule in theirs
        for spell in alert.spells
    )
