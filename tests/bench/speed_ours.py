"""Ours, measured in a process of its own, so that its peak memory is its own: python -m tests.bench.speed_ours FOLDER

In: the folder of `speed_data`. Out: one line of JSON. Times are CPU of this process.
"""

import gc
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import cramjam
import numpy as np

from analyzer import plain, snapshot
from analyzer.derived import Deriver
from analyzer.detect.engine import Engine
from analyzer.explain.engine import LocalExplainer
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.incidents import Incidents
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.records import Topology
from analyzer.signals import PRESETS, load_presets
from analyzer.sinks.encoding import Encoder
from analyzer.window import Series, Window
from tests.bench.speed_data import CYCLE, DAYS, START, STEP, series, times

HORIZONS = (3600.0, 21600.0, 86400.0)
WARM = 4  # cycles that lay out tables for the first time


class Stages:
    """CPU of named calls, one sum a cycle."""

    def __init__(self) -> None:
        self.now: dict[str, float] = defaultdict(float)
        self.cycles: list[dict[str, float]] = []

    def watch(self, owner: object, name: str, stage: str) -> None:
        """Count every call of owner.name as `stage`."""
        setattr(owner, name, self.timed(getattr(owner, name), stage))

    def timed(self, work: Callable, stage: str) -> Callable:
        def run(*args, **named):
            began = time.process_time()
            try:
                return work(*args, **named)
            finally:
                self.now[stage] += time.process_time() - began

        return run

    def close(self) -> None:
        """The cycle is over."""
        self.cycles.append(dict(self.now))
        self.now.clear()


def main(folder: Path) -> None:
    """Measure and print."""
    table = series(folder)
    cycle = make_cycle()
    out = {"series": len(table), "hosts": len(table.hosts), "idle_mb": rss()}
    out |= bootstrap(cycle, table, folder)
    gc.freeze()  # as the service does once it has learned
    out |= live(cycle, table, folder)
    out |= state(cycle, len(table))
    if (folder / "picked.json").exists():
        out["error"] = forecast_error(table, folder)
    print(json.dumps(out))


def make_cycle() -> Cycle:
    """The service's pipeline with the shipped signals."""
    signals = {s.alias: s for s in load_presets(PRESETS)}
    policy = Policy()
    return Cycle(
        signals, engine=Engine(signals), forecaster=Forecaster(signals), findings=Findings(signals, policy),
        incidents=Incidents(signals, policy), explainer=LocalExplainer(("en", "ko"), ZoneInfo("UTC")), horizons=HORIZONS,
    )  # fmt: skip


def bootstrap(cycle: Cycle, table: Series, folder: Path) -> dict:
    """Seven days, a day at a time."""
    stages = Stages()
    parts = [stages.timed(getattr(cycle, name).bootstrap, name) for name in ("engine", "forecaster")]
    before = time.process_time()
    for day in range(DAYS):
        window = Window(table, times(day), np.load(folder / f"day-{day}.npy"))
        for part in parts:
            part(window)
    return {"bootstrap_s": time.process_time() - before, "bootstrap_parts": dict(stages.now), "peak_mb": rss()}


def live(cycle: Cycle, table: Series, folder: Path) -> dict:
    """Cycle after cycle, with what is written back encoded and compressed."""
    values, stages = np.load(folder / "live.npy"), Stages()
    topology = Topology(tuple((a, b) for a, b in json.loads((folder / "topology.json").read_text())))
    stages.watch(cycle.engine, "step", "score and learn")
    stages.watch(cycle.forecaster, "learn", "learn for forecasts")
    stages.watch(cycle.forecaster, "forecast", "forecast (every 8th)")
    stages.watch(cycle.findings, "step", "findings")
    stages.watch(cycle.incidents, "step", "incidents")
    stages.watch(cycle.explainer, "explain", "words")
    derive, encoder = stages.timed(Deriver().series_of, "derived series"), Encoder()
    whole, open_findings, wrote, size = [], [], [], []
    for i in range(values.shape[1]):
        window = Window(table, np.array([START + CYCLE * i]), values[:, i : i + 1])
        began = time.process_time()
        report = cycle.run(window, topology=topology)[0]
        cycled = time.process_time()
        blocks = derive(report)
        bodies = stages.timed(lambda blocks=blocks: press(encoder, blocks), "encode, compress")()
        trackers = stages.timed(lambda: plain.text(cycle.state()), "trackers for the store")()
        ended = time.process_time()
        stages.now["health and the rest"] = cycled - began - sum(stages.now[k] for k in PARTS)
        whole.append((cycled - began, ended - began))
        open_findings.append(len(report.board.findings))
        wrote.append(len(blocks))
        size.append(sum(map(len, bodies)) + len(trackers))
        stages.close()
    names = list(dict.fromkeys(name for each in stages.cycles for name in each))
    return {
        "stages": {name: [1e3 * each.get(name, 0.0) for each in stages.cycles[WARM:]] for name in names},
        "cycle_ms": [1e3 * a for a, _ in whole[WARM:]], "whole_ms": [1e3 * b for _, b in whole[WARM:]],
        "open": int(np.max(open_findings)), "written": int(np.median(wrote)),
    }  # fmt: skip


PARTS = ("score and learn", "learn for forecasts", "forecast (every 8th)", "findings", "incidents", "words")


def press(encoder: Encoder, derived) -> list[bytes]:
    """Remote write bodies as sent."""
    return [bytes(cramjam.snappy.compress_raw(body.data)) for body in encoder.bodies(derived.blocks, derived.time)]


def state(cycle: Cycle, n: int) -> dict:
    """Bytes a series in memory and in the snapshot's file."""
    parts = {"engine": cycle.engine.nbytes / n, "forecaster": cycle.forecaster.nbytes / n}
    began = time.process_time()
    disk = len(snapshot.pack(cycle.arrays(), {}))
    return {"state": parts, "disk": disk / n, "pack_s": time.process_time() - began, "cycle_mb": rss()}


def forecast_error(table: Series, folder: Path) -> list[float]:
    """Mean absolute error of each picked series at the end of day six for 1, 6 and 24 hours, in its deviations: as the peers do."""
    picked = json.loads((folder / "picked.json").read_text())
    rows = table.take(np.array(picked, np.int64))
    forecaster = Forecaster({})
    days = [np.load(folder / f"day-{day}.npy")[picked] for day in range(DAYS)]
    for day in range(DAYS - 1):
        forecaster.bootstrap(Window(rows, times(day), days[day]))
    made = forecaster.forecast(float(times(DAYS - 2)[-1]), HORIZONS).yhat
    truth = days[-1][:, [round(h / STEP) - 1 for h in HORIZONS]]
    return (np.abs(made - truth).mean(axis=1) / np.std(np.hstack(days), axis=1)).tolist()


def rss() -> float:
    """Peak resident memory, MB. Not getrusage's: that begins with what the parent had."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
