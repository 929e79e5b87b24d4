"""Real cumulative counters with random access: rates of the load model in, counts since boot out.

Time is cut into blocks. What a block adds to a counter is known without walking there from the boot: a week's table of usual
totals times how busy that week was. Inside a block the rates are summed minute by minute and bent a little (a curve
that is zero at both ends) so that they meet the block's known total. So a counter is continuous, monotone, the same
whatever was asked before, and a fleet years old costs no more than a new one. What faults add on top is summed for the
blocks they touch.

Servers reboot and programs are deployed only at the borders of blocks; crashes set counters back at any time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from exporter.fleet import effects as effects_of
from exporter.fleet import seasons
from exporter.fleet.effects import Place
from exporter.fleet.faults import Fault
from exporter.fleet.life import REBOOT
from exporter.fleet.model import Model, State
from exporter.fleet.noise import Floats
from exporter.fleet.rates import MODES, RATES
from exporter.fleet.seasons import DAY, HOUR

STEP = 60.0
WEEK = 7 * DAY
REFERENCE = 2800 * WEEK + 4 * DAY + REBOOT  # some Monday, 03:00
Planted = tuple[Fault, Place]
Indices = npt.NDArray[np.int64]
EVERY = slice(None)


@dataclass(frozen=True)
class Plan:
    """What counting inside one block needs to know of the faults."""

    touching: tuple[Planted, ...]
    start: Floats  # [counter, server] counts at the block's begin
    restarts: tuple[tuple[int, float, bool], ...]


@dataclass
class Block:
    """Counts inside one block: nodes [N+1] (times), counts [counter, server, N+1] since its begin, rates [counter, server, N]."""

    nodes: Floats
    counts: Floats
    rates: Floats
    usual: Floats  # [counter, server] what the block adds without faults
    added: Floats  # [counter, server] what faults add to that, never less than keeps the counter monotone
    state: State | None


def cut(state: State, first: int, last: int) -> State:
    """The state at a run of its times."""
    size = len(state.times)

    def part(values: Floats) -> Floats:
        return values[..., first:last] if values.shape[-1] == size else values

    out = {f.name: getattr(state, f.name) for f in fields(State)}
    fill = out.pop("fill")
    return State(**{k: part(v) for k, v in out.items()}, fill=(part(fill[0]), part(fill[1])))


class Counters:
    """Every counter of every server.

    Parameters
    ----------
    model
        Where rates come from.
    block_hours
        Length of a block; 12, or 1 in big fleets.
    """

    def __init__(self, model: Model, block_hours: int = 12) -> None:
        self.model = model
        self.length = block_hours * HOUR
        self.per_week = int(WEEK // self.length)
        self.per_day = int(DAY // self.length)
        self.names = tuple(RATES)
        self.quanta = np.array([RATES[n].quantum for n in self.names])[:, None]
        self.program = np.array([RATES[n].program for n in self.names])
        self._table: Floats | None = None
        self._blocks: OrderedDict[tuple[int, tuple[Planted, ...]], Block] = OrderedDict()
        self._bases: OrderedDict[int, Floats] = OrderedDict()
        self._added: dict[tuple[int, tuple[Planted, ...]], Floats] = {}
        self._plan: tuple[int, tuple[Planted, ...], Plan] | None = None
        self._until: dict[tuple[int, float, tuple[Planted, ...]], Floats] = {}
        self._keep_state = model.size <= 40

    def number(self, when: float) -> int:
        """Number of the block that a time falls into."""
        return int((when - REBOOT) // self.length)

    def begin(self, block: int) -> float:
        """First second of a block."""
        return block * self.length + REBOOT

    def boots(self, block: int) -> Indices:
        """Block at whose begin each server last booted as planned: [server]."""
        return self.model.life.boot(block // self.per_day) * self.per_day

    def programs(self, block: int) -> Indices:
        """Block at whose begin each program last started as planned: [server]."""
        half = self.per_day // 2  # deployments come 12 h after reboots
        days, known = self.model.life.program((block - half) // self.per_day)
        boots = self.boots(block)
        return np.where(known, np.maximum(days * self.per_day + half, boots), boots)

    def table(self) -> Floats:
        """Usual totals of each block of a week, made once: [counter, server, block of the week]."""
        if self._table is None:
            step = 300.0 if self.length > HOUR else 600.0
            per_block = int(self.length // step)
            first = self.number(REFERENCE)
            out = np.empty((len(self.names), self.model.size, self.per_week))
            blocks_at_once = max(1, int(20_000 // (self.model.size * per_block)))
            for low in range(0, self.per_week, blocks_at_once):
                high = min(low + blocks_at_once, self.per_week)
                times: Floats = self.begin(first + low) + (np.arange((high - low) * per_block, dtype=np.float64) + 0.5) * step
                state = self.model.state(times, plain=True)
                for i, name in enumerate(self.names):
                    totals = self._flat(RATES[name].of(state)).reshape(self.model.size, high - low, per_block).sum(axis=2)
                    out[i][:, (first + np.arange(low, high)) % self.per_week] = totals * step
            self._table = out
        return self._table

    def _flat(self, values: Floats) -> Floats:
        return np.broadcast_to(values, (self.model.groups, values.shape[1], values.shape[2])).reshape(self.model.size, -1)

    def base(self, block: int) -> Floats:
        """Counts at the begin of a block, without what faults added: [counter, server]."""
        if block in self._bases:
            return self._bases[block]
        out = np.where(self.program[:, None], self._since(self.programs(block), block), self._since(self.boots(block), block))
        self._bases[block] = out
        while len(self._bases) > 64:
            self._bases.popitem(last=False)
        return out

    def _since(self, first: Indices, block: int) -> Floats:
        """Usual counts of the blocks [first, block): [counter, server], whole quanta."""
        oldest = int(first.min())
        if oldest >= block:
            return np.zeros((len(self.names), self.model.size))
        blocks = np.arange(oldest, block)
        weight = self._busier(blocks)
        weights = np.zeros((self.model.size, self.per_week))
        mine = blocks[None, :] >= first[:, None]
        for residue in range(self.per_week):
            chosen = blocks % self.per_week == residue
            weights[:, residue] = (mine[:, chosen] * weight[chosen]).sum(axis=1)
        totals = (self.table() * weights[None]).sum(axis=2)
        whole: Floats = np.rint(totals / self.quanta) * self.quanta
        return whole

    def _busier(self, blocks: Indices) -> Floats:
        """How much more than usual each block adds, from drift and campaigns: [block], around 1."""
        hours = (np.arange(12) + 0.5) * (self.length / 12)
        times = (blocks[:, None] * self.length + REBOOT + hours[None, :]).reshape(-1)
        users = seasons.drift(self.model.seed, times)[0].reshape(len(blocks), -1).mean(axis=1)
        busier: Floats = 1 + 0.75 * (users - 1)
        return busier

    def _total(self, block: int) -> Floats:
        """What a block adds without faults: [counter, server]."""
        here = self._since(np.full(self.model.size, block), block + 1)
        same = self.boots(block + 1) == self.boots(block)
        same_program = self.programs(block + 1) == self.programs(block)
        going_on = np.where(self.program[:, None], same_program[None, :], same[None, :])
        return np.where(going_on, self.base(block + 1) - self.base(block), here)

    def block(self, block: int, faults: tuple[Planted, ...]) -> Block:
        """Counts inside a block under the faults that touch it."""
        key = (block, faults)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        made = self._make(block, faults)
        self._blocks[key] = made
        while len(self._blocks) > 3:
            self._blocks.popitem(last=False)
        return made

    def _make(self, block: int, faults: tuple[Planted, ...]) -> Block:
        begin = self.begin(block)
        grid: Floats = begin + np.arange(int(self.length // STEP), dtype=np.float64) * STEP
        total = self._total(block)
        state = self.model.state(grid)
        rates = self._rates(state)
        curve = (grid + STEP / 2 - begin) / self.length
        curve = 6 * curve * (1 - curve)
        plain = rates.sum(axis=2) * STEP
        bent = (rates @ curve) * STEP
        bend = (total - plain) / bent
        # rare events can be far from their usual total: those are scaled whole, so that no rate turns negative
        gentle = np.abs(bend) < 0.5
        factor, bend = np.where(gentle, 1.0, total / plain), np.where(gentle, bend, 0.0)
        nodes = grid
        if faults:
            nodes = np.asarray(np.union1d(grid, effects_of.edges(faults, begin, begin + self.length)), dtype=np.float64)
            state = self.model.state(nodes, effects_of.of(faults, self.model.size, nodes))
            cell = np.searchsorted(grid, nodes, side="right") - 1
            usual, curve = rates[..., cell], curve[cell]
            rates = self._rates(state)
            extra = np.maximum(rates - usual, 0.0)  # what a fault adds is not bent: the rare may be bent to nothing
            rates = (rates - extra) * (bend[..., None] * curve + factor[..., None]) + extra
        else:
            rates *= bend[..., None] * curve + factor[..., None]
        self._fit(rates)
        ends = np.append(nodes, begin + self.length)
        counts = np.zeros((*total.shape, len(ends)))
        np.cumsum(rates * np.diff(ends), axis=2, out=counts[..., 1:])
        added = np.zeros_like(total)
        if faults:
            added = np.ceil((counts[..., -1] - total) / self.quanta - 1e-6) * self.quanta
            counts[..., -1] = total + added
        np.minimum(counts, (total + added)[..., None], out=counts)
        return Block(ends, counts, rates, total, added, state if self._keep_state else None)

    def _rates(self, state: State) -> Floats:
        out = np.empty((len(self.names), self.model.size, len(state.times)))
        shape = (self.model.groups, -1, len(state.times))
        for i, name in enumerate(self.names):
            out[i].reshape(self.model.groups, out.shape[1] // self.model.groups, -1)[:] = RATES[name].of(state).reshape(shape)
        return out

    def _fit(self, rates: Floats) -> None:
        """Keep busy time below the time there is: of a disk, and of all modes together, so that idle never runs backwards."""
        disk = rates[self.names.index("disk_time")]
        np.minimum(disk, 0.9995, out=disk)
        busy = rates[: len(MODES)].sum(axis=0)
        over = busy > 0.9985
        if over.any():
            shrink = np.where(over, 0.9985 / busy, 1.0)
            rates[: len(MODES) + 2] *= shrink
            busy *= shrink
        lopsided = rates[len(MODES) : len(MODES) + 2]
        limit = 0.9 * (1 - busy) / np.maximum(lopsided.sum(axis=0), 1e-12)
        np.multiply(lopsided, np.minimum(limit, 1.0), out=lopsided)

    def plan(self, block: int, faults: tuple[Planted, ...]) -> Plan:
        """What the faults mean for a block; kept while block and faults stay the same."""
        if self._plan is not None and self._plan[0] == block and self._plan[1] is faults:
            return self._plan[2]
        made = Plan(
            self.touching(block, faults),
            self.base(block) + self.added_before(block, faults),
            tuple(self.restarts(block, faults)),
        )
        self._plan = (block, faults, made)
        return made

    def read(self, block: int, times: Floats, faults: tuple[Planted, ...], which: Sequence[int]) -> Floats:
        """Counts at times [T] inside one block: [counter of `which`, server, T]."""
        rows = np.asarray(which, dtype=np.int64)
        plan = self.plan(block, faults)
        made = self.block(block, plan.touching)
        found = self._inside(made, times, rows)
        found += plan.start[rows][..., None]
        for server, when, program_only in plan.restarts:
            if when <= times[-1]:
                before = self._counted_until(server, when, faults)[rows][:, None]
                only = np.array([server])
                gross = self._inside(made, times, rows, only)[:, 0] + plan.start[rows, server][:, None]
                again = self._starts_again(block, server, when, program_only)[rows]
                after = times >= when
                found[np.ix_(again, only, after)] = (gross - before)[again][:, None, after]
        return found

    def _starts_again(self, block: int, server: int, when: float, program_only: bool) -> npt.NDArray[np.bool_]:
        """Which counters of a server an unplanned start at `when` set back, unless a planned one has since: [counter]."""
        program = self.program & (when >= self.begin(int(self.programs(block)[server])))
        return program if program_only else program | ~self.program

    def ready(self, block: int, times: Floats, faults: tuple[Planted, ...]) -> State | None:
        """The state at these times if counting has already needed it, else None."""
        made = self._blocks.get((block, self.plan(block, faults).touching))
        if made is None or made.state is None:
            return None
        first = int(np.searchsorted(made.nodes, times[0]))
        last = first + len(times)
        if last > len(made.nodes) - 1 or not np.array_equal(made.nodes[first:last], times):
            return None
        return cut(made.state, first, last)

    @staticmethod
    def _inside(block: Block, times: Floats, rows: Indices, servers: slice | Indices = EVERY) -> Floats:
        """Counts since the block's begin: [counter of `rows`, server of `servers`, T]."""
        cell = np.clip(np.searchsorted(block.nodes, times, side="right") - 1, 0, block.rates.shape[2] - 1)

        def at(values: Floats, cells: Indices) -> Floats:
            first, last = int(cells[0]), int(cells[-1]) + 1
            if last - first == len(cells):  # usual for history: one copy instead of two
                return np.ascontiguousarray(values[:, servers, first:last][rows])
            return values[:, servers][..., cells][rows]

        into = times - block.nodes[cell]
        counts = at(block.counts, cell)
        if into.any():
            counts += at(block.rates, cell) * into
            np.minimum(counts, at(block.counts, cell + 1), out=counts)
        return counts

    def restarts(self, block: int, faults: Sequence[Planted]) -> list[tuple[int, float, bool]]:
        """Unplanned starts since the planned boots: (server, time, whether only the program started), oldest first."""
        found: list[tuple[int, float, bool]] = []
        for fault, place in faults:
            if fault.kind == "crash" and fault.end > fault.start:
                found.append((place.index, fault.end, False))
            found += [(place.index, when, True) for when in effects_of.restarts(fault, place)]
        boots, end = self.boots(block), self.begin(block + 1)
        return sorted((r for r in found if self.begin(int(boots[r[0]])) <= r[1] < end), key=lambda r: r[1])

    def _counted_until(self, server: int, when: float, faults: Sequence[Planted]) -> Floats:
        """Counts of a server at an unplanned start, as if it had never had one: [counter]."""
        earlier = tuple(p for p in faults if p[0].start < when)
        key = (server, when, earlier)
        if key not in self._until:
            if len(self._until) > 1024:
                self._until.clear()
            block = self.number(when)
            inside = self.block(block, self.touching(block, earlier))
            every, only = np.arange(len(self.names)), np.array([server])
            counts = self._inside(inside, np.array([when]), every, only)[:, 0, 0]
            self._until[key] = counts + (self.base(block) + self.added_before(block, earlier))[:, server]
        return self._until[key]

    def touching(self, block: int, faults: Sequence[Planted]) -> tuple[Planted, ...]:
        """The faults that leave marks on the counters of a block."""
        begin = self.begin(block)
        return tuple(p for p in faults if p[0].kind != "stuck_metric" and p[0].runs(begin, begin + self.length))

    def added_before(self, block: int, faults: Sequence[Planted]) -> Floats:
        """What faults added in the blocks since boot (or deployment) before this one: [counter, server]."""
        out = np.zeros((len(self.names), self.model.size))
        boots, programs = self.boots(block), self.programs(block)
        for earlier in self._earlier(block, faults):
            since = np.where(self.program[:, None], programs[None, :], boots[None, :])
            out += np.where(since <= earlier, self._added_in(earlier, faults), 0.0)
        return out

    def _earlier(self, block: int, faults: Sequence[Planted]) -> list[int]:
        found: set[int] = set()
        until = self.begin(block)
        for fault, _ in faults:
            if fault.kind != "stuck_metric" and fault.start < until:
                for begin, end in fault.runs(fault.start, until):
                    found.update(range(self.number(begin), min(self.number(end + fault.tail) + 1, block)))
        return sorted(found)

    def _added_in(self, block: int, faults: Sequence[Planted]) -> Floats:
        touching = self.touching(block, faults)
        key = (block, touching)
        if key not in self._added:
            if len(self._added) > 4096:
                self._added.clear()
            self._added[key] = self.block(block, touching).added
        return self._added[key]
