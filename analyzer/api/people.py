"""What people tell the analyzer: whether an incident was right, and when a server is being worked on."""

from typing import Any

from aiohttp import web

from analyzer.api.present import maintenance_json, number, verdict_json
from analyzer.api.query import page, paging
from analyzer.api.state import STATE
from analyzer.verdicts import FURTHEST, STEP, Verdict, fold
from service.guard import PRINCIPAL
from service.http import Problem, changes, json_response, parse_time, read_json, text_arg

SHOWN_AFTER = 86400.0  # seconds for which a window that has ended is still listed
MAINTENANCE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["from", "to"],
    "properties": {
        "from": {"type": ["string", "number"], "maxLength": 64},
        "to": {"type": ["string", "number"], "maxLength": 64},
        "host": {"type": "string", "minLength": 1, "maxLength": 256},
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


@changes
async def feedback(request: web.Request) -> web.Response:
    """right, wrong or expected: kept with the incident, and moves what pages. Said twice, it counts once."""
    state, name = request.app[STATE], request.match_info["id"]
    body = await read_json(request, schema=FEEDBACK_SCHEMA)
    found = await state.store.incident(name)
    if found is None:
        raise Problem(404, "not_found", "no such incident")
    said = Verdict.of(found[0], body["verdict"], body.get("note", ""), request.get(PRINCIPAL, ""), state.now())
    try:
        if await state.store.put_verdict(said):
            await state.feedback_changed()
    except ValueError as error:
        raise Problem(409, "too_many", str(error), entry="json") from error
    force = fold(await state.store.verdicts())
    mine = next((v for v in force.all if v.incident == name), said)
    return json_response({"success": True, **verdict_json(mine, force)})


@changes
async def undo_feedback(request: web.Request) -> web.Response:
    """Take back what was said about an incident: everything is as if it had not been said."""
    state = request.app[STATE]
    if not await state.store.undo_verdict(request.match_info["id"], state.now()):
        raise Problem(404, "not_found", "nothing was said about such an incident")
    await state.feedback_changed()
    return json_response({"success": True})


async def list_feedback(request: web.Request) -> web.Response:
    """What is in force: who said what about which incident, what it moved, and where every edge is now. Newest first."""
    part, force = paging(request), fold(await request.app[STATE].store.verdicts())
    server, signal = text_arg(request, "server", "", 256), text_arg(request, "signal", "", 128)
    chosen = [v for v in reversed(force.all) if server in ("", v.host) and (not signal or signal in v.signals)]
    edges = [
        {"hostname": host, "signal": alias, "edge": number(factor)}
        for (host, alias), factor in sorted(force.edges.items())
        if server in ("", host) and signal in ("", alias)
    ]
    rows = [verdict_json(v, force) for v in chosen[part["offset"] : part["offset"] + part["limit"]]]
    more = {
        "edges": edges[: part["limit"]],
        "edges_total": len(edges),
        "bounds": {"step": STEP, "lowest": 1.0, "highest": FURTHEST},
    }
    return page("feedback", rows, len(chosen), part["offset"], **more)


async def list_maintenance(request: web.Request) -> web.Response:
    """Windows that are declared, ended ones of the last day included."""
    state, part = request.app[STATE], paging(request)
    windows = await state.store.maintenance(state.now() - SHOWN_AFTER)
    chosen = windows[part["offset"] : part["offset"] + part["limit"]]
    return page("maintenance", [maintenance_json(window) for window in chosen], len(windows), part["offset"])


@changes
async def add_maintenance(request: web.Request) -> web.Response:
    """Declare a window: the host neither alerts nor teaches inside it."""
    state, body = request.app[STATE], await read_json(request, schema=MAINTENANCE_SCHEMA)
    start, end = _time(body, "from"), _time(body, "to")
    if end <= start:
        raise Problem(422, "schema", "to: must lie after from", entry="json")
    asked = (start, end, body.get("host", "*"), body.get("reason", ""), body.get("signals", []))
    try:
        window = await state.store.add_maintenance(*asked)
    except ValueError as error:
        raise Problem(409, "too_many", str(error), entry="json") from error
    await state.maintenance_changed()
    return json_response(maintenance_json(window), status=201)


def _time(body: dict[str, Any], name: str) -> float:
    try:
        return parse_time(str(body[name]))
    except (ValueError, OverflowError) as error:
        raise Problem(422, "schema", f"{name}: {error}", entry="json") from error


@changes
async def remove_maintenance(request: web.Request) -> web.Response:
    """Take a window back."""
    state = request.app[STATE]
    if not await state.store.remove_maintenance(request.match_info["id"]):
        raise Problem(404, "not_found", "no such maintenance window")
    await state.maintenance_changed()
    return json_response({"success": True})
