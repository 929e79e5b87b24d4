"""What a cycle costs after the read, beside others on the same data in the same run. Prints, asserts nothing.

    python -m tests.bench.speed [--series 10000] [--cycles 200] [--peers .bench/bin/python] [--without-rules]

In: the simulated fleet, a week of history and cycles of 15 s during which faults run on two dozen servers. Ours is measured in a
process of its own, peers in theirs with their own packages, recording rules in a Prometheus on loopback. All times are CPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deploy.local.seed import bar
from deploy.local.servers import ServerMissingError
from tests.bench import speed_rules
from tests.bench.speed_data import DAYS, make

PICKED = 200  # series without gaps that peers get, at most
RULE_SERIES, EVALUATIONS = 1000, 3
SECONDS = 12.0  # each peer, at most
PEERS = 7
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--peers", type=Path, default=ROOT / ".bench/bin/python")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--without-rules", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="openmanager-speed-") as name:
        folder = Path(name)
        make(folder, args.series, args.cycles, bar(f"a week of {args.series:,} series"))
        pick(folder)
        ours = run([sys.executable, "-m", "tests.bench.speed_ours", str(folder)], ours_env(), 1, bar("ours"))[0]
        show_ours(ours)
        if not args.without_peers:
            show_peers(ours, peers(args.peers, folder))
    if not args.without_rules:
        show_rules(ours)


def pick(folder: Path) -> None:
    """Note rows that have no gaps and move, evenly over all signals: not every peer takes others."""
    x = np.hstack([np.load(folder / f"day-{day}.npy") for day in range(DAYS)])
    fit = np.flatnonzero(np.isfinite(x).all(axis=1) & (np.ptp(x[:, -288:], axis=1) > 0))
    rows = fit[np.linspace(0, len(fit) - 1, min(PICKED, len(fit))).astype(int)]
    (folder / "picked.json").write_text(json.dumps(np.random.default_rng(0).permutation(rows).tolist()))


def ours_env() -> dict[str, str]:
    """One thread for everybody."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return {**os.environ, **one}


def run(command: list[str], env: dict[str, str], lines: int, progress: Callable[[float], None], *, loud: bool = True) -> list[dict]:
    """The JSON lines that a program prints; what it warns of is not shown unless `loud`."""
    said, quiet = [], None if loud else subprocess.DEVNULL
    with subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        for line in process.stdout or ():
            said.append(json.loads(line))
            progress(min(1.0, len(said) / lines))
    if process.returncode:
        raise SystemExit(f"{command[1:3]} ended with {process.returncode}")
    return said


def peers(python: Path, folder: Path) -> list[dict]:
    """What the peers say of themselves; one line with the reason where their environment is not there."""
    if not python.exists():
        return [{"name": "peers", "kind": "online", "reason": f"{python} is not there: `make bench-speed` installs them"}]
    env = {k: v for k, v in ours_env().items() if k != "PYTHONPATH"}
    command = [str(python), str(ROOT / "tests/bench/peers.py"), str(folder), str(SECONDS)]
    return run(command, env, PEERS, bar("peers"), loud=False)


def show_ours(o: dict) -> None:
    """Bootstrap, state, cycle."""
    per, cycles = 1e4 / o["series"], len(o["cycle_ms"])
    parts = ", ".join(f"{k} {v:.1f}" for k, v in o["bootstrap_parts"].items())
    state = ", ".join(f"{k} {v:.0f}" for k, v in o["state"].items())
    print(f"\n{o['series']} series of {o['hosts']} servers; CPU of one process, one thread\n")
    print(f"bootstrap from {DAYS} days at 5 min: {o['bootstrap_s']:.1f} s CPU ({parts}); peak memory {o['peak_mb']:.0f} MB")
    print(f"  {o['idle_mb']:.0f} MB before it read anything; {o['cycle_mb']:.0f} MB after {cycles} cycles and a snapshot")
    print(f"state a series: {sum(o['state'].values()):.0f} bytes in memory ({state})")
    print(f"  {o['disk']:.0f} bytes in the snapshot, which takes {o['pack_s']:.2f} s CPU to make")
    print(f"\na cycle of 15 s, up to {o['open']} findings open, {o['written']} derived samples; ms CPU")
    print(f"{'':26}{'median':>8}{'mean':>8}{'p99':>8}")
    for name, each in {**o["stages"], "the cycle": o["cycle_ms"], "the cycle, encoded": o["whole_ms"]}.items():
        print(f"{name:26}{np.median(each):8.1f}{np.mean(each):8.1f}{np.percentile(each, 99):8.1f}")
    alone, encoded = (float(np.median(o[k])) * per for k in ("cycle_ms", "whole_ms"))
    print(f"for 10,000 series: {alone:.1f} ms, with everything encoded {encoded:.1f} ms")


def per_series(o: dict) -> dict[str, float]:
    """Microseconds a series: a newest sample scored and learned; a forecast at three horizons."""
    newest = np.median(np.add(o["stages"]["score and learn"], o["stages"]["learn for forecasts"]))
    made = [ms for ms in o["stages"]["forecast (every 8th)"] if ms > 0]
    return {"online": 1e3 * float(newest) / o["series"], "refit": 1e3 * float(np.median(made or [np.nan])) / o["series"]}


def show_peers(o: dict, said: list[dict]) -> None:
    """Ours and theirs, by what is done."""
    own = per_series(o)
    titles = {"online": "the newest sample, state kept", "refit": "forecast 1, 6 and 24 h ahead"}
    columns = f"{'µs a series':>14}{'x ours':>10}{'series':>8}"
    names = {"online": "ours: six detectors, forecaster", "refit": "ours: ten experts pooled, 90 % band"}
    for kind, title in titles.items():
        print(f"\n{title:40}{columns}{'   error (ours on the same series)' if kind == 'refit' else ''}")
        print(f"{names[kind]:40}{own[kind]:14.2f}{1:10.0f}{o['series']:8}")
        for one in (s for s in said if s["kind"] == kind):
            if "reason" in one:
                print(f"{one['name']:40}  {one['reason']}")
                continue
            error = f"{one['error']:8.3f} ({np.mean(o['error'][: one['n']]):.3f})" if "error" in one else ""
            print(f"{one['name']:40}{one['us']:14.2f}{one['us'] / own[kind]:10.1f}{one['n']:8}{error}")
    print("peers are fitted on six days of hourly samples; error: mean absolute error over the series' own deviation")


def show_rules(o: dict) -> None:
    """Recording rules in Prometheus, an evaluation, beside ours."""
    began = time.monotonic()
    try:
        seconds = speed_rules.measure(RULE_SERIES, EVALUATIONS, bar("rules in Prometheus"))
    except (ServerMissingError, RuntimeError, OSError) as error:
        print(f"\nrecording rules in Prometheus: {str(error)[:120]}")
        return
    own = per_series(o)["online"]
    print(f"\n{f'recording rules, {RULE_SERIES} series, 26 h':40}{'µs a series':>14}{'x ours':>10}")
    for group, each in seconds.items():
        name = "both groups, CPU of Prometheus" if group == "CPU" else f"{group}, one evaluation by its clock"
        print(f"{name:40}{1e6 * each / RULE_SERIES:14.0f}{1e6 * each / RULE_SERIES / own:10.0f}")
    print(f"({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
