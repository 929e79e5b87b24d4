"""A local server that answers as it is told, and an observer that remembers."""

import json
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from analyzer.signals import parse_signals
from analyzer.sources.prometheus import PrometheusSettings, PrometheusSource

LOAD = parse_signals({"load": {"over": {"gauge": "node_load1"}}})


class Heard:
    """An Observer with lists."""

    def __init__(self):
        self.requests, self.drops = [], Counter()

    def request(self, *, query_key, code, seconds, received_bytes):
        self.requests.append((query_key, code))

    def parsed(self, *, query_key, seconds, timeseries, datapoints):
        pass

    def dropped(self, *, reason, count):
        self.drops[reason] += count


def ok(result, kind="vector", **more):
    """A success answer of the query API."""
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more})


def sample(value, at=1000, **labels):
    """One series of a vector answer."""
    return {"metric": labels, "value": [at, value]}


@asynccontextmanager
async def prometheus(answer, signals=LOAD, **settings):
    """A PrometheusSource in front of `answer(request, form) -> Response`; yields (source, observer)."""

    async def handle(request):
        return await answer(request, await request.post())

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", handle)
    heard = Heard()
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        where = PrometheusSettings(str(server.make_url("")), **settings)
        yield PrometheusSource(where, signals, session, observer=heard), heard


def fixed(text, status=200, content_type="application/json", headers=None):
    """The same answer to everything."""

    async def answer(request, form):
        body = text if isinstance(text, bytes) else text.encode()
        return web.Response(body=body, status=status, content_type=content_type, headers=headers)

    return answer
