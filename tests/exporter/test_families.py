"""The table of names: complete, typed as its names say, and described."""

import subprocess

import pytest

from deploy.local.servers import need
from exporter.families import FAMILIES, family
from exporter.render import Page

MIXIN = [
    "node_bonding_active",
    "node_bonding_slaves",
    "node_cpu_seconds_total",
    "node_disk_io_time_seconds_total",
    "node_disk_io_time_weighted_seconds_total",
    "node_filefd_allocated",
    "node_filefd_maximum",
    "node_filesystem_avail_bytes",
    "node_filesystem_files",
    "node_filesystem_files_free",
    "node_filesystem_readonly",
    "node_filesystem_size_bytes",
    "node_load1",
    "node_md_disks",
    "node_md_disks_required",
    "node_memory_Buffers_bytes",
    "node_memory_Cached_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemFree_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_Slab_bytes",
    "node_network_receive_bytes_total",
    "node_network_receive_drop_total",
    "node_network_receive_errs_total",
    "node_network_receive_packets_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_packets_total",
    "node_nf_conntrack_entries",
    "node_nf_conntrack_entries_limit",
    "node_systemd_service_restart_total",
    "node_systemd_unit_state",
    "node_textfile_scrape_error",
    "node_timex_maxerror_seconds",
    "node_timex_offset_seconds",
    "node_timex_sync_status",
    "node_vmstat_pgmajfault",
]


@pytest.mark.parametrize("name", MIXIN)
def test_every_name_of_the_node_mixin_is_declared(name):
    assert family(name).name == name


def test_counters_and_only_counters_end_in_total():
    assert {name for name, it in FAMILIES.items() if it.kind == "counter"} == {n for n in FAMILIES if n.endswith("_total")}


def test_every_family_is_described_in_one_sentence():
    assert [it.name for it in FAMILIES.values() if not it.help.endswith(".") or "\n" in it.help] == []


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("node_cpu_seconds_total", "seconds"),
        ("node_memory_MemFree_bytes", "bytes"),
        ("node_load1", ""),
        ("node_uname_info", "info"),
    ],
)
def test_unit_is_read_from_the_name(name, unit):
    assert family(name).unit == unit


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("node_netstat_Tcp_RetransSegs", "untyped"),
        ("node_vmstat_pgmajfault", "untyped"),
        ("node_sockstat_TCP_inuse", "gauge"),
        ("node_memory_HugePages_Free", "gauge"),
    ],
)
def test_kernel_field_names_have_node_exporters_types(name, kind):
    assert family(name).kind == kind


@pytest.mark.servers
def test_promtool_has_nothing_to_say_about_own_names():
    own = [name for name in FAMILIES if name.startswith("openmanager_")]
    text = Page(own, [{"server": "a"}] * len(own)).text([1] * len(own))
    check = subprocess.run([need("promtool"), "check", "metrics"], check=False, input=text, capture_output=True)
    assert (check.returncode, check.stdout + check.stderr) == (0, b"")
