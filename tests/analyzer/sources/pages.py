"""Local pages to scrape, and the embedded source in front of them."""

import json
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from analyzer.signals import parse_signals
from analyzer.sources.embedded import EmbeddedSettings, EmbeddedSource
from analyzer.sources.targets import static_target
from tests.analyzer.sources.replies import Heard

BASIC = parse_signals(
    {
        "load": {"over": {"gauge": "node_load1"}},
        "switches": {"over": {"rate": "node_context_switches_total"}},
        "up": {"over": {"gauge": "up"}},
    }
)


class Pages:
    """What each path answers, and the time it is."""

    def __init__(self):
        self.bodies, self.status, self.now, self.asked, self.url = {}, {}, 1000.0, [], ""

    async def answer(self, request):
        self.asked.append(request.path_qs)
        path = request.path_qs if request.path_qs in self.bodies else request.path
        status = self.status.get(path, 200 if path in self.bodies else 404)
        kind = "application/json" if path == "/sd" else "text/plain"
        return web.Response(text=self.bodies.get(path, ""), status=status, content_type=kind, headers={"Location": "/elsewhere"})

    def discover(self, *groups):
        self.bodies["/sd"] = json.dumps(groups)


@asynccontextmanager
async def embedded(*paths, signals=BASIC, sd=False, **settings):
    """(pages, source, scrape): `scrape()` runs one round at the pages' time and then lets 15 s pass."""
    pages = Pages()
    app = web.Application()
    app.router.add_get("/{path:.*}", pages.answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        pages.url = str(server.make_url("/")).rstrip("/")
        targets = tuple(static_target(pages.url + path, [("instance", path.strip("/")), ("role", "web")]) for path in paths)
        where = EmbeddedSettings(sd_urls=(pages.url + "/sd",) if sd else (), targets=targets, **settings)
        heard = Heard()
        source = EmbeddedSource(where, signals, session, observer=heard, clock=lambda: pages.now)
        pages.heard = heard
        source.start = lambda: None  # the test is the clock

        async def scrape(**bodies):
            pages.bodies |= {f"/{path}": text for path, text in bodies.items()}
            await source.scrape(pages.now)
            pages.now += 15

        yield pages, source, scrape
        await source.close()
