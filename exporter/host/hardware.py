"""/sys/class and uname -> readings about sensors, power, and what this machine is."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from functools import cache

from exporter.host.files import NoDataError, Paths, attribute, exists, listing, read_number, read_or_none
from exporter.render import Reading

OS_LABELS = (
    "build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version",
    "version_codename", "version_id",
)  # fmt: skip
SENSOR_FILE = re.compile(r"(temp|fan|in|curr|power)(\d+)_([a-z_]+)")
# what one unit of a sensor file is in base units, and the metric it becomes
SENSORS: dict[tuple[str, str], tuple[str, float]] = {
    ("temp", "input"): ("node_hwmon_temp_celsius", 1e-3),
    ("temp", "max"): ("node_hwmon_temp_max_celsius", 1e-3),
    ("temp", "crit"): ("node_hwmon_temp_crit_celsius", 1e-3),
    ("temp", "crit_hyst"): ("node_hwmon_temp_crit_hyst_celsius", 1e-3),
    ("temp", "crit_alarm"): ("node_hwmon_temp_crit_alarm_celsius", 1.0),
    ("fan", "input"): ("node_hwmon_fan_rpm", 1.0),
    ("fan", "min"): ("node_hwmon_fan_min_rpm", 1.0),
    ("in", "input"): ("node_hwmon_in_volts", 1e-3),
    ("curr", "input"): ("node_hwmon_curr_amps", 1e-3),
    ("power", "average"): ("node_hwmon_power_average_watt", 1e-6),
}


def uname(paths: Paths) -> Iterator[Reading]:
    """node_uname_info, from which dashboards take the machine's name."""
    it = os.uname()
    domain = read_or_none(paths.proc("sys/kernel/domainname")) or "(none)"
    labels = (
        ("domainname", domain), ("machine", it.machine), ("nodename", it.nodename), ("release", it.release),
        ("sysname", it.sysname), ("version", it.version),
    )  # fmt: skip
    yield "node_uname_info", labels, 1.0


def operating_system(paths: Paths) -> Iterator[Reading]:
    """What os-release says about the distribution."""
    text = read_or_none(paths.root("/etc/os-release")) or read_or_none(paths.root("/usr/lib/os-release"))
    if text is None:
        raise NoDataError("no os-release")
    said = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            said[key.lower()] = unquote(value)
    yield "node_os_info", tuple((label, said.get(label, "")) for label in OS_LABELS), 1.0
    version = re.match(r"\d+(\.\d+)?", said.get("version_id", ""))
    if version is not None:
        labels = tuple((label, said.get(label, "")) for label in ("id", "id_like", "name"))
        yield "node_os_version", labels, float(version[0])


@cache
def unquote(value: str) -> str:
    """A value as the shell would read it."""
    return "".join(shlex.split(value))


def selinux(paths: Paths) -> Iterator[Reading]:
    """Whether SELinux is enabled."""
    yield "node_selinux_enabled", (), 1.0 if exists(paths.sys("fs/selinux/enforce")) else 0.0


def thermal_zone(paths: Paths) -> Iterator[Reading]:
    """Thermal zones, which the kernel gives in thousandths of a degree, and cooling devices."""
    folder = paths.sys("class/thermal")
    for entry in listing(folder):
        kind = attribute(f"{folder}/{entry}/type") or ""
        if entry.startswith("thermal_zone"):
            value = read_number(f"{folder}/{entry}/temp")
            if value is not None:
                yield "node_thermal_zone_temp", (("type", kind), ("zone", entry.removeprefix("thermal_zone"))), value / 1e3
        elif entry.startswith("cooling_device"):
            labels = (("name", entry.removeprefix("cooling_device")), ("type", kind))
            for file in ("cur_state", "max_state"):
                value = read_number(f"{folder}/{entry}/{file}")
                if value is not None:
                    yield f"node_cooling_device_{file}", labels, value


def power_supply(paths: Paths) -> Iterator[Reading]:
    """Mains and batteries."""
    folder = paths.sys("class/power_supply")
    for entry in listing(folder):
        for file in ("online", "capacity"):
            value = read_number(f"{folder}/{entry}/{file}")
            if value is not None:
                yield f"node_power_supply_{file}", (("power_supply", entry),), value


def hung_tasks(paths: Paths) -> Iterator[Reading]:
    """Tasks that the kernel found hung, where it counts them."""
    value = read_number(paths.proc("sys/kernel/hung_task_detect_count"))
    if value is None:
        raise NoDataError("the kernel does not count hung tasks")
    yield "node_kernel_hung_tasks", (), value


def hwmon(paths: Paths) -> Iterator[Reading]:
    """Temperatures, fans, voltages and currents of sensor chips."""
    folder = paths.sys("class/hwmon")
    for entry in listing(folder):
        base = os.path.realpath(f"{folder}/{entry}")
        chip = chip_label(base)
        name = attribute(f"{base}/name")
        if name:
            yield "node_hwmon_chip_names", (("chip", chip), ("chip_name", clean(name))), 1.0
        sensors = base if exists(f"{base}/name") else f"{base}/device"
        for file in listing(sensors):
            match = SENSOR_FILE.fullmatch(file)
            if match is None:
                continue
            kind, number, part = match.groups()
            labels = (("chip", chip), ("sensor", kind + number))
            if part == "label":
                text = attribute(f"{sensors}/{file}") or ""
                yield "node_hwmon_sensor_label", (("chip", chip), ("label", text), ("sensor", kind + number)), 1.0
            metric = SENSORS.get((kind, part))
            value = read_number(f"{sensors}/{file}") if metric else None
            if metric and value is not None:
                yield metric[0], labels, value / (1.0 / metric[1])


def chip_label(base: str) -> str:
    """A name for the chip that stays over restarts: the bus and the device it hangs on, else the driver's name."""
    device = f"{base}/device"
    if exists(device):
        bus, _, name = os.path.realpath(device).rpartition("/")
        parts = [clean(bus.rpartition("/")[2]), clean(name)]
        if all(parts):
            return "_".join(parts)
    return clean(attribute(f"{base}/name") or "") or base.rpartition("/")[2]


def clean(text: str) -> str:
    """Lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9:_]", "_", text.lower()).strip("_")
