"""A real node_exporter beside ours on this machine: the same names, labels, types and, within noise, values."""

import re
import urllib.request

import pytest

from deploy.local.servers import start_node_exporter
from exporter.host.files import Paths
from exporter.host.machine import ON_BY_DEFAULT, Host, Settings
from tests.exporter.compat import Page, compare, parse

pytestmark = pytest.mark.servers

# what dashboards and alerts use and every Linux can give; a look at the page of both must show each of them
NAMES = [
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cpu_guest_seconds_total",
    "node_cpu_seconds_total",
    "node_entropy_available_bits",
    "node_filefd_allocated",
    "node_filefd_maximum",
    "node_forks_total",
    "node_intr_total",
    "node_load1",
    "node_load15",
    "node_load5",
    "node_memory_Active_anon_bytes",
    "node_memory_Buffers_bytes",
    "node_memory_Cached_bytes",
    "node_memory_Committed_AS_bytes",
    "node_memory_HugePages_Total",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemFree_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_Slab_bytes",
    "node_memory_SwapFree_bytes",
    "node_memory_SwapTotal_bytes",
    "node_netstat_Icmp_InMsgs",
    "node_netstat_IpExt_InOctets",
    "node_netstat_TcpExt_ListenDrops",
    "node_netstat_TcpExt_TCPTimeouts",
    "node_netstat_Tcp_ActiveOpens",
    "node_netstat_Tcp_CurrEstab",
    "node_netstat_Tcp_InSegs",
    "node_netstat_Tcp_OutSegs",
    "node_netstat_Tcp_RetransSegs",
    "node_netstat_Udp_InDatagrams",
    "node_network_info",
    "node_network_mtu_bytes",
    "node_network_up",
    "node_procs_blocked",
    "node_procs_running",
    "node_scrape_collector_duration_seconds",
    "node_scrape_collector_success",
    "node_sockstat_TCP_inuse",
    "node_sockstat_TCP_mem_bytes",
    "node_sockstat_sockets_used",
    "node_softnet_dropped_total",
    "node_softnet_processed_total",
    "node_textfile_scrape_error",
    "node_time_seconds",
    "node_timex_maxerror_seconds",
    "node_timex_offset_seconds",
    "node_timex_sync_status",
    "node_udp_queues",
    "node_uname_info",
    "node_vmstat_oom_kill",
    "node_vmstat_pgfault",
    "node_vmstat_pgmajfault",
]


@pytest.fixture(scope="module")
def looks(tmp_path_factory):
    """(ours, theirs, ours) several times over."""
    folder = tmp_path_factory.mktemp("node_exporter")
    theirs = start_node_exporter(folder, extra=[f"--collector.textfile.directory={folder}"])
    host = Host(Settings(Paths(), ON_BY_DEFAULT, str(folder), 5.0))
    try:
        theirs.wait_ready("/metrics")
        yield [(page(host), fetched(theirs.url), page(host)) for _ in range(8)]
    finally:
        host.close()
        theirs.stop()


def page(host):
    return parse(host.text().decode())


def fetched(url):
    with urllib.request.urlopen(url + "/metrics", timeout=10) as reply:
        return parse(reply.read().decode())


@pytest.mark.parametrize("name", NAMES)
def test_name_is_on_both_pages(looks, name):
    before, theirs, _ = looks[0]
    assert name in theirs.names
    assert name in before.names


def test_every_series_of_node_exporter_is_ours_with_its_type_and_value(looks):
    assert [(v.series, v.word, v.detail) for v in compare(looks) if not v.good] == []


def test_most_values_are_equal_to_the_last_digit(looks):
    words = [verdict.word for verdict in compare(looks)]
    assert words.count("equal") > 0.9 * (words.count("equal") + words.count("noise"))


def test_node_exporters_name_is_not_claimed(looks):
    assert "node_exporter_build_info" not in looks[0][0].names


def test_series_that_node_exporter_lacks_are_few_and_newer(looks):
    before, theirs, _ = looks[0]
    extra = {name for name in before.names - theirs.names if re.match(r"node_(?!systemd_)", name)}
    newer = {
        "node_kernel_hung_tasks",
        "node_netstat_TcpExt_TCPOFOQueue",
        "node_netstat_TcpExt_TCPRcvQDrop",
        "node_pressure_irq_stalled_seconds_total",
        "node_softnet_flow_limit_count_total",
        "node_softnet_received_rps_total",
    }
    assert extra <= newer


def changed(page, name, factor):
    """A copy of the page with one value changed; without it where the factor is None."""
    values = dict(page.values)
    value = values.pop((name, ()))
    return Page(values if factor is None else {**values, (name, ()): value * factor}, page.types)


@pytest.mark.parametrize(("factor", "word"), [(None, "missing"), (1024, "value"), (1, "equal")])
def test_comparison_notices_what_is_wrong(looks, factor, word):
    name = "node_memory_MemTotal_bytes"
    before, theirs, after = looks[0]
    verdicts = compare([(changed(before, name, factor), theirs, changed(after, name, factor))])
    assert [it.word for it in verdicts if it.series[0] == name] == [word]
