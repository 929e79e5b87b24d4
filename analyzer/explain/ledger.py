"""Evidence as plain rows, for JSON, Grafana and whoever checks what was said.

In: `Evidence`. Out: mappings of strings and numbers (None = unknown), times in RFC 3339.
"""

import math
from collections.abc import Mapping

from analyzer.explain.facts import Evidence, Fact, Suspect
from analyzer.explain.knowledge import Knowledge
from analyzer.explain.steps import queries_of
from analyzer.explain.units import rfc3339

Row = Mapping[str, object]


def rows(evidence: Evidence, knowledge: Mapping[str, Knowledge]) -> tuple[Row, ...]:
    """The incident first, then every reading with its part in the story, then limit, causes and doubts."""
    known = knowledge.get(evidence.kind, knowledge["unknown"])
    out: list[Row] = [_incident(evidence, known)]
    out += [_reading(part, fact) for part, fact in evidence.facts() if part not in ("for", "against")]
    if evidence.limit is not None:
        limit = evidence.limit
        due = evidence.time + limit.seconds
        out.append({"part": "limit", "server": evidence.host, "signal": evidence.lead.signal, "limit": limit.limit,
                    "seconds": limit.seconds, "at": rfc3339(due), "per_hour": _number(limit.per_hour)})  # fmt: skip
    out += [_cause(suspect, knowledge) for suspect in evidence.suspects]
    out += [{"part": "doubt", "what": d.what, "value": _number(d.value), "server": d.host} for d in evidence.doubts]
    out += [{"part": "change", "server": c.host, "what": c.what, "at": rfc3339(c.time)} for c in evidence.changes]
    return tuple(out)


def _incident(evidence: Evidence, known: Knowledge) -> Row:
    return {
        "part": "incident", "server": evidence.host, "role": evidence.role, "kind": evidence.kind, "kind_name": known.name.en,
        "kind_name_ko": known.name.ko, "benign": evidence.benign, "state": evidence.state, "severity": evidence.severity,
        "confidence": _number(evidence.confidence), "since": _time(evidence.started), "ended": _time(evidence.ended),
        "affected": list(evidence.affected), "dependents": list(evidence.dependents), "runbook": known.runbook,
        "queries": list(queries_of(known, evidence)),
    }  # fmt: skip


def _reading(part: str, fact: Fact) -> Row:
    return {
        "part": part, "server": fact.host, "signal": fact.signal, "labels": dict(fact.labels), "unit": fact.unit,
        "is": fact.bearing,
        "observed": _number(fact.observed), "expected": _number(fact.expected), "lower": _number(fact.lower),
        "upper": _number(fact.upper), "since": _time(fact.onset), "shown": fact.reading.en, "shown_ko": fact.reading.ko,
        "usual": fact.usual.en, "usual_ko": fact.usual.ko,
    }  # fmt: skip


def _cause(suspect: Suspect, knowledge: Mapping[str, Knowledge]) -> Row:
    known = knowledge.get(suspect.kind, knowledge["unknown"])
    return {
        "part": "cause", "server": suspect.host, "kind": suspect.kind, "kind_name": known.name.en, "kind_name_ko": known.name.ko,
        "confidence": _number(suspect.confidence), "for": [_reason(s.fact, s.what) for s in suspect.speaks_for],
        "against": [_reason(s.fact, s.what) for s in suspect.speaks_against],
    }  # fmt: skip


def _reason(fact: Fact, what: str) -> Row:
    return {
        "server": fact.host,
        "signal": fact.signal,
        "what": what,
        "value": _number(fact.observed),
        "expected": _number(fact.expected),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _time(time: float | None) -> str | None:
    return None if time is None or not math.isfinite(time) else rfc3339(time)
