"""Which series of a host stand where in its vector: hosts of one role share the places, so that they can share a model.

In: a table of series. Out: for every host its places, each (alias, how many-th of that alias), and the row of the table that fills
it. A host without a role is grouped with those that have the very same places.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analyzer.window import Ints, Series

Slot = tuple[str, int]
MOST_SLOTS = 64  # of a host; the more a place is shared, the sooner it is taken
PER_ALIAS = 4  # disks and devices beyond the fourth are judged on their own only
LEAST_SLOTS = 2  # one signal has no combination
MOST_GROUPS = 48
LEFT_OUT = frozenset({"up", "uptime"})  # their meaning is known, and not a matter of degree


@dataclass(frozen=True, slots=True)
class Host:
    """A host's places and the rows of the table that fill them; `key`: hosts with the same one may share a model."""

    name: str
    key: str
    rows: dict[Slot, int]


def usable(series: Series) -> Ints:
    """Rows that take part in a host's vector."""
    left_out = [i for i, alias in enumerate(series.signals) if alias in LEFT_OUT]
    return np.flatnonzero(~np.isin(series.signal, left_out))


def hosts_of(series: Series, rows: Ints) -> list[Host]:
    """The hosts of these rows of the table that have a combination at all, by name."""
    found: dict[int, list[tuple[str, tuple[tuple[str, str], ...], int]]] = defaultdict(list)
    for row, signal, host in zip(rows.tolist(), series.signal[rows].tolist(), series.host[rows].tolist(), strict=True):
        found[host].append((series.signals[signal], series.labels[row], row))
    hosts = []
    for host in sorted(found, key=lambda h: series.hosts[h]):
        nth: Counter[str] = Counter()
        places: dict[Slot, int] = {}
        for alias, _, row in sorted(found[host]):
            if nth[alias] < PER_ALIAS:
                places[alias, nth[alias]] = row
                nth[alias] += 1
        if len(places) >= LEAST_SLOTS:
            hosts.append(Host(series.hosts[host], _key(series.roles[host], places), places))
    return hosts


def grouped(hosts: Iterable[Host], room: int = MOST_GROUPS) -> list[tuple[str, list[Host]]]:
    """Hosts by key; with more keys than there is room for, the small ones are one group."""
    by_key: dict[str, list[Host]] = defaultdict(list)
    for host in hosts:
        by_key[host.key].append(host)
    ranked = sorted(by_key.items(), key=lambda item: (-len(item[1]), item[0]))
    room = max(room, 1)
    if len(ranked) <= room:
        return ranked
    rest = [host for _, some in ranked[room - 1 :] for host in some]
    return [*ranked[: room - 1], ("", rest)]


def common_slots(hosts: Sequence[Host]) -> tuple[Slot, ...]:
    """The places of a group: what at least half of its hosts have, the most shared first if they are too many; sorted."""
    count = Counter(slot for host in hosts for slot in host.rows)
    shared = [slot for slot, n in count.items() if 2 * n >= len(hosts)]
    return tuple(sorted(sorted(shared, key=lambda s: (-count[s], s))[:MOST_SLOTS]))


def placed(hosts: Sequence[Host], slots: Sequence[Slot]) -> Ints:
    """Rows of the table, int64 [hosts, slots], -1 where a host has none."""
    return np.array([[host.rows.get(slot, -1) for slot in slots] for host in hosts], np.int64).reshape(len(hosts), len(slots))


def _key(role: str, places: dict[Slot, int]) -> str:
    return f"role {role}" if role else "like " + " ".join(f"{alias}.{n}" for alias, n in places)
