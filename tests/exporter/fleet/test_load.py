"""The load model: a function of (seed, time, faults), and worth detecting on."""

import numpy as np
import pytest

from exporter.fleet import catalog
from exporter.fleet.faults import Fault
from exporter.fleet.load import Load
from exporter.fleet.rows import SIGNAL_LABELS, SIGNAL_METRICS
from tests.exporter.fleet.series import DAY, NOON, rate, row, signal

FAULTS = (
    Fault("a", "memory_leak", "api-gateway-prod", NOON + 317, 9000, 1.0),
    Fault("b", "crash", "web-prod-01", NOON + 1207, 300),
    Fault("c", "db_slow", "db-master-01", NOON + 3600, 1800),
    Fault("d", "stuck_metric", "auth-01", NOON + 5000, 1800, 0.9),
    Fault("e", "cpu_runaway", "queue-kafka-01", NOON + 8000, 3600, 1.0),
)


@pytest.fixture(scope="module")
def load():
    return Load(seed=1)


def counters(readings):
    """Which rows are cumulative."""
    return np.array([n.endswith(("_total", "_sum", "_count", "Segs", "pgmajfault")) for n in readings.names])


def test_any_time_can_be_asked_in_any_order(load):
    times = NOON + 15.0 * np.arange(1200)
    together = load.readings(times, FAULTS)
    other = Load(seed=1)
    for k in [1100, 3, 400, 85, 84, 1199, *range(500, 540)]:
        alone = other.readings(times[k : k + 1], FAULTS).values[:, 0]
        np.testing.assert_array_equal(alone, together.values[:, k])


def test_another_seed_is_another_fleet(load):
    mine, theirs = (x.readings([NOON], metrics={"node_load1"}).values for x in (load, Load(seed=2)))
    assert (mine != theirs).mean() > 0.8


def test_chosen_metrics_are_the_same_values(load):
    every = load.readings([NOON, NOON + 60], FAULTS)
    some = load.readings([NOON, NOON + 60], FAULTS, metrics={"node_cpu_seconds_total"}, where={"mode": ("idle",), "cpu": ("0",)})
    assert len(some.names) == 20
    kept = [dict(pairs).get("mode") == "idle" and dict(pairs).get("cpu") == "0" for pairs in every.labels]
    np.testing.assert_array_equal(some.values, every.values[kept])


def test_counters_only_fall_where_something_restarts(load):
    times = NOON + 15.0 * np.arange(5760)  # across both borders of blocks
    found = load.readings(times, FAULTS)
    fell = np.nansum(np.diff(found.values[counters(found)], axis=1) < 0, axis=1)
    falling = {(found.servers[i], found.names[i].partition("_")[0]) for i in np.flatnonzero(counters(found))[fell > 0]}
    assert ("api-gateway-prod", "app") in falling  # it ran out of memory
    restarted = {
        found.servers[i]
        for i, name in enumerate(found.names)
        if name == "node_boot_time_seconds" and np.ptp(found.values[i][~np.isnan(found.values[i])]) > 0
    }
    assert {server for server, what in falling if what == "node"} <= restarted


def test_a_crash_sets_every_counter_back(load):
    times = NOON + np.array([1200.0, 1300.0, 1522.0])
    found = load.readings(
        times, FAULTS, metrics={"node_context_switches_total", "app_requests_total", "node_boot_time_seconds", "up"}
    )
    before, during, after = row(found, "web-prod-01", "node_context_switches_total")
    assert before > 1e6
    assert np.isnan(during)
    assert 0 <= after < 1e5
    assert row(found, "web-prod-01", "up").tolist() == [1.0, 0.0, 1.0]
    assert row(found, "web-prod-01", "node_boot_time_seconds")[2] == NOON + 1495


def test_modes_of_a_processor_add_to_the_time_there_is(load):
    times = NOON + 60.0 * np.arange(600)
    found = load.readings(times, FAULTS, metrics={"node_cpu_seconds_total"}, where={"cpu": ("1",)})
    rows = [i for i, server in enumerate(found.servers) if server == "queue-kafka-01"]
    np.testing.assert_allclose(np.diff(found.values[rows].sum(axis=0)), 60.0, atol=0.1)


def test_rates_run_on_across_the_border_of_a_block(load):
    for border in (np.floor(NOON / DAY) * DAY + 3 * 3600, np.floor(NOON / DAY) * DAY + 15 * 3600):
        times = border + 60.0 * np.arange(-60, 61)
        speed = rate(load.readings(times, metrics={"node_network_receive_bytes_total"}, where={"device": ("eth0",)}).values, 60.0)
        before, after = np.nanmedian(speed[:, 40:60], axis=1), np.nanmedian(speed[:, 60:80], axis=1)
        before, after = np.delete(before, 9), np.delete(after, 9)  # analytics-01 begins its nightly job at 03:00
        np.testing.assert_allclose(np.log(after / before), 0, atol=0.6)


def test_values_stay_within_what_there_is(load):
    found = load.readings(NOON + 600.0 * np.arange(288), FAULTS)
    for i, name in enumerate(found.names):
        assert np.nanmin(found.values[i]) >= 0 or name == "node_timex_offset_seconds", name
    for name in ("MemAvailable", "MemFree", "Cached"):
        share = row(found, "api-gateway-prod", f"node_memory_{name}_bytes") / row(
            found, "api-gateway-prod", "node_memory_MemTotal_bytes"
        )
        assert np.nanmax(share) < 1


def test_readings_are_quantised_as_real_ones_are(load):
    found = load.readings(NOON + 60.0 * np.arange(60))
    assert not (row(found, "auth-01", "node_filefd_allocated") % 32).any()
    assert not (row(found, "auth-01", "node_hwmon_temp_celsius") % 1.0).any()
    assert not (row(found, "mail-01", "node_hwmon_temp_celsius") % 0.5).any()
    assert not (row(found, "mail-01", "node_procs_running") % 1.0).any()
    assert not (row(found, "mail-01", "app_requests_total") % 1.0).any()


def test_evenings_are_busy_and_offices_rest_on_sunday(load):
    week = np.floor(NOON / DAY) * DAY + 600.0 * np.arange(7 * 144)
    users, office = signal(load, "requests", "proxy-nginx-01", week), signal(load, "requests", "mail-01", week)
    hour = (week[1:] % DAY) // 3600
    assert np.nanmedian(users[hour == 20]) > 2.5 * np.nanmedian(users[hour == 4])
    thursday, sunday = np.arange(60, 96), np.arange(3 * 144 + 60, 3 * 144 + 96)
    assert np.nanmedian(office[thursday]) > 3 * np.nanmedian(office[sunday])


def test_noise_is_autocorrelated_and_grows_with_load(load):
    days = np.floor(NOON / DAY) * DAY + 60.0 * np.arange(3 * 1440)
    idle = signal(load, "idle", "api-gateway-prod", days)
    residual = idle - np.convolve(idle, np.ones(31) / 31, mode="same")
    hour = (days[1:] % DAY) // 3600
    assert np.nanstd(residual[hour == 20]) > 1.3 * np.nanstd(residual[hour == 4])
    assert np.corrcoef(residual[100:-101], residual[101:-100])[0, 1] > 0.25


def test_response_times_are_skewed(load):
    answers = signal(load, "response", "search-es-01", NOON + 15.0 * np.arange(2000))
    around = answers - np.median(answers)
    assert np.nanmean(around**3) > 0


def test_neighbours_in_the_graph_move_together(load):
    times = NOON + 60.0 * np.arange(720)
    api, queue = (np.diff(np.log(signal(load, "requests", s, times))) for s in ("api-gateway-prod", "queue-kafka-01"))
    assert np.corrcoef(api, queue)[0, 1] > 0.3


def test_a_three_sigma_detector_cries_wolf(load):
    """Normal life is not a bell curve: at least 20 false alarms a server and week."""
    times = np.floor(NOON / DAY) * DAY + 60.0 * np.arange(8 * 1440)
    found = load.readings(times, metrics={"node_load1", "node_procs_running", "app_connections", "node_filefd_allocated"})
    past, week = found.values[:, :1440], found.values[:, 1440:]
    strange = np.abs(week - past.mean(axis=1, keepdims=True)) > 3 * past.std(axis=1, keepdims=True)
    alarms = (np.diff(strange.astype(int), axis=1) == 1).sum()
    assert alarms >= 20 * 20


def test_nights_have_their_jobs(load):
    night = np.floor(NOON / DAY) * DAY + 3600 + 60.0 * np.arange(-30, 60)
    received = rate(row(load.readings(night), "backup-01", "node_network_receive_bytes_total", device="eth0"), 60.0)
    assert np.median(received[40:60]) > 20 * np.median(received[:25])


def test_deployments_restart_programs_but_not_servers(load):
    afternoon = np.floor(NOON / DAY) * DAY + 15 * 3600
    times = (afternoon + DAY * np.arange(21)[:, None] + np.array([-30.0, 30.0])).reshape(-1)
    found = load.readings(times, metrics={"app_requests_total", "node_intr_total"})
    for name, least, most in (("app_requests_total", 15, 60), ("node_intr_total", 0, 0)):
        values = found.values[[n == name for n in found.names]]
        assert least <= (values[:, 1::2] < values[:, 0::2]).sum() <= most


def test_most_servers_have_been_up_for_weeks(load):
    booted = load.readings([NOON], metrics={"node_boot_time_seconds"}).values
    assert np.median(NOON - booted) > 30 * DAY
    assert booted.max() < NOON


def test_history_has_few_enough_series_for_the_budget_of_the_demo(load):
    """`deploy/local/seed.py` writes at most 5 million samples of these for a week."""
    layout = load.layout(SIGNAL_METRICS, SIGNAL_LABELS)
    assert len(layout.names) <= 20 * 46


def test_every_member_of_a_big_fleet_lives():
    found = Load(seed=3, servers=catalog.build(123)).readings(
        [NOON, NOON + 60], metrics={"node_context_switches_total", "app_requests_total"}
    )
    assert len(set(found.servers)) == 123
    assert (np.diff(found.values, axis=1) > 0).all()


def test_times_must_ascend(load):
    with pytest.raises(ValueError, match="ascending"):
        load.readings([NOON, NOON - 60])


def test_a_job_on_a_server_that_has_none_counts_the_same_every_night(load):
    job = (Fault("n", "batch_job", "monitoring-01", NOON - 10 * DAY, 2400, 0.6),)
    nights = [load.readings([NOON + d * DAY + t for t in (300, 1500)], job, {"node_cpu_seconds_total"}) for d in range(4)]
    modes = [sum(row(night, "monitoring-01", "node_cpu_seconds_total", mode="nice", cpu=cpu) for cpu in "01") for night in nights]
    assert [float(np.diff(nice)[0]) / 2400 for nice in modes] == pytest.approx([0.45] * 4, abs=0.03)
