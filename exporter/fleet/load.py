"""Readings of the fleet: a seed, servers, times and faults in, every series' values out; any time may be asked, in any order.

The only door to the load model: the live pages, the history for seeding and the benchmarks all read here, so they agree.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from exporter.fleet import catalog, noise
from exporter.fleet import effects as effects_of
from exporter.fleet.counters import Counters, Planted
from exporter.fleet.effects import Place
from exporter.fleet.faults import Fault
from exporter.fleet.life import REBOOT
from exporter.fleet.model import Model, State
from exporter.fleet.noise import Floats
from exporter.fleet.rates import MODES, RATES
from exporter.fleet.roles import per_server
from exporter.fleet.rows import STUCK, Host, Labels, Slot, slots

Indices = npt.NDArray[np.int64]
BIG = 60  # fleets above this count in shorter blocks and live shorter


@dataclass(frozen=True)
class Readings:
    """Readings of many series at the same times.

    Attributes
    ----------
    names, labels
        Metric name and labels of each row; the server is not among the labels, as on a real page.
    servers
        Hostname of each row; rows of one server stand together, in catalogue order.
    times
        float64 [T], unix seconds.
    values
        float64 [rows, T], base units; NaN = no sample (the server is down).
    """

    names: tuple[str, ...]
    labels: tuple[Labels, ...]
    servers: tuple[str, ...]
    times: Floats
    values: Floats


@dataclass(frozen=True)
class Layout:
    """Which rows a request gets: per slot its rows and the servers that they belong to."""

    names: tuple[str, ...]
    labels: tuple[Labels, ...]
    servers: tuple[str, ...]
    slots: tuple[tuple[Slot, Indices, Indices], ...]
    extra: tuple[tuple[str, Indices, Indices], ...]
    first_row: Indices  # [servers + 1]
    constants: Mapping[tuple[str, int], Floats]  # by metric and first row: [rows of the slot, 1]


# series that need more than the state: `up` is what Prometheus would record, so it is given only by name
_EXTRA = ("node_boot_time_seconds", "node_load15", "node_load5", "up")


class Load:
    """The fleet's readings as a function of (seed, time, faults).

    Parameters
    ----------
    seed
        The only source of chance: two loads of one seed and size agree exactly.
    servers
        The catalogue, as `catalog.build` makes it.
    """

    def __init__(self, seed: int = 1, servers: Sequence[catalog.Server] | None = None) -> None:
        self.servers = tuple(servers) if servers is not None else catalog.build()
        big = len(self.servers) > BIG
        self.model = Model(seed, self.servers, longest_days=30 if big else 900)
        self.counters = Counters(self.model, block_hours=1 if big else 12)
        self.seed = seed
        self._host = self._hosts()
        self._index = {server.hostname: server.index for server in self.servers}
        self._number = {name: i for i, name in enumerate(RATES)}
        self._layouts: dict[tuple[frozenset[str] | None, tuple[tuple[str, frozenset[str]], ...]], Layout] = {}
        self._past: dict[tuple[float, tuple[Planted, ...]], Floats] = {}
        self._placed: tuple[Sequence[Fault], tuple[Planted, ...]] | None = None
        self._frozen: dict[tuple[Fault, tuple[Planted, ...]], dict[tuple[str, Labels], float]] = {}
        chance = noise.normalish(noise.keys(seed, 83, np.arange(self.model.size)))
        self._tilt = np.clip(0.12 * chance, -0.3, 0.3)

    def _hosts(self) -> Host:
        size = self.model.size

        def mount(number: int, item: str) -> Floats:
            chosen = [s.mounts[min(number, len(s.mounts) - 1)] for s in self.servers]
            return per_server(self.servers, size, [float(getattr(m, item)) for m in chosen])

        return Host(
            self.model.memory,
            self.model.swap,
            self.model.virtual,
            (mount(0, "size_bytes"), mount(1, "size_bytes")),
            (mount(0, "files"), mount(1, "files")),
        )

    def readings(
        self,
        times: npt.ArrayLike,
        faults: Sequence[Fault] = (),
        metrics: Collection[str] | None = None,
        where: Mapping[str, Collection[str]] | None = None,
    ) -> Readings:
        """Values of every series at the times.

        Parameters
        ----------
        times
            Unix seconds [T], ascending.
        faults
            Planted faults; those on servers that are not in the catalogue are left out.
        metrics
            Metric names wanted; None = everything a page shows (`up` only by name).
        where
            Label values wanted by label name, e.g. ``{"mode": ("idle",)}``; series without that label are kept.
        """
        at = np.asarray(times, dtype=np.float64)
        layout = self.layout(metrics, where)
        out = np.empty((len(layout.names), len(at)))
        planted = self.places(faults)
        for block, begin, end in self._pieces(at):
            self._fill(layout, out[:, begin:end], block, at[begin:end], planted)
        self._freeze(layout, out, at, planted)
        return Readings(layout.names, layout.labels, layout.servers, at, out)

    def _pieces(self, times: Floats) -> Iterator[tuple[int, int, int]]:
        """Parts of the times that fall into one block: (block, first, end)."""
        if not len(times):
            return
        if np.any(np.diff(times) < 0):
            raise ValueError("times must be ascending")
        numbers = ((times - REBOOT) // self.counters.length).astype(np.int64)
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(times)]
        for begin, end in pairwise(cuts):
            yield int(numbers[begin]), begin, end

    def places(self, faults: Sequence[Fault]) -> tuple[Planted, ...]:
        """Faults with what they need to know of their servers, oldest first."""
        if self._placed is None or self._placed[0] is not faults:
            known = sorted((f for f in faults if f.server in self._index), key=lambda f: (f.start, f.id))
            placed = tuple((f, self._place(self._index[f.server])) for f in known)
            # only a tuple cannot change behind our back
            self._placed = (faults, placed) if isinstance(faults, tuple) else None
            return placed
        return self._placed[1]

    def state(self, times: npt.ArrayLike, faults: Sequence[Fault] = ()) -> State:
        """What the model says of every server at the times [T], beneath the readings."""
        at = np.asarray(times, dtype=np.float64)
        return self.model.state(at, effects_of.of(self.places(faults), self.model.size, at))

    def _place(self, index: int) -> Place:
        group, member = divmod(index, catalog.SIZE)
        server, usual = self.servers[index], self.model.usual
        memory = float(usual["used_idle"][group, member, 0] + 0.6 * usual["used_load"][group, member, 0])
        data = len(server.mounts) - 1
        return Place(index, memory, data, server.mounts[data].size_bytes)

    def layout(self, metrics: Collection[str] | None, where: Mapping[str, Collection[str]] | None) -> Layout:
        """Rows that a request gets, made once for each kind of request."""
        wanted = None if metrics is None else frozenset(metrics)
        limits = tuple(sorted((k, frozenset(v)) for k, v in (where or {}).items()))
        if (wanted, limits) not in self._layouts:
            self._layouts[wanted, limits] = self._lay_out(wanted, dict(limits))
        return self._layouts[wanted, limits]

    def _lay_out(self, metrics: frozenset[str] | None, where: Mapping[str, frozenset[str]]) -> Layout:
        offered: list[tuple[str, Slot | None]] = [(s.metric, s) for s in slots()] + [(name, None) for name in _EXTRA]
        offered.sort(key=lambda item: item[0])
        chosen = [(n, s) for n, s in offered if (n in metrics if metrics is not None else n != "up")]
        rows: list[list[int]] = [[] for _ in chosen]
        owners: list[list[int]] = [[] for _ in chosen]
        names: list[str] = []
        labels: list[Labels] = []
        servers: list[str] = []
        first = [0]
        for server in self.servers:
            for k, (name, slot) in enumerate(chosen):
                if slot is not None and not slot.shown(server):
                    continue
                pairs = slot.labels(server) if slot is not None else ()
                if any(label in where and value not in where[label] for label, value in pairs):
                    continue
                rows[k].append(len(names))
                owners[k].append(server.index)
                names.append(name)
                labels.append(pairs)
                servers.append(server.hostname)
            first.append(len(names))
        filled = [
            (n, s, np.array(r, dtype=np.int64), np.array(o, dtype=np.int64))
            for (n, s), r, o in zip(chosen, rows, owners, strict=True)
            if r
        ]
        return Layout(
            tuple(names),
            tuple(labels),
            tuple(servers),
            tuple((s, r, o) for _, s, r, o in filled if s is not None),
            tuple((n, r, o) for n, s, r, o in filled if s is None),
            np.array(first),
            {
                (s.metric, int(r[0])): np.array([[s.constant(self.servers[i])] for i in o])
                for _, s, r, o in filled
                if s is not None and s.constant is not None
            },
        )

    def _fill(self, layout: Layout, out: Floats, block: int, times: Floats, faults: tuple[Planted, ...]) -> None:
        """Values of one block's times, into `out` [rows, T]."""
        counts = self._counts(layout, block, times, faults)
        state = self._state(block, times, faults)
        shape = state.load.shape
        booted: Floats | None = None
        for slot, rows, owners in layout.slots:
            if slot.constant is not None:
                out[rows] = layout.constants[slot.metric, rows[0]]
            elif slot.gauge is not None:
                values = np.broadcast_to(slot.gauge(state, self._host), shape).reshape(self.model.size, -1)
                out[rows] = values[owners]
            elif slot.idle >= 0:
                booted = self._booted(block, times, faults) if booted is None else booted
                out[rows] = self._idle(counts, booted, times, owners, slot.idle)
            else:
                out[rows] = self._count(counts, slot, owners)
        for name, rows, owners in layout.extra:
            out[rows] = self._extra(name, state, block, times, faults)[owners]
        self._silence(layout, out, state)

    def _counts(self, layout: Layout, block: int, times: Floats, faults: tuple[Planted, ...]) -> dict[str, Floats]:
        """Counters that the layout shows: name -> [server, T]."""
        wanted = {slot.counter for slot, *_ in layout.slots if slot.counter}
        if any(slot.metric == "node_cpu_seconds_total" for slot, *_ in layout.slots):
            wanted |= {name for name in RATES if name.startswith("cpu_")}
        if not wanted:
            return {}
        names = [name for name in RATES if name in wanted]
        values = self.counters.read(block, times, faults, [self._number[name] for name in names])
        return dict(zip(names, values, strict=True))

    def _side(self, owners: Indices, cpu: int) -> Floats:
        """How far a processor leans to the busy side, [rows, 1]; pairs of processors balance each other."""
        tilt: Floats = self._tilt[owners] * (0.6 if cpu >= 2 else 1.0) * (1 if cpu % 2 == 0 else -1)
        return tilt[:, None]

    def _count(self, counts: dict[str, Floats], slot: Slot, owners: Indices) -> Floats:
        values = counts[slot.counter][owners]
        if slot.lopsided:
            values += self._side(owners, slot.tilt) * counts[slot.lopsided][owners]
        quantum = RATES[slot.counter].quantum
        # the small push keeps a count that is whole from printing as one less
        return (
            np.floor(values / quantum + 1e-6) * quantum
            if quantum >= 1
            else np.round(np.floor(values / quantum + 1e-6) * quantum, 4)
        )

    def _idle(self, counts: dict[str, Floats], booted: Floats, times: Floats, owners: Indices, cpu: int) -> Floats:
        """Idle time of a processor: what its other modes leave of the time since its counters began."""
        busy = sum((counts[f"cpu_{mode}"][owners] for mode in MODES), np.zeros(1))
        leaning = counts["cpu_user_lopsided"][owners] + counts["cpu_system_lopsided"][owners]
        idle = times - booted[owners] - busy - self._side(owners, cpu) * leaning
        return np.round(np.floor(idle * 100 + 1e-6) * 0.01, 2)

    def _state(self, block: int, times: Floats, faults: tuple[Planted, ...]) -> State:
        ready = self.counters.ready(block, times, faults)
        if ready is not None:
            return ready
        return self.model.state(times, effects_of.of(faults, self.model.size, times))

    def _booted(self, block: int, times: Floats, faults: tuple[Planted, ...]) -> Floats:
        """When the counters of each server began: [server, T]."""
        planned = self.counters.boots(block) * self.counters.length + REBOOT
        out = np.repeat(planned[:, None], len(times), axis=1)
        for server, when, program_only in self.counters.plan(block, faults).restarts:
            if not program_only and when <= times[-1]:
                out[server, times >= when] = when
        return out

    def _extra(self, name: str, state: State, block: int, times: Floats, faults: tuple[Planted, ...]) -> Floats:
        if name == "up":
            return 1.0 - np.minimum(state.down.reshape(self.model.size, -1), 1.0)
        if name == "node_boot_time_seconds":
            began = self._booted(block, times, faults)
            planned = began == (self.counters.boots(block) * self.counters.length + REBOOT)[:, None]
            down = self.model.life.seconds_down[:, None]
            return np.floor(began + np.where(planned, down - 12, -12))
        # longer averages lag: whole minutes ago stand for the past, the newest value for what just came
        share, ago = (0.45, 120.0) if name == "node_load5" else (0.2, 420.0)
        past, where = np.unique(np.floor((times - ago) / 60) * 60, return_inverse=True)
        before = self._past_load(past, faults)[:, where]
        return np.round(share * state.load.reshape(self.model.size, -1) + (1 - share) * before, 2)

    def _past_load(self, times: Floats, faults: tuple[Planted, ...]) -> Floats:
        """Load at whole minutes, [server, T]; a single minute is kept, since every scrape within it asks again."""
        key = (float(times[0]), faults)
        if len(times) == 1 and key in self._past:
            return self._past[key]
        load = self.model.state(times, effects_of.of(faults, self.model.size, times)).load.reshape(self.model.size, -1)
        if len(times) == 1:
            if len(self._past) > 3:
                self._past.clear()
            self._past[key] = load
        return load

    def _silence(self, layout: Layout, out: Floats, state: State) -> None:
        """A server that is down shows nothing, but `up` says so."""
        down = state.down.reshape(self.model.size, -1)
        for index in np.flatnonzero(down[: len(self.servers)].any(axis=1)):
            rows = slice(layout.first_row[index], layout.first_row[index + 1])
            part = out[rows]
            shown = np.array([name != "up" for name in layout.names[rows]], dtype=bool)
            part[np.ix_(shown, down[index] > 0)] = np.nan

    def _freeze(self, layout: Layout, out: Floats, times: Floats, planted: tuple[Planted, ...]) -> None:
        """Hold what a `stuck_metric` stops at what it was when it began."""
        for fault, place in planted:
            if fault.kind != "stuck_metric":
                continue
            stuck = np.zeros(len(times), dtype=bool)
            for begin, end in fault.runs(float(times[0]), float(times[-1]) + 1e-3):
                stuck |= (times >= begin) & (times < end)
            if not stuck.any():
                continue
            held = self._held(fault, planted)
            for row in range(layout.first_row[place.index], layout.first_row[place.index + 1]):
                value = held.get((layout.names[row], layout.labels[row]))
                if value is not None:
                    out[row, stuck & ~np.isnan(out[row])] = value

    def _held(self, fault: Fault, planted: tuple[Planted, ...]) -> dict[tuple[str, Labels], float]:
        """The values that a `stuck_metric` stands still at."""
        others = tuple(p for p in planted if p[0].start < fault.start and p[0].kind != "stuck_metric")
        if (fault, others) not in self._frozen:
            if len(self._frozen) > 256:
                self._frozen.clear()
            found = self.readings([fault.start], [p[0] for p in others], metrics=stuck_metrics(fault, self.seed))
            rows = [i for i, server in enumerate(found.servers) if server == fault.server]
            self._frozen[fault, others] = {(found.names[i], found.labels[i]): float(found.values[i, 0]) for i in rows}
        return self._frozen[fault, others]


def stuck_metrics(fault: Fault, seed: int) -> frozenset[str]:
    """Which metrics a `stuck_metric` freezes: one group, two from severity 0.5, three from 0.85."""
    groups = list(STUCK)
    first = int(noise.keys(seed, 89, int(fault.start), zlib.crc32(fault.server.encode()))[0] % np.uint64(len(groups)))
    count = 1 + (fault.severity >= 0.5) + (fault.severity >= 0.85)
    return frozenset(m for k in range(count) for m in STUCK[groups[(first + k) % len(groups)]])
