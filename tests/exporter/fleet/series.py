"""Rows of readings by name, and the few signals that the tests look at."""

import numpy as np

from exporter.fleet.load import Load, Readings

DAY = 86_400.0
NOON = 1_760_011_200.0  # Thursday, 2025-10-09 12:00 UTC


def row(readings: Readings, server: str, metric: str, **labels: str) -> np.ndarray:
    """The one row with these labels."""
    found = [
        i
        for i, (host, name, pairs) in enumerate(zip(readings.servers, readings.names, readings.labels, strict=True))
        if host == server and name == metric and labels.items() <= dict(pairs).items()
    ]
    assert len(found) == 1, f"{len(found)} rows for {server} {metric} {labels}"
    return readings.values[found[0]]


def rate(values: np.ndarray, step: float) -> np.ndarray:
    """Increase a second; NaN where a counter began again."""
    change = np.diff(values)
    return np.where(change < 0, np.nan, change) / step


def signal(load: Load, name: str, server: str, times: np.ndarray, faults: tuple = ()) -> np.ndarray:
    """One signal of one server, [T] or [T - 1]."""
    step = times[1] - times[0]

    def get(metric: str, **labels: str) -> np.ndarray:
        return row(load.readings(times, faults, metrics={metric}), server, metric, **labels)

    def speed(metric: str, **labels: str) -> np.ndarray:
        return rate(get(metric, **labels), step)

    if name in ("idle", "iowait", "steal", "nice"):
        return speed("node_cpu_seconds_total", cpu="0", mode=name)
    if name == "memory":
        return 1 - get("node_memory_MemAvailable_bytes") / get("node_memory_MemTotal_bytes")
    if name == "response":
        return speed("app_request_duration_seconds_sum") / speed("app_request_duration_seconds_count")
    if name == "errors":
        return speed("app_request_errors_total") / speed("app_requests_total")
    if name == "hit":
        hits = speed("app_cache_hits_total")
        return hits / (hits + speed("app_cache_misses_total"))
    if name == "retransmits":
        return speed("node_netstat_Tcp_RetransSegs") / speed("node_netstat_Tcp_OutSegs")
    if name == "disk_latency":
        return speed("node_disk_read_time_seconds_total") / speed("node_disk_reads_completed_total")
    if name == "fill":
        return 1 - get("node_filesystem_avail_bytes", device="/dev/sda2") / get("node_filesystem_size_bytes", device="/dev/sda2")
    if name == "send":
        return speed("node_network_transmit_bytes_total", device="eth0")
    if name == "requests":
        return speed("app_requests_total")
    return get(name)
