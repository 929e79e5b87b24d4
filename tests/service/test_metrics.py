"""/metrics that answers in time whatever hangs behind it (promise P10)."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.servers import need
from service.metrics import Bounded


def family(name: str, value: float = 1.0) -> list[GaugeMetricFamily]:
    return [GaugeMetricFamily(name, "A gauge.", value=value)]


def samples(kit_or_registry) -> dict[tuple[str, str], float]:
    registry = getattr(kit_or_registry, "registry", kit_or_registry)
    return {(s.name, s.labels.get("collector", "")): s.value for metric in registry.collect() for s in metric.samples}


@pytest.fixture
def gate():
    """Something that hangs until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_p10_hanging_collector_is_left_out_and_the_others_are_shown(gate):
    registry = CollectorRegistry()
    registry.register(Bounded({"good": lambda: family("good"), "hung": lambda: gate.wait() or []}))
    began = time.monotonic()
    found = samples(registry)
    assert time.monotonic() - began < 0.3
    assert found["good", ""] == 1
    assert found["openmanager_scrape_collector_success", "good"] == 1
    assert found["openmanager_scrape_collector_success", "hung"] == 0


def test_p10_hanging_collector_costs_one_thread_for_ever_and_no_time_after_the_first(gate):
    registry = CollectorRegistry()
    registry.register(Bounded({"hung": lambda: gate.wait() or [], "good": lambda: family("good")}))
    samples(registry)
    before = threading.active_count()
    took = []
    for _ in range(50):
        began = time.monotonic()
        samples(registry)
        took.append(time.monotonic() - began)
    assert threading.active_count() == before
    assert sorted(took)[48] < 0.05


def test_p10_collector_that_raises_is_success_0_and_logged_once(caplog):
    registry = CollectorRegistry()
    registry.register(Bounded({"bad": lambda: 1 / 0, "good": lambda: family("good")}, prefix="node_scrape"))
    for _ in range(3):
        found = samples(registry)
    assert (found["node_scrape_collector_success", "bad"], found["good", ""]) == (0, 1)
    assert len([record for record in caplog.records if "collector failed" in str(record.msg)]) == 1


def test_slow_collector_is_shown_one_scrape_later_where_that_is_wanted():
    def slow() -> list[GaugeMetricFamily]:
        time.sleep(0.1)
        return family("slow")

    registry = CollectorRegistry()
    registry.register(Bounded({"slow": slow}, timeout_seconds=0.03, keep_seconds={"slow": 60}))
    assert ("slow", "") not in samples(registry)
    time.sleep(0.15)
    found = samples(registry)
    assert (found["slow", ""], found["openmanager_scrape_collector_success", "slow"]) == (1, 1)


def test_collector_is_back_when_it_no_longer_hangs(gate):
    registry = CollectorRegistry()
    registry.register(Bounded({"hung": lambda: family("back") if gate.wait() else []}, timeout_seconds=0.05))
    assert ("back", "") not in samples(registry)
    gate.set()
    time.sleep(0.05)
    assert samples(registry)["back", ""] == 1


async def test_p10_route_answers_in_time_beside_a_hanging_collector(kit, gate):
    kit.registry.register(Bounded({"hung": lambda: gate.wait() or []}))
    took = []
    for _ in range(30):
        began = time.monotonic()
        assert (await kit.request("GET /metrics")).status == 200
        took.append(time.monotonic() - began)
    assert max(took) < 0.5
    assert sorted(took)[15] < 0.1


async def test_format_is_negotiated_and_always_said(kit):
    Gauge("thing", "A thing.", registry=kit.registry).set(3)
    plain = await kit.request("GET /metrics")
    open_metrics = await kit.request("GET /metrics", "Accept: application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.body.endswith(b"# EOF\n")


async def test_metrics_are_compressed_for_who_asks_and_chosen_by_name(kit):
    import gzip

    Gauge("thing", "A thing.", registry=kit.registry).set(3)
    reply = await kit.request("GET /metrics?name[]=thing", "Accept-Encoding: gzip")
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == b"# HELP thing A thing.\n# TYPE thing gauge\nthing 3.0\n"


async def test_own_metrics_have_no_created_series(kit):
    body = (await kit.request("GET /metrics")).body.decode()
    assert not [metric.name for metric in text_string_to_metric_families(body) if metric.name.endswith("_created")]


@pytest.mark.servers
async def test_own_metrics_are_clean_for_promtool(kit):
    await kit.post_json(b"{")
    body = (await kit.request("GET /metrics")).body
    done = subprocess.run([need("promtool"), "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
