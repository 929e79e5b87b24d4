"""The routes of the analyzer, by audience; one function adds them all."""

from aiohttp import web

from analyzer.api import findings, grafana, webhook
from analyzer.api.state import STATE, ApiState


async def derived(request: web.Request) -> web.Response:
    """The newest derived series without timestamps, for scraping with `honor_labels: true`."""
    body = request.app[STATE].derived()
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def add_routes(app: web.Application, state: ApiState) -> None:
    """Give the application its state and every route that reads it."""
    app[STATE] = state
    app.router.add_get("/derived/metrics", derived)
    app.router.add_post("/webhook/alertmanager", webhook.receive)
    v1 = "/api/v1"
    app.router.add_get(f"{v1}/incidents", findings.incidents)
    app.router.add_get(f"{v1}/incidents/{{id}}", findings.incident)
    app.router.add_post(f"{v1}/incidents/{{id}}/feedback", findings.feedback)
    app.router.add_get(f"{v1}/findings", findings.findings)
    app.router.add_get(f"{v1}/servers", findings.servers)
    app.router.add_get(f"{v1}/servers/{{hostname}}", findings.server)
    app.router.add_get(f"{v1}/readiness", findings.readiness)
    app.router.add_get(f"{v1}/suppressions", findings.suppressions)
    app.router.add_get(f"{v1}/maintenance", findings.list_maintenance)
    app.router.add_post(f"{v1}/maintenance", findings.add_maintenance)
    app.router.add_delete(f"{v1}/maintenance/{{id}}", findings.remove_maintenance)
    for name in ("nodes", "edges", "annotations", "incidents", "explanations", "forecasts", "servers"):
        app.router.add_get(f"/grafana/{name}", getattr(grafana, name))
