"""Who is near whom: a Topology over a table of hosts, as position sets. Pure look-ups, computed once per topology."""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from analyzer.records import Topology
from analyzer.window import Ints

HOPS = 4  # beyond this many calls nobody would call it the same story


class Graph:
    """Positions of dependents, dependencies and peers of a host.

    Parameters
    ----------
    topology : (dependent, on) pairs; names that are not in `hosts` are passed over.
    hosts, roles : the table that positions refer to.
    """

    def __init__(self, topology: Topology, hosts: tuple[str, ...], roles: tuple[str, ...]) -> None:
        self.topology, self.hosts, self.roles = topology, hosts, roles
        self.at: Mapping[str, int] = {host: i for i, host in enumerate(hosts)}
        self._near: dict[tuple[str, int], dict[int, int]] = {}
        self._beside: dict[int, tuple[Ints, frozenset[int]]] = {}
        self._peers: dict[int, Ints] = {}
        self._role = np.unique(np.array(roles, object).astype(str), return_inverse=True)[1] if roles else np.zeros(0, np.int64)

    @cached_property
    def _links(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        up: dict[int, list[int]] = {}
        down: dict[int, list[int]] = {}
        for dependent, on in self.topology.edges:
            a, b = self.at.get(dependent), self.at.get(on)
            if a is not None and b is not None and a != b:
                up.setdefault(b, []).append(a)
                down.setdefault(a, []).append(b)
        return up, down

    def _reach(self, host: int, side: int) -> dict[int, int]:
        """Position -> hops, over dependents (side 0) or dependencies (side 1), without the host itself."""
        known = self._near.get((self.hosts[host], side))
        if known is not None:
            return known
        links, found, edge = self._links[side], {host: 0}, [host]
        for hop in range(1, HOPS + 1):
            edge = [n for h in edge for n in links.get(h, ()) if found.setdefault(n, hop) == hop]
        del found[host]
        self._near[self.hosts[host], side] = found
        return found

    def dependents(self, host: int) -> dict[int, int]:
        """Who needs it, directly or through others: position -> hops."""
        return self._reach(host, 0)

    def dependencies(self, host: int) -> dict[int, int]:
        """What it needs, directly or through others: position -> hops."""
        return self._reach(host, 1)

    def beside(self, host: int) -> Ints:
        """What its dependents need besides it: their other dependencies feel it too. int64 [n]."""
        return self._besides(host)[0]

    def _besides(self, host: int) -> tuple[Ints, frozenset[int]]:
        if host not in self._beside:
            near = {n for d in self.dependents(host) for n in self.dependencies(d)} | set(self.dependencies(host))
            found = frozenset(near - {host} - set(self.dependents(host)))
            self._beside[host] = np.array(sorted(found), np.int64), found
        return self._beside[host]

    def relation(self, a: int, b: int) -> tuple[bool, bool, bool]:
        """Whether another host b needs a, is needed beside a, has a's role."""
        return b in self.dependents(a), b in self._besides(a)[1], self.roles[a] != "" and self.roles[a] == self.roles[b]

    def peers(self, host: int) -> Ints:
        """Others in the same role. int64 [n]."""
        if host not in self._peers:
            same = np.flatnonzero(self._role == self._role[host])
            self._peers[host] = same[same != host] if self.roles[host] else np.zeros(0, np.int64)
        return self._peers[host]

    def hops(self, a: int, b: int) -> int:
        """Steps between two hosts along one direction, 0 for the same, HOPS + 1 when neither reaches the other."""
        if a == b:
            return 0
        return min(self.dependents(a).get(b, HOPS + 1), self.dependencies(a).get(b, HOPS + 1))

    def positions(self, hosts: Iterable[str]) -> list[int]:
        """Positions of the names that are known."""
        return [self.at[h] for h in hosts if h in self.at]
