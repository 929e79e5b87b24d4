"""What each kind of fault does: faults and times in, changes of the load model out.

Every kind pulls the few levers that its cause would pull; the model carries them on to every metric and to every server
that depends on the sick one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from exporter.fleet import catalog, noise
from exporter.fleet.faults import Fault
from exporter.fleet.noise import Floats

WARM = 1000.0  # seconds until a server that has started is as it was; not more than the tail of a crash
COMING = (0.0, 5.0, 15.0, 30.0, 60.0)  # seconds after an edge: counters must not be a minute behind what gauges show
NIC = 125e6  # bytes a second of a 1 Gbit/s link


@dataclass
class Effects:
    """Changes by lever name, each [servers, T]; levers that no fault pulls are absent.

    Attributes
    ----------
    size
        Servers in the fleet, padded to full twenties.
    surge
        Factor on the demand of users: [T] or 1.
    """

    size: int
    times: Floats
    surge: Floats | float = 1.0
    levers: dict[str, Floats] = field(default_factory=dict)

    def add(self, lever: str, server: int, values: Floats) -> None:
        """Add [T] to a lever whose rest position is 0."""
        if lever not in self.levers:
            self.levers[lever] = np.zeros((self.size, len(self.times)))
        self.levers[lever][server] += values

    def scale(self, lever: str, server: int, values: Floats) -> None:
        """Multiply a lever whose rest position is 1 by [T]."""
        if lever not in self.levers:
            self.levers[lever] = np.ones((self.size, len(self.times)))
        self.levers[lever][server] *= values

    def get(self, lever: str, rest: float) -> Floats | float:
        """The lever as [groups, members, T], or its rest position when nothing pulls it."""
        found = self.levers.get(lever)
        return rest if found is None else found.reshape(-1, catalog.SIZE, len(self.times))


@dataclass(frozen=True)
class Place:
    """Where a fault sits and the few facts about that server that its course depends on."""

    index: int
    memory_usual: float
    data_mount: int
    data_bytes: float


def leak_per_second(fault: Fault) -> float:
    """Share of all memory lost a second."""
    return (0.06 + 0.54 * fault.severity) / 3600


def restarts(fault: Fault, place: Place) -> list[float]:
    """Times at which the program of a leaking server runs out of memory and is started again."""
    if fault.kind != "memory_leak":
        return []
    period = (1.04 - place.memory_usual) / leak_per_second(fault)
    return [fault.start + k * period for k in range(1, math.floor((fault.end - fault.start) / period) + 1)]


def _cpu_runaway(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.add("cpu", place.index, course * 0.9 * fault.severity)
    effects.add("runnable", place.index, course * (0.4 + 4 * fault.severity))


def _memory_leak(fault: Fault, place: Place, effects: Effects) -> None:
    seconds, left = fault.elapsed(effects.times)
    leaked = seconds * leak_per_second(fault)
    effects.add("memory", place.index, np.mod(leaked, 1.04 - place.memory_usual) * left)
    for when in restarts(fault, place):
        _start_again(when, fault, place, effects)


def fading(since: Floats, seconds: float, gone: float) -> Floats:
    """1 at once, falling off with a time constant, exactly 0 before the start and when it is `gone`."""
    return np.where((since >= 0) & (since < gone), np.exp(-np.maximum(since, 0) / seconds), 0.0)


def _start_again(when: float, fault: Fault, place: Place, effects: Effects) -> None:
    """Cold caches and refused requests right after a program starts."""
    since = effects.times - when
    fresh = fading(since, 90, min(700.0, fault.end + fault.tail - when))
    effects.scale("service", place.index, 1 + 1.2 * fresh)
    effects.add("errors", place.index, np.where((since >= 0) & (since < 25), 0.6, 0.0))


def _disk_fill(fault: Fault, place: Place, effects: Effects) -> None:
    seconds, left = fault.elapsed(effects.times)
    rate = (0.05 + 0.5 * fault.severity) / 3600
    effects.add(f"fill{place.data_mount}", place.index, seconds * rate * left)
    running = fault.course(effects.times) * (seconds * rate < 0.6)
    # a runaway log on a big data disk is bounded by what the disk can write
    written = min(rate * place.data_bytes, 60e6)
    effects.add("write_bytes", place.index, running * written)
    effects.add("cpu", place.index, running * 0.02)


def _disk_slow(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.scale("disk_latency", place.index, 1 + course * 22 * fault.severity**1.2)
    effects.add("iowait", place.index, course * 0.30 * fault.severity)
    effects.add("blocked", place.index, course * 6 * fault.severity)
    effects.scale("service", place.index, 1 + course * 2.5 * fault.severity)


def _network_saturation(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.add("send", place.index, course * fault.severity**1.2 * 0.95 * NIC)
    effects.add("receive", place.index, course * fault.severity * 0.03 * NIC)
    effects.add("softirq", place.index, course * fault.severity * 0.05)


def _packet_loss(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    loss = 0.08 * fault.severity**1.4
    effects.add("loss", place.index, course * loss)
    effects.scale("served", place.index, 1 - course * min(0.35, 3 * loss))


def _steal(fault: Fault, place: Place, effects: Effects) -> None:
    wobble = 1 + 0.25 * noise.smooth(int(fault.start), place.index, 40.0, effects.times)
    taken = fault.course(effects.times) * (0.05 + 0.5 * fault.severity) * np.clip(wobble, 0.4, 1.5)
    effects.add("steal", place.index, np.minimum(taken, 0.8))


def _traffic_surge(fault: Fault, place: Place, effects: Effects) -> None:
    effects.surge = effects.surge * (1 + fault.course(effects.times) * (0.12 + 0.55 * fault.severity))


def _cache_stampede(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.add("hit", place.index, -course * (0.04 + 0.75 * fault.severity))
    effects.add("cpu", place.index, course * 0.08 * fault.severity)
    effects.add("send", place.index, -course * 0.4 * fault.severity * 4e6)


def _db_slow(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.scale("service", place.index, 1 + course * 20 * fault.severity**1.2)
    effects.add("cpu", place.index, course * 0.30 * fault.severity)
    effects.add("read_bytes", place.index, course * 70e6 * fault.severity)
    effects.add("lag", place.index, course * 6 * fault.severity)


def _crash(fault: Fault, place: Place, effects: Effects) -> None:
    for begin, end in fault.runs(float(effects.times.min()), float(effects.times.max()) + 1e-3):
        down = (effects.times >= begin) & (effects.times < end)
        effects.add("down", place.index, down.astype(np.float64))
        cold(effects, place.index, effects.times - end)


def cold(effects: Effects, server: int, since: Floats) -> None:
    """A server that started `since` seconds ago: empty caches, little memory in use, much read from disk."""
    back = fading(since, 150, WARM)
    effects.scale("service", server, 1 + 1.5 * back)
    effects.add("memory", server, -0.22 * back)
    effects.add("read_bytes", server, 25e6 * back)
    effects.add("cpu", server, 0.15 * back)


def _clock_skew(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.add("offset", place.index, course * 0.45 * fault.severity)
    running = (effects.times >= fault.start + 300) & (course > 0.5)
    effects.add("unsynchronised", place.index, running.astype(np.float64))


def _stuck_metric(fault: Fault, place: Place, effects: Effects) -> None:
    """Nothing in the model changes: only what is shown stands still, see `rows`."""


def _batch_job(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.add("nice", place.index, course * (0.15 + 0.5 * fault.severity))
    effects.add("read_bytes", place.index, course * 45e6 * fault.severity)
    effects.add("write_bytes", place.index, course * 12e6 * fault.severity)
    effects.add("runnable", place.index, course * 1.5)


def _fd_leak(fault: Fault, place: Place, effects: Effects) -> None:
    seconds, left = fault.elapsed(effects.times)
    effects.add("files", place.index, np.minimum(seconds * (0.04 + 0.5 * fault.severity) / 3600, 0.99) * left)


def _thermal_throttle(fault: Fault, place: Place, effects: Effects) -> None:
    course = fault.course(effects.times)
    effects.add("heat", place.index, course * (8 + 26 * fault.severity))
    effects.scale("capacity", place.index, 1 - course * 0.5 * fault.severity)


APPLY: dict[str, Callable[[Fault, Place, Effects], None]] = {
    "cpu_runaway": _cpu_runaway,
    "memory_leak": _memory_leak,
    "disk_fill": _disk_fill,
    "disk_slow": _disk_slow,
    "network_saturation": _network_saturation,
    "packet_loss": _packet_loss,
    "steal": _steal,
    "traffic_surge": _traffic_surge,
    "cache_stampede": _cache_stampede,
    "db_slow": _db_slow,
    "crash": _crash,
    "clock_skew": _clock_skew,
    "stuck_metric": _stuck_metric,
    "batch_job": _batch_job,
    "fd_leak": _fd_leak,
    "thermal_throttle": _thermal_throttle,
}


def of(faults: Sequence[tuple[Fault, Place]], size: int, times: Floats) -> Effects:
    """All effects of the faults at times [T] on a fleet padded to `size` servers."""
    effects = Effects(size, times)
    since, until = float(times.min()), float(times.max()) + 1e-3
    for fault, place in faults:
        if fault.runs(since, until):
            APPLY[fault.kind](fault, place, effects)
    return effects


def edges(faults: Sequence[tuple[Fault, Place]], since: float, until: float) -> npt.NDArray[np.float64]:
    """Times in (since, until) at which something begins or ends at once, and those at which to look again how far it came."""
    found: set[float] = set()
    for fault, place in faults:
        for begin, end in fault.runs(since, until):
            found.update(at + after for at in (begin, end) for after in COMING)
        found.update(restarts(fault, place))
    return np.array(sorted(t for t in found if since < t < until), dtype=np.float64)
