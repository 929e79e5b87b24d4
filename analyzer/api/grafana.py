"""Flat JSON arrays for Grafana's Infinity data source (parser: backend): node graph, annotations, logs, tables.

Field names are Grafana's own: the node graph reads `id`, `title`, `mainStat`, `arc__*`, `detail__*`; annotations `time`, `timeEnd`,
`title`, `text`, `tags`; logs `timestamp`, `body`, `level`, `id`. Every route answers an array, an empty one while there is nothing.
"""

import html
from typing import Any

import numpy as np
from aiohttp import web

from analyzer.api.findings import INCIDENT_STATES
from analyzer.api.present import number, when
from analyzer.api.query import MOST, SEVERITIES, filters, language
from analyzer.api.state import STATE
from analyzer.api.view import View
from analyzer.records import Explanation, Forecast, Incident
from service.http import json_response

GRAPH_NODES = 300  # the panel becomes unreadable beyond a few hundred
FULL = 100.0
Rows = list[dict[str, Any]]


def _view(request: web.Request) -> View | None:
    board = request.app[STATE].board()
    return View(board, language(request)) if board else None


async def nodes(request: web.Request) -> web.Response:
    """Servers as nodes, coloured by health, worst first."""
    view = _view(request)
    return json_response([_node(view, host) for host in view.hosts[:GRAPH_NODES]] if view else [])


def _node(view: View, host: str) -> dict[str, Any]:
    board = view.board
    good = max(0.0, min(1.0, board.health.get(host, FULL) / FULL))
    return {
        "id": host,
        "title": host,
        "subTitle": view.roles[host],
        "mainStat": f"{good:.0%}",
        "secondaryStat": board.server_state.get(host, ""),
        "arc__healthy": number(good),
        "arc__unhealthy": number(1 - good),
        "detail__score": number(board.server_score.get(host, 0.0)),
        "detail__role": view.roles[host],
        "detail__incidents": len(view.incidents.get(host, [])),
    }


async def edges(request: web.Request) -> web.Response:
    """Who depends on whom, between the nodes shown."""
    view = _view(request)
    if view is None:
        return json_response([])
    shown = set(view.hosts[:GRAPH_NODES])
    pairs = dict.fromkeys((a, b) for a, b in view.board.topology.edges if a in shown and b in shown)
    return json_response([{"id": f"{a}->{b}", "source": a, "target": b} for a, b in pairs])


async def servers(request: web.Request) -> web.Response:
    """Servers as a table, worst first."""
    view = _view(request)
    if view is None:
        return json_response([])
    rows = [view.server(host) for host in view.hosts[:MOST]]
    return json_response([{**row, "incidents": len(row["incidents"]), **_joined(row)} for row in rows])


def _joined(row: dict[str, Any]) -> dict[str, str]:
    return {name: ", ".join(row[name]) for name in ("depends_on", "dependents")}


async def forecasts(request: web.Request) -> web.Response:
    """What reaches a limit, soonest first."""
    view = _view(request)
    forecast = view.board.forecast if view else None
    if view is None or forecast is None:
        return json_response([])
    reached = np.flatnonzero(np.isfinite(forecast.until_limit))
    soonest = reached[np.argsort(forecast.until_limit[reached], kind="stable")][:MOST]
    return json_response([_limit(view, forecast, row) for row in soonest.tolist()])


def _limit(view: View, forecast: Forecast, row: int) -> dict[str, Any]:
    alias, labels = forecast.series.key(row)
    signal = view.board.signals.get(alias)
    return {
        "hostname": forecast.series.host_of(row),
        "signal": alias,
        "labels": ", ".join(f"{k}={v}" for k, v in labels if signal and k in signal.labels),
        "limit": signal.limit if signal else None,
        "seconds": number(forecast.until_limit[row]),
        "seconds_low": number(forecast.until_limit_low[row]),
        "seconds_high": number(forecast.until_limit_high[row]),
        "eta": when(forecast.time + forecast.until_limit[row]),
    }


async def incidents(request: web.Request) -> web.Response:
    """Incidents as a table with their words."""
    lang = language(request)
    found = await _incidents(request)
    return json_response([_incident(i, lang, words) for i, words in found])


async def _incidents(request: web.Request) -> list[tuple[Incident, Explanation | None]]:
    chosen = filters(request, severities=SEVERITIES, states=INCIDENT_STATES)
    found: list[tuple[Incident, Explanation | None]] = (await request.app[STATE].store.incidents(**chosen))[0]
    return found


def _incident(incident: Incident, lang: str, explanation: Explanation | None) -> dict[str, Any]:
    return {
        "id": incident.id,
        "time": when(incident.started),
        "started": when(incident.started),
        "ended": when(incident.ended),
        "state": incident.state,
        "severity": incident.severity,
        "hostname": incident.host,
        "kind": incident.kind,
        "confidence": number(incident.confidence),
        "pages": incident.pages,
        "affected": ", ".join(incident.affected),
        **_words(explanation, lang),
    }


def _words(explanation: Explanation | None, lang: str) -> dict[str, str]:
    texts = explanation.texts if explanation else {}
    words = texts.get(lang) or next(iter(texts.values()), None)
    if words is None:
        return {"headline": "", "text": "", "actions": ""}
    return {"headline": words.headline, "text": " ".join(words.sentences), "actions": "\n".join(words.actions)}


async def _told(request: web.Request) -> Rows:
    """Everything that was explained, incidents of ours and alerts of others, newest first."""
    lang = language(request)
    chosen = filters(request, severities=SEVERITIES, states=INCIDENT_STATES)
    rows = [_incident(i, lang, words) for i, words in await _incidents(request)]
    for row in rows:
        row["tags"] = [row["severity"], row["kind"], row["hostname"]]
    if not any(chosen[name] for name in ("server", "signal", "severity", "state")):
        span = {name: chosen[name] for name in ("start", "end", "limit")}
        found = await request.app[STATE].store.explained_alerts(**span)
        rows += [_alert(alert, ended, words, lang) for alert, ended, words in found]
    return sorted(rows, key=lambda row: row["started"] or "", reverse=True)[: chosen["limit"]]


def _alert(alert: dict[str, Any], ended: float | None, words: Explanation, lang: str) -> dict[str, Any]:
    """An alert of others: its start is when it was explained where it did not tell one."""
    labels = alert["labels"]
    severity = labels.get("severity", "")
    return {
        "id": alert["fingerprint"],
        "started": when(alert["starts"] or words.time),
        "ended": when(ended),
        "severity": severity if severity in SEVERITIES else "info",
        "tags": ["alert", labels.get("alertname", ""), labels.get("instance", "")],
        **_words(words, lang),
    }


async def annotations(request: web.Request) -> web.Response:
    """Incidents of ours and explained alerts of others as regions of time; what goes on has no end. Grafana shows texts as HTML."""
    rows = [
        {
            "id": row["id"],
            "time": row["started"],
            "timeEnd": row["ended"],
            "title": html.escape(row["headline"], quote=False),
            "text": html.escape(row["text"], quote=False),
            "tags": ",".join(tag.replace(",", " ") for tag in row["tags"] if tag),
        }
        for row in await _told(request)
    ]
    return json_response(rows)


async def explanations(request: web.Request) -> web.Response:
    """Explanations as log lines, those of alerts of others among them."""
    rows = await _told(request)
    lines = [
        {"timestamp": row["started"], "body": f"{row['headline']}\n{row['text']}", "level": row["severity"], "id": row["id"]}
        for row in rows
    ]
    return json_response(lines)
