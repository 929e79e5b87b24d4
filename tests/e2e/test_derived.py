"""What is written back: the contract's names, at aligned times, never in the future, ended when they end; or said what to do."""

import signal
import time

import pytest

from tests.e2e.small import ILL, lift, newest_sample, ours, page, small

pytestmark = pytest.mark.servers
NAMES = {
    "y", "yhat", "yhat_lower", "yhat_upper", "anomaly_score", "server_anomaly_score", "health_score", "incident_active",
    *(f"yhat{edge}_{ahead}" for edge in ("", "_lower", "_upper") for ahead in ("1h", "6h", "24h")),
}  # fmt: skip


def written(world):
    """Names of the series that the analyzer wrote and that are alive."""
    found = world.query('count by (__name__) ({__name__=~"openmanager_.+", job!="openmanager"})')
    return {row["metric"]["__name__"].removeprefix("openmanager_") for row in found}


def test_series_have_the_contracts_names_at_aligned_times_and_end_when_they_end(tmp_path):
    with small(tmp_path) as world:
        world.wait("all names", lambda: written(world) >= NAMES, 20)
        assert world.query('{__name__=~"openmanager_y.*"} unless {__name__=~"openmanager_y.*", instance!="", for!=""}') == []
        off = world.query(f"max(timestamp(openmanager_y) % {world.interval})")
        assert off[0]["value"][1] == "0"
        assert newest_sample(world, '{__name__=~"openmanager_.+"}') <= time.time()
        active = world.query("openmanager_incident_active")
        assert [(r["metric"]["instance"], r["metric"]["alertname"]) for r in active] == [(ILL, "OpenManagerServerDown")]
        lift(world)
        world.wait("resolved", lambda: ours(world) is None, 40)
        ended = time.monotonic()
        world.wait("the series of the incident ends", lambda: world.query("openmanager_incident_active") == [], 20)
        world.post(
            "exporter", "/api/fleet/faults", {"kind": "crash", "server": "mail-01", "severity": 1.0, "duration_seconds": 600}
        )
        gone = 'openmanager_y{instance="mail-01", for="memory"}'
        world.wait("series of a dead server end", lambda: world.query(gone) == [], 30)
        assert time.monotonic() - ended < 60  # by a marker: without one they would linger for five minutes


def test_a_receiver_that_is_off_is_named_with_what_to_do_and_scraping_takes_its_place(tmp_path):
    with small(tmp_path, faults=(), seeded=False, servers={"receiver": False}) as world:
        log = world.running["analyzer"].log
        world.wait("what to do", lambda: "--web.enable-remote-write-receiver" in log.read_text(), 20)
        assert "writer: {mode: scrape}" in log.read_text()
        world.write("analyzer.yml", world.analyzer_config(writer="scrape", **world.changes))
        world.running["analyzer"].process.send_signal(signal.SIGHUP)
        config = world.prometheus_config()
        target = [{"targets": [f"127.0.0.1:{world.ports['analyzer']}"]}]
        config["scrape_configs"].append(
            {"job_name": "derived", "metrics_path": "/derived/metrics", "honor_labels": True, "static_configs": target}
        )
        world.write("prometheus.yml", config)
        world.running["prometheus"].process.send_signal(signal.SIGHUP)
        world.wait("series by scraping", lambda: world.query('openmanager_y{instance="mail-01", for="memory"}'), 30)
        assert "openmanager_y{" in page(world, "/derived/metrics")[0]
