"""Planted faults: what kinds there are, when they act, and the truth about them.

A `Fault` is a value; what it does to readings is in `effects`. Everything here is a function of times, in unix seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from exporter.fleet import catalog
from exporter.fleet.noise import Floats
from exporter.fleet.seasons import DAY

BENIGN = frozenset({"traffic_surge", "batch_job"})


@dataclass(frozen=True)
class Kind:
    """What is known of a kind: how long it lasts when nobody says, how fast it comes and goes (seconds), who can have it."""

    duration_seconds: float
    rise: float
    fall: float
    roles: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "cpu_runaway": Kind(1800, 12, 10),
    "memory_leak": Kind(5400, 1, 20),
    "disk_fill": Kind(5400, 1, 60),
    "disk_slow": Kind(1800, 25, 40),
    "network_saturation": Kind(1200, 15, 15),
    "packet_loss": Kind(1800, 10, 15),
    "steal": Kind(2400, 45, 45),
    "traffic_surge": Kind(3600, 150, 300),
    "cache_stampede": Kind(1200, 10, 120),
    "db_slow": Kind(1800, 20, 30),
    "crash": Kind(300, 1, 150),
    "clock_skew": Kind(3600, 200, 300),
    "stuck_metric": Kind(3600, 1, 1),
    "batch_job": Kind(2400, 40, 40),
}
# kinds that the API does not offer: benchmarks use them as kinds that nobody was told of
HIDDEN: dict[str, Kind] = {
    "fd_leak": Kind(5400, 1, 20),
    "thermal_throttle": Kind(2400, 240, 300),
}
_ALL = KINDS | HIDDEN
_CACHES = ("cache",)
_DATABASES = ("db-master", "db-replica")
ROLES_OF = {"cache_stampede": _CACHES, "db_slow": _DATABASES}


@dataclass(frozen=True)
class Fault:
    """One planted fault on one server.

    `duration_seconds` is the length of one run; `batch_job` runs again every day at the same time until `until`.
    `severity` is 0..1. `origin` says who planted it: a person, or the name of a scenario.
    """

    id: str
    kind: str
    server: str
    start: float
    duration_seconds: float
    severity: float = 0.6
    until: float = math.inf
    origin: str = "api"

    @property
    def benign(self) -> bool:
        """Whether it is normal life that must page nobody."""
        return self.kind in BENIGN

    @property
    def repeats(self) -> bool:
        """Whether it comes back every day."""
        return self.kind == "batch_job"

    @property
    def tail(self) -> float:
        """Seconds after a run until its last mark is gone."""
        return 7 * _ALL[self.kind].fall

    def runs(self, since: float, until: float) -> list[tuple[float, float]]:
        """Start and end of each run whose marks touch [since, until)."""
        if not self.repeats:
            found = [(self.start, self.end)]
        else:
            first = max(0, math.floor((since - self.duration_seconds - self.tail - self.start) / DAY))
            last = math.floor((until - self.start) / DAY)
            begins = (self.start + k * DAY for k in range(first, last + 1))
            found = [(b, min(b + self.duration_seconds, self.until)) for b in begins if b < self.until]
        return [(b, e) for b, e in found if b < until and e + self.tail > since and e > b]

    def active(self, now: float) -> bool:
        """Whether a run is under way."""
        return any(begin <= now < end for begin, end in self.runs(now, now + 1e-3))

    @property
    def end(self) -> float:
        """When its (first) run ends."""
        return min(self.start + self.duration_seconds, self.until)

    def over(self, now: float) -> bool:
        """Whether it has ended for good."""
        return self.until <= self.start or now >= (self.until if self.repeats else self.end)

    def lifted(self, now: float) -> Fault:
        """The same fault, ended now; what it did before stays as it was."""
        return self if self.over(now) else replace(self, until=max(now, self.start))

    def course(self, times: Floats) -> Floats:
        """How far it has developed at each time, 0..1: [T]."""
        kind = _ALL[self.kind]
        out = np.zeros_like(times)
        for begin, end in self.runs(float(times.min()), float(times.max()) + 1e-3):
            rising = 1 - np.exp(-np.maximum(times - begin, 0.0) / kind.rise)
            at_end = 1 - math.exp(-(end - begin) / kind.rise)
            falling = at_end * np.exp(-np.maximum(times - end, 0.0) / kind.fall)
            falling[times >= end + self.tail] = 0.0
            out = np.maximum(out, np.where(times < end, np.where(times >= begin, rising, 0.0), falling))
        return out

    def elapsed(self, times: Floats) -> tuple[Floats, Floats]:
        """Seconds under way, held at its last value after the end, and how much of that is left, 0..1: [T], [T]."""
        left = np.exp(-np.maximum(times - self.end, 0.0) / _ALL[self.kind].fall)
        left[(times < self.start) | (times >= self.end + self.tail)] = 0.0
        return np.clip(times, self.start, self.end) - self.start, left


@dataclass(frozen=True)
class Truth:
    """One row of the published truth: `server` is touched now by a fault whose origin is the server `root`."""

    server: str
    kind: str
    benign: bool
    root: str


def kind_of(name: str) -> Kind:
    """Facts about a kind, hidden ones included."""
    return _ALL[name]


def check(kind: str, server: catalog.Server, severity: float, duration_seconds: float) -> None:
    """Refuse what cannot be planted.

    Raises
    ------
    ValueError
        With a text for people that names what is allowed.
    """
    if kind not in _ALL:
        raise ValueError(f"unknown fault kind {kind!r}; one of {', '.join(KINDS)}")
    roles = ROLES_OF.get(kind)
    if roles and server.role not in roles:
        raise ValueError(f"{kind} needs a server of role {' or '.join(roles)}; {server.hostname} is {server.role}")
    if not 0 <= severity <= 1:
        raise ValueError(f"severity {severity:g} is outside 0..1")
    longest = DAY if kind == "batch_job" else 30 * DAY
    if not 1 <= duration_seconds <= longest:
        raise ValueError(f"duration_seconds {duration_seconds:g} is outside 1..{longest:g}")


# who feels a fault besides the server it sits on: callers wait for a slow or dead dependency, and a dead cache's misses
# go to the database behind it
_REACHES_CALLERS = frozenset({"db_slow", "crash", "disk_slow", "packet_loss", "steal", "cache_stampede", "cpu_runaway"})


def _callers(member: int) -> set[int]:
    found: set[int] = set()
    waiting = [member]
    while waiting:
        on = waiting.pop()
        for edge in catalog.EDGES:
            if edge.on == on and edge.wait > 0 and edge.caller not in found:
                found.add(edge.caller)
                waiting.append(edge.caller)
    return found


def truth(faults: Iterable[Fault], servers: Sequence[catalog.Server], now: float) -> list[Truth]:
    """Rows of what is going on: each active fault's own server, and the servers that feel it."""
    place = {server.hostname: server.index for server in servers}
    rows: dict[Truth, None] = {}
    for fault in faults:
        if fault.server not in place or not fault.active(now):
            continue
        rows[Truth(fault.server, fault.kind, fault.benign, fault.server)] = None
        for index in touched(fault, place[fault.server], len(servers)):
            rows[Truth(servers[index].hostname, fault.kind, fault.benign, fault.server)] = None
    return list(rows)


def touched(fault: Fault, index: int, size: int) -> list[int]:
    """Indices of the other servers that a fault on `index` leaves marks on."""
    group, member = divmod(index, catalog.SIZE)
    if fault.kind == "traffic_surge":
        members = {m for m in range(catalog.SIZE) if catalog.ROLES[m] not in ("backup", "monitoring", "ci", "storage")}
        return [i for i in range(size) if i % catalog.SIZE in members and i != index]
    members = _callers(member) if fault.kind in _REACHES_CALLERS else set()
    if fault.kind == "cache_stampede":
        members = members | {catalog.MEMBER["db-master-01"]}
    return [i for i in (group * catalog.SIZE + m for m in sorted(members)) if i < size and i != index]
