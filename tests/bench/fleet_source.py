"""The simulated fleet as the analyzer would see it: readings -> raw series as scraped -> the same windows as from Prometheus.

For tuning and benchmarks only: no server, no network, any span of time at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from analyzer.evaluate import LOOKBACK, Plan, stale_where_missing
from analyzer.identity import Identity
from analyzer.records import Topology
from analyzer.signals import PRESETS, Signal, load_presets, metrics_of
from analyzer.window import Series, Window
from exporter.fleet.faults import Fault
from exporter.fleet.load import Load

MODES = ("idle", "iowait", "nice", "steal")  # all that the preset signals need of node_cpu_seconds_total
COLUMNS = 2_000  # scrapes at once: bounds memory


def fleet_window(
    load: Load,
    signals: Sequence[Signal] | None,
    start: float,
    end: float,
    step: float,
    faults: Sequence[Fault] = (),
    rate_window: float | None = None,
    scrape_interval: float | None = None,
) -> Window:
    """All signals of all servers at start, start + step, … end (both included).

    `signals` None = every preset. `scrape_interval` None = min(step, 15); a larger one (60) is quicker and smoother.
    `rate_window` None = max(60, 4 scrape intervals), but two of them for 60 s, as the Prometheus source does with seeded history.
    """
    parts = list(fleet_windows(load, signals, start, end, step, faults, rate_window, scrape_interval))
    if len(parts) == 1:
        return parts[0]
    keys = {key: None for part in parts for key in part.series.keys()}  # noqa: SIM118 it is not a dict
    rows = {}
    for part in parts:
        for i, key in enumerate(part.series.keys()):
            rows.setdefault(key, (key[0], part.series.host_of(i), part.series.role_of(i), key[1]))
    series = Series.build(rows[key] for key in keys)
    times = np.concatenate([part.times for part in parts])
    values = np.full((len(series), len(times)), np.nan)
    at = 0
    for part in parts:
        values[series.positions(part.series.keys()), at : at + len(part.times)] = part.values
        at += len(part.times)
    return Window(series, times, values)


def fleet_windows(
    load: Load,
    signals: Sequence[Signal] | None,
    start: float,
    end: float,
    step: float,
    faults: Sequence[Fault] = (),
    rate_window: float | None = None,
    scrape_interval: float | None = None,
) -> Iterator[Window]:
    """`fleet_window` in consecutive parts, for spans that are too long to hold at once."""
    signals = load_presets(PRESETS) if signals is None else signals
    every = min(step, 15.0) if scrape_interval is None else scrape_interval
    width = rate_window or (max(60.0, 4 * every) if every < 60 else 2 * every)
    at = np.round(start + step * np.arange(int((end - start) / step + 1e-6) + 1), 3)
    before = max(width, LOOKBACK)
    plan, names, wanted = None, None, metrics_of(signals)
    piece = max(int(COLUMNS * every / step), 1)
    for i in range(0, len(at), piece):
        some = at[i : i + piece]
        scrapes = np.arange(np.floor((some[0] - before) / every), np.floor(some[-1] / every) + 1) * every
        read = load.readings(scrapes, list(faults), metrics=wanted, where={"mode": MODES})
        if plan is None or names is not read.names:
            labels = _labels(load, read)
            plan, names = Plan.build(signals, read.names, labels, Identity()), read.names
        yield plan.run(scrapes, stale_where_missing(read.values), some, rate_window=width)


def fleet_topology(load: Load, at: float) -> Topology:
    """Who depends on whom, from the series that says so."""
    read = load.readings([at], metrics={"app_dependency_info"})
    return Topology(tuple((server, dict(pairs)["on"]) for server, pairs in zip(read.servers, read.labels, strict=True)))


def fleet_roles(load: Load) -> dict[str, str]:
    """Host -> role."""
    return {server.hostname: server.role for server in load.servers}


def _labels(load: Load, read) -> tuple:
    known = {server.hostname: server for server in load.servers}
    found = []
    for host, own in zip(read.servers, read.labels, strict=True):
        server = known[host]
        target = {"instance": host, "job": "node", "role": server.role}
        target |= {"environment": server.environment, "location": server.location}
        found.append(tuple(sorted({**dict(own), **target}.items())))
    return tuple(found)
