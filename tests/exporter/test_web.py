"""The exporter's routes, over real HTTP on loopback."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.servers import free_port, need, start
from exporter.config import Config, FleetConfig
from exporter.host import tables
from exporter.host.machine import Settings
from exporter.web import make_app
from service.guard import GUARD
from service.server import running
from tests.exporter.machine import build

NOW = 1_700_000_000.0


@pytest.fixture
def config(tmp_path):
    return Config(
        listen=("127.0.0.1:0",),
        fleet=FleetConfig(size=20, deploy_interval_seconds=0.0),
        host=Settings(build(tmp_path), frozenset({"cpu", "stat", "loadavg", "meminfo", "diskstats", "netdev"}), None, 0.2),
    )


@pytest.fixture
async def app(config):
    return make_app(config, clock=lambda: NOW)


@pytest.fixture
async def client(app, config):
    """A session on a running exporter."""
    async with running(app, listen=config.listen) as server, aiohttp.ClientSession(server.urls[0]) as session:
        yield session


async def text(session, path, **options):
    async with session.get(path, **options) as response:
        assert response.status == 200
        return await response.text()


async def json_of(session, path):
    async with session.get(path) as response:
        assert response.status == 200
        return await response.json()


def values(page, name):
    found = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
    return {tuple(sorted(it.labels.items())): it.value for it in found if it.name == name}


async def test_metrics_say_their_format(client):
    async with client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_show_this_host_and_this_process(client):
    page = await text(client, "/metrics")
    assert values(page, "node_load1") == {(): 0.5}
    assert values(page, "process_cpu_seconds_total")
    assert values(page, "openmanager_build_info")


async def test_metrics_are_compressed_for_who_wants_it(client):
    async with client.get("/metrics", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
    async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers


async def test_no_family_is_declared_twice(client):
    declared = [line for line in (await text(client, "/metrics")).splitlines() if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))


@pytest.mark.servers
async def test_promtool_has_nothing_to_say_about_own_metrics(client):
    await plant(client, "memory_leak")
    page = await text(client, "/metrics")
    own = [line for line in page.splitlines() if "openmanager_" in line]
    check = subprocess.run(
        [need("promtool"), "check", "metrics"], input="\n".join(own) + "\n", text=True, check=False, capture_output=True
    )
    assert (check.returncode, check.stdout + check.stderr) == (0, "")


async def plant(session, kind):
    async with session.post("/api/fleet/faults", json={"kind": kind, "server": "db-master-01", "severity": 0.8}) as response:
        assert response.status == 201


async def test_planted_fault_is_told_on_the_page(client):
    assert values(await text(client, "/metrics"), "openmanager_fleet_fault_active") == {}
    await plant(client, "memory_leak")
    page = await text(client, "/metrics")
    labels = (("benign", "false"), ("kind", "memory_leak"), ("root", "db-master-01"), ("server", "db-master-01"))
    assert values(page, "openmanager_fleet_fault_active")[labels] == 1.0


async def test_scrapes_at_once_share_one_page(client):
    pages = await asyncio.gather(*(text(client, "/metrics") for _ in range(8)))
    assert len({values(page, "process_cpu_seconds_total")[()] for page in pages}) < 8


async def test_p10_metrics_answer_although_a_collector_hangs(client, config):
    path = Path(config.host.paths.proc("loadavg"))
    path.unlink()
    os.mkfifo(path)
    took = []
    for _ in range(100):
        started = time.monotonic()
        page = await text(client, "/metrics")
        took.append(time.monotonic() - started)
    with path.open("w") as writer:
        writer.write("0 0 0")
    assert values(page, "node_scrape_collector_success")[(("collector", "loadavg"),)] == 0.0
    assert values(page, "node_procs_running") == {(): 3.0}
    assert sorted(took)[98] < 0.1


async def test_discovery_includes_this_host_when_asked(client):
    with_host = await json_of(client, "/sd?host=1")
    without = await json_of(client, "/sd")
    assert (len(with_host), len(without)) == (21, 20)
    assert socket.gethostname() in {entry["labels"]["instance"] for entry in with_host}


async def test_without_simulated_servers_discovery_knows_this_host(config):
    app = make_app(replace(config, fleet=FleetConfig(size=0)), clock=lambda: NOW)
    async with running(app, listen=config.listen) as server, aiohttp.ClientSession(server.urls[0]) as session:
        (entry,) = await json_of(session, "/sd?host=1")
        assert (entry["labels"]["__metrics_path__"], await json_of(session, "/sd")) == ("/metrics", [])


async def test_host_object_has_the_fields_of_the_contract(client):
    answer = await json_of(client, "/api/host")
    assert {"hostname", "ip", "platform", "arch", "uptime"} <= answer["server"].keys()
    assert {"usage", "cores", "model", "temperature"} <= answer["cpu"].keys()
    assert {"cached", "buffers"} <= answer["memory"].keys()
    assert "iops" in answer["disk"]
    assert {"interfaces", "totalRx", "totalTx"} <= answer["network"].keys()
    assert {"processes", "services", "logs"} <= answer.keys()


async def test_host_numbers_are_those_of_the_machine(client):
    answer = await json_of(client, "/api/host")
    assert (answer["cpu"]["model"], answer["server"]["uptime"]) == ("Imaginary 9000", "1d 0h 0m")
    assert (answer["memory"]["used"], answer["memory"]["usage"]) == (2_048_000.0, 25.0)
    assert (answer["network"]["totalRx"], answer["network"]["totalTx"]) == (1_000_000.0, 3_000_000.0)


async def test_processes_are_listed_with_their_state(client):
    found = (await json_of(client, "/api/host"))["processes"]
    assert {(it["pid"], it["name"], it["status"]) for it in found} == {(1, "init", "sleeping"), (42, "odd) name)", "running")}


async def test_strangers_see_no_processes_services_or_logs(app, client):
    app[GUARD].beyond_loopback = True
    answer = await json_of(client, "/api/host")
    assert answer.keys() == {"server", "cpu", "memory", "disk", "network", "gpu"}


async def test_landing_page_speaks_both_languages(client):
    page = await text(client, "/")
    assert "/metrics" in page
    assert "메트릭" in page


async def test_health_is_ok(client):
    assert (await json_of(client, "/api/health"))["status"] == "ok"


def test_exporter_ends_on_sigterm_although_a_collector_hangs(tmp_path):
    paths = build(tmp_path / "machine")
    pipe = Path(paths.proc("loadavg"))
    pipe.unlink()
    os.mkfifo(pipe)
    port = free_port()
    flags = [f"--web.listen-address=127.0.0.1:{port}", f"--path.procfs={paths.procfs}", "--fleet.size=1"]
    command = [sys.executable, "-m", "exporter", *flags]
    ours = start("exporter", command, url=f"http://127.0.0.1:{port}", folder=tmp_path)
    try:
        ours.wait_ready("/metrics")
        started = time.monotonic()
        ours.process.send_signal(signal.SIGTERM)
        assert ours.process.wait(10) == 0
        assert time.monotonic() - started < 5
    finally:
        ours.stop()


def test_listening_processes_are_services(tmp_path):
    paths = build(tmp_path)
    folder = Path(paths.proc("42/fd"))
    folder.mkdir()
    (folder / "3").symlink_to("socket:[4711]")
    owners = tables.listening(paths)
    (service,) = tables.services(tables.processes(paths), owners, None, 7200.0)
    assert (service["name"], service["status"], service["port"], service["uptime"]) == ("odd) name)", "running", 8080, "1h 0m")


def test_units_are_services_where_there_is_systemd():
    units = [
        {"Id": "ssh.service", "ActiveState": "active", "MainPID": "7", "ActiveEnterTimestampMonotonic": "60000000"},
        {"Id": "old.service", "ActiveState": "inactive"},
        {"Id": "bad.service", "ActiveState": "failed", "MainPID": "0"},
    ]
    found = tables.services({}, {7: {22}}, units, 660.0)
    assert [(it["name"], it["status"], it["port"], it["uptime"]) for it in found] == [
        ("ssh", "running", 22, "10m"),
        ("bad", "failed", None, None),
    ]


def test_syslog_lines_have_time_level_and_source():
    now = tables.datetime(2026, 1, 2, tzinfo=tables.UTC)
    old = "Dec 31 23:59:59 box sshd[12]: error: broken pipe"
    new = "2026-01-01T10:00:00.5+09:00 box kernel: all is well"
    assert tables.syslog(f"{old}\nnonsense\n{new}\n", now) == [
        {"timestamp": "2025-12-31T23:59:59.000Z", "level": "error", "source": "sshd", "message": "error: broken pipe"},
        {"timestamp": "2026-01-01T01:00:00.500Z", "level": "info", "source": "kernel", "message": "all is well"},
    ]


def test_journal_entries_are_read():
    line = '{"MESSAGE":"disk full","PRIORITY":"3","SYSLOG_IDENTIFIER":"app","__REALTIME_TIMESTAMP":"1700000000000000"}'
    assert tables.journal(line) == [
        {"timestamp": "2023-11-14T22:13:20.000Z", "level": "error", "source": "app", "message": "disk full"}
    ]
