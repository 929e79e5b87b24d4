"""What reading this host costs, beside node_exporter and psutil: `make bench-host`. CPU of the process, not elapsed time."""

import gzip
import http.client
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from deploy.local import servers
from exporter.host import tables
from exporter.host.files import Paths
from exporter.host.machine import ON_BY_DEFAULT, Host, Settings

REPEAT = 300


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used, user and system."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def over_http(running: servers.Running, repeat: int = REPEAT) -> tuple[float, int]:
    """CPU milliseconds a scrape, and samples on the page; one kept connection and gzip, as Prometheus asks."""
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=10)
    try:
        count = samples(gzip.decompress(fetch(connection)))
        before = cpu_of(running.process.pid)
        for _ in range(repeat):
            fetch(connection)
        return (cpu_of(running.process.pid) - before) / repeat * 1e3, count
    finally:
        connection.close()


def fetch(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    return connection.getresponse().read()


def samples(text: bytes) -> int:
    return sum(not line.startswith(b"#") for line in text.splitlines())


def in_process(call: Callable[[], object], repeat: int = REPEAT) -> float:
    """CPU milliseconds a call of this process."""
    call()
    before = time.process_time()
    for _ in range(repeat):
        call()
    return (time.process_time() - before) / repeat * 1e3


def psutil_processes() -> list[dict]:
    fields = ["pid", "name", "status", "cpu_times", "memory_info", "create_time"]
    return [process.info for process in psutil.process_iter(fields)]


def scrape_costs(folder: Path) -> list[tuple[str, float, int]]:
    port = servers.free_port()
    command = [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{port}", "--fleet.size=0", "--log.level=warn"]
    rows = []
    beside = servers.start_node_exporter(folder)
    ours = servers.start("exporter", command, url=f"http://127.0.0.1:{port}", folder=folder)
    try:
        rows.append(("node_exporter over HTTP", *over_http(beside.wait_ready("/metrics"))))
        rows.append(("ours over HTTP", *over_http(ours.wait_ready())))
    finally:
        ours.stop()
        beside.stop()
    host = Host(Settings(Paths(), ON_BY_DEFAULT))
    rows.append(("ours, collecting only", in_process(host.readings), len(host.readings())))
    rows.append(("ours, collecting and printing", in_process(host.text), samples(host.text())))
    host.close()
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = scrape_costs(Path(folder))
    theirs = rows[0][1]
    print(f"{'one scrape of this host':<34} {'CPU ms':>8} {'samples':>8} {'of node_exporter':>18}")
    for name, cost, count in rows:
        print(f"{name:<34} {cost:>8.2f} {count:>8} {cost / theirs:>18.2f}")
    slow, fast = in_process(psutil_processes, 30), in_process(lambda: tables.processes(Paths()), 30)
    count = len(tables.processes(Paths()))
    print(f"\n{'all processes':<34} {'us each':>8}")
    print(f"{'psutil.process_iter, 6 fields':<34} {slow / count * 1e3:>8.1f}")
    print(f"{'ours':<34} {fast / count * 1e3:>8.1f}   {slow / fast:.1f} times faster")


if __name__ == "__main__":
    main()
