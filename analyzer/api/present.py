"""Records -> JSON: RFC 3339 times, NaN as null, words in the language asked for. Pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from analyzer.records import Board, Cause, Explanation, Finding, Incident, Reason, Suppression, Text
from analyzer.signals import Signal

Json = dict[str, Any]


def when(seconds: float | None) -> str | None:
    """Unix seconds -> RFC 3339 UTC to the millisecond; None and NaN -> None."""
    if seconds is None or not math.isfinite(seconds):
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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


def plain(value: Any) -> Any:
    """Any nested value with NaN and infinities as None."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | bool | None) else str(value)


def server_json(board: Board, host: str, *, detail: bool, lang: str) -> Json:
    """One server: health, worst signal, and with `detail` every signal with its band and forecast."""
    series = board.scores.series
    open_here = [i for i in board.incidents if i.host == host or host in i.affected]
    out: Json = {
        "hostname": host,
        "role": series.roles[series.hosts.index(host)],
        "health": number(board.health.get(host, math.nan)),
        "score": number(board.server_score.get(host, math.nan)),
        "state": board.server_state.get(host),
        "incidents": [i.id for i in open_here],
        "time": when(board.time),
        "depends_on": list(board.topology.on(host)),
        "dependents": list(board.topology.dependents(host)),
    }
    if detail:
        out["signals"] = [row_json(board, int(row), lang) for row in series.rows_of(host=host)]
    return out


def row_json(board: Board, row: int, lang: str) -> Json:
    """One series now: observed, expected, band, score, readiness, forecast."""
    scores = board.scores
    alias, labels = scores.series.key(row)
    signal = board.signals.get(alias)
    out: Json = {
        **(signal_json(signal, lang) if signal else {"alias": alias}),
        "labels": dict(labels),
        "observed": number(scores.value[row]),
        "expected": number(scores.yhat[row]),
        "lower": number(scores.lower[row]),
        "upper": number(scores.upper[row]),
        "score": number(scores.score[row]),
        "onset": when(scores.onset[row]),
        "ready": number(scores.ready[row]),
    }
    if board.forecast is not None:
        out["forecast"] = forecast_json(board, alias, labels)
    return out


def forecast_json(board: Board, alias: str, labels: tuple[tuple[str, str], ...]) -> Json | None:
    """What is expected of one series, and when it reaches its limit."""
    forecast = board.forecast
    if forecast is None:
        return None
    at = int(forecast.series.positions([(alias, labels)])[0])
    if at < 0:
        return None
    ahead = [
        {
            "seconds": h,
            "expected": number(forecast.yhat[at, i]),
            "lower": number(forecast.lower[at, i]),
            "upper": number(forecast.upper[at, i]),
        }
        for i, h in enumerate(forecast.horizons)
    ]
    limit = {
        "seconds": number(forecast.until_limit[at]),
        "low": number(forecast.until_limit_low[at]),
        "high": number(forecast.until_limit_high[at]),
    }
    return {"made": when(forecast.time), "ahead": ahead, "until_limit": limit}
