"""A stand-in for Prometheus that a test can slow down, stop or fill: one gauge of three hosts over the query API.

For what is pure clockwork of our own process; what Prometheus really does is tested on Prometheus (tests/e2e).
"""

import asyncio
import json
import time
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

HOSTS = ("a-1", "b-1", "c-1")


class Double:
    """Answers; `hang`: seconds that every answer takes; `asked`: the paths, in order; `written`: bodies of remote writes."""

    def __init__(self):
        self.hang, self.asked, self.written = 0.0, [], 0

    async def answer(self, request):
        self.asked.append(request.path)
        await asyncio.sleep(self.hang)
        if request.path == "/api/v1/write":
            self.written += 1
            return web.Response(status=204)
        form = await request.post()
        if form["query"] == "time()":
            return self.reply([time.time(), repr(time.time())], "scalar")
        if "node_load1" not in form["query"]:
            return self.reply([], "vector")
        rows = [{"__name__": "node_load1", "instance": host} for host in HOSTS]
        if request.path.endswith("query"):
            return self.reply([{"metric": m, "value": [float(form["time"]), "1"]} for m in rows], "vector")
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        values = [[start + i * step, str(1 + 0.1 * (i % 7))] for i in range(int((end - start) / step + 1e-6) + 1)]
        return self.reply([{"metric": m, "values": values} for m in rows], "matrix")

    def reply(self, result, kind):
        text = json.dumps({"status": "success", "data": {"resultType": kind, "result": result}})
        return web.Response(text=text, content_type="application/json")


@asynccontextmanager
async def double():
    """A Double that listens, and its address."""
    made = Double()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with TestServer(app, shutdown_timeout=0.1) as server:
        yield made, str(server.make_url("")).rstrip("/")
