"""The fleet's routes."""

import asyncio
import json
import time
import urllib.parse
import urllib.request

import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from exporter.fleet.fleet import Fleet
from exporter.fleet.web import add_fleet_routes
from service.app import create_app
from service.guard import GUARD
from tests.exporter.fleet.series import NOON


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def app(clock):
    found = create_app(name="test", registry=CollectorRegistry(), ready=dict)
    add_fleet_routes(found, Fleet(start=NOON, deploy="manual"), clock)
    return found


@pytest.fixture
async def client(aiohttp_client, app):
    return await aiohttp_client(app)


async def deploy(client, count):
    for n in range(count):
        assert (await client.post("/api/servers/next", json={"currentCount": n})).status == 200


async def get(client, path, status=200):
    response = await client.get(path)
    assert response.status == status, await response.text()
    return await response.json()


async def test_next_deploys_in_order_and_says_what_comes(client):
    answer = await (await client.post("/api/servers/next", json={"currentCount": 0})).json()
    assert answer["server"]["hostname"] == "web-prod-01"
    assert (answer["currentCount"], answer["progress"], answer["nextServerType"]) == (1, 5.0, "db-master")
    assert (answer["success"], answer["isComplete"]) == (True, False)


async def test_next_repeats_itself_and_refuses_to_run_ahead(client):
    await deploy(client, 3)
    again = await (await client.post("/api/servers/next", json={"currentCount": 1})).json()
    assert (again["server"]["hostname"], again["currentCount"]) == ("db-master-01", 2)
    ahead = await client.post("/api/servers/next", json={"currentCount": 9})
    assert (ahead.status, (await ahead.json())["currentCount"]) == (409, 3)


async def test_the_last_server_completes_the_fleet(client):
    await deploy(client, 20)
    status = await get(client, "/api/servers/next")
    assert {k: status[k] for k in ("success", "currentCount", "totalServers", "isComplete", "progress")} == {
        "success": True, "currentCount": 20, "totalServers": 20, "isComplete": True, "progress": 100.0,
    }  # fmt: skip
    more = await (await client.post("/api/servers/next", json={"currentCount": 20})).json()
    assert (more["server"], more["isComplete"], more["nextServerType"]) == (None, True, None)


async def test_reset_in_the_body_empties_the_fleet_first(client):
    await deploy(client, 3)
    answer = await (await client.post("/api/servers/next", json={"currentCount": 3, "reset": True})).json()
    assert (answer["server"]["hostname"], answer["currentCount"]) == ("web-prod-01", 1)


async def test_the_older_names_still_work(client):
    assert (await client.post("/api/servers/generate")).status == 200
    assert (await get(client, "/api/servers/status"))["currentCount"] == 1
    assert (await client.post("/api/servers/reset")).status == 200
    assert (await get(client, "/api/servers/status"))["currentCount"] == 0


@pytest.mark.parametrize(
    "body", [{"currentCount": -1}, {"currentCount": "1"}, {"currentCount": 1.5}, {"reset": "yes"}, {"rest": True}, []]
)
async def test_a_bad_body_is_refused_and_changes_nothing(client, body):
    response = await client.post("/api/servers/next", json=body)
    assert response.status == 422
    assert (await get(client, "/api/servers/status"))["currentCount"] == 0


async def test_server_objects_have_the_fields_of_the_contract(client):
    await deploy(client, 2)
    found = (await get(client, "/api/servers"))["servers"]
    assert [s["id"] for s in found] == ["srv_001", "srv_002"]
    assert {
        "id", "hostname", "name", "type", "environment", "location", "provider", "status", "cpu", "memory", "disk", "network",
        "responseTime", "uptime", "uptime_seconds", "ip", "services",
    } <= set(found[1])  # fmt: skip
    assert found[1]["services"] == [{"name": "postgresql", "port": 5432, "status": "running"}]
    assert 0 < found[1]["cpu"] < 100
    assert found == [await get(client, f"/api/servers/{s['hostname']}") for s in found]


async def test_service_discovery_needs_no_relabelling(client):
    await deploy(client, 1)
    (entry,) = await get(client, "/sd")
    assert entry["targets"] == [f"{client.host}:{client.port}"]
    assert entry["labels"] == {
        "instance": "web-prod-01", "job": "node", "role": "web", "environment": "production", "location": "ap-northeast-2a",
        "__scheme__": "http", "__metrics_path__": "/fleet/metrics", "__param_target": "web-prod-01",
    }  # fmt: skip


async def test_service_discovery_names_this_host_when_asked(client):
    assert await get(client, "/sd") == []
    (host,) = await get(client, "/sd?host=1")
    assert host["labels"]["__metrics_path__"] == "/metrics"


async def test_a_page_is_text_and_a_dead_server_is_503(client, clock):
    await deploy(client, 1)
    page = await client.get("/fleet/metrics?target=web-prod-01")
    assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    await client.post("/api/fleet/faults", json={"kind": "crash", "server": "web-prod-01", "duration_seconds": 60})
    assert [(await client.get("/fleet/metrics?target=web-prod-01")).status for clock.now in (NOON + 1, NOON + 61)] == [503, 200]
    clock.now = NOON + 30
    assert (await get(client, "/api/servers/web-prod-01"))["status"] == "offline"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fleet/metrics", 400),
        ("/fleet/metrics?target=", 400),
        ("/fleet/metrics?target=web-prod-01", 404),
        ("/fleet/metrics?target=%00", 400),
        ("/fleet/metrics?target=a&target=b", 400),
        ("/api/servers/web-prod-01", 404),
        ("/api/servers?limit=0", 400),
        ("/sd?host=maybe", 400),
    ],
)
async def test_what_cannot_be_answered_says_so_as_json(client, path, status):
    answer = await get(client, path, status)
    assert {"error", "detail", "request_id"} <= set(answer)


async def test_a_fault_is_planted_listed_and_lifted(client):
    body = {"kind": "memory_leak", "server": "auth-01", "start": NOON + 60, "duration_seconds": 600, "severity": 0.4}
    planted = await (await client.post("/api/fleet/faults", json=body)).json()
    assert (planted["state"], planted["start"], planted["end"]) == (
        "planned",
        "2025-10-09T12:01:00.000Z",
        "2025-10-09T12:11:00.000Z",
    )
    assert (await get(client, "/api/fleet/faults"))["faults"] == [planted]
    lifted = await client.delete(f"/api/fleet/faults/{planted['id']}")
    assert (lifted.status, (await lifted.json())["state"]) == (200, "over")
    assert (await get(client, "/api/fleet/faults"))["faults"] == []
    assert (await client.delete("/api/fleet/faults/fault-9999")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "fd_leak", "server": "auth-01"},  # hidden: for benchmarks
        {"kind": "steal", "server": "nobody"},
        {"kind": "steal", "server": "auth-01", "severity": 1.01},
        {"kind": "steal", "server": "auth-01", "start": "yesterday"},
        {"kind": "steal", "server": "auth-01", "start": NOON - 86_400},
        {"kind": "steal", "server": "auth-01", "surprise": 1},
        {"kind": "db_slow", "server": "auth-01"},
        {"kind": "steal"},
    ],
)
async def test_a_fault_that_cannot_be_is_refused(client, body):
    assert (await client.post("/api/fleet/faults", json=body)).status == 422
    assert (await get(client, "/api/fleet/faults"))["faults"] == []


async def test_scenario_is_read_and_set(client):
    assert (await get(client, "/api/fleet/scenario"))["scenario"] == "normal"
    changed = await client.put("/api/fleet/scenario", json={"scenario": "stress"})
    assert (changed.status, (await changed.json())["scenario"]) == (200, "stress")
    assert (await client.put("/api/fleet/scenario", json={"scenario": "peace"})).status == 422


async def test_topology_shows_edges_among_the_deployed(client):
    await deploy(client, 3)
    graph = await get(client, "/api/fleet/topology")
    assert [node["id"] for node in graph["nodes"]] == ["web-prod-01", "db-master-01", "api-gateway-prod"]
    assert {(e["source"], e["target"]) for e in graph["edges"]} == {
        ("web-prod-01", "api-gateway-prod"), ("api-gateway-prod", "db-master-01"),
    }  # fmt: skip
    assert len((await get(client, "/api/fleet/topology?all=1"))["nodes"]) == 20


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/servers/next"), ("POST", "/api/servers/generate"), ("POST", "/api/servers/reset"),
        ("POST", "/api/fleet/faults"), ("DELETE", "/api/fleet/faults/x"), ("PUT", "/api/fleet/scenario"),
    ],
)  # fmt: skip
async def test_nobody_changes_an_open_fleet_without_auth(aiohttp_client, app, method, path):
    app[GUARD].beyond_loopback = True
    client = await aiohttp_client(app)
    assert (await client.request(method, path, json={})).status == 403


RULES = (
    'count without (cpu, mode) (node_cpu_seconds_total{job="node",mode="idle"})',
    '1 - avg without (cpu) (sum without (mode) (rate(node_cpu_seconds_total{job="node",mode=~"idle|iowait|steal"}[5m])))',
    'node_load1{job="node"}',
    '1 - node_memory_MemAvailable_bytes{job="node"} / node_memory_MemTotal_bytes{job="node"}',
    'rate(node_vmstat_pgmajfault{job="node"}[5m])',
    'rate(node_disk_io_time_seconds_total{job="node",device!=""}[5m])',
    'rate(node_disk_io_time_weighted_seconds_total{job="node",device!=""}[5m])',
    *(
        f'sum without (device) (rate(node_network_{way}_{what}_total{{job="node",device!~"lo|veth.+"}}[5m]))'
        for way in ("receive", "transmit")
        for what in ("bytes", "drop")
    ),
)


def instances(url, query):
    with urllib.request.urlopen(f"{url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=10) as answer:
        return {found["metric"]["instance"] for found in json.load(answer)["data"]["result"]}


@pytest.mark.servers
async def test_a_real_prometheus_finds_every_server_and_its_recording_rules_have_data(prometheus):
    """From `/sd` alone, without relabelling: twenty targets up, each rule's expression gives each of them."""
    fleet = Fleet(start=time.time() - 60)
    app = create_app(name="test", registry=CollectorRegistry(), ready=dict)
    add_fleet_routes(app, fleet, time.time)
    async with TestServer(app) as exporter:
        config = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: fleet
    http_sd_configs: [{{url: "{exporter.make_url("/sd")}", refresh_interval: 1s}}]
"""
        server = await asyncio.to_thread(prometheus, config)
        wanted = {s.hostname for s in fleet.servers}
        missing = set(RULES)
        for _ in range(100):
            missing = {q for q in missing if await asyncio.to_thread(instances, server.url, q) != wanted}
            if not missing:
                break
            await asyncio.sleep(0.2)
        assert missing == set()
        assert await asyncio.to_thread(instances, server.url, "up == 1") == wanted
