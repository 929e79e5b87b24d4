"""The routes of the analyzer, by audience; one function adds them all."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from pathlib import Path

from aiohttp import web

from analyzer.api import findings, grafana, people, readiness, webhook
from analyzer.api.analyze import DESK, Desk, analyze
from analyzer.api.page import page
from analyzer.api.predict import predict
from analyzer.api.state import STATE, ApiState
from analyzer.store import StoreError
from service.http import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
V1 = "/api/v1"
OPENAPI = Path(__file__).with_name("openapi.yaml")


async def derived(request: web.Request) -> web.Response:
    """The newest derived series without timestamps, for scraping with `honor_labels: true`."""
    body = request.app[STATE].derived()
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def openapi(_request: web.Request) -> web.Response:
    """This API as OpenAPI 3.1."""
    body = await asyncio.to_thread(OPENAPI.read_bytes)
    return web.Response(body=body, content_type="application/yaml", charset="utf-8")


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/", page),
    ("GET", "/derived/metrics", derived),
    ("GET", f"{V1}/openapi.yaml", openapi),
    ("POST", "/analyze", analyze),
    ("POST", f"{V1}/predict", predict),
    ("POST", "/webhook/alertmanager", webhook.receive),
    ("GET", f"{V1}/incidents", findings.incidents),
    ("GET", f"{V1}/incidents/{{id}}", findings.incident),
    ("POST", f"{V1}/incidents/{{id}}/feedback", people.feedback),
    ("DELETE", f"{V1}/incidents/{{id}}/feedback", people.undo_feedback),
    ("GET", f"{V1}/feedback", people.list_feedback),
    ("GET", f"{V1}/findings", findings.findings),
    ("GET", f"{V1}/explanations/{{id}}", findings.explanation),
    ("GET", f"{V1}/servers", findings.servers),
    ("GET", f"{V1}/servers/{{hostname}}", findings.server),
    ("GET", f"{V1}/readiness", readiness.readiness),
    ("GET", f"{V1}/suppressions", findings.suppressions),
    ("GET", f"{V1}/maintenance", people.list_maintenance),
    ("POST", f"{V1}/maintenance", people.add_maintenance),
    ("DELETE", f"{V1}/maintenance/{{id}}", people.remove_maintenance),
    ("GET", "/grafana/nodes", grafana.nodes),
    ("GET", "/grafana/edges", grafana.edges),
    ("GET", "/grafana/annotations", grafana.annotations),
    ("GET", "/grafana/incidents", grafana.incidents),
    ("GET", "/grafana/explanations", grafana.explanations),
    ("GET", "/grafana/forecasts", grafana.forecasts),
    ("GET", "/grafana/servers", grafana.servers),
)


def stored(handler: Handler) -> Handler:
    """A store that cannot be asked or written just now is a 503 and not a fault of ours."""

    @wraps(handler)
    async def asked(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except StoreError as error:
            raise Problem(503, "store", str(error), {"Retry-After": "5"}) from error

    return asked


def add_routes(app: web.Application, state: ApiState) -> None:
    """Give the application its state and every route that reads it."""
    app[STATE], app[DESK] = state, Desk()
    app.on_cleanup.append(app[DESK].close)
    for method, path, handler in ROUTES:
        add = app.router.add_get if method == "GET" else partial(app.router.add_route, method)  # GET comes with HEAD
        add(path, stored(handler))
