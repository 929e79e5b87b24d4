"""How fast each counter goes up: the load model's state in, rates a second out, each [groups, members, time]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exporter.fleet.model import State
from exporter.fleet.noise import Floats

MODES = ("user", "system", "nice", "irq", "softirq", "iowait", "steal")


@dataclass(frozen=True)
class Rate:
    """How fast one counter goes up, its smallest step, and whether it starts again with the program (not only at boot)."""

    of: Callable[[State], Floats]
    quantum: float = 1.0
    program: bool = False


def _lopsided(mode: str) -> Callable[[State], Floats]:
    """What the first processor does more than the others; vanishes when all are busy."""

    def rate(s: State) -> Floats:
        busy = s.user + s.system + s.nice + s.irq + s.softirq + s.steal
        mode_rate: Floats = getattr(s, mode)
        return mode_rate * np.maximum(1 - busy, 0.0) + 1e-6

    return rate


def _mode(mode: str) -> Callable[[State], Floats]:
    def rate(s: State) -> Floats:
        found: Floats = getattr(s, mode)
        return found + 1e-7

    return rate


RATES: dict[str, Rate] = {
    **{f"cpu_{mode}": Rate(_mode(mode), 0.01) for mode in MODES},
    "cpu_user_lopsided": Rate(_lopsided("user"), 0.01),
    "cpu_system_lopsided": Rate(_lopsided("system"), 0.01),
    "disk_time": Rate(lambda s: s.disk_busy, 0.001),
    "disk_weighted": Rate(lambda s: s.disk_busy + 0.3 * (s.reads + s.writes) * s.disk_latency, 0.001),
    "disk_read_time": Rate(lambda s: s.reads * s.disk_latency, 0.001),
    "disk_write_time": Rate(lambda s: s.writes * s.disk_latency * 0.9, 0.001),
    "disk_reads": Rate(lambda s: s.reads),
    "disk_writes": Rate(lambda s: s.writes),
    "disk_read_bytes": Rate(lambda s: s.read_bytes, 512.0),
    "disk_written_bytes": Rate(lambda s: s.written_bytes, 512.0),
    "receive_bytes": Rate(lambda s: s.receive),
    "send_bytes": Rate(lambda s: s.send),
    "receive_packets": Rate(lambda s: s.receive / 980 + s.send / 4200),
    "send_packets": Rate(lambda s: s.send / 1100 + s.receive / 4800),
    "receive_errs": Rate(lambda s: s.damaged),
    "send_errs": Rate(lambda s: 0.2 * s.damaged + 2e-6),
    "receive_drop": Rate(lambda s: s.drops),
    "send_drop": Rate(lambda s: 0.5 * s.drops),
    "lo_bytes": Rate(lambda s: 4e4 + 260 * s.requests),
    "lo_packets": Rate(lambda s: 90 + 0.6 * s.requests),
    "retransmits": Rate(lambda s: s.resent),
    "out_segments": Rate(lambda s: s.send / 1130 + s.receive / 5000),
    "in_segments": Rate(lambda s: s.receive / 1010 + s.send / 4400),
    "switches": Rate(lambda s: s.switches),
    "interrupts": Rate(lambda s: 240 + 0.55 * s.switches + (s.receive + s.send) / 9000),
    "major_faults": Rate(lambda s: s.faults),
    "requests": Rate(lambda s: s.requests, program=True),
    "request_errors": Rate(lambda s: s.requests * s.errors, program=True),
    "request_seconds": Rate(lambda s: s.requests * s.latency, 1e-4, program=True),
    "hits": Rate(lambda s: s.requests * s.hit, program=True),
    "misses": Rate(lambda s: s.requests * (1 - s.hit), program=True),
}
