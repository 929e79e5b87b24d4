"""Derived series and senders for the remote write tests: what is sent is chosen by the test, time passes only when it says so."""

import contextlib

import aiohttp
import numpy as np

from analyzer.derived import Block, DerivedSeries, Family, LabelTable
from analyzer.sinks.backoff import Backoff
from analyzer.sinks.remote_write import RemoteWrite

NOW = 1_790_000_000.0


class Time:
    """A clock that only moves by sleeping, and remembers for how long it slept."""

    def __init__(self, now=NOW):
        self.wall, self.mono, self.slept = now, 1000.0, []

    def now(self):
        return self.wall

    def monotonic(self):
        return self.mono

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.wall += seconds
        self.mono += seconds


def derived(values, at=NOW, name="openmanager_y"):
    """{label pairs: value} -> derived series of one metric."""
    table = LabelTable(tuple(values), np.arange(len(values)))
    block = Block(Family(name, name, table), np.array(list(values.values()), float), np.ones(len(values), bool))
    return DerivedSeries(at, (block,))


def hosts(n, value=1.0):
    """n series that differ by instance."""
    return {(("instance", f"h{i:05d}"),): value for i in range(n)}


@contextlib.asynccontextmanager
async def sender(url, *, time=None, skew=0.0, session=None, **options):
    """A started RemoteWrite in simulated time; `skew`: the server's clock minus ours."""
    clock = time or Time()

    async def server_time():
        return clock.now() + skew

    async with aiohttp.ClientSession(**(session or {})) as client:
        options.setdefault("server_time", server_time)
        made = RemoteWrite(
            url, client, clock=clock.now, monotonic=clock.monotonic, sleep=clock.sleep, backoff=Backoff(draw=lambda: 0.0), **options
        )
        await made.start()
        try:
            yield made
        finally:
            await made.close(0)
