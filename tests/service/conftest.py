"""A service of the kit alone, and a client that writes bytes to a socket, since most attacks are not valid HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from service.app import STREAMS, create_app
from service.http import changes, json_response, range_args, read_json, text_arg
from service.limits import Limits
from service.server import Server, running
from service.static import static_files

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "rows": {"type": "array", "items": {"type": "number"}}},
    "additionalProperties": False,
}


@dataclass
class Reply:
    """What came back on a socket before it was closed or the time was up."""

    raw: bytes
    closed: bool

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1]) if self.raw else 0

    @property
    def headers(self) -> dict[str, str]:
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    def json(self) -> Any:
        def refuse(token: str) -> None:
            raise AssertionError(f"{token} in an answer")

        return json.loads(self.body, parse_constant=refuse)


@dataclass
class Kit:
    """A running service and what it counted."""

    server: Server
    registry: CollectorRegistry
    app: web.Application
    seen: list[Any] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.addresses[0]
        return ("127.0.0.1" if host == "0.0.0.0" else host), port

    @property
    def url(self) -> str:
        return self.server.urls[0]

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def rejected(self, entry: str, reason: str) -> float:
        return self.value("openmanager_rejected_total", entry=entry, reason=reason)

    async def raw(self, data: bytes, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> Reply:
        reader, writer = await asyncio.open_connection(*self.address, ssl=tls)
        got = bytearray()
        try:
            writer.write(data)
            closed = await _read(reader, got, seconds)
        except ConnectionError:
            closed = True
        finally:
            writer.transport.abort()
        return Reply(bytes(got), closed)

    async def request(self, line: str, *headers: str, body: bytes = b"", **options: Any) -> Reply:
        head = [f"{line} HTTP/1.1", *headers, "Connection: close"]
        if not any(name.lower().startswith("host:") for name in headers):
            head.insert(1, "Host: localhost")
        if body and not any(name.lower().startswith(("content-length:", "transfer-encoding:")) for name in headers):
            head.append(f"Content-Length: {len(body)}")
        return await self.raw("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body, **options)

    async def post_json(self, body: bytes, *headers: str, path: str = "/echo") -> Reply:
        return await self.request(f"POST {path}", "Content-Type: application/json", *headers, body=body)


async def _read(reader: asyncio.StreamReader, got: bytearray, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65536):
                got += chunk
                head, end, body = bytes(got).partition(b"\r\n\r\n")
                stays = head.startswith(b"HTTP/1.1") and b"close" not in head.lower()
                if end and stays and b"content-length: %d\r" % len(body) in head.lower() + b"\r":
                    return False  # a whole answer on a connection that stays open
    except TimeoutError:
        return False
    return True


def make_app(registry: CollectorRegistry, folder: Path | None = None, **options: Any) -> web.Application:
    """The service that the tests attack."""

    async def echo(request: web.Request) -> web.Response:
        return json_response({"got": await read_json(request)})

    async def checked(request: web.Request) -> web.Response:
        return json_response({"got": await read_json(request, schema=SCHEMA)})

    async def change(_request: web.Request) -> web.Response:
        return json_response({"changed": True})

    async def span(request: web.Request) -> web.Response:
        found = range_args(request, start=1000.0, end=2000.0)
        return json_response({"points": found.points, "text": text_arg(request, "name")})

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return json_response({})

    async def fault(_request: web.Request) -> web.Response:
        raise RuntimeError("password=hunter2")

    async def ticks(request: web.Request) -> web.StreamResponse:
        with request.app[STREAMS].subscribe() as subscription:
            return await request.app[STREAMS].sse(request, subscription)

    async def socket(request: web.Request) -> web.StreamResponse:
        async def answer(message: Any, reply: Callable[[Any], None]) -> None:
            reply({"echo": message})

        with request.app[STREAMS].subscribe() as subscription:
            return await request.app[STREAMS].websocket(request, subscription, answer)

    routes = [
        web.post("/echo", echo),
        web.post("/checked", checked),
        web.post("/change", changes(change)),
        web.get("/span", span),
        web.get("/slow", slow),
        web.get("/fault", fault),
        web.get("/ticks", ticks),
        web.get("/ws", socket),
    ]
    if folder is not None:
        routes.append(web.get("/files/{path:.*}", static_files(folder)))
    return create_app(name="kit", registry=registry, landing="Kit", routes=routes, **options)


KitMaker = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[KitMaker]:
    """``await start(limits=..., web_config=..., ...)`` starts a kit; all are stopped afterwards."""
    open_ones: list[Any] = []

    async def make(limits: Limits | None = None, folder: Path | None = None, app: Any = None, **options: Any) -> Kit:
        registry = CollectorRegistry()
        made = make_app(registry, folder, limits=limits, **(app or {}))
        manager = running(made, **({"listen": ["127.0.0.1:0"]} | options))
        server = await manager.__aenter__()
        open_ones.append(manager)
        return Kit(server, registry, made)

    yield make
    for manager in open_ones:
        await manager.__aexit__(None, None, None)


@pytest.fixture
async def kit(start: KitMaker) -> Kit:
    """A kit with the defaults."""
    return await start()


@pytest.fixture(autouse=True)
def info_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Everything an operator would see by default is captured."""
    caplog.set_level(logging.INFO)
