"""The node_exporter dialect: state and counts in, (metric, labels, values) of every server out.

One list says which series a server shows, in the order of the page. Names, labels and units are node_exporter's; `app_*`
are the metrics of what runs on the server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from exporter.fleet import catalog
from exporter.fleet.model import State
from exporter.fleet.noise import Floats
from exporter.fleet.rates import MODES

Labels = tuple[tuple[str, str], ...]
FILE_HANDLES = 262_144.0
CONNECTIONS = 131_072.0


@dataclass(frozen=True)
class Host:
    """What gauges need besides the state, each [groups, members, 1]."""

    memory: Floats
    swap: Floats
    virtual: Floats
    mount_bytes: tuple[Floats, Floats]
    mount_files: tuple[Floats, Floats]


Gauge = Callable[[State, Host], Floats]


@dataclass(frozen=True)
class Slot:
    """One series that some servers show.

    Exactly one of `gauge`, `counter` (name in `rates.RATES`), `idle` (processor number) and `constant` says where values
    come from; `lopsided` is added to a counter with `tilt` as factor.
    """

    metric: str
    labels: Callable[[catalog.Server], Labels]
    shown: Callable[[catalog.Server], bool]
    gauge: Gauge | None = None
    counter: str = ""
    lopsided: str = ""
    tilt: int = 0
    idle: int = -1
    constant: Callable[[catalog.Server], float] | None = None


def _none(_: catalog.Server) -> Labels:
    return ()


def _always(_: catalog.Server) -> bool:
    return True


def _fixed(*labels: tuple[str, str]) -> Callable[[catalog.Server], Labels]:
    return lambda _: labels


def _step(values: Floats, quantum: float) -> Floats:
    return np.rint(values / quantum) * quantum


PAGE = 4096.0


def _processor() -> list[Slot]:
    found = []
    for cpu in range(max(s.cores for s in catalog.build())):

        def shown(server: catalog.Server, cpu: int = cpu) -> bool:
            return cpu < server.cores

        for mode in ("idle", *MODES):
            labels = _fixed(("cpu", str(cpu)), ("mode", mode))
            if mode == "idle":
                found.append(Slot("node_cpu_seconds_total", labels, shown, idle=cpu))
                continue
            lopsided = f"cpu_{mode}_lopsided" if mode in ("user", "system") else ""
            found.append(Slot("node_cpu_seconds_total", labels, shown, counter=f"cpu_{mode}", lopsided=lopsided, tilt=cpu))
    return found


def _memory_gauges() -> dict[str, Gauge]:
    def free(s: State, h: Host) -> Floats:
        return h.memory * (0.05 + 0.12 * (1 - s.used)) * (1 - s.used)

    def cached(s: State, h: Host) -> Floats:
        return h.memory * (1 - s.used) * 0.72

    return {
        "MemTotal": lambda s, h: h.memory + 0 * s.used,
        "MemFree": lambda s, h: _step(free(s, h), PAGE),
        "MemAvailable": lambda s, h: _step(h.memory * (1 - s.used), PAGE),
        "Buffers": lambda s, h: _step(h.memory * 0.012 * (1 - s.used), PAGE),
        "Cached": lambda s, h: _step(cached(s, h), PAGE),
        "Slab": lambda s, h: _step(h.memory * (0.03 + 0.01 * s.used), PAGE),
        "SwapTotal": lambda s, h: h.swap + 0 * s.used,
        "SwapFree": lambda s, h: _step(h.swap * (1 - s.swapped), PAGE),
    }


def _mount(server: catalog.Server, number: int) -> Labels:
    mount = server.mounts[number]
    return (("device", mount.device), ("fstype", "ext4"), ("mountpoint", mount.mountpoint))


def _filesystems() -> list[Slot]:
    found = []
    for number in (0, 1):

        def shown(server: catalog.Server, number: int = number) -> bool:
            return number < len(server.mounts)

        def labels(server: catalog.Server, number: int = number) -> Labels:
            return _mount(server, number)

        def avail(s: State, h: Host, number: int = number) -> Floats:
            return _step(h.mount_bytes[number] * (1 - s.fill[number]), PAGE)

        def free(s: State, h: Host, number: int = number) -> Floats:
            return _step(h.mount_bytes[number] * np.minimum(1 - s.fill[number] + 0.002, 1), PAGE)

        def inodes(s: State, h: Host, number: int = number) -> Floats:
            return np.rint(h.mount_files[number] * (0.97 - 0.22 * s.fill[number]))

        found += [
            Slot("node_filesystem_avail_bytes", labels, shown, avail),
            Slot("node_filesystem_free_bytes", labels, shown, free),
            Slot("node_filesystem_size_bytes", labels, shown, constant=lambda s, n=number: s.mounts[n].size_bytes),  # type: ignore[misc]
            Slot("node_filesystem_files", labels, shown, constant=lambda s, n=number: s.mounts[n].files),  # type: ignore[misc]
            Slot("node_filesystem_files_free", labels, shown, inodes),
            Slot("node_filesystem_readonly", labels, shown, constant=lambda _: 0.0),
            Slot("node_filesystem_device_error", labels, shown, constant=lambda _: 0.0),
        ]
    return found


_SDA = (("device", "sda"),)
_DISK = {
    "io_time_seconds": "disk_time",
    "io_time_weighted_seconds": "disk_weighted",
    "read_time_seconds": "disk_read_time",
    "write_time_seconds": "disk_write_time",
    "reads_completed": "disk_reads",
    "writes_completed": "disk_writes",
    "read_bytes": "disk_read_bytes",
    "written_bytes": "disk_written_bytes",
}


def _network() -> list[Slot]:
    found = []
    for way, ours in (("receive", "receive"), ("transmit", "send")):
        for what in ("bytes", "packets", "errs", "drop"):
            metric = f"node_network_{way}_{what}_total"
            found.append(Slot(metric, _fixed(("device", "eth0")), _always, counter=f"{ours}_{what}"))
            lo = _fixed(("device", "lo"))
            if what in ("bytes", "packets"):
                found.append(Slot(metric, lo, _always, counter=f"lo_{what}"))
            else:
                found.append(Slot(metric, lo, _always, constant=lambda _: 0.0))
    return found


def _collectors() -> list[Slot]:
    names = (
        "cpu",
        "meminfo",
        "filesystem",
        "diskstats",
        "netdev",
        "netstat",
        "loadavg",
        "stat",
        "filefd",
        "hwmon",
        "timex",
        "textfile",
    )
    found = []
    for number, name in enumerate(names):
        labels = _fixed(("collector", name))

        def took(s: State, h: Host, number: int = number) -> Floats:
            return _step((2e-4 + 1e-4 * number) * (1 + 0.6 * s.load / 4), 1e-6)

        found.append(Slot("node_scrape_collector_duration_seconds", labels, _always, took))
        found.append(Slot("node_scrape_collector_success", labels, _always, constant=lambda _: 1.0))
    return found


def _temperature(s: State, h: Host) -> Floats:
    # virtual machines show whole degrees, real ones half degrees
    return np.where(h.virtual > 0, np.rint(s.heat), _step(s.heat, 0.5))


_GAUGES: dict[str, Gauge] = {
    "node_load1": lambda s, h: _step(s.load, 0.01),
    "node_procs_running": lambda s, h: np.floor(s.running),
    "node_procs_blocked": lambda s, h: np.floor(s.blocked),
    "node_filefd_allocated": lambda s, h: np.minimum(_step(s.handles, 32), FILE_HANDLES),
    "node_netstat_Tcp_CurrEstab": lambda s, h: np.rint(s.connections + 6),
    "node_nf_conntrack_entries": lambda s, h: np.rint(s.connections * 1.7 + 40),
    "node_time_seconds": lambda s, h: s.times + s.offset,
    "node_timex_offset_seconds": lambda s, h: _step(s.offset, 1e-9),
    "node_timex_maxerror_seconds": lambda s, h: np.where(s.synchronised > 0, 0.0005 * (s.times % 1024), 16.0) + 0 * s.load,
    "node_timex_sync_status": lambda s, h: s.synchronised,
}
_CONSTANTS: dict[str, float] = {
    "node_filefd_maximum": FILE_HANDLES,
    "node_nf_conntrack_entries_limit": CONNECTIONS,
    "node_textfile_scrape_error": 0.0,
}
_COUNTERS: dict[str, str] = {
    "node_context_switches_total": "switches",
    "node_intr_total": "interrupts",
    "node_netstat_Tcp_RetransSegs": "retransmits",
    "node_netstat_Tcp_OutSegs": "out_segments",
    "node_netstat_Tcp_InSegs": "in_segments",
    "node_vmstat_pgmajfault": "major_faults",
}


def _serves(server: catalog.Server) -> bool:
    return server.serves


def _application() -> list[Slot]:
    counters = {
        "app_requests_total": "requests",
        "app_request_errors_total": "request_errors",
        "app_request_duration_seconds_sum": "request_seconds",
        "app_request_duration_seconds_count": "requests",
    }
    found = [Slot(metric, _none, _serves, counter=name) for metric, name in counters.items()]
    found.append(Slot("app_connections", _none, _serves, lambda s, h: np.rint(s.connections)))
    found.append(Slot("app_replication_lag_seconds", _none, lambda s: s.role == "db-replica", lambda s, h: _step(s.lag, 0.001)))
    for metric, name in {"app_cache_hits_total": "hits", "app_cache_misses_total": "misses"}.items():
        found.append(Slot(metric, _none, lambda s: s.role == "cache", counter=name))
    for number in range(max(len(s.depends_on) for s in catalog.build())):

        def on(server: catalog.Server, number: int = number) -> Labels:
            return (("on", server.depends_on[number]),)

        def shown(server: catalog.Server, number: int = number) -> bool:
            return number < len(server.depends_on)

        found.append(Slot("app_dependency_info", on, shown, constant=lambda _: 1.0))
    return found


def _uname(server: catalog.Server) -> Labels:
    return (
        ("domainname", "(none)"),
        ("machine", "x86_64"),
        ("nodename", server.hostname),
        ("release", "6.1.0-18-amd64"),
        ("sysname", "Linux"),
        ("version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1"),
    )


def slots() -> list[Slot]:
    """Every series of every kind of server, in the order of the page; `node_load5`, `node_load15` and boot are `load`'s own."""
    gauges = _GAUGES | {f"node_memory_{name}_bytes": gauge for name, gauge in _memory_gauges().items()}
    found = _processor() + _filesystems() + _network()
    found += [Slot(f"node_disk_{metric}_total", lambda _: _SDA, _always, counter=name) for metric, name in _DISK.items()]
    found += [Slot(metric, _none, _always, counter=name) for metric, name in _COUNTERS.items()]
    found += [Slot(metric, _none, _always, gauge) for metric, gauge in gauges.items()]
    found += [Slot(metric, _none, _always, constant=lambda _, v=value: v) for metric, value in _CONSTANTS.items()]  # type: ignore[misc]
    sensor = _fixed(("chip", "platform_coretemp_0"), ("sensor", "temp1"))
    found.append(Slot("node_hwmon_temp_celsius", sensor, _always, _temperature))
    found.append(Slot("node_uname_info", _uname, _always, constant=lambda _: 1.0))
    found += _collectors() + _application()
    return sorted(found, key=lambda slot: slot.metric)


# what the signals are made of: enough for history and benchmarks
SIGNAL_METRICS = frozenset({
    "node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes", "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes", "node_filesystem_files", "node_filesystem_files_free",
    "node_disk_io_time_seconds_total", "node_disk_read_time_seconds_total", "node_disk_write_time_seconds_total",
    "node_disk_reads_completed_total", "node_disk_writes_completed_total", "node_network_receive_bytes_total",
    "node_network_transmit_bytes_total", "node_network_receive_errs_total", "node_network_transmit_errs_total",
    "node_network_receive_drop_total", "node_network_transmit_drop_total", "node_netstat_Tcp_RetransSegs",
    "node_netstat_Tcp_OutSegs", "node_load1", "node_context_switches_total", "node_procs_running",
    "node_filefd_allocated", "node_hwmon_temp_celsius", "node_boot_time_seconds", "node_timex_offset_seconds",
    "app_requests_total", "app_request_errors_total", "app_request_duration_seconds_sum",
    "app_request_duration_seconds_count", "app_connections", "app_replication_lag_seconds", "app_cache_hits_total",
    "app_cache_misses_total", "app_dependency_info",
})  # fmt: skip
SIGNAL_LABELS: Mapping[str, frozenset[str]] = {
    "mode": frozenset({"idle", "iowait", "nice", "steal"}),
    "device": frozenset({"eth0", "sda", "/dev/sda1", "/dev/sda2"}),
}
# these hardly move: history may carry them at a coarser step
SLOW_METRICS = frozenset({
    "node_memory_MemTotal_bytes", "node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes",
    "node_filesystem_size_bytes", "node_filesystem_files", "node_filesystem_files_free",
    "node_filesystem_avail_bytes", "node_boot_time_seconds", "node_hwmon_temp_celsius", "node_timex_offset_seconds",
    "app_dependency_info",
})  # fmt: skip
# what an exporter that hangs stops refreshing, by the first word of `stuck_metric`'s choice
STUCK: dict[str, tuple[str, ...]] = {
    "memory": ("node_memory_MemAvailable_bytes", "node_memory_MemFree_bytes", "node_memory_Cached_bytes",
               "node_memory_Buffers_bytes"),
    "network": ("node_network_receive_bytes_total", "node_network_transmit_bytes_total"),
    "load": ("node_load1", "node_load5", "node_load15"),
    "switches": ("node_context_switches_total", "node_intr_total"),
    "requests": ("app_requests_total", "app_request_errors_total", "app_request_duration_seconds_sum",
                 "app_request_duration_seconds_count", "app_connections"),
}  # fmt: skip
