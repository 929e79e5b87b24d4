"""A runner over a made-up world: a source that can be away, empty, partial or set its clock, sinks that only remember.

The cycle is the real one. Values are a function of time, so that any stretch can be asked for in any order.
"""

import asyncio

import numpy as np

from analyzer.detect.engine import Engine
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.incidents import Incidents
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.ports import SourceError
from analyzer.records import Topology
from analyzer.resume import Resume, Times
from analyzer.runner import Runner
from analyzer.selfmetrics import SelfMetrics
from analyzer.signals import load_presets
from analyzer.window import Series, Window

NOW = 1_760_529_600.0  # a Wednesday, 12:00 UTC
DAY, MINUTE = 86400.0, 60.0
HOSTS = ("web-1", "web-2", "web-3", "db-1")
ALIASES = ("cpu", "load", "memory", "context_switches", "up")
SIGNALS = {s.alias: s for s in load_presets(("node",)) if s.alias in ALIASES}
TABLE = Series.build((a, h, h[:-2], (("instance", h),)) for a in ALIASES for h in HOSTS)
LEVEL = {"cpu": 0.3, "load": 0.4, "memory": 0.5, "context_switches": 2000.0, "up": 1.0}


class World:
    """`ports.Source`: values by time, with faults. `at` is its clock; `faults`: host -> when its CPU began to run away."""

    def __init__(self):
        self.at, self.away, self.partial, self.warnings = NOW, False, False, ()
        self.faults, self.healed, self.dark, self.hosts = {}, {}, [], HOSTS
        self.reads = []

    async def now(self):
        await asyncio.sleep(0)
        if self.away:
            raise SourceError("connection refused")
        return self.at

    async def read(self, start, end, step):
        await asyncio.sleep(0)
        if self.away:
            raise SourceError("connection refused")
        self.reads.append((start, end))
        times = start + step * np.arange(int((end - start) / step + 1e-6) + 1)
        values = np.stack([self.column(t) for t in times], axis=1)
        return Window(TABLE, times, values, self.partial, self.warnings)

    async def topology(self, now):
        return Topology()

    def column(self, at):
        """float64 [series]: noise around a level, a runaway where one was planted, nothing where it is dark or not yet."""
        noise = np.random.default_rng(int(at)).standard_normal(len(TABLE))
        out = np.empty(len(TABLE))
        for row, (alias, labels) in enumerate(TABLE.keys()):
            host = labels[0][1]
            begun, healed = self.faults.get(host, np.inf), self.healed.get(host, np.inf)
            ill = 2.8 if alias in ("cpu", "load") and begun <= at < healed else 1.0
            out[row] = LEVEL[alias] * ill * (1 + (0.0 if alias == "up" else 0.03 * noise[row]))
            if host not in self.hosts:
                out[row] = np.nan
        if any(a <= at < b for a, b in self.dark) or at > self.at:
            out[:] = np.nan
        return out


class Disk:
    """`CycleStore` that remembers, and a state folder: what survives a kill."""

    def __init__(self, folder):
        self.folder, self.reports, self.saved, self.fails = folder, [], None, None

    async def put_report(self, report, trackers):
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails
        self.reports.append(report)
        self.saved = (report.time, trackers)

    async def trackers(self):
        return self.saved


class Remember:
    """A sink."""

    def __init__(self, name="remember", fails=None):
        self.name, self.fails, self.reports = name, fails, []

    async def put(self, report):
        if self.fails:
            raise self.fails
        self.reports.append(report)

    @property
    def times(self):
        return [r.time for r in self.reports]

    def incidents(self):
        """(id, state) of what changed, in order."""
        return [(i.id, i.state) for r in self.reports for i in r.changed]


class Told:
    """Alerts about ourselves."""

    def __init__(self, fails=0):
        self.alerts, self.fails = [], fails

    async def self_alert(self, name, *, active, summary):
        if self.fails:
            self.fails -= 1
            raise RuntimeError("the store is busy")
        self.alerts.append((name, active))


def cycle(**options):
    """A real pipeline without words, quick to open and to close."""
    policy = Policy(hold=60, sharp_hold=60, resolve_after=120, quiet_after=60, lone_hold=120, settle=0, doubt=0)
    return Cycle(
        SIGNALS, engine=Engine(SIGNALS), forecaster=Forecaster(SIGNALS), findings=Findings(SIGNALS, policy),
        incidents=Incidents(SIGNALS, policy), **options,
    )  # fmt: skip


def runner(world, disk, *, sinks=(), told=None, windows=(), times=None, fingerprint="same", wall=None, **parts):
    """A runner over the real cycle; `parts` replace its own."""
    made = {"interval": MINUTE, "history": 2 * DAY, "history_step": 300.0, "judge_last": 600.0, "snapshot_every": 300.0}
    metrics = SelfMetrics()
    resume = Resume(
        source=world, cycle=parts.pop("cycle", None) or cycle(), store=disk, metrics=metrics, path=disk.folder / "detectors.npz",
        times=Times(**made | (times or {})), windows=lambda: windows, fingerprint=fingerprint,
    )  # fmt: skip
    return Runner(
        resume=resume, sinks=sinks, store=disk, metrics=metrics, self_alerts=told, wall=wall or (lambda: world.at), **parts
    )


async def ticks(one, world, minutes):
    """Turn the clock and the runner, minute by minute."""
    for _ in range(minutes):
        world.at += MINUTE
        await one.tick()


def metric(one, name, **labels):
    """The value of one of our own metrics."""
    return one.metrics.registry.get_sample_value(name, labels)
