"""What a cycle costs after the read: 10,000 series, own CPU, memory, state, bootstrap from seven days. Prints, asserts nothing.

python -m tests.bench.speed [--series 10000] [--cycles 200]
"""

import argparse
import io
import resource
import time
from collections.abc import Iterator

import numpy as np

from analyzer.detect.engine import Engine
from analyzer.forecast import Forecaster
from analyzer.window import Series, Window

DAY, STEP = 86400.0, 300.0
START = 1_760_313_600.0
PER_HOST = 40
HORIZONS = (3600.0, 21600.0, 86400.0)


def table(n: int) -> Series:
    """n series, forty a host, twenty hosts a role."""
    return Series.build(
        (f"signal_{i % PER_HOST}", f"host-{i // PER_HOST}", f"role-{i // PER_HOST // 20}", (("instance", f"host-{i // PER_HOST}"),))
        for i in range(n)
    )


def values(times: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """A daily wave and noise."""
    wave = 0.4 + 0.15 * np.sin(2 * np.pi * times / DAY)
    return wave + 0.02 * rng.standard_normal((n, len(times)))


def history(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The times of seven days, a day at a time."""
    for day in range(7):
        yield START - (7 - day) * DAY + np.arange(0, DAY, STEP)


def rss() -> float:
    """Peak resident memory, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--cycles", type=int, default=200)
    args = parser.parse_args()
    n, rng = args.series, np.random.default_rng(0)
    series, engine, forecaster = table(n), Engine({}), Forecaster({})
    spent = {"engine": 0.0, "forecaster": 0.0}
    for times in history(n, rng):
        window = Window(series, times, values(times, n, rng))
        for name, part in (("engine", engine), ("forecaster", forecaster)):
            began = time.process_time()
            part.bootstrap(window)
            spent[name] += time.process_time() - began
    print(
        f"bootstrap, {n} series, 7 days at {STEP:.0f} s: engine {spent['engine']:.1f} s, forecaster {spent['forecaster']:.1f} s CPU"
    )
    print(f"peak memory {rss():.0f} MB, of which a day of samples {n * DAY / STEP * 8 / 2**20:.0f} MB")
    cost: dict[str, list[float]] = {"step": [], "learn": [], "forecast": []}
    for cycle in range(args.cycles):
        now = START + 15.0 * cycle
        window = Window(series, np.array([now]), values(np.array([now]), n, rng))
        marks = [time.process_time()]
        engine.step(window)
        marks.append(time.process_time())
        forecaster.learn(window)
        marks.append(time.process_time())
        if cycle % 8 == 0:
            forecaster.forecast(now, HORIZONS)
            cost["forecast"].append(time.process_time() - marks[-1])
        cost["step"].append(marks[1] - marks[0])
        cost["learn"].append(marks[2] - marks[1])
    print(f"{'ms CPU':12}{'median':>8}{'p99':>8}{'max':>8}")
    for name, each in cost.items():
        ms = 1e3 * np.array(each)
        print(f"{name:12}{np.median(ms):8.1f}{np.percentile(ms, 99):8.1f}{ms.max():8.1f}")
    total = (engine.nbytes + forecaster.nbytes) / n
    disk = io.BytesIO()
    np.savez(disk, **engine.state(), **{f"f.{k}": v for k, v in forecaster.state().items()})
    print(f"state: {total:.0f} bytes a series in memory (engine {engine.nbytes / n:.0f}), {disk.tell() / n:.0f} on disk")
    print(f"mean cycle with a forecast every 2 min at 15 s: {1e3 * sum(map(sum, cost.values())) / args.cycles:.1f} ms")


if __name__ == "__main__":
    main()
