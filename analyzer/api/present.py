"""Records -> JSON: RFC 3339 times, NaN as null, words in the language asked for. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from analyzer.maintenance import Maintenance
from analyzer.records import Cause, Explanation, Finding, Incident, Reason, Suppression, Text
from analyzer.signals import Signal
from analyzer.verdicts import Verdict, Verdicts
from service.http import rfc3339

Json = dict[str, Any]


def when(seconds: float | None) -> str | None:
    """Unix seconds -> RFC 3339 UTC to the millisecond; None and NaN -> None."""
    return None if seconds is None or not math.isfinite(seconds) else rfc3339(seconds)


def number(value: float) -> float | None:
    """A finite number with nine significant digits, otherwise None."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def signal_json(signal: Signal, lang: str) -> Json:
    """What a signal is."""
    return {"alias": signal.alias, "topic": signal.topic, "title": signal.title.get(lang, signal.alias), "unit": signal.unit}


def finding_json(finding: Finding) -> Json:
    """One finding."""
    return {
        "id": finding.id,
        "signal": finding.signal,
        "hostname": finding.host,
        "labels": dict(finding.labels),
        "kind": finding.kind,
        "state": finding.state,
        "flapping": finding.flapping,
        "onset": when(finding.onset),
        "opened": when(finding.opened),
        "updated": when(finding.updated),
        "ended": when(finding.ended),
        "score": number(finding.score),
        "peak": number(finding.peak),
        "observed": number(finding.observed),
        "expected": number(finding.expected),
        "lower": number(finding.lower),
        "upper": number(finding.upper),
        "closed_because": finding.closed_because,
    }


def reason_json(reason: Reason) -> Json:
    """One piece of evidence."""
    return {
        "hostname": reason.host,
        "signal": reason.signal,
        "what": reason.what,
        "value": number(reason.value),
        "expected": number(reason.expected),
        "weight": number(reason.weight),
    }


def cause_json(cause: Cause) -> Json:
    """One candidate, with what speaks for and against it."""
    return {
        "hostname": cause.host,
        "kind": cause.kind,
        "confidence": number(cause.confidence),
        "onset": when(cause.onset),
        "for": [reason_json(r) for r in cause.reasons_for],
        "against": [reason_json(r) for r in cause.reasons_against],
    }


def text_json(text: Text) -> Json:
    """Words in one language."""
    return {"headline": text.headline, "text": " ".join(text.sentences), "actions": list(text.actions)}


def explanation_json(explanation: Explanation | None, lang: str) -> Json | None:
    """Words in the language asked for, and in all others under `texts`."""
    if explanation is None:
        return None
    texts = {code: text_json(text) for code, text in explanation.texts.items()}
    chosen = texts.get(lang) or next(iter(texts.values()), {})
    return {
        **chosen,
        "lang": lang if lang in texts else next(iter(texts), lang),
        "texts": texts,
        "engine": explanation.engine,
        "confidence": number(explanation.confidence),
        "time": when(explanation.time),
        "evidence": [plain(dict(fact)) for fact in explanation.evidence],
    }


def incident_json(incident: Incident, explanation: Explanation | None, lang: str) -> Json:
    """One incident with its causes and words."""
    return {
        "id": incident.id,
        "revision": incident.revision,
        "alertname": incident.alertname,
        "severity": incident.severity,
        "state": incident.state,
        "hostname": incident.host,
        "signal": incident.signal,
        "labels": dict(incident.labels),
        "kind": incident.kind,
        "benign": incident.benign,
        "confidence": number(incident.confidence),
        "started": when(incident.started),
        "opened": when(incident.opened),
        "updated": when(incident.updated),
        "ended": when(incident.ended),
        "score": number(incident.score),
        "pages": incident.pages,
        "why_not": incident.why_not,
        "closed_because": incident.closed_because,
        "affected": list(incident.affected),
        "causes": [cause_json(c) for c in incident.causes],
        "findings": [finding_json(f) for f in incident.findings],
        "explanation": explanation_json(explanation, lang),
    }


def suppression_json(line: Suppression) -> Json:
    """One line of the ledger."""
    return {
        "time": when(line.time),
        "hostname": line.host,
        "signal": line.signal,
        "reason": line.reason,
        "score": number(line.score),
    }


def maintenance_json(window: Maintenance) -> Json:
    """One window."""
    return {
        "id": window.id,
        "from": when(window.start),
        "to": when(window.end),
        "host": window.host,
        "signals": list(window.signals),
        "reason": window.reason,
    }


def verdict_json(said: Verdict, force: Verdicts) -> Json:
    """What was said about an incident, and what it moved."""
    moves = [m for m in force.moves if m.incident == said.incident]
    return {
        "incident": said.incident,
        "time": when(said.time),
        "who": said.who,
        "verdict": said.verdict,
        "note": said.note,
        "hostname": said.host,
        "kind": said.kind,
        "signals": list(said.signals),
        "began": when(said.began),
        "ended": when(said.ended),
        "moves": [{"signal": m.signal, "before": number(m.before), "after": number(m.after)} for m in moves],
    }


def plain(value: Any) -> Any:
    """Any nested value with NaN and infinities as None, and what numpy computed as Python's own."""
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | bool | None) else str(value)
