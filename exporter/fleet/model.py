"""The load model: times and effects in, the state of every server out, arrays [groups, members, time].

Demand runs down the dependency graph from callers to what they call; waiting and errors run back up. In between each
server has a processor, memory, a disk and a network that fill up as demand rises and slow down as they fill (the growth
of waiting with utilisation is that of a queue, softened so that full is slow and not infinite).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exporter.fleet import catalog, noise, seasons
from exporter.fleet.effects import NIC, Effects
from exporter.fleet.life import Life
from exporter.fleet.noise import Bank, Floats
from exporter.fleet.roles import Parameters, per_server
from exporter.fleet.seasons import DAY, HOUR

FRESH, SHORT, MEDIUM, LONG, VERY_LONG = noise.FRESH_SECONDS, 120, 600, 3600, 21_600
CHANNELS: dict[str, tuple[tuple[int, float], ...]] = {
    "demand": ((FRESH, 0.4), (SHORT, 0.6), (MEDIUM, 0.7), (LONG, 0.8), (VERY_LONG, 0.4)),
    "cpu": ((FRESH, 0.6), (SHORT, 0.8), (MEDIUM, 0.7), (LONG, 0.4)),
    "memory": ((SHORT, 0.2), (LONG, 0.7), (VERY_LONG, 1.0)),
    "latency": ((FRESH, 0.7), (SHORT, 0.7), (MEDIUM, 0.5)),
    "disk": ((FRESH, 0.8), (SHORT, 0.8), (MEDIUM, 0.6), (LONG, 0.3)),
    "disk_latency": ((FRESH, 0.7), (SHORT, 0.6), (MEDIUM, 0.7)),
    "network": ((FRESH, 0.6), (SHORT, 0.7), (MEDIUM, 0.5)),
    "switches": ((FRESH, 0.6), (SHORT, 0.6), (MEDIUM, 0.5)),
    "running": ((FRESH, 1.0),),
    "handles": ((SHORT, 0.5), (LONG, 0.7), (VERY_LONG, 0.6)),
    "heat": ((MEDIUM, 0.6), (LONG, 0.8)),
    "errors": ((FRESH, 0.9), (MEDIUM, 0.6)),
    "loss": ((FRESH, 0.9), (SHORT, 0.6), (LONG, 0.5)),
    "clock": ((SHORT, 0.5), (LONG, 1.0)),
    "lag": ((FRESH, 0.8), (SHORT, 0.7)),
}


@dataclass
class State:
    """What every server does at every time, each array [groups, members, T]; rates a second, shares 0..1."""

    times: Floats
    requests: Floats
    errors: Floats
    latency: Floats
    connections: Floats
    hit: Floats
    lag: Floats
    user: Floats
    system: Floats
    nice: Floats
    irq: Floats
    softirq: Floats
    iowait: Floats
    steal: Floats
    load: Floats
    running: Floats
    blocked: Floats
    switches: Floats
    used: Floats
    swapped: Floats
    faults: Floats
    reads: Floats
    writes: Floats
    read_bytes: Floats
    written_bytes: Floats
    disk_busy: Floats
    disk_latency: Floats
    receive: Floats
    send: Floats
    drops: Floats
    damaged: Floats
    resent: Floats
    handles: Floats
    heat: Floats
    fill: tuple[Floats, Floats]
    offset: Floats
    synchronised: Floats
    down: Floats


class Model:
    """The fleet's load as a function of time.

    Parameters
    ----------
    seed
        The only source of chance.
    servers
        The catalogue; padded inside to full twenties.
    longest_days
        Longest time between two boots of a server.
    """

    def __init__(self, seed: int, servers: Sequence[catalog.Server], longest_days: int = 900) -> None:
        self.seed = seed
        self.groups = -(-len(servers) // catalog.SIZE)
        self.size = self.groups * catalog.SIZE
        self.usual = Parameters(seed, self.groups)
        self.cores = per_server(servers, self.size, [s.cores for s in servers])
        self.memory = per_server(servers, self.size, [s.memory_bytes for s in servers])
        self.swap = per_server(servers, self.size, [s.swap_bytes for s in servers])
        self.mount_fill = [
            per_server(servers, self.size, [s.mounts[min(k, len(s.mounts) - 1)].fill for s in servers]) for k in (0, 1)
        ]
        self.mount_growth = [
            per_server(servers, self.size, [s.mounts[min(k, len(s.mounts) - 1)].weekly_growth for s in servers]) for k in (0, 1)
        ]
        self.virtual = per_server(servers, self.size, [float(s.provider != "On-premise") for s in servers])
        self.life = Life(seed, self.size, longest_days)
        self.bank = Bank(seed, range(self.size), CHANNELS)
        self.order = catalog.topological()
        self.calls = {m: [e for e in catalog.EDGES if e.caller == m] for m in range(catalog.SIZE)}
        self.peer = {catalog.MEMBER[a]: catalog.MEMBER[b] for pair in catalog.PEERS for a, b in (pair, pair[::-1])}
        full = np.array([1.0, 1.0, 1.0])
        self.peak = self._through_graph(self.usual.own @ full)

    def _through_graph(self, own: Floats) -> Floats:
        """Usual requests a second [groups, members, 1] when `own` [members] begin at each server."""
        demand = own.copy()
        for member in self.order:
            if member == catalog.MEMBER["db-master-01"]:
                demand[member] += 0.8 * 0.07 * demand[catalog.MEMBER["cache-redis-01"]]
            for edge in self.calls[member]:
                demand[edge.on] += edge.fanout * demand[member]
        return demand[None, :, None] * self.usual.business

    def state(self, times: Floats, effects: Effects | None = None, *, plain: bool = False) -> State:
        """State of all servers at times [T]; `plain` leaves out slow drift and campaigns."""
        effects = effects or Effects(self.size, times)
        n = {k: v.reshape(self.groups, catalog.SIZE, -1) for k, v in self.bank.at(times).items()}
        shapes = seasons.shapes(times)
        if not plain:
            shapes = shapes * seasons.drift(self.seed, times)
            self.life.mark(effects)
        shapes[0] *= effects.surge
        return _Step(self, times, effects, n).run(shapes)


class _Step:
    """One evaluation; each method fills in one part of the servers."""

    def __init__(self, model: Model, times: Floats, effects: Effects, n: dict[str, Floats]) -> None:
        self.m, self.times, self.e, self.n, self.u = model, times, effects, n, model.usual
        self.shape = (model.groups, catalog.SIZE, len(times))

    def run(self, shapes: Floats) -> State:
        self.down = self._full(self.e.get("down", 0.0))
        self._jobs()
        self._bursts()
        self._demand(shapes)
        self._memory()
        self._disk()
        self._processor()
        self._network()
        self._answers()
        return self._rest()

    def _full(self, values: Floats | float) -> Floats:
        return np.zeros(self.shape) if isinstance(values, float) else values

    def _jobs(self) -> None:
        """Nightly and weekly jobs: what they take of processor, disk and network."""
        self.job: dict[str, Floats | float] = dict.fromkeys(("nice", "read", "write", "send", "receive"), 0.0)
        of_day = self.times % DAY
        for job in seasons.JOBS:
            if not ((of_day >= job.hour * HOUR) & (of_day <= job.hour * HOUR + job.longest)).any():
                continue
            level = seasons.running(job, self.m.seed, self.times)
            if not level.any():
                continue
            for lever, found in self.job.items():
                plane = np.zeros(self.shape) if isinstance(found, float) else found
                plane[:, catalog.MEMBER[job.member]] += level * getattr(job, lever)
                self.job[lever] = plane

    def _bursts(self) -> None:
        """Short things that nobody plans: a burst in some quarter hours; an hourly cron job; the nightly log rotation."""
        slot = np.floor(self.times / 900)
        slots, where = np.unique(slot, return_inverse=True)
        server = np.arange(self.m.size)[:, None]
        word = noise.keys(self.m.seed, 53, server, slots[None, :].astype(np.int64))
        chance, when, size, length = (
            noise.uniform(noise.mixed(word + np.uint64(k))).reshape(self.m.groups, catalog.SIZE, -1) for k in range(1, 5)
        )
        size *= chance < 0.10
        begin = (slots * 900 + 30 + 500 * when)[..., where]
        into = self.times - begin
        level = ((0.04 + 0.16 * size * size) * (size > 0))[..., where]
        self.burst = level * ((into >= 0) & (into < (45 + 260 * length)[..., where]))
        minute = np.floor(self.u.phase * 60) * 60
        self.cron = ((self.times - minute) % HOUR < 75) * (0.02 + 0.06 * self.u.phase)
        self.rotation = ((self.times - 5 * self.u.phase * 60 - 300) % DAY < 150) * 1.0

    def _demand(self, shapes: Floats) -> None:
        """Requests a second, from where they begin down the graph; a dead server's share goes to its peer."""
        u, n = self.u, self.n
        wobble = np.exp(0.09 * n["demand"])
        # term by term: a matrix product may add up differently for one time than for many
        own = (u.own[:, :1] * shapes[0] + u.own[:, 1:2] * shapes[1] + u.own[:, 2:] * shapes[2])[None] * u.business * wobble
        quiver = np.exp(0.035 * n["network"])
        served = self.e.get("served", 1.0)
        passes = (1 - self.down) * served
        planes = [own[:, m] for m in range(catalog.SIZE)]
        hit = 0.93 + 0.012 * n["lag"] + 0.01 * n["memory"] + self.e.get("hit", 0.0)
        self.hit = np.clip(hit, 0.02, 0.995)
        cache, primary = catalog.MEMBER["cache-redis-01"], catalog.MEMBER["db-master-01"]
        dead = "down" in self.e.levers
        for member in self.m.order:
            if member == primary:
                miss = 1 - self.hit[:, cache] * (1 - self.down[:, cache])
                # callers soon stop asking a dead cache and put up with part of the answers
                planes[primary] = planes[primary] + 0.8 * planes[cache] * np.minimum(miss, 0.8)
            planes[member] = planes[member] * quiver[:, member]
            sent = planes[member] * passes[:, member]
            for edge in self.m.calls[member]:
                planes[edge.on] = planes[edge.on] + edge.fanout * sent
                other = self.m.peer.get(edge.on)
                if dead and other is not None:
                    planes[other] = planes[other] + edge.fanout * sent * self.down[:, edge.on]
        self.offered = np.stack(planes, axis=1)
        self.offered *= passes
        self.level = self.offered / self.m.peak

    def _memory(self) -> None:
        u, n = self.u, self.n
        period = 1500 + 2400 * u.phase
        saw = u["sawtooth"] * ((self.times / period + u.phase) % 1.0 - 0.5)
        raw = u["used_idle"] + u["used_load"] * self.level + 0.012 * n["memory"] + saw + self.e.get("memory", 0.0)
        raw = raw + 0.03 * self.burst
        self.pressure = np.clip((raw - 0.93) / 0.06, 0.0, 1.6)
        self.used = np.clip(raw, 0.04, 0.985 - 0.002 * np.abs(n["cpu"]))
        swapped = 0.03 + 0.03 * u.phase + np.maximum(raw - 0.93, 0) * self.m.memory / self.m.swap
        self.swapped = np.clip(swapped, 0.0, 0.985)
        self.faults = 0.3 + 2 * self.burst + 900 * self.pressure * np.exp(0.3 * n["disk"])

    def _disk(self) -> None:
        u, n, e, job = self.u, self.n, self.e, self.job
        level = 0.22 + 0.78 * self.level
        wobble = np.exp(0.22 * n["disk"])
        extra_read = job["read"] + e.get("read_bytes", 0.0) + 40e6 * self.pressure + 6e6 * self.burst
        extra_write = job["write"] + e.get("write_bytes", 0.0) + 30e6 * self.pressure + 9e6 * self.rotation + 4e6 * self.cron
        small_reads, small_writes = u["reads"] * level * wobble, u["writes"] * level * wobble
        reads, writes = small_reads + extra_read / 262_144, small_writes + extra_write / 262_144
        slower = e.get("disk_latency", 1.0)
        each = u["disk_ms"] * 1e-3 * slower
        asked = (0.9 * reads + 1.1 * writes + 1.6 * (extra_read + extra_write) / 262_144) * each
        self.disk_busy = asked / np.sqrt(np.sqrt(1 + asked**4)) * 0.995
        through = self.disk_busy / asked
        queue = 1 + 0.9 * self.disk_busy**2 / (1.04 - self.disk_busy)
        self.disk_latency = each * queue * np.exp(0.16 * n["disk_latency"])
        self.reads, self.writes = reads * through, writes * through
        self.read_bytes = (small_reads * 12_288 + extra_read) * through
        self.written_bytes = (small_writes * 9_216 + extra_write) * through

    def _processor(self) -> None:
        u, n, e = self.u, self.n, self.e
        requests = u["busy_load"] * self.level * np.exp(0.13 * n["cpu"])
        rest = u["busy_idle"] * (1 + 0.12 * n["switches"]) + self.burst + self.cron + 0.08 * self.rotation
        low = self.job["nice"] + e.get("nice", 0.0)
        capacity = e.get("capacity", 1.0)
        runaway = e.get("cpu", 0.0)
        wanted = (requests + rest + 0.05 * self.pressure) / capacity
        steal = self.m.virtual * 0.004 * np.exp(0.6 * n["loss"]) + e.get("steal", 0.0)
        free = 1 - steal
        # a runaway program gets what is left and a fair share of the rest
        taken = np.minimum(wanted + runaway, free * (0.992 - 0.004 * np.abs(n["cpu"])))
        nice = np.minimum(low, np.maximum(free - taken - 0.004, 0))
        self.density = np.minimum((wanted + 0.75 * runaway + 0.25 * low) / free, 1.25)
        softirq = 0.004 + 0.018 * self.level + e.get("softirq", 0.0)
        softirq = np.minimum(softirq, 0.5 * taken)
        work = taken - softirq
        self.system = work * (0.24 + 0.02 * n["network"])
        self.user, self.nice, self.softirq, self.steal = work - self.system, self._full(nice), softirq, steal
        idle = np.maximum(free - taken - nice, 0.0)
        waiting = 0.22 * self.disk_busy + e.get("iowait", 0.0) + 0.25 * self.pressure
        self.iowait = np.minimum(waiting * np.exp(0.15 * n["disk_latency"]), 0.95) * idle
        self.busy = taken + nice + steal

    def _network(self) -> None:
        u, n, e, job = self.u, self.n, self.e, self.job
        level = (0.06 + 0.94 * self.level) * np.exp(0.07 * n["network"])
        receive = u["receive_mb"] * 1e6 * level + job["receive"] + e.get("receive", 0.0)
        send = u["send_mb"] * 1e6 * level + job["send"] + e.get("send", 0.0)
        send = np.maximum(send, 2e4)
        loss = e.get("loss", 0.0)
        crowd = np.maximum(receive, send) / NIC
        self.crowd = np.maximum(crowd - 0.7, 0.0)
        self.receive = np.minimum(receive, 0.975 * NIC) * (1 - 2 * loss)
        self.send = np.minimum(send, 0.975 * NIC) * (1 - 2 * loss)
        packets = self.send / 1100
        self.loss = 1.5e-4 * np.exp(0.5 * n["loss"]) + loss + 0.01 * self.crowd
        self.resent = packets * self.loss
        self.drops = 4e-3 * np.exp(0.9 * n["loss"]) + packets * (0.04 * self.crowd + 0.08 * loss)
        self.damaged = 1e-5 + packets * 0.12 * loss

    def _answers(self) -> None:
        """Response time and errors, from what is called back up to its callers."""
        u, n, e = self.u, self.n, self.e
        dense = self.density
        queue = 1 + 0.6 * dense**2 / (1.08 - np.minimum(dense, 1.0)) + 6 * np.maximum(dense - 0.95, 0)
        slow = queue * e.get("service", 1.0) * (1 + 5 * self.pressure) * (1 + 9 * self.crowd)
        local = u["service_ms"] * 1e-3 * slow * np.exp((0.09 + 0.13 * dense) * n["latency"])
        local = local + u["waits_on_disk"] * self.disk_latency
        local = local + e.get("loss", 0.0) * 1.2  # a lost segment waits for its retransmission
        own = 0.0006 * np.exp(0.7 * n["errors"]) + 0.5 * np.maximum(dense - 0.97, 0) + 0.02 * self.pressure
        own = own + e.get("errors", 0.0) + 0.8 * e.get("loss", 0.0) + 0.25 * np.maximum(self._full(e.get("fill0", 0.0)) - 0.55, 0)
        dead = "down" in e.levers
        cache, primary = catalog.MEMBER["cache-redis-01"], catalog.MEMBER["db-master-01"]
        for member in reversed(self.m.order):
            for edge in self.m.calls[member]:
                there = np.minimum(local[:, edge.on], 12.0)
                if edge.on == cache:  # what the cache does not know, the database is asked
                    there = there + 0.8 * (1 - self.hit[:, cache]) * np.minimum(local[:, primary], 12.0)
                if dead:
                    gone = self.down[:, edge.on]
                    there = there * (1 - gone) + 0.25 * gone  # refused at once, tried again
                    own[:, member] += edge.need * gone
                local[:, member] += edge.wait * there
                own[:, member] += 0.6 * edge.need * np.minimum(own[:, edge.on], 0.95)
        self.latency = np.minimum(local, 30.0)
        # answers that take far longer than usual run into the callers' timeouts
        late = np.maximum(self.latency / (25 * u["service_ms"] * 1e-3 + 0.4) - 1, 0.0)
        self.errors = np.clip(own + 0.03 * late, 0.0, 0.97)

    def _rest(self) -> State:
        u, n, e, level = self.u, self.n, self.e, self.level
        active = self.offered * self.latency
        connections = u["connections"] * (0.75 + 0.25 * level) * (1 + 0.03 * n["handles"]) + 1.4 * active
        connections = connections + 300 * self._full(e.get("loss", 0.0)) * level
        waiting = 0.7 * np.maximum(self.density - 0.5, 0) ** 2 / (1.12 - np.minimum(self.density, 1.0))
        load = (
            self.m.cores
            * (self.busy - self.steal * 0.3 + 0.8 * self.iowait + waiting)
            * np.exp(0.11 * n["running"] + 0.06 * n["cpu"])
        )
        load = load + e.get("runnable", 0.0) + e.get("blocked", 0.0)
        running = 1 + self.m.cores * self.busy * 1.3 * np.exp(0.45 * n["running"]) + e.get("runnable", 0.0)
        blocked = self.m.cores * self.iowait * 2.2 * np.exp(0.4 * n["disk"]) + e.get("blocked", 0.0)
        rate = (350 * self.m.cores + 14 * self.offered / np.sqrt(self.m.peak / 50) + 2.2 * (self.reads + self.writes)) * np.exp(
            0.08 * n["switches"]
        )
        rate = rate + 420 * self._full(e.get("runnable", 0.0)) + 5000 * self.pressure
        handles = u["handles"] * (1 + 0.025 * n["handles"]) + 1.6 * connections + 250_000 * self._full(e.get("files", 0.0))
        ambient = 1.2 * np.sin((self.times % DAY) * (2 * np.pi / DAY) - 2.2)
        heat = 37 + 5 * u.phase + ambient + 27 * (self.busy - self.steal) + 0.7 * n["heat"] + e.get("heat", 0.0)
        lag = 0.06 * np.exp(0.5 * n["lag"]) * (1 + 4 * self.disk_busy**2) + e.get("lag", 0.0)
        lag = lag + 3 * np.maximum(self.disk_busy - 0.75, 0) * 4
        self._behind(lag)
        offset = 3e-5 * n["clock"] + e.get("offset", 0.0)
        return State(
            self.times, self.offered, self.errors, self.latency, connections, self.hit, lag, self.user, self.system, self.nice,
            0.0012 + 0.002 * level, self.softirq, self.iowait, self.steal, load, running, blocked, rate, self.used, self.swapped,
            self.faults, self.reads, self.writes, self.read_bytes, self.written_bytes, self.disk_busy, self.disk_latency,
            self.receive, self.send, self.drops, self.damaged, self.resent, handles, heat, self._fill(), offset,
            1.0 - np.minimum(self._full(e.get("unsynchronised", 0.0)), 1.0), self.down,
        )  # fmt: skip

    def _behind(self, lag: Floats) -> None:
        """A replica falls behind when its primary is slow or dead."""
        primary, replica = catalog.MEMBER["db-master-01"], catalog.MEMBER["db-replica-01"]
        lag[:, replica] += 0.5 * self._full(self.e.get("lag", 0.0))[:, primary] + 2.0 * self.down[:, primary]

    def _fill(self) -> tuple[Floats, Floats]:
        """Used share of each file system: logs grow all day and rotate at night, data grows all week and is cleaned."""
        phase = self.u.phase
        day = (self.times - 5 * phase * 60 - 300) % DAY / DAY
        week = (self.times / (7 * DAY) + phase) % 1.0
        out = []
        for k in (0, 1):
            growth = self.m.mount_growth[k]
            tidy = 0.010 * day if k == 0 else 0.003 * day
            usual = self.m.mount_fill[k] + growth * week + tidy + 0.0006 * self.n["handles"]
            out.append(np.clip(usual + self.e.get(f"fill{k}", 0.0), 0.01, 0.9985))
        return out[0], out[1]
