"""What is usual for each role: the numbers of the load model, one row a role, as arrays over the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from exporter.fleet import catalog, noise
from exporter.fleet.noise import Floats


@dataclass(frozen=True)
class Usual:
    """One role at its busiest usual time; shares are of the whole server, rates a second.

    `busy_idle` + `busy_load` is the processor's busy share at full demand, `used_idle` + `used_load` memory's.
    """

    busy_idle: float
    busy_load: float
    used_idle: float
    used_load: float
    service_ms: float
    receive_mb: float
    send_mb: float
    reads: float
    writes: float
    disk_ms: float
    waits_on_disk: float  # disk operations that a request waits for
    connections: float  # held open whatever the demand
    sawtooth: float  # share of memory that garbage collection gives back
    handles: float  # open files at rest


ROLES: dict[str, Usual] = {
    "web": Usual(0.06, 0.38, 0.42, 0.10, 18, 3.0, 9.0, 3, 18, 0.5, 0.02, 60, 0.02, 2200),
    "db-master": Usual(0.08, 0.34, 0.62, 0.07, 8, 4.0, 7.0, 90, 140, 0.5, 0.5, 90, 0.0, 5200),
    "api-gateway": Usual(0.07, 0.40, 0.44, 0.11, 9, 5.0, 6.0, 2, 15, 0.5, 0.0, 80, 0.05, 2600),
    "k8s-master": Usual(0.14, 0.12, 0.48, 0.04, 6, 1.0, 1.2, 4, 45, 0.5, 0.3, 120, 0.02, 4100),
    "k8s-worker": Usual(0.12, 0.34, 0.50, 0.11, 22, 3.0, 3.5, 8, 30, 0.5, 0.05, 70, 0.03, 6400),
    "cache": Usual(0.05, 0.27, 0.66, 0.07, 0.5, 5.0, 9.0, 0.5, 6, 0.5, 0.0, 160, 0.0, 1500),
    "k8s-ingress": Usual(0.05, 0.30, 0.31, 0.08, 2.5, 5.0, 6.0, 1, 10, 0.5, 0.0, 90, 0.0, 1900),
    "proxy": Usual(0.05, 0.32, 0.28, 0.08, 1.5, 10.0, 11.0, 1, 20, 0.5, 0.0, 140, 0.0, 2100),
    "analytics": Usual(0.08, 0.36, 0.46, 0.18, 220, 4.0, 1.0, 60, 20, 0.7, 2.0, 20, 0.06, 3000),
    "monitoring": Usual(0.17, 0.04, 0.55, 0.02, 12, 2.0, 0.5, 5, 60, 0.5, 0.4, 45, 0.03, 3700),
    "backup": Usual(0.03, 0.02, 0.25, 0.02, 50, 0.1, 0.1, 1, 4, 1.2, 1.0, 8, 0.0, 1100),
    "mail": Usual(0.06, 0.25, 0.40, 0.09, 60, 1.0, 1.4, 6, 25, 0.6, 1.2, 60, 0.0, 1800),
    "db-replica": Usual(0.06, 0.29, 0.58, 0.07, 8, 3.0, 3.0, 70, 90, 0.5, 0.5, 50, 0.0, 4600),
    "storage": Usual(0.05, 0.18, 0.33, 0.05, 8, 3.0, 5.0, 40, 40, 1.0, 1.0, 40, 0.0, 2400),
    "ci": Usual(0.04, 0.44, 0.30, 0.22, 900, 3.0, 1.0, 15, 60, 0.6, 1.0, 12, 0.0, 1700),
    "search": Usual(0.10, 0.33, 0.60, 0.06, 35, 1.5, 2.0, 45, 30, 0.5, 1.0, 50, 0.06, 7200),
    "queue": Usual(0.08, 0.25, 0.54, 0.05, 4, 6.0, 6.0, 5, 120, 0.5, 0.4, 110, 0.05, 8300),
    "auth": Usual(0.05, 0.31, 0.38, 0.08, 14, 1.0, 0.9, 1, 8, 0.5, 0.1, 40, 0.05, 1600),
}

# requests a second that begin at a server at full demand, by source (seasons.SOURCES)
OWN: dict[str, tuple[float, float, float]] = {
    "proxy-nginx-01": (400.0, 0.0, 2.0),
    "k8s-ingress-01": (70.0, 0.0, 2.0),
    "mail-01": (4.0, 30.0, 1.0),
    "ci-runner-01": (0.0, 3.0, 0.2),
    "analytics-01": (0.5, 8.0, 1.0),
    "monitoring-01": (0.0, 2.0, 23.0),
    "backup-01": (0.0, 0.0, 0.2),
    "k8s-master-01": (0.0, 4.0, 30.0),
    "storage-nas-01": (0.0, 12.0, 3.0),
}


class Parameters:
    """The fleet's usual numbers, each [groups, members, 1] and a little different on each server.

    Parameters
    ----------
    seed
        Decides the differences.
    groups
        Twenties of servers.
    """

    def __init__(self, seed: int, groups: int) -> None:
        self.groups = groups
        self.size = groups * catalog.SIZE
        self.table: dict[str, Floats] = {}
        for number, item in enumerate(fields(Usual)):
            usual = np.array([getattr(ROLES[role], item.name) for role in catalog.ROLES])
            spread = 0.02 if item.name.startswith("used") else 0.05
            self.table[item.name] = usual[None, :, None] * np.exp(spread * self.chance(seed, number))
        self.own = np.array([OWN.get(member, (0.0, 0.0, 0.5)) for member in catalog.MEMBERS])
        # further twenties are smaller or larger businesses of the same build
        self.business = np.exp(0.25 * noise.normalish(noise.keys(seed, 31, np.arange(groups)))).reshape(-1, 1, 1)
        self.business[0] = 1.0
        self.phase = noise.uniform(noise.keys(seed, 37, np.arange(self.size))).reshape(-1, catalog.SIZE, 1)

    def chance(self, seed: int, number: int) -> Floats:
        """Unit-variance difference of each server, [groups, members, 1]."""
        return noise.normalish(noise.keys(seed, 41, number, np.arange(self.size))).reshape(-1, catalog.SIZE, 1)

    def __getitem__(self, name: str) -> Floats:
        return self.table[name]


def per_server(servers: Sequence[catalog.Server], size: int, values: Sequence[float]) -> Floats:
    """One value a server as [groups, members, 1]; the padding repeats the first twenty."""
    out = np.resize(np.asarray(values, dtype=np.float64), size)
    out[: len(servers)] = values
    return out.reshape(-1, catalog.SIZE, 1)
