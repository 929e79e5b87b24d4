"""What people tell the analyzer: whether an incident was right, and when a server is being worked on."""

from typing import Any

from aiohttp import web

from analyzer.api.present import maintenance_json
from analyzer.api.query import page, paging
from analyzer.api.state import STATE
from service.http import Problem, changes, json_response, parse_time, read_json

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
    """right, wrong or expected: kept with the incident."""
    state, name = request.app[STATE], request.match_info["id"]
    body = await read_json(request, schema=FEEDBACK_SCHEMA)
    if await state.store.incident(name) is None:
        raise Problem(404, "not_found", "no such incident")
    await state.store.put_feedback(name, body["verdict"], body.get("note", ""), state.now())
    return json_response({"success": True})


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
    window = await state.store.add_maintenance(start, end, body.get("host", "*"), body.get("reason", ""), body.get("signals", []))
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
