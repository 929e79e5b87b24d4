"""Alertmanager's webhook in: a payload of version 4 -> alerts that can be stored, strange ones normalised and marked.

Alertmanager gives a notification up after one 4xx, so only what is no JSON object at all is refused. Nothing in an alert is
followed, fetched or executed; control and bidirectional characters are kept as they came and made harmless where they are shown.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from analyzer.api.state import STATE
from analyzer.store import StoreError
from service.http import Problem, changes, json_response, limits_of, read_json, reject

MAX_ALERTS = 20_000
MAX_TEXT = 8192  # characters of one label or annotation value that are kept
MAX_NAME = 256
MAX_PAIRS = 64
EARLIEST, LATEST = 946684800.0, 4102444800.0  # 2000..2100; years 0001 and 9999 are ways of saying "none"
AHEAD = 600.0  # seconds by which a sender's clock may be before ours
UNKNOWN = 0.0  # a start that was not told: the same at every repetition, so that a repeated alert stays the same alert
BODY_BYTES = 64 << 20  # 10,000 alerts with long annotations
ANSWER_WITHIN = 0.9  # seconds, of which the store gets what parsing leaves; what it stores later is known when it comes again
STORE_AT_LEAST = 0.3
STATUSES = ("firing", "resolved")


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


def normalise(body: Mapping[str, Any], now: float) -> list[IncomingAlert]:
    """All alerts of a payload, in order. Never raises for what a JSON object may hold."""
    group = _text(body.get("groupKey"))
    alerts = body.get("alerts")
    rows = alerts[:MAX_ALERTS] if isinstance(alerts, list) else []
    fallback = "resolved" if body.get("status") == "resolved" else "firing"
    return [_alert(row, group, fallback, now) for row in rows if isinstance(row, Mapping)]


def _alert(row: Mapping[str, Any], group: str, fallback: str, now: float) -> IncomingAlert:
    marks: list[str] = []
    labels = _pairs(row.get("labels"), "labels", marks)
    annotations = _pairs(row.get("annotations", {}), "annotations", marks)
    status = row.get("status")
    if status not in STATUSES:
        marks.append("status")
        status = fallback
    starts = _time(row.get("startsAt"))
    if starts is None or starts > now + AHEAD:
        marks.append("startsAt")
        starts = UNKNOWN
    ends = _time(row.get("endsAt")) if status == "resolved" else None
    if status == "resolved" and (ends is None or ends < starts or ends > now + AHEAD):
        marks.append("endsAt")
        ends = max(now, starts)
    name = _text(row.get("fingerprint"))
    if not name:
        marks.append("fingerprint")
        name = hashlib.sha256(json.dumps(sorted(labels.items())).encode()).hexdigest()[:16]
    given = row.get("generatorURL", "")
    url = _text(given)
    if given and not url.startswith(("http://", "https://")):
        marks.append("generatorURL")
        url = ""
    return IncomingAlert(name, str(status), labels, annotations, starts, ends, url, group, tuple(marks))


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _pairs(value: Any, what: str, marks: list[str]) -> dict[str, str]:
    """Names and texts; what is none is written as JSON, what is too long or too much is cut."""
    if not isinstance(value, Mapping):
        marks.append(what)
        return {}
    pairs = {k[:MAX_NAME]: (v if isinstance(v, str) else json.dumps(v))[:MAX_TEXT] for k, v in list(value.items())[:MAX_PAIRS]}
    if pairs != value:
        marks.append(what)
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
    body = await _body(request)
    began = time.monotonic()
    alerts = await asyncio.to_thread(normalise, body, state.now())
    given = len(body["alerts"]) if isinstance(body.get("alerts"), list) else 0
    if given > len(alerts):
        reject(request, "webhook", "not_alerts", f"{given - len(alerts)} of {given} alerts were no objects, or too many at once")
    try:
        async with asyncio.timeout(max(STORE_AT_LEAST, ANSWER_WITHIN - (time.monotonic() - began))):
            new = await state.store.put_webhook(alerts)
    except (StoreError, OSError, TimeoutError) as error:
        detail = "the alerts could not be stored; send them again"
        raise Problem(503, "not_stored", detail, {"Retry-After": "5"}, entry="webhook") from error
    state.wake_webhook()
    marked = sum(bool(a.marks) for a in alerts)
    return json_response(
        {"success": True, "stored": new, "known": len(alerts) - new, "marked": marked, "dropped": given - len(alerts)}
    )


async def _body(request: web.Request) -> dict[str, Any]:
    """The payload. A body that is too large is a 503 and not a 413: a 4xx would lose it for good."""
    try:
        body = await read_json(request, limits=replace(limits_of(request), body_bytes=BODY_BYTES), entry="webhook")
    except Problem as problem:
        if problem.status == 413:
            raise Problem(503, "too_large", problem.detail, entry="webhook", close=True) from problem
        if problem.status == 422:
            raise Problem(400, "bad_json", problem.detail, entry="webhook") from problem
        raise
    if not isinstance(body, dict):
        raise Problem(400, "bad_json", "an Alertmanager webhook is a JSON object with `alerts`", entry="webhook")
    return body
