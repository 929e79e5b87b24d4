"""This machine's readings -> the JSON of `/api/host`.

Numbers come from the same time-limited readings as `/metrics`; rates are taken between two of them. The tables (processes,
services, logs) are read only when the caller may see them.
"""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.host import programs, tables
from exporter.host.files import Paths, read_or_none
from exporter.host.limited import Limited, Refreshed
from exporter.host.machine import Host
from exporter.render import Reading

SHORTEST_SECONDS = 0.2
LONGEST_SECONDS = 120.0
TABLE_ROWS = 50
TABLE_LIMIT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Readings of one moment: `by_name` holds (labels, value) of every series of a name."""

    at: float
    by_name: dict[str, list[tuple[dict[str, str], float]]]
    processes: dict[int, tables.Process] = field(default_factory=dict)

    @classmethod
    def of(cls, readings: Sequence[Reading], processes: dict[int, tables.Process] | None = None) -> Moment:
        """Sort readings by name."""
        by_name: dict[str, list[tuple[dict[str, str], float]]] = {}
        for name, labels, value in readings:
            by_name.setdefault(name, []).append((dict(labels), value))
        return cls(time.monotonic(), by_name, processes or {})

    def one(self, name: str) -> float | None:
        """The value of a series without labels, or None."""
        found = self.by_name.get(name)
        return found[0][1] if found else None

    def total(self, *names: str, **where: str) -> float:
        """The sum over series whose labels are as asked."""
        return sum(
            value
            for name in names
            for labels, value in self.by_name.get(name, ())
            if all(labels.get(label) == wanted for label, wanted in where.items())
        )


class Overview:
    """Answers for people who look at this machine.

    Parameters
    ----------
    host
        Where readings come from.
    sleep
        Waits between two readings when there is no earlier one to compare with.
    """

    def __init__(self, host: Host, sleep: Callable[[float], None] = time.sleep) -> None:
        self.host = host
        self.paths: Paths = host.settings.paths
        self.sleep = sleep
        self.limited: Limited[Any] = Limited(TABLE_LIMIT_SECONDS, "tables")
        self.units = Refreshed(programs.systemd_units)
        self.gpus = Refreshed(programs.gpus, every=5.0)
        self.last: Moment | None = None

    def moments(self, with_processes: bool) -> tuple[Moment, Moment]:
        """An earlier moment and now."""
        before = self.last
        if before is None or time.monotonic() - before.at > LONGEST_SECONDS or (with_processes and not before.processes):
            before = self.moment(with_processes)
        missing = SHORTEST_SECONDS - (time.monotonic() - before.at)
        if missing > 0:
            self.sleep(missing)
        now = self.moment(with_processes)
        self.last = now
        return before, now

    def moment(self, with_processes: bool) -> Moment:
        """Readings of now, and the process table if it is wanted."""
        running = self.limited.run({"processes": lambda: tables.processes(self.paths)}) if with_processes else {}
        return Moment.of(self.host.readings(), running["processes"].value if running else None)

    def answer(self, with_tables: bool) -> dict[str, Any]:
        """The whole object; blocks for a moment."""
        before, now = self.moments(with_tables)
        answer = {
            "server": self.server(),
            "cpu": self.cpu(before, now),
            "memory": memory(now),
            "disk": disk(before, now),
            "network": network(before, now),
            "gpu": self.gpu(),
        }
        return answer | self.tables(before, now) if with_tables else answer

    def server(self) -> dict[str, Any]:
        """Who this machine is."""
        up = tables.uptime_seconds(self.paths)
        return {
            "hostname": socket.gethostname(),
            "ip": own_address(),
            "platform": f"{platform.system()} {platform.release()}",
            "arch": platform.machine(),
            "uptime": tables.duration(up),
            "uptime_seconds": up,
        }

    def cpu(self, before: Moment, now: Moment) -> dict[str, Any]:
        """Usage in percent of all cores, temperature in degrees Celsius; null where it cannot be known."""
        name = "node_cpu_seconds_total"
        total = now.total(name) - before.total(name)
        idle = sum(now.total(name, mode=mode) - before.total(name, mode=mode) for mode in ("idle", "iowait"))
        temperatures = [value for _, value in now.by_name.get("node_hwmon_temp_celsius", ())]
        temperatures += [value for _, value in now.by_name.get("node_thermal_zone_temp", ())]
        return {
            "usage": percent(total - idle, total),
            "cores": os.cpu_count(),
            "model": self.cpu_model(),
            "temperature": max(temperatures, default=None),
        }

    def cpu_model(self) -> str | None:
        """What the processor calls itself."""
        for line in (read_or_none(self.paths.proc("cpuinfo")) or "").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
        return platform.processor() or None

    def gpu(self) -> list[dict[str, Any]]:
        """One entry per GPU that nvidia-smi shows."""
        outcome = self.limited.run({"gpu": lambda: self.gpus.get(wait=1.0)})["gpu"]
        return [gpu(row) for row in outcome.value or ()]

    def tables(self, before: Moment, now: Moment) -> dict[str, Any]:
        """Processes that use most, services, and the newest logs; what cannot be had in time is empty."""
        outcomes = self.limited.run(
            {
                "units": lambda: self.units.get(wait=2.0),
                "owners": lambda: tables.listening(self.paths),
                "logs": lambda: tables.logs(self.paths, TABLE_ROWS),
            }
        )
        up = tables.uptime_seconds(self.paths)
        owners = outcomes["owners"].value or {}
        return {
            "processes": busiest(before, now)[:TABLE_ROWS],
            "services": tables.services(now.processes, owners, outcomes["units"].value, up),
            "logs": outcomes["logs"].value or [],
        }

    def close(self) -> None:
        """Lets the idle thread end."""
        self.limited.close()


def memory(now: Moment) -> dict[str, Any]:
    """Bytes, and used memory in percent."""
    total, available = now.one("node_memory_MemTotal_bytes"), now.one("node_memory_MemAvailable_bytes")
    used = None if total is None or available is None else total - available
    return {
        "total": total,
        "used": used,
        "free": now.one("node_memory_MemFree_bytes"),
        "available": available,
        "cached": now.one("node_memory_Cached_bytes"),
        "buffers": now.one("node_memory_Buffers_bytes"),
        "usage": None if used is None or total is None else percent(used, total),
        "swapTotal": now.one("node_memory_SwapTotal_bytes"),
        "swapFree": now.one("node_memory_SwapFree_bytes"),
    }


def disk(before: Moment, now: Moment) -> dict[str, Any]:
    """Bytes of all file systems together and one by one, and operations per second of all devices."""
    filesystems: list[dict[str, Any]] = []
    for labels, size in now.by_name.get("node_filesystem_size_bytes", ()):
        free, available = (now.total(f"node_filesystem_{part}_bytes", **labels) for part in ("free", "avail"))
        usage = percent(size - free, size - free + available)  # as df counts: what is reserved for root is nobody's
        filesystems.append({**labels, "total": size, "used": size - free, "available": available, "usage": usage})
    total, used, available = (sum(it[key] for it in filesystems) for key in ("total", "used", "available"))
    operations = ("node_disk_reads_completed_total", "node_disk_writes_completed_total")
    return {
        "total": total,
        "used": used,
        "free": available,
        "usage": percent(used, used + available),
        "iops": round((now.total(*operations) - before.total(*operations)) / (now.at - before.at), 2),
        "filesystems": filesystems,
    }


def network(before: Moment, now: Moment) -> dict[str, Any]:
    """Bytes since boot, and bytes per second, by interface."""
    interfaces = []
    received, sent = "node_network_receive_bytes_total", "node_network_transmit_bytes_total"
    for labels, rx in now.by_name.get(received, ()):
        tx = now.total(sent, **labels)
        elapsed = now.at - before.at
        interfaces.append(
            {
                "name": labels["device"],
                "rx": rx,
                "tx": tx,
                "rxRate": round((rx - before.total(received, **labels)) / elapsed, 1),
                "txRate": round((tx - before.total(sent, **labels)) / elapsed, 1),
                "up": now.total("node_network_up", **labels) == 1.0,
            }
        )
    return {"interfaces": interfaces, "totalRx": sum(it["rx"] for it in interfaces), "totalTx": sum(it["tx"] for it in interfaces)}


def busiest(before: Moment, now: Moment) -> list[dict[str, Any]]:
    """Processes by CPU and then memory, both in percent; CPU of one core, as top shows it."""
    total = now.one("node_memory_MemTotal_bytes") or 0.0
    rows = []
    for pid, it in now.processes.items():
        earlier = before.processes.get(pid)
        known = earlier is not None and earlier.started == it.started
        used = it.cpu_seconds - (earlier.cpu_seconds if known and earlier else 0.0)
        rows.append(
            {
                "pid": pid,
                "name": it.name,
                "cpu": percent(used, now.at - before.at) if known else 0.0,
                "memory": percent(it.memory_bytes, total),
                "status": it.status,
            }
        )
    return sorted(rows, key=lambda row: (-float(row["cpu"] or 0), -float(row["memory"] or 0), row["pid"]))


def gpu(row: dict[str, str]) -> dict[str, Any]:
    """One GPU: percent, bytes, degrees Celsius, watts."""
    return {
        "index": int(row["index"]),
        "name": row["name"],
        "usage": programs.gpu_number(row, "utilization.gpu", 1.0),
        "memoryUsed": programs.gpu_number(row, "memory.used", programs.MIB),
        "memoryTotal": programs.gpu_number(row, "memory.total", programs.MIB),
        "temperature": programs.gpu_number(row, "temperature.gpu", 1.0),
        "power": programs.gpu_number(row, "power.draw", 1.0),
    }


def percent(part: float, whole: float) -> float | None:
    """A share in percent, two decimals; None of nothing."""
    return round(min(max(100.0 * part / whole, 0.0), 100.0 * max(1, os.cpu_count() or 1)), 2) if whole > 0 else None


def own_address() -> str | None:
    """The address from which this machine reaches others; asks the routing table, sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: never a real host
        except OSError:
            return None
        return str(probe.getsockname()[0])
