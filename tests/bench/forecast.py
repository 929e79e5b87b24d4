"""Forecasts of recorded data sets beside what others would say at the same origins: error, coverage and width of bands, cost.

    python -m tests.bench.forecast --data DATA [--score SCORER] [--sets asd,smd]

DATA: a folder with sub-folders of .npz files that hold train, test and step_s. Origins every six hours through test, from rows up
to the origin only. The error is over that of the same time yesterday (geometric mean over metrics, each at least 0.05). SCORER: a
program that takes DATA, SCORES and --json, and judges ours as well. Prints, asserts nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from analyzer.forecast import Forecaster
from analyzer.window import Series, Window
from tests.bench.forecast_peers import DAY, HORIZONS, PEERS, Forecasts, steps

OURS, EVERY, START = "ours", 21600, 1_700_006_400.0
FLOOR = 0.05


def ours(rows: np.ndarray, at: np.ndarray, step: float, first: int) -> Forecasts:
    """The live forecaster, one row after the other; what lies before `first` is history."""
    m = rows.shape[1]
    series = Series.build((f"c{i:02d}", "host", "", (("column", f"c{i:02d}"),)) for i in range(m))
    times, made, wanted = START + step * np.arange(len(rows)), [], set(at.tolist())
    forecaster = Forecaster({})
    forecaster.bootstrap(Window(series, times[:first], rows[:first].T))
    for t in range(first, int(at[-1]) + 1):
        forecaster.learn(Window(series, times[t : t + 1], rows[t][:, None]))
        if t in wanted:
            made.append(forecaster.forecast(times[t], [float(h) for h in HORIZONS]))
    return tuple(np.stack([getattr(f, part).T for f in made]) for part in ("yhat", "lower", "upper"))


def judge(rows: np.ndarray, at: np.ndarray, step: float, said: Forecasts) -> np.ndarray:
    """float64 [3, horizons]: error ratio, coverage, width; NaN where there is no band."""
    yhat, low, high = said
    out = np.full((3, len(HORIZONS)), np.nan)
    for j, h in enumerate(HORIZONS):
        here = at + steps(h, step) < len(rows)
        goal = at[here] + steps(h, step)
        truth = rows[goal]
        naive = np.abs(rows[goal - steps(DAY, step)] - truth).mean(axis=0)
        ok = naive > 1e-9
        error = np.abs(yhat[here, j] - truth).mean(axis=0)
        out[0, j] = np.exp(np.log(np.maximum(error[ok] / naive[ok], FLOOR)).mean())
        if low is not None and high is not None:
            out[1, j] = ((truth >= low[here, j]) & (truth <= high[here, j])).mean()
            out[2, j] = (high[here, j] - low[here, j]).mean()
    return out


def one(file: Path, scores: Path) -> dict[str, tuple[np.ndarray, float]]:
    """Every method on one file: figures and seconds per series. Ours is written for the scorer."""
    with np.load(file, allow_pickle=False) as arrays:
        train, test, step = arrays["train"].astype(float), arrays["test"].astype(float), float(arrays["step_s"])
    rows, first = np.concatenate([train, test]), len(train)
    at = np.arange(first, len(rows) - steps(HORIZONS[0], step), steps(EVERY, step))
    padded = np.concatenate([rows, np.repeat(rows[-1:], steps(DAY, step), axis=0)])  # targets beyond the end are not judged
    found = {}
    for name, method in {OURS: None, **PEERS}.items():
        began = time.process_time()
        said = ours(rows, at, step, first) if method is None else method(padded, at, step)
        found[name] = (judge(rows, at, step, said), (time.process_time() - began) / rows.shape[1])
        if method is None:
            write(scores / file.parent.name / file.name, len(test), at - first, said)
    return found


def write(path: Path, rows: int, at: np.ndarray, said: Forecasts) -> None:
    """Ours in the scorer's form; nothing is said about anomalies."""
    arrays = {"score": np.zeros(rows), "flag": np.zeros(rows, bool), "horizons_s": np.array(HORIZONS)}
    for name, part in zip(("yhat", "lower", "upper"), said, strict=True):
        arrays[name] = np.full((rows, len(HORIZONS), part.shape[2]), np.nan, np.float32)
        arrays[name][at] = part
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def show(title: str, figures: np.ndarray, seconds: float) -> None:
    """One line of the table."""
    error, cover, width = ("/".join("-" if np.isnan(v) else f"{v:.3f}" for v in part) for part in figures)
    print(f"{title:22} {error:18} {figures[0].mean():6.3f} {cover:18} {width:18} {seconds:8.4f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--sets", default="asd,smd")
    args = parser.parse_args()
    scores, means = Path(tempfile.mkdtemp(prefix="openmanager-forecast-")), []
    for folder in args.sets.split(","):
        each = []
        for file in sorted((args.data / folder).glob("*.npz")):
            each.append(one(file, scores))
            print(f"{file.stem} {' '.join(f'{v:.3f}' for v in each[-1][OURS][0][0])}", file=sys.stderr)
        print(f"\n{folder:22} {'error 1/6/24 h':18} {'mean':>6} {'coverage':18} {'width':18} {'s/series':>8}")
        for name in each[0] if each else ():
            show(name, np.mean([e[name][0] for e in each], axis=0), float(np.mean([e[name][1] for e in each])))
        means.append({name: np.mean([e[name][0][0] for e in each]) for name in each[0]} if each else {})
    print("\nmean of all cells: " + ", ".join(f"{name} {np.mean([m[name] for m in means]):.3f}" for name in means[0]))
    if args.score:
        judged = subprocess.run(
            [sys.executable, str(args.score), str(args.data), str(scores), "--json"], check=True, capture_output=True, text=True
        )
        for folder, report in json.loads(judged.stdout).items():
            said = {k: v for k, v in report["mean"].items() if k.startswith(("mae", "cov", "wid"))}
            print(f"ours by {args.score.name}, {folder}: " + ", ".join(f"{k} {v:.3f}" for k, v in said.items()))


if __name__ == "__main__":
    main()
