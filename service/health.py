"""Alive, ready, healthy, reload: the routes that operators and their tools expect.

In: a callable that says which parts are ready, and a coroutine that reads the configuration again. Out: ``/-/healthy``,
``/-/ready``, ``POST /-/reload`` and ``/api/health``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from service import logs
from service.build import VERSION
from service.guard import changes
from service.http import json_response
from service.problems import Problem

Ready = Callable[[], Mapping[str, bool | str]]
Reload = Callable[[], Awaitable[None]]
OK = "ok"
RELOAD_ERRORS = (ValueError, OSError, KeyError, TypeError)  # what a bad file raises; anything else is a fault of ours


class Health:
    """State behind the health routes.

    Parameters
    ----------
    ready
        Name of each part -> True or ``"ok"`` when it is ready; False or a reason when it is not.
    reload
        Reads the configuration again; raises where it keeps the old one.
    registry
        Gets ``openmanager_config_last_reload_successful`` and ``..._success_timestamp_seconds``.
    """

    def __init__(self, ready: Ready | None, reload: Reload | None, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.stopping = False
        self._ready = ready
        self._reload = reload
        self._one = asyncio.Lock()
        self._started = time.monotonic()
        self._log = logs.get("service.health")
        prefix = "openmanager_config_last_reload"
        self._successful = Gauge(
            f"{prefix}_successful", "Whether the newest attempt to read the configuration worked.", registry=registry
        )
        self._when = Gauge(
            f"{prefix}_success_timestamp_seconds",
            "When the configuration in use was read, unix seconds.",
            registry=registry,
        )
        self._mark(True)

    def _mark(self, successful: bool) -> None:
        self._successful.set(float(successful))
        if successful:
            self._when.set_to_current_time()

    def checks(self) -> dict[str, str]:
        """Every part and ``"ok"`` or why it is not ready."""
        found: Mapping[str, bool | str] = self._ready() if self._ready else {}
        said = {name: OK if state is True else ("not ready" if state is False else state) for name, state in found.items()}
        return said | ({"process": "shutting down"} if self.stopping else {})

    async def reload(self) -> None:
        """Read the configuration again, one at a time.

        Raises
        ------
        Problem
            500 reload_failed; the old configuration is still in use.
        """
        async with self._one:
            try:
                if self._reload is not None:
                    await self._reload()
            except RELOAD_ERRORS as exc:
                self._mark(False)
                self._log.error("reload failed, the old configuration stays in use", error=str(exc))
                raise Problem(500, "reload_failed", f"the old configuration stays in use: {exc}") from exc
            self._mark(True)
            self._log.info("configuration reloaded")

    async def healthy(self, _request: web.Request) -> web.Response:
        """200 as long as the process answers."""
        return web.Response(text="healthy\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 when every part is ready, else 503 with the reasons."""
        waiting = {name: why for name, why in self.checks().items() if why != OK}
        if waiting:
            reasons = "".join(f"{name}: {why}\n" for name, why in waiting.items())
            return web.Response(text="not ready\n" + reasons, status=503)
        return web.Response(text="ready\n")

    async def report(self, _request: web.Request) -> web.Response:
        """``{status, version, uptime_seconds, checks{}}``: 200, or 503 when a check fails."""
        checks = self.checks()
        good = all(why == OK for why in checks.values())
        return json_response(
            {
                "status": OK if good else "unavailable",
                "version": VERSION,
                "uptime_seconds": round(time.monotonic() - self._started, 3),
                "checks": checks,
            },
            status=200 if good else 503,
        )

    async def _reload_route(self, _request: web.Request) -> web.Response:
        await self.reload()
        return web.Response(text="reloaded\n")

    def routes(self) -> list[web.RouteDef]:
        """The routes of this module."""
        return [
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.ready),
            web.post("/-/reload", changes(self._reload_route)),
            web.get("/api/health", self.report),
        ]


HEALTH = web.AppKey("health", Health)
