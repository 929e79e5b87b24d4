"""What the analyzer knows: incidents, findings, servers, suppressions, explanations."""

from aiohttp import web

from analyzer.api.present import explanation_json, finding_json, incident_json, suppression_json, when
from analyzer.api.query import SEVERITIES, board_of, filters, language, page, paging
from analyzer.api.state import STATE
from analyzer.api.view import View
from service.http import Problem, json_response, text_arg

INCIDENT_STATES = ("open", "resolved")
FINDING_STATES = ("open", "pending", "firing", "resolved")


async def incidents(request: web.Request) -> web.Response:
    """Incidents with their words, newest first."""
    chosen, lang = filters(request, severities=SEVERITIES, states=INCIDENT_STATES), language(request)
    found, total = await request.app[STATE].store.incidents(**chosen)
    return page("incidents", [incident_json(i, e, lang) for i, e in found], total, chosen["offset"])


async def incident(request: web.Request) -> web.Response:
    """One incident with its causes, findings, words, and what people said about it."""
    store, lang = request.app[STATE].store, language(request)
    found = await store.incident(request.match_info["id"])
    if found is None:
        raise Problem(404, "not_found", "no such incident")
    said = [
        {"time": when(at), "verdict": verdict, "note": note, "undone": when(undone)}
        for at, verdict, note, undone in await store.feedback(found[0].id)
    ]
    return json_response({**incident_json(found[0], found[1], lang), "feedback": said})


async def findings(request: web.Request) -> web.Response:
    """Findings, newest first."""
    chosen = filters(request, states=FINDING_STATES)
    found, total = await request.app[STATE].store.findings(**chosen)
    return page("findings", [finding_json(f) for f in found], total, chosen["offset"])


async def suppressions(request: web.Request) -> web.Response:
    """What would have been said and was not, and why."""
    chosen = filters(request)
    found, total = await request.app[STATE].store.suppressions(**chosen)
    return page("suppressions", [suppression_json(s) for s in found], total, chosen["offset"])


async def explanation(request: web.Request) -> web.Response:
    """The words about an alert of others, by its fingerprint, or about an incident, by its id."""
    lang, name = language(request), request.match_info["id"]
    found = await request.app[STATE].store.explanation(name)
    if found is None:
        raise Problem(404, "not_found", "no such explanation")
    return json_response({"id": name, **(explanation_json(found, lang) or {})})


async def servers(request: web.Request) -> web.Response:
    """Every server known, worst first."""
    view, part = View(board_of(request), language(request)), paging(request)
    only = text_arg(request, "server", "", 256)
    hosts = [host for host in view.hosts if host == only] if only else view.hosts
    chosen = hosts[part["offset"] : part["offset"] + part["limit"]]
    return page("servers", [view.server(host) for host in chosen], len(hosts), part["offset"])


async def server(request: web.Request) -> web.Response:
    """One server: every signal with what is usual now, forecasts, incidents with their words."""
    lang, host = language(request), request.match_info["hostname"]
    view = View(board_of(request), lang)
    if host not in view.roles:
        raise Problem(404, "not_found", "no such server")
    words = [explanation_json(view.board.explanations.get(name), lang) for name in view.incidents.get(host, [])]
    return json_response({**view.server(host), "signals": view.signals(host), "explanations": words})
