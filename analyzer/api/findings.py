"""What the analyzer knows: incidents, findings, servers, readiness, suppressions, maintenance windows, feedback."""

import math
from typing import Any

import numpy as np
from aiohttp import web

from analyzer.api.present import explanation_json, finding_json, incident_json, number, server_json, suppression_json, when
from analyzer.api.state import STATE, ApiState
from analyzer.records import Board
from service.http import Problem, changes, choice_arg, int_arg, json_response, parse_time, read_json, text_arg, time_arg

PAGE = 100
MOST = 1000
SEVERITIES = ("info", "warning", "critical")
MAINTENANCE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["from", "to"],
    "properties": {
        "from": {"type": ["string", "number"]},
        "to": {"type": ["string", "number"]},
        "host": {"type": "string", "maxLength": 256, "default": "*"},
        "signals": {"type": "array", "items": {"type": "string", "maxLength": 128}, "maxItems": 64},
        "reason": {"type": "string", "maxLength": 1000},
    },
}
FEEDBACK_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["verdict"],
    "properties": {"verdict": {"enum": ["right", "wrong", "expected"]}, "note": {"type": "string", "maxLength": 1000}},
}


def language(request: web.Request, state: ApiState) -> str:
    """`lang` of the query, otherwise the configured default."""
    return choice_arg(request, "lang", state.default_language, ("en", "ko"))


def board_of(request: web.Request) -> Board:
    """The newest board. Raises Problem 503 with the reason while there is none."""
    state = request.app[STATE]
    board = state.board()
    if board is None:
        raise Problem(503, "not_ready", state.reason() or "no cycle has been completed yet", {"Retry-After": "5"})
    return board


def filters(request: web.Request) -> dict[str, Any]:
    """server, signal, severity, state, from, to, limit, offset of the query."""
    chosen: dict[str, Any] = {
        "server": text_arg(request, "server", "", 256) or None,
        "signal": text_arg(request, "signal", "", 128) or None,
        "severity": choice_arg(request, "severity", "", ("", *SEVERITIES)) or None,
        "state": choice_arg(request, "state", "", ("", "open", "resolved", "pending", "firing")) or None,
        "start": time_arg(request, "from", None),
        "end": time_arg(request, "to", None),
        "limit": int_arg(request, "limit", PAGE, 1, MOST),
        "offset": int_arg(request, "offset", 0, 0, 10_000_000),
    }
    if chosen["start"] is not None and chosen["end"] is not None and chosen["end"] < chosen["start"]:
        raise Problem(400, "bad_range", "`to` lies before `from`", entry="query")
    return chosen


def page(name: str, rows: list[Any], total: int, chosen: dict[str, Any]) -> web.Response:
    """One page of a list, with what is needed for the next."""
    after = chosen["offset"] + len(rows)
    return json_response({name: rows, "total": total, "offset": chosen["offset"], "next": after if after < total else None})


async def incidents(request: web.Request) -> web.Response:
    """Incidents, newest first; open ones carry the words of this minute."""
    state, chosen = request.app[STATE], filters(request)
    lang = language(request, state)
    found, total = await state.store.incidents(**chosen)
    return page("incidents", [incident_json(i, e, lang) for i, e in found], total, chosen)


async def incident(request: web.Request) -> web.Response:
    """One incident with its causes, findings and explanation."""
    state = request.app[STATE]
    found = await state.store.incident(request.match_info["id"])
    if found is None:
        raise Problem(404, "not_found", "no such incident")
    return json_response(incident_json(found[0], found[1], language(request, state)))


async def findings(request: web.Request) -> web.Response:
    """Findings, newest first."""
    state, chosen = request.app[STATE], filters(request)
    chosen.pop("severity")
    found, total = await state.store.findings(**chosen)
    return page("findings", [finding_json(f) for f in found], total, chosen)


async def suppressions(request: web.Request) -> web.Response:
    """What would have been said and was not, and why."""
    state, chosen = request.app[STATE], filters(request)
    for unused in ("severity", "state"):
        chosen.pop(unused)
    found, total = await state.store.suppressions(**chosen)
    return page("suppressions", [suppression_json(s) for s in found], total, chosen)


async def servers(request: web.Request) -> web.Response:
    """Every server known, worst first."""
    board, lang = board_of(request), language(request, request.app[STATE])
    limit, offset = int_arg(request, "limit", PAGE, 1, MOST), int_arg(request, "offset", 0, 0, 10_000_000)
    hosts = sorted(board.scores.series.hosts, key=lambda h: (board.health.get(h, 101.0), h))
    rows = [server_json(board, h, detail=False, lang=lang) for h in hosts[offset : offset + limit]]
    return page("servers", rows, len(hosts), {"offset": offset})


async def server(request: web.Request) -> web.Response:
    """One server: every signal with what is usual now, forecasts, incidents with their words."""
    board, lang = board_of(request), language(request, request.app[STATE])
    host = request.match_info["hostname"]
    if host not in board.scores.series.hosts:
        raise Problem(404, "not_found", "no such server")
    out = server_json(board, host, detail=True, lang=lang)
    out["explanations"] = [explanation_json(board.explanations.get(i), lang) for i in out["incidents"]]
    return json_response(out)


async def readiness(request: web.Request) -> web.Response:
    """How much of what the detectors need has been seen, by signal, with the series that still learn."""
    board = board_of(request)
    series, ready = board.scores.series, np.nan_to_num(board.scores.ready)
    signals = []
    for i, alias in enumerate(series.signals):
        mine = ready[series.signal == i]
        if len(mine):
            signals.append(
                {"signal": alias, "series": len(mine), "ready": number(float(mine.mean())), "learning": int((mine < 1).sum())}
            )
    learning = np.flatnonzero(ready < 1)[: int_arg(request, "limit", PAGE, 0, MOST)]
    rows = []
    for row in learning.tolist():
        alias, labels = series.key(row)
        rows.append({"signal": alias, "hostname": series.host_of(row), "labels": dict(labels), "ready": number(ready[row])})
    overall = number(float(ready.mean())) if len(ready) else None
    return json_response({"time": when(board.time), "ready": overall, "signals": signals, "learning": rows})


@changes
async def feedback(request: web.Request) -> web.Response:
    """right, wrong or expected: kept with the incident."""
    state, body = request.app[STATE], await read_json(request, schema=FEEDBACK_SCHEMA)
    if await state.store.incident(request.match_info["id"]) is None:
        raise Problem(404, "not_found", "no such incident")
    await state.store.put_feedback(request.match_info["id"], body["verdict"], body.get("note", ""), state.now())
    return json_response({"success": True})


async def list_maintenance(request: web.Request) -> web.Response:
    """Windows that are declared, ended ones of the last day included."""
    rows = await request.app[STATE].store.maintenance(request.app[STATE].now() - 86400)
    return json_response({"maintenance": [maintenance_json(m) for m in rows]})


@changes
async def add_maintenance(request: web.Request) -> web.Response:
    """Declare a window: the host neither alerts nor teaches inside it."""
    state, body = request.app[STATE], await read_json(request, schema=MAINTENANCE_SCHEMA)
    try:
        start, end = parse_time(str(body["from"])), parse_time(str(body["to"]))
    except (ValueError, OverflowError) as error:
        raise Problem(422, "schema", f"from, to: {error}", entry="json") from error
    if not end > start or not math.isfinite(end - start):
        raise Problem(422, "schema", "to: must lie after from", entry="json")
    window = await state.store.add_maintenance(start, end, body.get("host", "*"), body.get("reason", ""), body.get("signals", []))
    if state.maintenance_changed:
        await state.maintenance_changed()
    return json_response(maintenance_json(window), status=201)


@changes
async def remove_maintenance(request: web.Request) -> web.Response:
    """Take a window back."""
    state = request.app[STATE]
    if not await state.store.remove_maintenance(request.match_info["id"]):
        raise Problem(404, "not_found", "no such maintenance window")
    if state.maintenance_changed:
        await state.maintenance_changed()
    return json_response({"success": True})


def maintenance_json(window: Any) -> dict[str, Any]:
    """One window."""
    return {
        "id": window.id,
        "from": when(window.start),
        "to": when(window.end),
        "host": window.host,
        "signals": list(window.signals),
        "reason": window.reason,
    }
