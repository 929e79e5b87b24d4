"""systemctl and nvidia-smi -> readings. Other programs are slow to ask, so the newest answer is renewed in the background."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence

from exporter.host.files import NoDataError, Paths, exists
from exporter.host.limited import Refreshed
from exporter.render import Reading

UNIT_STATES = ("activating", "active", "deactivating", "failed", "inactive")
UNIT_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "Type", "NRestarts", "NConnections", "NAccepted", "NRefused", "MainPID",
    "ActiveEnterTimestampMonotonic",
)  # fmt: skip
IGNORED_UNITS = (".automount", ".device", ".mount", ".scope", ".slice", ".target")
GPU_FIELDS = ("index", "uuid", "name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
MIB = 1024.0 * 1024.0
GPU_METRICS = (
    ("openmanager_exporter_gpu_utilization_ratio", "utilization.gpu", 0.01),
    ("openmanager_exporter_gpu_memory_used_bytes", "memory.used", MIB),
    ("openmanager_exporter_gpu_memory_size_bytes", "memory.total", MIB),
    ("openmanager_exporter_gpu_temperature_celsius", "temperature.gpu", 1.0),
    ("openmanager_exporter_gpu_power_watts", "power.draw", 1.0),
)


def output(command: Sequence[str], timeout: float = 10.0) -> str:
    """What a program prints; it is killed after `timeout` seconds.

    Raises
    ------
    NoDataError
        When the program is not installed.
    """
    program = shutil.which(command[0])
    if program is None:
        raise NoDataError(f"{command[0]} is not installed")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(  # noqa: S603  fixed commands, no shell, nothing from outside
        [program, *command[1:]], capture_output=True, timeout=timeout, check=True, env=environment, stdin=subprocess.DEVNULL
    )
    return done.stdout.decode("utf-8", "replace")


def systemd_units() -> list[dict[str, str]]:
    """The properties of every unit that systemd has loaded."""
    if not exists("/run/systemd/system"):
        raise NoDataError("this machine was not started by systemd")
    return parse_units(output(["systemctl", "show", "--no-pager", f"--property={','.join(UNIT_PROPERTIES)}", "*"]))


def parse_units(text: str) -> list[dict[str, str]]:
    """`systemctl show` prints one property a line, and an empty line between units; units that others only mention are left out."""
    blocks = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n"))
    return [block for block in blocks if block.get("Id") and block.get("LoadState", "loaded") == "loaded"]


class Systemd:
    """States of units and restarts of services."""

    def __init__(self) -> None:
        self.units = Refreshed(systemd_units)

    def __call__(self, paths: Paths) -> Iterator[Reading]:
        """node_systemd_*."""
        return unit_readings(self.units.get(wait=0.1))


def unit_readings(units: Sequence[dict[str, str]]) -> Iterator[Reading]:
    """The readings of these units."""
    counts = Counter(unit.get("ActiveState", "") for unit in units)
    for state in UNIT_STATES:
        yield "node_systemd_units", (("state", state),), float(counts[state])
    for unit in units:
        name = unit["Id"]
        if name.endswith(IGNORED_UNITS):
            continue
        for state in UNIT_STATES:
            labels = (("name", name), ("state", state), ("type", unit.get("Type", "")))
            yield "node_systemd_unit_state", labels, 1.0 if unit.get("ActiveState") == state else 0.0
        if name.endswith(".service") and unit.get("NRestarts", "").isdigit():
            yield "node_systemd_service_restart_total", (("name", name),), float(unit["NRestarts"])
        if name.endswith(".socket"):
            for key, metric in (
                ("NAccepted", "node_systemd_socket_accepted_connections_total"),
                ("NConnections", "node_systemd_socket_current_connections"),
                ("NRefused", "node_systemd_socket_refused_connections_total"),
            ):
                if unit.get(key, "").isdigit():
                    yield metric, (("name", name),), float(unit[key])


def gpus() -> list[dict[str, str]]:
    """One row per GPU, keys as in `GPU_FIELDS`."""
    return parse_gpus(output(["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]))


def parse_gpus(text: str) -> list[dict[str, str]]:
    """nvidia-smi's table; a field that the GPU does not have reads `[N/A]` or `[Not Supported]`."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return [dict(zip(GPU_FIELDS, row, strict=True)) for row in rows if len(row) == len(GPU_FIELDS)]


def gpu_number(row: dict[str, str], field: str, unit: float) -> float | None:
    """A field in base units, or None where the GPU does not have it."""
    try:
        return float(row[field]) * unit
    except ValueError:
        return None


class Gpu:
    """NVIDIA GPUs."""

    def __init__(self) -> None:
        self.rows = Refreshed(gpus, every=5.0)

    def __call__(self, paths: Paths) -> Iterator[Reading]:
        """openmanager_exporter_gpu_*."""
        return gpu_readings(self.rows.get(wait=0.1))


def gpu_readings(rows: Sequence[dict[str, str]]) -> Iterator[Reading]:
    """The readings of these GPUs."""
    for row in rows:
        labels = (("gpu", row["index"]),)
        yield "openmanager_exporter_gpu_info", (*labels, ("name", row["name"]), ("uuid", row["uuid"])), 1.0
        for metric, field, unit in GPU_METRICS:
            value = gpu_number(row, field, unit)
            if value is not None:
                yield metric, labels, value
