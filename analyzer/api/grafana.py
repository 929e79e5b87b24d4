"""Flat JSON arrays for Grafana's Infinity data source (parser: backend): node graph, annotations, tables.

Field names are Grafana's own: the node graph reads `id`, `title`, `mainStat`, `arc__*`, `detail__*`; annotations `time`, `timeEnd`,
`title`, `text`, `tags`. Every route answers an array, an empty one while there is nothing.
"""

from typing import Any

from aiohttp import web

from analyzer.api.findings import filters, language
from analyzer.api.present import number, when
from analyzer.api.state import STATE
from analyzer.records import Board
from service.http import json_response

GRAPH_NODES = 300  # the panel becomes unreadable beyond a few hundred
Rows = list[dict[str, Any]]


def _board(request: web.Request) -> Board | None:
    return request.app[STATE].board()


async def nodes(request: web.Request) -> web.Response:
    """Servers as nodes, coloured by health."""
    board = _board(request)
    return json_response(node_rows(board) if board else [])


def node_rows(board: Board) -> Rows:
    """Worst first, at most GRAPH_NODES."""
    series = board.scores.series
    roles = dict(zip(series.hosts, series.roles, strict=True))
    rows: Rows = []
    for host in sorted(series.hosts, key=lambda h: board.health.get(h, 101.0))[:GRAPH_NODES]:
        good = max(0.0, min(1.0, board.health.get(host, 100.0) / 100))
        rows.append(
            {
                "id": host,
                "title": host,
                "subTitle": roles[host],
                "mainStat": f"{good:.0%}",
                "secondaryStat": board.server_state.get(host, ""),
                "arc__healthy": number(good),
                "arc__unhealthy": number(1 - good),
                "detail__score": number(board.server_score.get(host, 0.0)),
                "detail__role": roles[host],
            }
        )
    return rows


async def edges(request: web.Request) -> web.Response:
    """Who depends on whom, between the nodes shown."""
    board = _board(request)
    if board is None:
        return json_response([])
    shown = {row["id"] for row in node_rows(board)}
    pairs = [(a, b) for a, b in board.topology.edges if a in shown and b in shown]
    return json_response([{"id": f"{a}->{b}", "source": a, "target": b} for a, b in pairs])


async def annotations(request: web.Request) -> web.Response:
    """Incidents as regions of time."""
    rows: Rows = []
    for row in await _incident_rows(request):
        tags = ",".join([row["severity"], row["kind"], row["hostname"]])
        rows.append({"time": row["started"], "timeEnd": row["ended"], "title": row["headline"], "text": row["text"], "tags": tags})
    return json_response(rows)


async def incidents(request: web.Request) -> web.Response:
    """Incidents as a table with their headline."""
    return json_response(await _incident_rows(request))


async def _incident_rows(request: web.Request) -> Rows:
    state, chosen = request.app[STATE], filters(request)
    lang = language(request, state)
    found, _ = await state.store.incidents(**chosen)
    rows: Rows = []
    for incident, explanation in found:
        words = explanation.texts.get(lang) if explanation else None
        rows.append(
            {
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
                "headline": words.headline if words else "",
                "text": " ".join(words.sentences) if words else "",
                "actions": "\n".join(words.actions) if words else "",
            }
        )
    return rows


async def explanations(request: web.Request) -> web.Response:
    """Explanations as log lines."""
    levels = {"critical": "critical", "warning": "warning", "info": "info"}
    rows = await _incident_rows(request)
    lines = [
        {"timestamp": r["started"], "body": f"{r['headline']}\n{r['text']}", "level": levels[r["severity"]], "id": r["id"]}
        for r in rows
    ]
    return json_response(lines)


async def forecasts(request: web.Request) -> web.Response:
    """What reaches a limit, soonest first."""
    board = _board(request)
    if board is None or board.forecast is None:
        return json_response([])
    forecast, rows = board.forecast, []
    for row in (forecast.until_limit == forecast.until_limit).nonzero()[0].tolist():
        alias, labels = forecast.series.key(row)
        signal = board.signals.get(alias)
        rows.append(
            {
                "hostname": forecast.series.host_of(row),
                "signal": alias,
                "labels": ", ".join(f"{k}={v}" for k, v in labels if signal and k in signal.labels),
                "limit": signal.limit if signal else None,
                "seconds": number(forecast.until_limit[row]),
                "seconds_low": number(forecast.until_limit_low[row]),
                "seconds_high": number(forecast.until_limit_high[row]),
                "eta": when(forecast.time + forecast.until_limit[row]),
            }
        )
    return json_response(sorted(rows, key=lambda r: r["seconds"]))


async def servers(request: web.Request) -> web.Response:
    """Servers as a table."""
    board = _board(request)
    if board is None:
        return json_response([])
    rows = [
        {
            "hostname": n["id"],
            "role": n["subTitle"],
            "health": number(board.health.get(n["id"], 100.0)),
            "score": n["detail__score"],
            "state": n["secondaryStat"],
            "incidents": sum(i.host == n["id"] for i in board.incidents),
        }
        for n in node_rows(board)
    ]
    return json_response(rows)
