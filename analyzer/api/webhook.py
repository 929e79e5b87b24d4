"""Alertmanager's webhook in: a payload of version 4 -> alerts that can be stored, strange ones normalised and marked.

Alertmanager gives a notification up after one 4xx, so only what is no JSON object at all is refused. Nothing in an alert is
followed, fetched or executed; control and bidirectional characters are shown as what they are when the alert is.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from analyzer.api.state import STATE
from service.http import Problem, changes, json_response, limits_of, read_json

MAX_ALERTS = 20_000
MAX_TEXT = 8192  # characters of one label or annotation value that are kept
MAX_PAIRS = 64
EARLIEST, LATEST = 946684800.0, 4102444800.0  # 2000..2100; years 0001 and 9999 are ways of saying "none"
BODY_BYTES = 64 << 20  # 10,000 alerts with long annotations


@dataclass(frozen=True, slots=True)
class IncomingAlert:
    """One alert of a notification. Times are unix seconds; `ends` None while it fires; `marks` say what had to be mended."""

    fingerprint: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts: float
    ends: float | None
    generator_url: str
    group_key: str
    marks: tuple[str, ...] = ()


def normalise(body: Any, now: float) -> list[IncomingAlert]:
    """All alerts of a payload, in order. Never raises for what a JSON object may hold."""
    group = _text(body.get("groupKey"))
    alerts = body.get("alerts")
    rows = alerts[:MAX_ALERTS] if isinstance(alerts, list) else []
    fallback = _text(body.get("status")) or "firing"
    return [_alert(row, group, fallback, now) for row in rows if isinstance(row, Mapping)]


def _alert(row: Mapping[str, Any], group: str, fallback: str, now: float) -> IncomingAlert:
    marks: list[str] = []
    labels, annotations = _pairs(row.get("labels"), marks), _pairs(row.get("annotations"), marks)
    status = row.get("status")
    if status not in {"firing", "resolved"}:
        marks.append("status")
        status = fallback if fallback in {"firing", "resolved"} else "firing"
    starts = _time(row.get("startsAt"))
    if starts is None:
        marks.append("startsAt")
        starts = now
    ends = _time(row.get("endsAt")) if status == "resolved" else None
    if status == "resolved" and (ends is None or ends < starts):
        marks.append("endsAt")
        ends = max(now, starts)
    print_ = _text(row.get("fingerprint"))
    if not print_:
        marks.append("fingerprint")
        print_ = hashlib.sha256(json.dumps(sorted(labels.items())).encode()).hexdigest()[:16]
    if starts > now + 600:
        marks.append("future")
        starts = now
    url = _text(row.get("generatorURL"))
    if url and not url.startswith(("http://", "https://")):
        marks.append("generatorURL")
        url = ""
    return IncomingAlert(print_, status, labels, annotations, starts, ends, url, group, tuple(marks))


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _pairs(value: Any, marks: list[str]) -> dict[str, str]:
    if not isinstance(value, Mapping):
        marks.append("labels")
        return {}
    pairs = {str(k)[:256]: (v if isinstance(v, str) else json.dumps(v))[:MAX_TEXT] for k, v in list(value.items())[:MAX_PAIRS]}
    if len(value) > MAX_PAIRS or any(not isinstance(v, str) or len(v) > MAX_TEXT for v in value.values()):
        marks.append("shortened")
    return pairs


def _time(value: Any) -> float | None:
    """RFC 3339 -> unix seconds; None for what is no time, or one of the ways of saying none."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        at = datetime.fromisoformat(value)
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if EARLIEST <= seconds <= LATEST else None


@changes
async def receive(request: web.Request) -> web.Response:
    """Store, then answer 200; explaining happens afterwards. 503 makes Alertmanager try again."""
    state = request.app[STATE]
    limits = replace(limits_of(request), body_bytes=BODY_BYTES)
    try:
        body = await read_json(request, limits=limits, entry="webhook")
    except Problem as problem:
        if problem.status == 413:  # a 4xx would lose it for good
            raise Problem(503, "too_large", problem.detail, entry="webhook") from problem
        raise
    if not isinstance(body, dict):
        raise Problem(400, "bad_json", "an Alertmanager webhook is a JSON object with `alerts`", entry="webhook")
    alerts = normalise(body, state.now())
    try:
        new = await state.store.put_webhook(alerts)
    except (OSError, RuntimeError, TimeoutError) as error:
        raise Problem(503, "not_stored", "the alerts could not be stored; send them again", entry="webhook") from error
    state.wake_webhook()
    marked = sum(bool(a.marks) for a in alerts)
    return json_response({"success": True, "stored": new, "known": len(alerts) - new, "marked": marked})
