"""The matrix that everything in `speed` is measured on: the simulated fleet's signals, seven days and then a while at 15 s.

In: how many series. Out: a folder of `.npy` files, one a day of history and one of live columns, and the rows as JSON. In files, so
that the measured processes hold a day at a time, as the service does, and peers need nothing of ours to read them.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from analyzer.window import Series, Window
from exporter.fleet.faults import Fault
from tests.bench.fleet import DAY, Fleet

START = 1_760_313_600.0  # a Monday, 00:00 UTC
DAYS, STEP, CYCLE = 7, 300.0, 15.0
PER_HOST = 26.2  # signals that a simulated server has, on average
KINDS = ("cpu_runaway", "memory_leak", "disk_slow", "network_saturation", "packet_loss", "steal", "stuck_metric", "crash")


def make(folder: Path, n: int, cycles: int, progress: Callable[[float], None]) -> None:
    """Write n series (whole servers, the last one cut) of a fleet in which a few dozen findings open."""
    fleet = Fleet(3, int(n / PER_HOST) + 5)
    keep: list[tuple[str, str, str, tuple[tuple[str, str], ...]]] = []
    for day in range(DAYS):
        begin = START - (DAYS - day) * DAY
        window = fleet.window(begin, begin + DAY, STEP)
        keep = keep or _rows(window.series, n)
        np.save(folder / f"day-{day}.npy", _picked(window, keep))
        progress((day + 1) / (DAYS + 1))
    window = fleet.window(START, START + cycles * CYCLE, CYCLE, _faults(fleet))
    np.save(folder / "live.npy", _picked(window, keep))
    (folder / "rows.json").write_text(json.dumps(keep))
    (folder / "topology.json").write_text(json.dumps(fleet.topology.edges))
    progress(1.0)


def times(day: int) -> np.ndarray:
    """Unix seconds of one day of history."""
    return START - (DAYS - day) * DAY + np.arange(0, DAY, STEP)


def series(folder: Path) -> Series:
    """Who the rows are."""
    rows = json.loads((folder / "rows.json").read_text())
    return Series.build((a, h, r, tuple((k, v) for k, v in labels)) for a, h, r, labels in rows)


def _rows(table: Series, n: int) -> list:
    order = np.argsort(table.host, kind="stable")[:n]
    return [(table.key(i)[0], table.host_of(i), table.role_of(i), table.labels[i]) for i in order.tolist()]


def _picked(window: Window, rows: list) -> np.ndarray:
    at = window.series.positions([(alias, labels) for alias, _, _, labels in rows])
    return np.where((at >= 0)[:, None], window.values[at], np.nan)


def _faults(fleet: Fleet) -> list[Fault]:
    names = [server.hostname for server in fleet.load.servers]
    every = max(len(names) // 24, 1)
    return [
        Fault(f"f{i}", KINDS[i % len(KINDS)], name, START + 300.0, 7200.0, 0.8, START + 7500.0)
        for i, name in enumerate(names[::every])
    ]
