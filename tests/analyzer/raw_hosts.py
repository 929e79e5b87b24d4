"""Raw samples of two made-up hosts, with everything that real ones do: gaps, counters that start over, hot-plugged devices."""

import subprocess

import numpy as np

from analyzer.evaluate import Raw
from analyzer.promql import quote
from deploy.local.servers import need, start_prometheus

MODES = ("idle", "iowait", "nice", "steal", "user", "system")
COUNTERS = {
    "node_disk_io_time_seconds_total": ({"device": "sda"}, {"device": "loop0"}),
    "node_disk_read_time_seconds_total": ({"device": "sda"}, {"device": "nvme0n1"}),
    "node_disk_write_time_seconds_total": ({"device": "sda"}, {"device": "nvme0n1"}),
    "node_disk_reads_completed_total": ({"device": "sda"}, {"device": "nvme0n1"}),
    "node_disk_writes_completed_total": ({"device": "sda"}, {"device": "nvme0n1"}),
    "node_network_receive_bytes_total": ({"device": "eth0"}, {"device": "lo"}, {"device": "ens5"}),
    "node_network_transmit_bytes_total": ({"device": "eth0"}, {"device": "veth12ab"}),
    "node_network_receive_errs_total": ({"device": "eth0"},),
    "node_network_transmit_errs_total": ({"device": "eth0"},),
    "node_network_receive_drop_total": ({"device": "eth0"},),
    "node_network_transmit_drop_total": ({"device": "eth0"},),
    "node_netstat_Tcp_RetransSegs": ({},),
    "node_netstat_Tcp_OutSegs": ({},),
    "node_context_switches_total": ({},),
    "app_requests_total": ({},),
    "app_request_errors_total": ({},),
    "app_request_duration_seconds_sum": ({},),
    "app_request_duration_seconds_count": ({},),
    "app_cache_hits_total": ({},),
    "app_cache_misses_total": ({},),
}
_MOUNTS = (
    {"device": "/dev/sda1", "fstype": "ext4", "mountpoint": "/"},
    {"device": "/dev/sdb1", "fstype": "xfs", "mountpoint": "/var/lib/데이터"},
    {"device": "tmpfs", "fstype": "tmpfs", "mountpoint": "/run"},
)
GAUGES = {
    "node_memory_MemAvailable_bytes": ({},),
    "node_memory_MemTotal_bytes": ({},),
    "node_memory_SwapFree_bytes": ({},),
    "node_memory_SwapTotal_bytes": ({},),
    "node_filesystem_avail_bytes": _MOUNTS,
    "node_filesystem_size_bytes": _MOUNTS,
    "node_filesystem_files_free": _MOUNTS,
    "node_filesystem_files": _MOUNTS,
    "node_load1": ({},),
    "node_procs_running": ({},),
    "node_filefd_allocated": ({},),
    "node_hwmon_temp_celsius": ({"chip": "a", "sensor": "temp1"}, {"chip": "a", "sensor": "temp2"}),
    "node_boot_time_seconds": ({},),
    "node_timex_offset_seconds": ({},),
    "up": ({},),
    "app_connections": ({},),
    "app_replication_lag_seconds": ({},),
}


def raw_hosts(end, *, step=15.0, columns=160, seed=3):
    """`Raw` that ends at `end`: every kind of gap from one missed scrape to ten minutes of silence, and counter resets."""
    rng = np.random.default_rng(seed)
    tables = {
        **COUNTERS,
        **GAUGES,
        "node_cpu_seconds_total": tuple({"cpu": str(c), "mode": m} for c in range(2) for m in MODES),
    }
    names, labels, rows = [], [], []
    for host in ("web-01:9100", "db-01:9100"):
        for name, sets in tables.items():
            for own in sets:
                names.append(name)
                labels.append(tuple(sorted({**own, "instance": host, "job": "node", "role": host[:2]}.items())))
                rows.append(_row(rng, name, columns))
    times = np.round(end - step * np.arange(columns)[::-1], 3)
    return Raw(tuple(names), tuple(labels), times, np.array(rows))


def _row(rng, name, columns):
    if name == "up":
        values = np.ones(columns)
    elif name == "node_memory_SwapTotal_bytes":
        values = np.where(np.arange(columns) < 40, 0.0, 4e9)
    elif name in GAUGES:
        values = rng.uniform(1e3, 1e9, columns)
    else:
        grown = rng.gamma(0.6, rng.choice([0.01, 10.0, 1e6]), columns) * (rng.random(columns) > 0.2)
        values = np.cumsum(grown) + rng.choice([0.0, 1.0, 1e12])
        for at in rng.integers(1, columns, rng.integers(0, 4)):
            values[at:] -= values[at]  # started over
        values = np.maximum(values, 0)
    values[rng.random(columns) < rng.choice([0.0, 0.05, 0.3])] = np.nan
    if rng.random() < 0.3:
        at = rng.integers(0, columns)
        values[at : at + rng.integers(5, 40)] = np.nan
    return values


def prometheus_with(raw, folder):
    """A real Prometheus that holds these samples; the caller stops it."""
    lines = []
    for name, labels, values in zip(raw.names, raw.labels, raw.values, strict=True):
        text = ",".join(f"{key}={quote(value)}" for key, value in labels)
        samples = zip(raw.times.tolist(), values.tolist(), strict=True)
        lines += [f"{name}{{{text}}} {value!r} {at:.3f}" for at, value in samples if not np.isnan(value)]
    (folder / "raw.om").write_text("\n".join([*lines, "# EOF", ""]))
    (folder / "prom.yml").write_text("global: {scrape_interval: 1h}\n")
    command = [need("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q", folder / "raw.om", folder / "prometheus"]
    subprocess.run(command, check=True, capture_output=True)
    return start_prometheus(folder / "prom.yml", folder, extra=("--storage.tsdb.retention.time=30d",)).wait_ready()
