"""What the simulated fleet costs: CPU of serving many servers, and of telling long histories. Prints a table, asserts nothing.

python -m tests.bench.fleet_cost [SERVERS]
"""

import asyncio
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
from aiohttp import ClientError, ClientSession, TCPConnector

from exporter.fleet import catalog
from exporter.fleet.faults import Fault
from exporter.fleet.load import Load
from exporter.fleet.rows import SIGNAL_LABELS, SIGNAL_METRICS

INTERVAL = 15.0
DAY = 86_400.0


def history() -> None:
    """CPU of twenty servers' history, one minute a step."""
    start = np.floor(time.time() / DAY) * DAY - 40 * DAY
    faults = tuple(
        Fault(f"f{k}", kind, server, start + 600 + k * 3600, 1800, 0.7)
        for k, (kind, server) in enumerate([("steal", "auth-01"), ("db_slow", "db-master-01"), ("crash", "mail-01")] * 8)
    )
    for name, planted, only in (("every metric", (), False), ("signals", (), True), ("signals, 24 faults", faults, True)):
        load = Load(seed=1)
        load.counters.table()
        began = time.process_time()
        for day in range(3):
            times = start + day * DAY + 60.0 * np.arange(1440)
            found = load.readings(times, planted, SIGNAL_METRICS if only else None, SIGNAL_LABELS if only else None)
        spent = (time.process_time() - began) / 3
        print(f"20 servers x 1440 steps, {name:20s} {len(found.names):5d} series  {1000 * spent:7.1f} ms CPU")


async def serving(count: int, seconds: float = 30.0) -> None:
    """CPU a second of an exporter with `count` servers, each scraped every 15 s over kept connections, gzip asked for."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{port}", f"--fleet.size={count}"]
    process = subprocess.Popen([*command, "--fleet.deploy-interval=0s"], stderr=subprocess.DEVNULL)
    try:
        await _scrape_all(psutil.Process(process.pid), f"http://127.0.0.1:{port}", count, seconds)
    finally:
        process.terminate()
        process.wait(10)


async def _scrape_all(process: psutil.Process, url: str, count: int, seconds: float) -> None:
    pages = [f"{url}/fleet/metrics?target={s.hostname}" for s in catalog.build(count)]
    async with ClientSession(connector=TCPConnector(limit=8)) as session:
        for _ in range(300):
            try:
                async with session.get(pages[-1]) as response:
                    if response.status == 200:
                        break
            except ClientError:
                pass
            await asyncio.sleep(0.1)
        await _scrape(session, pages, 0.002 * count, count / 0.002)  # each page's layout is made at the first scrape
        print(f"{count} servers: {_cpu(process):.2f} s CPU until all have been scraped once")
        began, spent = time.monotonic(), _cpu(process)
        scrapes = await _scrape(session, pages, seconds, count / INTERVAL)
        passed, spent = time.monotonic() - began, _cpu(process) - spent
    memory = process.memory_info().rss / 2**20
    each, second = 1000 * spent / scrapes, 1000 * spent / passed
    print(f"{scrapes} scrapes in {passed:.0f} s: {second:.1f} ms CPU a second, {each:.2f} ms a scrape")
    print(f"{memory:.0f} MB")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


async def _scrape(session: ClientSession, pages: list[str], seconds: float, per_second: float) -> int:
    """Ask for page after page, evenly, for at least so long and once round at full speed; how many were asked for."""
    began, k = time.monotonic(), 0
    while time.monotonic() - began < seconds or (per_second > 1e5 and k < len(pages)):
        async with session.get(pages[k % len(pages)], headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as response:
            await response.read()
            assert response.status in (200, 503, 429), response.status
        k += 1
        await asyncio.sleep(max(0.0, began + k / per_second - time.monotonic()))
    return k


if __name__ == "__main__":
    history()
    asyncio.run(serving(int(sys.argv[1]) if len(sys.argv) > 1 else 50 * catalog.SIZE))
