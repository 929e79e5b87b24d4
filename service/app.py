"""The application every service begins with: doors, errors, health, metrics.

In: a name, a registry, what is ready, how to reload, and the service's own routes. Out: an aiohttp application to which routes can
still be added; :func:`serve` runs it until a signal.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, disable_created_metrics

from service import build
from service.body import LIMITS
from service.guard import GUARD, Guard, Handler, own_names
from service.health import HEALTH, Health, Ready, Reload
from service.held import HELD, Held
from service.limits import Limits
from service.metrics import metrics_handler as default_metrics_handler
from service.middleware import envelope, on_prepare
from service.problems import REJECTIONS, Rejections
from service.process import run, serve
from service.rate import RATE, RateLimiter
from service.server import Server, running
from service.streams import STREAMS, Streams

__all__ = ["HEALTH", "STREAMS", "Server", "create_app", "run", "running", "serve"]


def _landing_page(name: str, links: Iterable[str]) -> str:
    title = html.escape(name)
    items = "".join(f'<li><a href="{html.escape(link)}">{html.escape(link)}</a></li>' for link in links)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><p>Version {html.escape(build.VERSION)}</p><ul>{items}</ul></body></html>"
    )


def _landing(name: str, landing: str) -> web.RouteDef:
    page = landing if landing.lstrip().startswith("<") else _landing_page(landing or name, ["/metrics", "/api/health"])

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    return web.get("/", handler)


def create_app(
    *,
    name: str,
    registry: CollectorRegistry,
    limits: Limits | None = None,
    ready: Ready | None = None,
    reload: Reload | None = None,
    landing: str | None = None,
    routes: Iterable[web.AbstractRouteDef] = (),
    metrics_handler: Handler | None = None,
) -> web.Application:
    """An application with the kit's routes and middlewares.

    Parameters
    ----------
    name
        Title of the landing page.
    registry
        What ``/metrics`` shows; the kit's own metrics are added to it.
    limits
        What clients may send.
    ready
        Name of each part -> True or ``"ok"``; False or a reason where it is not ready.
    reload
        Reads the configuration again; raises ValueError or OSError where it keeps the old one.
    landing
        HTML, or the title of a plain page with links; None where the service has its own ``/``.
    routes
        The service's own.
    metrics_handler
        Answers ``/metrics`` instead of the kit's.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a series of its own for each counter's birth, which nobody asks for
    limits = limits or Limits()
    app = web.Application(middlewares=[envelope], client_max_size=limits.body_bytes)
    app[LIMITS], app[HELD] = limits, Held(limits.bodies_bytes)
    app[GUARD] = Guard(hosts=own_names())
    app[REJECTIONS] = Rejections(registry)
    app[RATE] = RateLimiter(limits.rate_per_second)
    app[HEALTH] = Health(ready, reload, registry)
    app[STREAMS] = Streams(registry, limits)
    app.on_response_prepare.append(on_prepare)
    app.on_shutdown.append(_end_streams)
    build.register(registry)
    app.add_routes(app[HEALTH].routes())
    app.router.add_get("/metrics", metrics_handler or default_metrics_handler(registry))
    if landing is not None:
        app.add_routes([_landing(name, landing)])
    app.add_routes(list(routes))
    return app


async def _end_streams(app: web.Application) -> None:
    app[STREAMS].close()
