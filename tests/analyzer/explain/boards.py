"""Hand-built boards and incidents: a few servers, each reading written as (value, lower, upper) and when it left its range."""

import math
from dataclasses import replace

import numpy as np

from analyzer.records import Board, Cause, Finding, Forecast, Incident, Scores, Topology
from analyzer.signals import Signal
from analyzer.window import Series

NOW = 1_799_732_700.0  # 2027-01-12 05:45:00 UTC
UNITS = {
    "cpu": "ratio", "steal": "ratio", "iowait": "ratio", "memory": "ratio", "swap": "ratio", "disk": "ratio", "inodes": "ratio",
    "disk_time": "ratio", "disk_latency": "seconds", "network_receive": "bytes_per_second", "network_transmit": "bytes_per_second",
    "network_errors": "per_second", "tcp_retransmits": "ratio", "load": "count", "context_switches": "per_second",
    "processes": "count", "open_files": "count", "temperature": "celsius", "uptime": "seconds", "up": "count",
    "clock_skew": "seconds", "requests": "per_second", "errors": "ratio", "response_time": "seconds", "connections": "count",
    "replication_lag": "seconds", "cache_hit": "ratio",
}  # fmt: skip
OPEN_BELOW = {"clock_skew", "temperature"}
SIGNALS = {
    alias: Signal(
        alias, alias, {"en": alias, "ko": alias}, unit, expr=alias, low=None if alias in OPEN_BELOW else 0.0,
        high=1.0 if unit == "ratio" or alias == "up" else None, limit={"disk": 1.0, "memory": 0.95}.get(alias),
        labels=("mountpoint",) if alias in ("disk", "inodes") else ("device",) if alias in ("disk_time", "disk_latency") else (),
    )
    for alias, unit in UNITS.items()
}  # fmt: skip


class World:
    """Collects readings; makes the board and the incident out of them."""

    def __init__(self, now=NOW):
        self.now = now
        self.rows, self.findings, self.edges, self.until = [], [], [], {}

    def read(self, host, signal, value, lower=math.nan, upper=math.nan, role="", labels=None, ready=1.0):
        self.rows.append((host, signal, role, tuple(sorted((labels or {}).items())), value, lower, upper, ready))
        return self

    def find(self, host, signal, value, lower, upper, ago, kind="level", role="", labels=None, score=3.0, **more):
        """A reading with an open finding that began `ago` seconds before now."""
        self.read(host, signal, value, lower, upper, role, labels, more.pop("ready", 1.0))
        pairs, onset = tuple(sorted((labels or {}).items())), self.now - ago
        z = -5.0 if value < lower else 5.0
        finding = Finding(
            f"{host}/{signal}", signal, host, pairs, kind, "firing", onset, onset + 60, self.now, None, score, score,
            value, (lower + upper) / 2, lower, upper, z,
        )  # fmt: skip
        self.findings.append(replace(finding, **more))
        return self

    def needs(self, dependent, on):
        self.edges.append((dependent, on))
        return self

    def limit(self, host, signal, seconds, low=math.nan, high=math.nan):
        self.until[host, signal] = (seconds, low, high)
        return self

    def board(self):
        table = Series.build([(signal, host, role, labels) for host, signal, role, labels, *_ in self.rows])
        value, lower, upper, ready = (np.array([r[i] for r in self.rows], float) for i in (4, 5, 6, 7))
        strange = (value > upper) | (value < lower)
        score, onset = np.where(np.isnan(value), np.nan, np.where(strange, 3.0, 0.3)), np.where(strange, self.now - 600, np.nan)
        middle, zero = (lower + upper) / 2, np.zeros(len(value))
        scores = Scores(self.now, table, value, middle, lower, upper, score, zero, zero.astype(int), ("level",), onset, ready)
        ahead = [self.until.get((host, signal), (math.nan,) * 3) for host, signal, *_ in self.rows]
        until = [np.array([a[i] for a in ahead], float) for i in range(3)]
        none = np.full((len(value), 1), np.nan)
        forecast = Forecast(self.now, table, (3600.0,), none, none, none, *until)
        return Board(self.now, SIGNALS, scores, forecast, tuple(self.findings), (), {}, Topology(tuple(self.edges)))

    def incident(self, host, signal, kind, *, labels=None, affected=(), confidence=0.82, causes=None, **more):
        started = min(f.onset for f in self.findings) if self.findings else self.now - 600
        base = Incident(
            "inc-0001", 1, "OpenManagerAnomaly", "warning", "open", host, signal, tuple(sorted((labels or {}).items())), kind,
            kind in ("traffic_surge", "batch_job"), confidence, started, started + 60, self.now, None, 3.0, tuple(self.findings),
            causes if causes is not None else (Cause(host, kind, confidence, started),), tuple(affected), True,
        )  # fmt: skip
        return replace(base, **more)
