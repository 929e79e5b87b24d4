"""Scripted mixes of demand and faults: a scenario's name and a span of time in, the faults it plants out.

Time is cut into slots; each slot's fault follows from (seed, scenario, slot) alone, so two runs plant the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exporter.fleet import catalog, noise
from exporter.fleet.faults import KINDS, ROLES_OF, Fault
from exporter.fleet.noise import Floats


@dataclass(frozen=True)
class Scenario:
    """How often something is planted, how likely, which kinds, how severe and how long at most (seconds)."""

    slot_seconds: int
    chance: float
    kinds: tuple[str, ...]
    severity: tuple[float, float]
    longest: float


SCENARIOS: dict[str, Scenario] = {
    "normal": Scenario(3600, 0.0, (), (0.0, 0.0), 0.0),
    # much demand and what comes with it: most of it is nobody's fault
    "stress": Scenario(
        2700, 0.9, ("traffic_surge", "traffic_surge", "traffic_surge", "batch_job", "network_saturation"), (0.4, 1.0), 2400
    ),
    "failure": Scenario(1800, 0.85, tuple(k for k in KINDS if k not in ("traffic_surge", "batch_job")), (0.3, 1.0), 2400),
}


def planted(name: str, seed: int, servers: Sequence[catalog.Server], since: float, until: float) -> list[Fault]:
    """Faults that a scenario begun at `since` plants in the slots that begin in [since, until)."""
    scenario = SCENARIOS[name]
    if not scenario.kinds:
        return []
    first, last = math.ceil(since / scenario.slot_seconds), math.ceil(until / scenario.slot_seconds)
    found = []
    for slot in range(first, last):
        luck = noise.uniform(noise.keys(seed, 97, list(SCENARIOS).index(name), slot, np.arange(6)))
        if luck[0] < scenario.chance:
            fault = _one(name, scenario, slot, luck, servers)
            if fault is not None:
                found.append(fault)
    return found


def _one(name: str, scenario: Scenario, slot: int, luck: Floats, servers: Sequence[catalog.Server]) -> Fault | None:
    kind = scenario.kinds[int(luck[1] * len(scenario.kinds))]
    roles = ROLES_OF.get(kind)
    able = [s for s in servers if (roles is None or s.role in roles) and (kind != "stuck_metric" or s.serves)]
    if not able:
        return None
    low, high = scenario.severity
    length = min(KINDS[kind].duration_seconds, scenario.longest) * (0.6 + 0.4 * float(luck[5]))
    begin = (slot + 0.6 * float(luck[4])) * scenario.slot_seconds
    # one run of a scripted batch job; the nights after belong to other slots
    until = begin + length if kind == "batch_job" else math.inf
    return Fault(
        id=f"{name}-{slot}",
        kind=kind,
        server=able[int(luck[2] * len(able))].hostname,
        start=float(round(begin)),
        duration_seconds=float(round(length)),
        severity=round(low + (high - low) * float(luck[3]), 2),
        until=float(round(until)) if math.isfinite(until) else until,
        origin=name,
    )
