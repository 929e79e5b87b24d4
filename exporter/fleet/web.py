"""The fleet's routes: pages to scrape, service discovery, deployment, faults, scenario and topology as strict JSON."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from exporter.fleet import faults, overview
from exporter.fleet.faults import Fault
from exporter.fleet.fleet import AheadError, Fleet, UnknownError
from exporter.fleet.scenarios import SCENARIOS
from exporter.render import compress
from service.http import REQUEST_ID, Problem, bool_arg, changes, int_arg, json_response, parse_time, read_json, rfc3339, text_arg

Clock = Callable[[], float]
JOB = "node"

_NEXT_SCHEMA = {
    "type": "object",
    "properties": {"currentCount": {"type": "integer", "minimum": 0, "maximum": 10_000}, "reset": {"type": "boolean"}},
    "additionalProperties": False,
}
_FAULT_SCHEMA = {
    "type": "object",
    "required": ["kind", "server"],
    "properties": {
        "kind": {"type": "string", "maxLength": 64},
        "server": {"type": "string", "maxLength": 253},
        "start": {"type": ["string", "number"], "maxLength": 64},
        "duration_seconds": {"type": "number", "minimum": 1, "maximum": 30 * 86_400},
        "severity": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "additionalProperties": False,
}
_SCENARIO_SCHEMA = {
    "type": "object",
    "required": ["scenario"],
    "properties": {"scenario": {"type": "string", "maxLength": 64}},
    "additionalProperties": False,
}


def add_fleet_routes(app: web.Application, fleet: Fleet, clock: Clock) -> None:
    """Add every route of the fleet; `clock` gives unix seconds."""
    routes = _Routes(fleet, clock)
    add = app.router
    add.add_get("/fleet/metrics", routes.page)
    add.add_get("/sd", routes.discovery)
    add.add_get("/api/servers", routes.servers)
    for path in ("/api/servers/next", "/api/servers/status"):
        add.add_get(path, routes.progress)
    for path in ("/api/servers/next", "/api/servers/generate"):
        add.add_post(path, changes(routes.deploy_next))
    add.add_post("/api/servers/reset", changes(routes.reset))
    add.add_get("/api/servers/{hostname}", routes.server)
    add.add_get("/api/fleet/faults", routes.faults)
    add.add_post("/api/fleet/faults", changes(routes.plant))
    add.add_delete("/api/fleet/faults/{id}", changes(routes.lift))
    add.add_get("/api/fleet/scenario", routes.scenario)
    add.add_put("/api/fleet/scenario", changes(routes.set_scenario))
    add.add_get("/api/fleet/topology", routes.topology)


def describe_fault(fault: Fault, now: float) -> dict[str, Any]:
    """A fault as JSON."""
    end = fault.until if fault.repeats else fault.end
    active = fault.active(now)
    state = "active" if active else "over" if fault.over(now) else "planned"
    return {
        "id": fault.id,
        "kind": fault.kind,
        "server": fault.server,
        "start": rfc3339(fault.start),
        "end": rfc3339(end) if math.isfinite(end) else None,
        "duration_seconds": fault.duration_seconds,
        "severity": fault.severity,
        "benign": fault.benign,
        "state": state,
        "origin": fault.origin,
    }


class _Routes:
    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self.fleet, self.clock = fleet, clock

    async def page(self, request: web.Request) -> web.Response:
        """One server as a node_exporter would show it."""
        target = text_arg(request, "target", longest=253)
        if not target:
            raise Problem(400, "bad_argument", "target=HOSTNAME is missing", entry="query")
        now = self.clock()
        try:
            # a new evaluation now and then counts a whole block of time: off the loop with it
            text = self.fleet.page(target, now) if self.fleet.fresh(now) else await asyncio.to_thread(self.fleet.page, target, now)
        except UnknownError:
            raise Problem(404, "not_found", f"no server {target!r} is deployed") from None
        if text is None:
            raise Problem(503, "down", f"{target} is down")
        body, headers = compress(text, request.headers.get("Accept-Encoding", ""))
        return web.Response(body=body, headers=headers)

    async def discovery(self, request: web.Request) -> web.Response:
        """Prometheus HTTP service discovery."""
        here = request.host
        found = [
            {
                "targets": [here],
                "labels": {
                    "instance": server.hostname,
                    "job": JOB,
                    "role": server.role,
                    "environment": server.environment,
                    "location": server.location,
                    "__scheme__": request.scheme,
                    "__metrics_path__": "/fleet/metrics",
                    "__param_target": server.hostname,
                },
            }
            for server in self.fleet.deployed(self.clock())
        ]
        if bool_arg(request, "host"):
            labels = {
                "instance": socket.gethostname(),
                "job": JOB,
                "role": "host",
                "__scheme__": request.scheme,
                "__metrics_path__": "/metrics",
            }
            found.append({"targets": [here], "labels": labels})
        return json_response(found)

    async def servers(self, request: web.Request) -> web.Response:
        """Deployed servers with their newest readings."""
        now = self.clock()
        limit = int_arg(request, "limit", 10_000, 1, 10_000)
        chosen = self.fleet.deployed(now)[:limit]
        found = await asyncio.to_thread(overview.servers, self.fleet, chosen, now)
        return json_response({"success": True, "servers": found, **self._progress(now)})

    async def server(self, request: web.Request) -> web.Response:
        """One deployed server with its newest readings."""
        now = self.clock()
        try:
            chosen = self.fleet.server(request.match_info["hostname"], now)
        except UnknownError:
            raise Problem(404, "not_found", f"no server {request.match_info['hostname']!r} is deployed") from None
        return json_response((await asyncio.to_thread(overview.servers, self.fleet, [chosen], now))[0])

    def _progress(self, now: float, count: int | None = None) -> dict[str, Any]:
        have, total = self.fleet.count(now) if count is None else count, len(self.fleet.servers)
        return {
            "currentCount": have,
            "totalServers": total,
            "isComplete": have >= total,
            "progress": round(100 * have / total, 1),
        }

    async def progress(self, request: web.Request) -> web.Response:
        """How far deployment is."""
        now = self.clock()
        return json_response({"success": True, **self._progress(now), "deploy": self.fleet.deploy})

    async def deploy_next(self, request: web.Request) -> web.Response:
        """Deploy the next server."""
        body = await self._body(request, _NEXT_SCHEMA)
        now = self.clock()
        asked = body.get("currentCount")
        if body.get("reset"):
            self.fleet.reset(now)
            asked = 0
        try:
            done = self.fleet.deploy_next(asked, now)
        except AheadError as error:
            return self._ahead(request, error.count, now)
        if done.server is None:
            return json_response(self._deployed(now, None, done.count, "all servers are deployed"))
        server = (await asyncio.to_thread(overview.servers, self.fleet, [done.server], now))[0]
        return json_response(self._deployed(now, server, done.count, f"{done.server.hostname} is deployed"))

    def _ahead(self, request: web.Request, count: int, now: float) -> web.Response:
        problem = {
            "error": "ahead",
            "detail": f"currentCount is ahead of the fleet: {count} servers are deployed",
            "request_id": request.get(REQUEST_ID, ""),
        }
        return json_response({"success": False, **problem, **self._progress(now, count)}, status=409)

    def _deployed(self, now: float, server: dict[str, Any] | None, count: int, message: str) -> dict[str, Any]:
        coming = self.fleet.servers[count].role if count < len(self.fleet.servers) else None
        return {"success": True, "server": server, **self._progress(now, count), "nextServerType": coming, "message": message}

    async def reset(self, request: web.Request) -> web.Response:
        """Take all servers away."""
        await self._body(request, _NEXT_SCHEMA)
        now = self.clock()
        self.fleet.reset(now)
        return json_response(self._deployed(now, None, 0, "the fleet is empty"))

    async def faults(self, request: web.Request) -> web.Response:
        """Planted faults; `all=1` shows those that are over too."""
        now = self.clock()
        every = bool_arg(request, "all")
        shown = [f for f in self.fleet.faults(now) if every or not f.over(now)]
        return json_response({"faults": [describe_fault(f, now) for f in shown], "kinds": list(faults.KINDS)})

    async def plant(self, request: web.Request) -> web.Response:
        """Plant a fault."""
        body = await self._body(request, _FAULT_SCHEMA)
        now = self.clock()
        if body["kind"] not in faults.KINDS:
            raise Problem(422, "schema", f"kind: one of {', '.join(faults.KINDS)}")
        start = body.get("start")
        try:
            begin = None if start is None else parse_time(str(start))
            fault = self.fleet.plant(
                body["kind"],
                body["server"],
                now,
                start=begin,
                duration_seconds=body.get("duration_seconds"),
                severity=body.get("severity", 0.6),
            )
        except ValueError as error:
            raise Problem(422, "schema", str(error)) from error
        return json_response(describe_fault(fault, now), status=201)

    async def lift(self, request: web.Request) -> web.Response:
        """Lift a fault."""
        now = self.clock()
        try:
            return json_response(describe_fault(self.fleet.lift(request.match_info["id"], now), now))
        except UnknownError:
            raise Problem(404, "not_found", "no fault of this id") from None

    async def scenario(self, request: web.Request) -> web.Response:
        """The scenario that is played."""
        return json_response(
            {"scenario": self.fleet.scenario, "since": rfc3339(self.fleet.scenario_since), "scenarios": list(SCENARIOS)}
        )

    async def set_scenario(self, request: web.Request) -> web.Response:
        """Begin a scenario."""
        body = await self._body(request, _SCENARIO_SCHEMA)
        try:
            self.fleet.set_scenario(body["scenario"], self.clock())
        except ValueError as error:
            raise Problem(422, "schema", str(error)) from error
        return await self.scenario(request)

    async def topology(self, request: web.Request) -> web.Response:
        """Who depends on whom; `all=1` includes servers that are not deployed yet."""
        chosen = self.fleet.servers if bool_arg(request, "all") else self.fleet.deployed(self.clock())
        return json_response(overview.topology(chosen))

    @staticmethod
    async def _body(request: web.Request, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON body; none at all is an empty object where nothing is required."""
        if not request.body_exists and not schema.get("required"):
            return {}
        body: dict[str, Any] = await read_json(request, schema=schema)
        return body
