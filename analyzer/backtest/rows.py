"""A backtest as JSON: mappings of strings and numbers, times in RFC 3339, the same facts as on the terminal and all of them."""

from collections.abc import Sequence
from typing import Any

from analyzer.backtest.against import Comparison
from analyzer.backtest.lead import Lead
from analyzer.backtest.outcome import Alert, Quiet, Words
from analyzer.backtest.result import Judged, Result
from analyzer.backtest.truth import Truth, Verdict
from analyzer.explain.units import rfc3339

Json = dict[str, Any]


def result_json(result: Result, lang: str) -> Json:
    """Everything; `against` only where there were two configurations."""
    first = result.sides[0]
    out = {
        "prometheus": result.url,
        "from": rfc3339(first.outcome.start),
        "to": rfc3339(first.outcome.end),
        "stopped_early": result.stopped,
        "broken": result.broken,
        "step_seconds": result.step,
        "learned_seconds": result.learned,
        "warnings": [{"warning": text, "reads": reads} for text, reads in result.warnings.items()],
        **side_json(first, lang),
    }
    if result.comparison is not None:
        out["against"] = side_json(result.sides[1], lang) | {"comparison": comparison_json(result.comparison)}
    return out


def side_json(side: Judged, lang: str) -> Json:
    """One configuration."""
    return {
        "config": side.name,
        "mode": side.mode,
        "counts": counts_json(side),
        "alerts": [alert_json(a, lang) for a in side.outcome.alerts],
        "kept": [quiet_json(q, lang) for q in side.outcome.quiet],
        "suppressions": [
            {"reason": h.reason, "lines": h.lines, "hosts": dict(h.hosts), "signals": dict(h.signals)} for h in side.outcome.held
        ],
        "rules": [lead_json(one, lang) for one in side.leads],
        "truth": None if side.truth is None else truth_json(side.truth, lang),
    }


def counts_json(side: Judged) -> Json:
    """How much, and how often."""
    outcome = side.outcome
    return {
        "columns": outcome.columns,
        "partial_columns": outcome.partial,
        "hosts": len(outcome.hosts),
        "series": outcome.series,
        "alerts": len(outcome.alerts),
        "alerts_per_day": _per(len(outcome.alerts), outcome.days),
        "alerts_per_host_week": _per(len(outcome.alerts), outcome.host_weeks),
        "flaps": outcome.flaps,
        "kept": len(outcome.quiet),
        "alerts_without_a_rule": len(side.unconfirmed),
        "false_alarms": None if side.truth is None else side.truth.false_alarms,
        "false_alarms_per_day": None if side.truth is None else _per(side.truth.false_alarms, outcome.days),
        "false_alarms_per_host_week": None if side.truth is None else _per(side.truth.false_alarms, outcome.host_weeks),
    }


def _per(count: int, of: float) -> float | None:
    return round(count / of, 4) if of > 0 else None


def alert_json(alert: Alert, lang: str) -> Json:
    """One alert."""
    one = alert.incident
    return {
        "incident": one.id,
        "alertname": one.alertname,
        "hostname": one.host,
        "signal": one.signal,
        "labels": dict(one.labels),
        "severity": alert.severity,
        "kind": one.kind,
        "kind_at_first": alert.first_kind,
        "hostname_at_first": alert.first_host,
        "confidence": round(one.confidence, 4),
        "start": rfc3339(alert.start),
        "end": _time(alert.end),
        "spells": [{"start": rfc3339(s.start), "end": _time(s.end)} for s in alert.spells],
        "closed_because": one.closed_because,
        "affected": list(one.affected),
        "signals": list(alert.signals),
        "told_first": _words(alert.words, lang),
        "told_last": _words(alert.words_last, lang),
    }


def quiet_json(quiet: Quiet, lang: str) -> Json:
    """One incident that paged nobody."""
    one = quiet.incident
    return {
        "incident": one.id,
        "hostname": one.host,
        "signal": one.signal,
        "kind": one.kind,
        "confidence": round(one.confidence, 4),
        "start": rfc3339(quiet.start),
        "end": _time(quiet.end),
        "why_not": quiet.why,
        "signals": list(quiet.signals),
        "words": _words(quiet.words, lang),
    }


def lead_json(lead: Lead, lang: str) -> Json:
    """One alert of a rule, and what we had said by then; `minutes_earlier` is negative where we were later."""
    rule = lead.rule
    return {
        "alertname": rule.name,
        "hostname": rule.host,
        "severity": rule.severity,
        "start": rfc3339(rule.spell.start),
        "end": _time(rule.spell.end),
        "we": lead.how,
        "minutes_earlier": round(lead.seconds / 60, 2) if lead.how in ("earlier", "later", "kept") else None,
        "alert": None if lead.alert is None else alert_json(lead.alert, lang),
        "kept": None if lead.quiet is None else quiet_json(lead.quiet, lang),
    }


def truth_json(truth: Truth, lang: str) -> Json:
    """Planted faults and what became of them."""
    return {
        "faults": [_verdict(v) for v in truth.verdicts],
        "found": sum(v.alert is not None for v in truth.judged),
        "right_root": sum(v.root for v in truth.judged),
        "right_kind": sum(v.kind for v in truth.judged),
        "of": len(truth.judged),
        "false_alarms": truth.false_alarms,
        "about_nothing": [alert_json(a, lang) for a in truth.false],
    }


def _verdict(verdict: Verdict) -> Json:
    fault = verdict.fault
    return {
        "kind": fault.kind,
        "hostname": fault.root,
        "benign": fault.benign,
        "start": rfc3339(fault.spell.start),
        "end": _time(fault.spell.end),
        "found": verdict.alert is not None,
        "right_root": verdict.root,
        "right_kind": verdict.kind,
        "delay_seconds": verdict.delay if verdict.alert else None,
        "alerts": verdict.alerts,
        "incident": verdict.alert.incident.id if verdict.alert else None,
    }


def comparison_json(comparison: Comparison) -> Json:
    """Which alerts both raised, and which only one; `minutes_earlier`: by how much the second configuration is."""
    return {
        "both": [
            {"incidents": [p.a.incident.id, p.b.incident.id], "minutes_earlier": round(p.ahead / 60, 2), "differs": p.differs}
            for p in comparison.both
        ],
        "only_first": _ids(comparison.only_a),
        "only_second": _ids(comparison.only_b),
    }


def _ids(alerts: Sequence[Alert]) -> list[str]:
    return [a.incident.id for a in alerts]


def _words(words: Words, lang: str) -> Json | None:
    text = words.get(lang) or next(iter(words.values()), None)
    return None if text is None else {"headline": text.headline, "text": " ".join(text.sentences), "actions": list(text.actions)}


def _time(time: float | None) -> str | None:
    return None if time is None else rfc3339(time)
