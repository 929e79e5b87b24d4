"""Server objects: a moment's state of the fleet in, JSON-ready dicts for `/api/servers` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exporter.fleet import catalog
from exporter.fleet.fleet import Fleet
from exporter.fleet.noise import Floats


def uptime(seconds: float) -> str:
    """Text such as ``12d 3h 5m``."""
    minutes = int(max(seconds, 0) // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days}d {hours}h {minutes % 60}m" if days else f"{hours}h {minutes % 60}m"


def status(up: bool, cpu: float, memory: float, disk: float, errors: float) -> str:
    """One word for a server; shares 0..1."""
    if not up:
        return "offline"
    if max(cpu, memory) >= 0.95 or disk >= 0.97 or errors >= 0.2:
        return "critical"
    if max(cpu, memory, disk) >= 0.85 or errors >= 0.05:
        return "warning"
    return "online"


def servers(fleet: Fleet, chosen: Sequence[catalog.Server], now: float) -> list[dict[str, Any]]:
    """Server objects with their newest readings."""
    if not chosen:
        return []
    state, booted = fleet.moment(now)

    def at(values: Floats, server: catalog.Server) -> float:
        group, member = divmod(server.index, catalog.SIZE)
        return float(values[group, member, 0])

    out = []
    for server in chosen:
        up = at(state.down, server) == 0
        cpu = at(state.user, server) + at(state.system, server) + at(state.nice, server) + at(state.softirq, server)
        memory, disk = at(state.used, server), max(at(state.fill[k], server) for k in range(len(server.mounts)))
        seconds = now - float(np.nan_to_num(booted[server.index], nan=now))
        out.append(
            describe(server)
            | {
                "status": status(up, cpu, memory, disk, at(state.errors, server)),
                "cpu": round(100 * cpu, 1) if up else 0.0,
                "memory": round(100 * memory, 1) if up else 0.0,
                "disk": round(100 * disk, 1),
                "network": {
                    "bytesIn": round(at(state.receive, server)) if up else 0,
                    "bytesOut": round(at(state.send, server)) if up else 0,
                },
                "responseTime": round(1000 * at(state.latency, server), 1) if up and server.serves else None,
                "uptime": uptime(seconds),
                "uptime_seconds": int(seconds),
                "services": [{"name": s.name, "port": s.port, "status": "running" if up else "stopped"} for s in server.services],
            }
        )
    return out


def describe(server: catalog.Server) -> dict[str, Any]:
    """What of a server does not change."""
    return {
        "id": server.id,
        "hostname": server.hostname,
        "name": server.name,
        "type": server.role,
        "environment": server.environment,
        "location": server.location,
        "provider": server.provider,
        "ip": server.ip,
        "cores": server.cores,
        "memory_bytes": server.memory_bytes,
    }


def topology(chosen: Sequence[catalog.Server]) -> dict[str, list[dict[str, str]]]:
    """Who depends on whom, among the chosen."""
    names = {server.hostname for server in chosen}
    return {
        "nodes": [{"id": s.hostname, "title": s.name, "type": s.role, "location": s.location} for s in chosen],
        "edges": [
            {"id": f"{s.hostname}->{on}", "source": s.hostname, "target": on} for s in chosen for on in s.depends_on if on in names
        ],
    }
