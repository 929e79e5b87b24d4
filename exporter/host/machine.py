"""This machine -> readings, by one collector a subsystem.

Each collector is time-limited and fails alone: a hung one costs its own readings and shows as
`node_scrape_collector_success` 0, the page is answered all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from exporter.families import Family
from exporter.host import clock, cpu, disk, hardware, memory, network, portable, programs
from exporter.host.files import NoDataError, Paths
from exporter.host.limited import Limited, Outcome
from exporter.host.textfile import Textfile
from exporter.render import Printer, Reading

Collect = Callable[[Paths], Iterable[Reading]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What to collect, and from where.

    Attributes
    ----------
    collect
        Names of collectors switched on.
    textfile_directory
        Folder of `*.prom` files.
    limit_seconds
        How long one collector may take.
    """

    paths: Paths = field(default_factory=Paths)
    collect: frozenset[str] = frozenset()
    textfile_directory: str | None = None
    limit_seconds: float = 0.5


STATELESS: Mapping[str, Collect] = {
    "arp": network.arp,
    "bonding": network.bonding,
    "conntrack": network.conntrack,
    "cpufreq": cpu.cpufreq,
    "diskstats": disk.diskstats,
    "entropy": cpu.entropy,
    "filefd": disk.filefd,
    "hung_task": hardware.hung_tasks,
    "hwmon": hardware.hwmon,
    "interrupts": cpu.interrupts,
    "loadavg": cpu.loadavg,
    "mdadm": disk.mdadm,
    "meminfo": memory.meminfo,
    "netdev": network.netdev,
    "netstat": network.netstat,
    "os": hardware.operating_system,
    "powersupplyclass": hardware.power_supply,
    "pressure": cpu.pressure,
    "processes": cpu.processes,
    "psutil": portable.portable,
    "schedstat": cpu.schedstat,
    "selinux": hardware.selinux,
    "sockstat": network.sockstat,
    "softnet": network.softnet,
    "stat": cpu.stat,
    "tcpstat": network.tcpstat,
    "thermal_zone": hardware.thermal_zone,
    "time": clock.clock,
    "timex": clock.timex,
    "udp_queues": network.udp_queues,
    "uname": hardware.uname,
    "vmstat": memory.vmstat,
}
STATEFUL = ("cpu", "filesystem", "gpu", "netclass", "systemd", "textfile")
NAMES = tuple(sorted((*STATELESS, *STATEFUL)))
# node_exporter leaves these off too: they cost more than the rest together, or make a series per CPU and source
OFF_BY_DEFAULT = frozenset({"interrupts", "processes", "psutil", "tcpstat"})
WITHOUT_PROC = frozenset({"gpu", "psutil", "textfile", "time", "uname"})
ON_BY_DEFAULT = frozenset(NAMES) - OFF_BY_DEFAULT if sys.platform == "linux" else WITHOUT_PROC


class Host:
    """Reads this machine as often as asked, and prints it.

    Parameters
    ----------
    settings
        What to collect, and from where.
    failed
        Told the name and the error of each collector that failed; once per change, not once per scrape.
    """

    def __init__(self, settings: Settings, failed: Callable[[str, Exception], None] | None = None) -> None:
        self.settings = settings
        self.failed = failed or (lambda name, error: None)
        self.textfile = Textfile(settings.textfile_directory)
        self.filesystems = disk.Filesystems(settings.limit_seconds / 2)
        self.interfaces = network.Interfaces()
        self.limited: Limited[list[Reading]] = Limited(settings.limit_seconds)
        self.calls = self._calls()
        self.printer = Printer(self.textfile.families)
        self._failing: dict[str, str] = {}

    def _calls(self) -> dict[str, Callable[[], list[Reading]]]:
        collectors: dict[str, Collect] = {
            **STATELESS,
            "cpu": cpu.CpuTimes(),
            "filesystem": self.filesystems,
            "gpu": programs.Gpu(),
            "netclass": self.interfaces,
            "systemd": programs.Systemd(),
            "textfile": self.textfile,
        }
        unknown = self.settings.collect - collectors.keys()
        if unknown:
            raise ValueError(f"no such collector: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
        return {name: partial(gather, collectors[name], self.settings.paths) for name in sorted(self.settings.collect)}

    def readings(self) -> list[Reading]:
        """All readings of now; blocks, but not longer than the limits allow."""
        outcomes = self.limited.run(self.calls)
        readings = [reading for outcome in outcomes.values() for reading in outcome.value or ()]
        for name, outcome in outcomes.items():
            labels = (("collector", name),)
            readings.append(("node_scrape_collector_duration_seconds", labels, outcome.seconds))
            readings.append(("node_scrape_collector_success", labels, 1.0 if outcome.error is None else 0.0))
        readings.append(("openmanager_exporter_collectors_in_flight", (), float(len(self.limited.stuck))))
        readings.append(("openmanager_exporter_collector_timeouts_total", (), float(self.limited.timeouts)))
        self._report(outcomes)
        return readings

    def text(self) -> bytes:
        """The page of now."""
        return self.printer.text(self.readings())

    @property
    def families(self) -> dict[str, Family]:
        """Families that text files declare."""
        return self.textfile.families

    def _report(self, outcomes: Mapping[str, Outcome[list[Reading]]]) -> None:
        for name, outcome in outcomes.items():
            error = outcome.error
            if error is None or isinstance(error, NoDataError):
                self._failing.pop(name, None)
            elif self._failing.get(name) != type(error).__name__:
                self._failing[name] = type(error).__name__
                self.failed(name, error)

    def close(self) -> None:
        """Lets idle threads end."""
        self.limited.close()
        self.filesystems.close()
        if "netclass" not in self.limited.stuck:
            self.interfaces.kept.forget()


def gather(collect: Collect, paths: Paths) -> list[Reading]:
    """All readings of one collector; having none at all means that this machine has nothing of the kind."""
    return list(collect(paths))
