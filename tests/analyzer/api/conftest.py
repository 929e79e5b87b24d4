"""The analyzer's routes in the kit, over a real store; boards and clocks are handed in."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from analyzer.api.app import add_routes
from analyzer.api.state import ApiState
from analyzer.records import Board
from analyzer.store import Store
from service.app import create_app
from service.server import running
from tests.analyzer.reports import NOW, opened


def strict(text):
    """JSON, or a failure where it holds NaN."""

    def refuse(token):
        raise AssertionError(f"{token} in an answer")

    return json.loads(text, parse_constant=refuse)


@dataclass
class Api:
    """A running API: ask it, and look at what it stored and counted."""

    session: aiohttp.ClientSession
    store: Store
    registry: CollectorRegistry
    app: Any
    board: Board | None = None
    now: float = NOW
    woken: int = 0
    changed: int = 0
    heard: int = 0
    headers: dict = field(default_factory=dict)

    async def get(self, path, **query):
        async with self.session.get(path, params=query) as reply:
            return reply.status, strict(await reply.text())

    async def send(self, method, path, body=None, **options):
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        headers = {"Content-Type": "application/json"} | options.pop("headers", {})
        async with self.session.request(method, path, data=data, headers=headers, **options) as reply:
            return reply.status, strict(await reply.text())

    async def post(self, path, body, **options):
        return await self.send("POST", path, body, **options)

    def rejected(self, entry, reason):
        return self.registry.get_sample_value("openmanager_rejected_total", {"entry": entry, "reason": reason}) or 0.0

    async def changes(self):
        self.changed += 1

    async def hears(self):
        self.heard += 1

    def wake(self):
        self.woken += 1


@pytest.fixture
async def api(tmp_path):
    """Empty: no board, nothing stored."""
    registry, store = CollectorRegistry(), await Store.open(tmp_path / "state.sqlite", clock=lambda: NOW)
    app = create_app(name="analyzer", registry=registry)
    api = Api(None, store, registry, app)
    state = ApiState(
        board=lambda: api.board, reason=lambda: "learning from history: 40%", store=store, derived=lambda: b"openmanager_y 1\n",
        now=lambda: api.now, maintenance_changed=api.changes, wake_webhook=api.wake,
        feedback_changed=api.hears,
    )  # fmt: skip
    add_routes(app, state)
    async with running(app) as server, aiohttp.ClientSession(server.urls[0]) as session:
        api.session = session
        yield api
    await store.close()


@pytest.fixture
async def told(api):
    """An incident is open, on the board and in the store."""
    report = opened()
    api.board = report.board
    await api.store.put_report(report)
    return api
