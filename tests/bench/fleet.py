"""One simulated fleet for benchmarks: its load, signals and topology, and windows of any span."""

from collections.abc import Sequence

from analyzer.signals import PRESETS, load_presets
from analyzer.window import Window
from exporter.fleet import catalog
from exporter.fleet.faults import Fault
from exporter.fleet.load import Load
from tests.bench.fleet_source import fleet_topology, fleet_window

DAY = 86400.0


class Fleet:
    """Windows of one fleet at any time.

    Parameters
    ----------
    seed : of the load model.
    size : servers.
    """

    def __init__(self, seed: int, size: int = catalog.SIZE) -> None:
        self.load = Load(seed, catalog.build(size))
        self.signals = load_presets(PRESETS)
        self.topology = fleet_topology(self.load, 1_760_000_000.0)

    def window(self, begin: float, end: float, step: float, faults: Sequence[Fault] = ()) -> Window:
        """All signals at begin, begin + step, … before end. Rates over a minute, scraped as often as cycles run."""
        width = max(60.0, 2 * step) if step < 60 else step
        return fleet_window(self.load, self.signals, begin, end - step, step, faults, width, step)
