"""Config -> aiohttp application: `/metrics` and `/api/host` of this machine, and the simulated servers' routes beside them."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from exporter.config import Config, ConfigError
from exporter.fleet import memory
from exporter.fleet.faults import Fault
from exporter.fleet.fleet import Fleet
from exporter.fleet.web import add_fleet_routes
from exporter.host.machine import Host
from exporter.host.overview import Overview
from exporter.render import Printer, Reading, compress
from service import app as service_app
from service import logs
from service.http import bool_arg, json_response, trusted

Clock = Callable[[], float]
_LOG = logs.get("exporter")

LANDING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>openmanager exporter</title></head>
<body><h1>openmanager exporter</h1><ul>
<li><a href="/metrics">/metrics</a>: this machine for Prometheus / 이 서버의 메트릭</li>
<li><a href="/api/host">/api/host</a>: this machine as JSON / 이 서버의 상태(JSON)</li>
<li><a href="/sd?host=1">/sd</a>: targets for Prometheus's HTTP service discovery / 프로메테우스 수집 대상 목록</li>
<li><a href="/api/servers">/api/servers</a>: simulated servers / 가상 서버 목록</li>
<li><a href="/api/health">/api/health</a>: health of this service / 서비스 상태</li>
</ul></body></html>
"""


@dataclass
class HostPage:
    """`/metrics`: this machine, this process, and the truth about the simulated servers.

    Scrapes that come while one is being answered share its page: a second Prometheus costs nothing, and a hung collector is
    never asked twice.
    """

    host: Host
    registry: CollectorRegistry
    fleet: Fleet | None
    clock: Clock
    printer: Printer = field(default_factory=Printer)
    pending: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """The page of now."""
        if self.pending is None or self.pending.done():
            self.pending = asyncio.create_task(asyncio.to_thread(self.render, self.clock()))
        return await asyncio.shield(self.pending)

    def render(self, now: float) -> bytes:
        """The page; blocks for as long as the machine's files do, within the collectors' limits."""
        own = [*process_readings(), *fleet_readings(self.fleet, now)]
        return self.host.text() + self.printer.text(own) + generate_latest(self.registry)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        body, headers = compress(await self.text(), request.headers.get("Accept-Encoding", ""))
        return web.Response(body=body, headers=headers)


def process_readings() -> list[Reading]:
    """What dashboards want to know of this process and the client library does not say."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return [("process_virtual_memory_max_bytes", (), float(2**64 - 1 if limit == resource.RLIM_INFINITY else limit))]


def fleet_readings(fleet: Fleet | None, now: float) -> list[Reading]:
    """How many servers there are, and which faults are planted now: the truth, which nothing in the analyzer may read."""
    if fleet is None:
        return []
    readings: list[Reading] = [("openmanager_fleet_servers", (), float(len(fleet.deployed(now))))]
    for fault in fleet.active_faults(now):
        labels = (
            ("benign", str(fault.benign).lower()),
            ("kind", fault.kind),
            ("root", fault.root),
            ("server", fault.server),
        )
        readings.append(("openmanager_fleet_fault_active", labels, 1.0))
    return readings


def host_handler(overview: Overview) -> Callable[[web.Request], Any]:
    """`GET /api/host`; tables about processes, services and logs are for operators only."""
    one = asyncio.Lock()

    async def handle(request: web.Request) -> web.Response:
        async with one:
            answer = await asyncio.to_thread(overview.answer, trusted(request))
        return json_response(answer)

    return handle


def make_app(config: Config, *, clock: Clock = time.time) -> web.Application:
    """The exporter's application.

    Parameters
    ----------
    clock
        Unix seconds; the simulated servers live by it.
    """
    log = logs.get("exporter")
    host = Host(config.host, failed=lambda name, error: log.warning("collector failed", collector=name, error=str(error)))
    overview = Overview(host)
    fleet = make_fleet(config, clock())
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    page = HostPage(host, registry, fleet, clock)
    app = service_app.create_app(
        name="openmanager exporter",
        registry=registry,
        ready=lambda: {"host": True},
        landing=LANDING,
        metrics_handler=page.handle,
        routes=[web.get("/api/host", host_handler(overview))],
    )
    if fleet is None:
        app.router.add_get("/sd", discovery)
    else:
        add_fleet_routes(app, fleet, clock)
        app.on_startup.append(warm_up(fleet, clock))

    async def close(_app: web.Application) -> None:
        overview.close()
        host.close()

    app.on_cleanup.append(close)
    return app


def make_fleet(config: Config, now: float) -> Fleet | None:
    """The simulated servers, or None where there are to be none."""
    it = config.fleet
    if it.size == 0:
        return None
    state = it.state_file
    try:
        faults = memory.load(state) if state else ()
    except ValueError as error:
        raise ConfigError(f"--fleet.state.file: {error}") from error
    return Fleet(
        seed=it.seed,
        size=it.size,
        start=now,
        deploy=it.deploy,
        deploy_interval_seconds=it.deploy_interval_seconds,
        faults=faults,
        remember=partial(remember, state) if state else lambda every: None,
    )


def remember(state: Path, faults: tuple[Fault, ...]) -> None:
    """Keep the planted faults; a disk that refuses costs only their memory."""
    try:
        memory.save(state, faults)
    except OSError as error:
        _LOG.warning("planted faults not saved", file=str(state), reason=str(error))


def warm_up(fleet: Fleet, clock: Clock) -> Callable[[web.Application], Awaitable[None]]:
    """Lays out the fleet before the first request: seconds for a thousand servers, during which nobody would be answered."""

    async def first(_app: web.Application) -> None:
        await asyncio.to_thread(fleet.readings, clock())

    return first


async def discovery(request: web.Request) -> web.Response:
    """`GET /sd` where there are no simulated servers: our own host with `?host=1`, nothing without."""
    labels = {
        "instance": socket.gethostname(),
        "job": "node",
        "role": "host",
        "__scheme__": request.scheme,
        "__metrics_path__": "/metrics",
    }
    return json_response([{"targets": [request.host], "labels": labels}] if bool_arg(request, "host") else [])
