"""P1 on a real Prometheus: while our own clock is three hours off nothing is written, not one scrape is lost, and it says why."""

import asyncio
import json
import time

import aiohttp
import pytest

from analyzer.sinks.backoff import Backoff
from analyzer.sinks.remote_write import RemoteWrite
from deploy.local.servers import free_port
from tests.analyzer.sinks.writing import derived, hosts

pytestmark = pytest.mark.servers
HOURS = 3 * 3600.0


async def asked(client, server, expr, **more):
    async with client.get(f"{server.url}/api/v1/query", params={"query": expr, **more}) as reply:
        return json.loads(await reply.text())["data"]["result"]


@pytest.mark.parametrize("off", [HOURS, -HOURS])
async def test_p1_three_hours_off_writes_nothing_and_loses_no_scrape(prometheus, off):
    port = free_port()
    scrape = f"scrape_configs: [{{job_name: itself, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]"
    server = prometheus(f"global: {{scrape_interval: 1s}}\n{scrape}\n", port=port)
    async with aiohttp.ClientSession() as client:

        async def server_time():
            return float((await asked(client, server, "time()"))[0])

        writer = RemoteWrite(
            f"{server.url}/api/v1/write",
            client,
            server_time=server_time,
            clock=lambda: time.time() + off,
            backoff=Backoff(0.05, 0.2),
        )
        await writer.start()
        for _ in range(5):
            await writer.write(derived(hosts(20), time.time() + off))
            await asyncio.sleep(0.2)
        async with asyncio.timeout(20):
            while not await asked(client, server, "count_over_time(up[5s]) >= 4"):
                await asyncio.sleep(0.2)
        assert (writer.paused, writer.counts["sent", ""]) == (True, 0)
        said = writer.counts["dropped", "future"] == 100 if off > 0 else "nothing is written" in writer.problem
        assert said
        later = await asked(client, server, "openmanager_y[7h]", time=time.time() + HOURS + 60)
        down = await asked(client, server, "min_over_time(up[1m]) == 0 or scrape_samples_post_metric_relabeling == 0")
        assert (later, down) == ([], [])
        await writer.close(0)
