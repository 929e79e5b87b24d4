"""What each kind of fault leaves behind, on its own server and on those that depend on it."""

import numpy as np
import pytest

from exporter.fleet import catalog, faults
from exporter.fleet.faults import HIDDEN, KINDS, Fault, Truth
from exporter.fleet.load import Load
from exporter.fleet.rows import STUCK
from tests.exporter.fleet.series import NOON, row, signal

TIMES = NOON + 60.0 * np.arange(90)
UNDER_WAY = slice(40, 58)  # planted after 20 minutes, lasts 40

# kind, server, signal, who shows it, least change at severity 0.3 and at 1: factors where > 0, differences where a string
MARKS = [
    ("cpu_runaway", "search-es-01", "idle", "search-es-01", -0.2, -0.5),
    ("cpu_runaway", "search-es-01", "node_load1", "search-es-01", 1.0, 4.0),
    ("cpu_runaway", "search-es-01", "node_hwmon_temp_celsius", "search-es-01", 4, 12),
    ("memory_leak", "api-gateway-prod", "memory", "api-gateway-prod", 0.05, 0.15),
    ("disk_fill", "queue-kafka-01", "fill", "queue-kafka-01", 0.05, 0.2),
    ("disk_slow", "db-master-01", "iowait", "db-master-01", 0.05, 0.2),
    ("disk_slow", "db-master-01", "disk_latency", "db-master-01", 0.001, 0.02),
    ("disk_slow", "db-master-01", "response", "api-gateway-prod", 0.001, 0.02),
    ("network_saturation", "web-prod-01", "send", "web-prod-01", 1.5e7, 8e7),
    ("packet_loss", "api-gateway-prod", "retransmits", "api-gateway-prod", 0.005, 0.04),
    ("packet_loss", "api-gateway-prod", "response", "web-prod-01", 0.005, 0.05),
    ("steal", "auth-01", "steal", "auth-01", 0.1, 0.4),
    ("traffic_surge", "proxy-nginx-01", "requests", "proxy-nginx-01", 20, 60),
    ("traffic_surge", "proxy-nginx-01", "requests", "db-master-01", 10, 40),
    ("cache_stampede", "cache-redis-01", "hit", "cache-redis-01", -0.15, -0.6),
    ("cache_stampede", "cache-redis-01", "requests", "db-master-01", 40, 150),
    ("db_slow", "db-master-01", "response", "db-master-01", 0.02, 0.1),
    ("db_slow", "db-master-01", "response", "web-prod-02", 0.015, 0.08),
    ("db_slow", "db-master-01", "app_connections", "db-master-01", 4, 25),
    ("db_slow", "db-master-01", "app_replication_lag_seconds", "db-replica-01", 0.4, 1.5),
    ("crash", "auth-01", "errors", "api-gateway-prod", 0.1, 0.1),
    ("clock_skew", "mail-01", "node_timex_offset_seconds", "mail-01", 0.08, 0.3),
    ("batch_job", "mail-01", "nice", "mail-01", 0.1, 0.3),
    ("fd_leak", "mail-01", "node_filefd_allocated", "mail-01", 5000, 30_000),
    ("thermal_throttle", "mail-01", "node_hwmon_temp_celsius", "mail-01", 8, 20),
]


@pytest.fixture(scope="module")
def load():
    return Load(seed=7)


def plant(kind, server, severity=0.6, start=NOON + 1200, seconds=2400.0):
    return Fault("x", kind, server, start, seconds, severity)


@pytest.mark.parametrize(("kind", "root", "name", "shown_by", "subtle", "full"), MARKS)
def test_fault_leaves_its_marks(load, kind, root, name, shown_by, subtle, full):
    usual = np.nanmedian(signal(load, name, shown_by, TIMES)[UNDER_WAY])
    for severity, least in ((0.3, subtle), (1.0, full)):
        change = np.nanmedian(signal(load, name, shown_by, TIMES, (plant(kind, root, severity),))[UNDER_WAY]) - usual
        assert change * np.sign(least) >= abs(least), (kind, severity, usual, change)


@pytest.mark.parametrize("kind", sorted(set(KINDS) | set(HIDDEN)))
def test_nothing_shows_before_a_fault_begins(load, kind):
    server = {"cache_stampede": "cache-redis-01", "db_slow": "db-master-01"}.get(kind, "auth-01")
    before = TIMES[:21]
    usual, faulty = load.readings(before), load.readings(before, (plant(kind, server, 1.0, NOON + 1200.5),))
    np.testing.assert_array_equal(usual.values, faulty.values)


@pytest.mark.parametrize("kind", sorted(set(KINDS) | set(HIDDEN) - {"batch_job"}))
def test_everything_is_as_usual_after_a_fault(load, kind):
    server = {"cache_stampede": "cache-redis-01", "db_slow": "db-master-01"}.get(kind, "auth-01")
    late = NOON + 3600 + 7 * 300 + 60.0 * np.arange(1, 10)
    gauges = {"node_load1", "node_memory_MemAvailable_bytes", "app_connections", "node_filefd_allocated"}
    usual, after = (load.readings(late, f, metrics=gauges) for f in ((), (plant(kind, server, 1.0),)))
    np.testing.assert_array_equal(usual.values, after.values)


def test_a_long_leak_ends_in_a_restart(load):
    used = signal(
        load,
        "memory",
        "api-gateway-prod",
        NOON + 60.0 * np.arange(150),
        (plant("memory_leak", "api-gateway-prod", 1.0, seconds=8000),),
    )
    peak = int(np.argmax(used))
    assert used[peak] > 0.95
    assert used[peak + 3] < 0.6


def test_a_stuck_metric_stands_perfectly_still(load):
    fault = plant("stuck_metric", "auth-01", 1.0)
    found = load.readings(TIMES, (fault,))
    still = {
        name
        for name in {m for group in STUCK.values() for m in group}
        if all(
            np.ptp(found.values[i, 20:60]) == 0 for i, n in enumerate(found.names) if n == name and found.servers[i] == "auth-01"
        )
    }
    assert len(still) >= 3
    usual = load.readings(TIMES)
    others = [server != "auth-01" for server in found.servers]
    np.testing.assert_array_equal(found.values[others], usual.values[others])


def test_a_surge_reaches_requests_of_everyone_who_serves_users(load):
    surge = (plant("traffic_surge", "proxy-nginx-01", 1.0),)
    for server in ("web-prod-01", "k8s-worker-02", "api-gateway-prod", "auth-01", "queue-kafka-01"):
        usual, more = (np.nanmedian(signal(load, "requests", server, TIMES, f)[UNDER_WAY]) for f in ((), surge))
        assert more > 1.4 * usual


def test_a_batch_job_comes_back_every_night_until_it_is_lifted():
    job = plant("batch_job", "mail-01")
    tomorrow = job.start + faults.DAY
    assert [job.active(t) for t in (job.start, job.start + 2400, tomorrow + 10)] == [True, False, True]
    assert not job.lifted(tomorrow - 60).active(tomorrow + 10)


def test_a_lifted_fault_keeps_its_past_and_loses_its_future():
    fault = plant("steal", "auth-01")
    lifted = fault.lifted(NOON + 1800)
    assert lifted.active(NOON + 1799)
    assert not lifted.active(NOON + 1800)
    assert lifted.course(np.array([NOON + 1700.0])) == fault.course(np.array([NOON + 1700.0]))


def test_the_truth_names_the_root_and_those_it_reaches():
    rows = faults.truth((plant("db_slow", "db-master-01"),), catalog.build(), NOON + 1300)
    assert rows[0] == Truth("db-master-01", "db_slow", False, "db-master-01")
    assert {r.server for r in rows} >= {"api-gateway-prod", "web-prod-01", "proxy-nginx-01", "auth-01"}
    assert {r.root for r in rows} == {"db-master-01"}
    assert faults.truth((plant("db_slow", "db-master-01"),), catalog.build(), NOON) == []


@pytest.mark.parametrize(
    ("kind", "hostname", "severity", "seconds", "message"),
    [
        ("earthquake", "auth-01", 0.5, 60, "unknown fault kind 'earthquake'; one of cpu_runaway"),
        ("db_slow", "auth-01", 0.5, 60, "role db-master or db-replica"),
        ("steal", "auth-01", 1.5, 60, "severity 1.5 is outside 0..1"),
        ("steal", "auth-01", 0.5, 0, "duration_seconds 0 is outside"),
        ("batch_job", "auth-01", 0.5, 90_000, "duration_seconds 90000 is outside"),
    ],
)
def test_what_cannot_be_planted_is_refused_with_what_can(kind, hostname, severity, seconds, message):
    server = next(s for s in catalog.build() if s.hostname == hostname)
    with pytest.raises(ValueError, match=message):
        faults.check(kind, server, severity, seconds)


def test_a_clock_that_runs_away_is_not_synchronised(load):
    found = load.readings(TIMES, (plant("clock_skew", "mail-01", 1.0),))
    assert row(found, "mail-01", "node_timex_sync_status")[[10, 50]].tolist() == [1.0, 0.0]
    assert row(found, "mail-01", "node_time_seconds")[50] - TIMES[50] > 0.3
