"""Every simulated server speaks node_exporter's dialect."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.fleet.fleet import Fleet
from tests.exporter.fleet.series import NOON

# what the node-mixin's recording rules read, with the labels that they aggregate away or keep
RULES = {
    "node_cpu_seconds_total": {"cpu", "mode"},
    "node_load1": set(),
    "node_memory_MemAvailable_bytes": set(),
    "node_memory_Buffers_bytes": set(),
    "node_memory_Cached_bytes": set(),
    "node_memory_MemFree_bytes": set(),
    "node_memory_Slab_bytes": set(),
    "node_memory_MemTotal_bytes": set(),
    "node_vmstat_pgmajfault": set(),
    "node_disk_io_time_seconds_total": {"device"},
    "node_disk_io_time_weighted_seconds_total": {"device"},
    "node_network_receive_bytes_total": {"device"},
    "node_network_transmit_bytes_total": {"device"},
    "node_network_receive_drop_total": {"device"},
    "node_network_transmit_drop_total": {"device"},
}
ALERTS = """
node_filesystem_avail_bytes node_filesystem_size_bytes node_filesystem_readonly node_filesystem_files node_filesystem_files_free
node_network_receive_errs_total node_network_receive_packets_total node_network_transmit_errs_total
node_network_transmit_packets_total node_nf_conntrack_entries node_nf_conntrack_entries_limit node_textfile_scrape_error
node_timex_sync_status node_timex_maxerror_seconds node_timex_offset_seconds node_filefd_allocated node_filefd_maximum
node_disk_read_time_seconds_total node_disk_writes_completed_total node_netstat_Tcp_RetransSegs node_context_switches_total
node_intr_total node_procs_running node_procs_blocked node_hwmon_temp_celsius node_boot_time_seconds node_time_seconds
node_uname_info node_scrape_collector_success node_scrape_collector_duration_seconds node_load5 node_load15
"""


@pytest.fixture(scope="module")
def pages():
    fleet = Fleet(seed=1, start=NOON - 60)
    return {server.hostname: fleet.page(server.hostname, NOON).decode() for server in fleet.servers}


def samples(page):
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def test_every_server_has_what_the_recording_rules_read(pages):
    for hostname, page in pages.items():
        found = {sample.name: set(sample.labels) for sample in samples(page)}
        assert {name: found.get(name) for name in RULES} == RULES, hostname


def test_every_server_has_what_alerts_and_dashboards_read(pages):
    for hostname, page in pages.items():
        assert set(ALERTS.split()) <= {sample.name for sample in samples(page)}, hostname


def test_processors_have_all_modes(pages):
    modes = {s.labels["mode"] for s in samples(pages["db-master-01"]) if s.name == "node_cpu_seconds_total"}
    assert modes == {"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"}
    assert len([s for s in samples(pages["db-master-01"]) if s.name == "node_cpu_seconds_total"]) == 4 * 8


def test_a_page_repeats_no_series_and_no_family(pages):
    for page in pages.values():
        lines = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
        assert len(lines) == len(set(lines))
        assert page.count("# TYPE") == len({line for line in page.splitlines() if line.startswith("# TYPE")})


def test_roles_show_what_only_they_have(pages):
    assert "app_cache_hits_total" in pages["cache-redis-01"]
    assert "app_cache_hits_total" not in pages["web-prod-01"]
    assert "app_replication_lag_seconds" in pages["db-replica-01"]
    assert "app_requests_total" not in pages["backup-01"]


def test_topology_reaches_prometheus_as_a_series(pages):
    on = {s.labels["on"] for s in samples(pages["web-prod-01"]) if s.name == "app_dependency_info"}
    assert on == {"api-gateway-prod", "cache-redis-01", "storage-nas-01"}


def test_the_page_names_its_server_only_where_a_real_one_does(pages):
    named = [s for s in samples(pages["mail-01"]) if "mail-01" in s.labels.values()]
    assert [(s.name, s.labels["nodename"]) for s in named] == [("node_uname_info", "mail-01")]
