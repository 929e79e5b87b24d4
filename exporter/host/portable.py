"""psutil -> readings, for machines without /proc. What the platform cannot give is absent.

Names are those of Linux where the meaning is the same, so that signals, rules and dashboards work for every host.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import psutil

from exporter.host.disk import IGNORED_MOUNTS, IGNORED_TYPES
from exporter.host.files import NoDataError, Paths
from exporter.render import Reading

MEMORY = {
    "total": "node_memory_MemTotal_bytes",
    "available": "node_memory_MemAvailable_bytes",
    "free": "node_memory_MemFree_bytes",
    "buffers": "node_memory_Buffers_bytes",
    "cached": "node_memory_Cached_bytes",
    "active": "node_memory_Active_bytes",
    "inactive": "node_memory_Inactive_bytes",
}
DISK = {
    "read_count": ("node_disk_reads_completed_total", 1.0),
    "write_count": ("node_disk_writes_completed_total", 1.0),
    "read_bytes": ("node_disk_read_bytes_total", 1.0),
    "write_bytes": ("node_disk_written_bytes_total", 1.0),
    "read_time": ("node_disk_read_time_seconds_total", 0.001),
    "write_time": ("node_disk_write_time_seconds_total", 0.001),
    "busy_time": ("node_disk_io_time_seconds_total", 0.001),
}
NETWORK = {
    "bytes_recv": "node_network_receive_bytes_total",
    "bytes_sent": "node_network_transmit_bytes_total",
    "packets_recv": "node_network_receive_packets_total",
    "packets_sent": "node_network_transmit_packets_total",
    "errin": "node_network_receive_errs_total",
    "errout": "node_network_transmit_errs_total",
    "dropin": "node_network_receive_drop_total",
    "dropout": "node_network_transmit_drop_total",
}


def portable(paths: Paths) -> Iterator[Reading]:
    """Everything that psutil knows on this platform; a part that it does not know is left out."""
    parts: tuple[Callable[[], Iterator[Reading]], ...] = (cpu, memory, disks, filesystems, network, system)
    found = False
    for part in parts:
        try:
            for reading in part():
                found = True
                yield reading
        except (OSError, RuntimeError, AttributeError, NotImplementedError):
            continue  # psutil's ways to say that this platform, or this user, cannot have it
    if not found:
        raise NoDataError("psutil knows nothing here")


def cpu() -> Iterator[Reading]:
    """CPU seconds by mode, and load."""
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"):
            if hasattr(times, mode):
                yield "node_cpu_seconds_total", (("cpu", str(number)), ("mode", mode)), float(getattr(times, mode))
    for name, value in zip(("node_load1", "node_load5", "node_load15"), psutil.getloadavg(), strict=True):
        yield name, (), float(value)


def memory() -> Iterator[Reading]:
    """Memory and swap."""
    now = psutil.virtual_memory()
    for field, name in MEMORY.items():
        if hasattr(now, field):
            yield name, (), float(getattr(now, field))
    swap = psutil.swap_memory()
    yield "node_memory_SwapTotal_bytes", (), float(swap.total)
    yield "node_memory_SwapFree_bytes", (), float(swap.free)


def disks() -> Iterator[Reading]:
    """Counters of every disk."""
    for device, counters in (psutil.disk_io_counters(perdisk=True) or {}).items():
        for field, (name, unit) in DISK.items():
            if hasattr(counters, field):
                yield name, (("device", device),), float(getattr(counters, field)) * unit


def filesystems() -> Iterator[Reading]:
    """Size and free space of mounted disks."""
    for it in psutil.disk_partitions(all=False):
        if IGNORED_MOUNTS.match(it.mountpoint) or IGNORED_TYPES.match(it.fstype):
            continue
        try:
            stat = os.statvfs(it.mountpoint)
        except OSError:
            continue
        labels = (("device", it.device), ("fstype", it.fstype), ("mountpoint", it.mountpoint))
        yield "node_filesystem_size_bytes", labels, float(stat.f_blocks * stat.f_frsize)
        yield "node_filesystem_free_bytes", labels, float(stat.f_bfree * stat.f_frsize)
        yield "node_filesystem_avail_bytes", labels, float(stat.f_bavail * stat.f_frsize)
        yield "node_filesystem_files", labels, float(stat.f_files)
        yield "node_filesystem_files_free", labels, float(stat.f_ffree)
        yield "node_filesystem_readonly", labels, 1.0 if "ro" in it.opts.split(",") else 0.0


def network() -> Iterator[Reading]:
    """Counters of every interface except the loopback."""
    states = psutil.net_if_stats()
    for device, counters in psutil.net_io_counters(pernic=True).items():
        if device.startswith("lo"):
            continue
        labels = (("device", device),)
        for field, name in NETWORK.items():
            yield name, labels, float(getattr(counters, field))
        if device in states:
            yield "node_network_up", labels, 1.0 if states[device].isup else 0.0


def system() -> Iterator[Reading]:
    """When it started, and how often it switched tasks."""
    yield "node_boot_time_seconds", (), float(psutil.boot_time())
    stats = psutil.cpu_stats()
    yield "node_context_switches_total", (), float(stats.ctx_switches)
    yield "node_intr_total", (), float(stats.interrupts)
