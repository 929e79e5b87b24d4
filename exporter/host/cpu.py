"""/proc/stat, loadavg, schedstat, pressure, ... -> readings about CPUs, load and processes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator

from exporter.host.files import NoDataError, Paths, exists, listing, names, read, read_number
from exporter.render import Labels, Reading

MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
GUEST_MODES = ("user", "nice")
STAT_FIELDS = {
    "ctxt": "node_context_switches_total",
    "processes": "node_forks_total",
    "intr": "node_intr_total",
    "btime": "node_boot_time_seconds",
    "procs_running": "node_procs_running",
    "procs_blocked": "node_procs_blocked",
}
HOTPLUG_SECONDS = 3.0


class CpuTimes:
    """CPU seconds by mode, kept from running backwards.

    The kernel's idle and iowait times may step back a little, which a counter must not; a long step back means that the CPU
    was taken out and put back, and then its counters begin anew.
    """

    def __init__(self) -> None:
        self.hertz = os.sysconf("SC_CLK_TCK")
        self.last: dict[str, list[float]] = {}

    def __call__(self, paths: Paths) -> Iterator[Reading]:
        """node_cpu_seconds_total and node_cpu_guest_seconds_total."""
        for line in read(paths.proc("stat")).splitlines():
            if not line.startswith("cpu"):
                break
            if line[3] == " ":
                continue
            words = line.split()
            yield from self.one(words[0][3:], [int(word) / self.hertz for word in words[1:11]])

    def one(self, cpu: str, seconds: list[float]) -> Iterator[Reading]:
        """The readings of one CPU; `seconds` in the order of the kernel's columns."""
        seconds += [0.0] * (10 - len(seconds))
        last = self.last.get(cpu)
        if last is not None and last[3] - seconds[3] < HOTPLUG_SECONDS:
            seconds = [max(old, new) for old, new in zip(last, seconds, strict=True)]
        self.last[cpu] = seconds
        for mode, value in zip(MODES, seconds[:8], strict=True):
            yield "node_cpu_seconds_total", (("cpu", cpu), ("mode", mode)), value
        for mode, value in zip(GUEST_MODES, seconds[8:], strict=True):
            yield "node_cpu_guest_seconds_total", (("cpu", cpu), ("mode", mode)), value


def stat(paths: Paths) -> Iterator[Reading]:
    """Machine-wide fields of /proc/stat."""
    for line in read(paths.proc("stat")).splitlines():
        name, _, rest = line.partition(" ")
        if name in STAT_FIELDS:
            yield STAT_FIELDS[name], (), float(rest.split(" ", 1)[0])


def loadavg(paths: Paths) -> Iterator[Reading]:
    """The three load averages."""
    one, five, fifteen = read(paths.proc("loadavg")).split()[:3]
    yield "node_load1", (), float(one)
    yield "node_load5", (), float(five)
    yield "node_load15", (), float(fifteen)


def schedstat(paths: Paths) -> Iterator[Reading]:
    """Run and wait time per CPU, which the kernel counts in nanoseconds."""
    try:
        text = read(paths.proc("schedstat"))
    except FileNotFoundError as error:
        raise NoDataError("the kernel keeps no schedstat") from error
    for line in text.splitlines():
        if line.startswith("cpu"):
            words = line.split()
            labels = (("cpu", words[0][3:]),)
            yield "node_schedstat_running_seconds_total", labels, int(words[7]) / 1e9
            yield "node_schedstat_waiting_seconds_total", labels, int(words[8]) / 1e9
            yield "node_schedstat_timeslices_total", labels, float(words[9])


def pressure(paths: Paths) -> Iterator[Reading]:
    """Pressure stall information, which the kernel counts in microseconds."""
    found = False
    for resource in ("cpu", "io", "memory", "irq"):
        try:
            text = read(paths.proc(f"pressure/{resource}"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        found = True
        totals = {line.split()[0]: int(line.rpartition("total=")[2]) / 1e6 for line in text.splitlines()}
        if resource != "irq":
            yield f"node_pressure_{resource}_waiting_seconds_total", (), totals["some"]
        if resource != "cpu":
            yield f"node_pressure_{resource}_stalled_seconds_total", (), totals["full"]
    if not found:
        raise NoDataError("the kernel keeps no pressure information")


def entropy(paths: Paths) -> Iterator[Reading]:
    """The kernel's random pool."""
    yield "node_entropy_available_bits", (), float(read(paths.proc("sys/kernel/random/entropy_avail")))
    yield "node_entropy_pool_size_bits", (), float(read(paths.proc("sys/kernel/random/poolsize")))


def cpufreq(paths: Paths) -> Iterator[Reading]:
    """Clock frequencies, which the kernel gives in kilohertz."""
    names = {
        "scaling_cur_freq": "node_cpu_scaling_frequency_hertz",
        "scaling_min_freq": "node_cpu_scaling_frequency_min_hertz",
        "scaling_max_freq": "node_cpu_scaling_frequency_max_hertz",
        "cpuinfo_min_freq": "node_cpu_frequency_min_hertz",
        "cpuinfo_max_freq": "node_cpu_frequency_max_hertz",
    }
    folder = paths.sys("devices/system/cpu")
    for cpu in listing(folder):
        if re.fullmatch(r"cpu\d+", cpu) and exists(f"{folder}/{cpu}/cpufreq"):
            for file, name in names.items():
                value = read_number(f"{folder}/{cpu}/cpufreq/{file}")
                if value is not None:
                    yield name, (("cpu", cpu[3:]),), value * 1000.0


def interrupts(paths: Paths) -> Iterator[Reading]:
    """/proc/interrupts, one series per source and CPU."""
    lines = read(paths.proc("interrupts")).splitlines()
    cpus = [word[3:] for word in lines[0].split()]
    for line in lines[1:]:
        source, _, rest = line.partition(":")
        words = rest.split()
        counts = words[: len(cpus)]
        if len(counts) < len(cpus) or not all(count.isdigit() for count in counts):
            continue  # ERR and MIS have one number for the whole machine
        info, devices = " ".join(words[len(cpus) :]), ""
        if source.strip().isdigit():
            info, _, devices = info.partition(" ")
        for cpu, count in zip(cpus, counts, strict=True):
            labels: Labels = (("cpu", cpu), ("devices", devices), ("info", info), ("type", source.strip()))
            yield "node_interrupts_total", labels, float(count)


def processes(paths: Paths) -> Iterator[Reading]:
    """Processes by state, and the limits on their number."""
    states: Counter[str] = Counter()
    threads = 0
    for pid in names(paths.procfs):
        if pid.isdigit():
            try:
                fields = read(paths.proc(f"{pid}/stat")).rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            states[fields[0]] += 1
            threads += int(fields[17])
    yield "node_processes_pids", (), float(states.total())
    yield "node_processes_threads", (), float(threads)
    yield "node_processes_max_processes", (), float(read(paths.proc("sys/kernel/pid_max")))
    yield "node_processes_max_threads", (), float(read(paths.proc("sys/kernel/threads-max")))
    for state, count in sorted(states.items()):
        yield "node_processes_state", (("state", state),), float(count)
