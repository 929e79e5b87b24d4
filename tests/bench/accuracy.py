"""Replays recorded, labelled data sets as `omctl replay` does, has them judged, and prints ours beside peers. Asserts nothing.

    python -m tests.bench.accuracy --data DATA --score SCORER [--out SCORES] [--sets asd,smd,nab] [--jobs 2]

DATA: a folder with sub-folders of .npz files; SCORER: a program that takes DATA, SCORES and --json, and prints measures.

The peers' figures were measured with the same scorer and protocol (learn from the training part and from rows already seen, one
setting for all, no point adjustment) on six ASD machines (omi-1 to 6) and four of SMD (1-6, 2-1, 2-7, 3-4), each method in its
textbook form. Their seconds are of that measurement, ours CPU seconds of this run; their false alarms a day are means over both
sets. NAB: detections that its repository publishes, scored on the same 19 series.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

COLUMNS = ("VUS-PR", "AUC-PR", "event F1", "false/day", "IPS@100", "s/machine")
MEASURES = ("vus_pr", "auc_pr", "ev_f1", "ev_false_alarms_per_day", "ips@100")
HORIZONS = {"1 h": 3600, "6 h": 21600, "24 h": 86400}
NONE = None
PEERS: dict[str, dict[str, tuple[float | None, ...]]] = {
    "asd": {
        "ridge, Mahalanobis, k-means together": (0.632, 0.473, NONE, NONE, NONE, 0.5),
        "ridge and Mahalanobis together": (0.608, 0.474, NONE, NONE, NONE, 0.1),
        "small CNN forecaster": (0.564, 0.397, NONE, NONE, NONE, 10),
        "day profile, mean residual": (0.436, 0.366, NONE, NONE, NONE, 0.02),
        "Mahalanobis, 5-row windows": (0.427, 0.324, NONE, NONE, NONE, 0.1),
        "PCA residual, 10-row windows": (0.406, 0.293, NONE, NONE, 0.65, 0.2),
        "kNN, 10-row windows": (0.395, 0.298, NONE, NONE, NONE, 0.6),
        "k-means, 40-row windows": (0.384, 0.260, NONE, NONE, NONE, 0.7),
        "EWMA z": (0.162, 0.129, NONE, NONE, NONE, 0.2),
        "isolation forest": (0.124, 0.113, NONE, NONE, NONE, 0.4),
        "mean of robust z": (0.110, 0.105, NONE, NONE, NONE, 0.01),
        "last difference or EWMA, 1 row in 2 days": (NONE, NONE, 0.623, 0.87, NONE, NONE),
        "mean last difference, 1 row a day": (NONE, NONE, 0.653, 0.63, NONE, NONE),
        "ridge and Mahalanobis, 1 row a week": (NONE, NONE, 0.475, 0.34, NONE, NONE),
        "ridge residual": (NONE, NONE, NONE, NONE, 0.920, NONE),
        "mean of three residuals, smoothed": (NONE, NONE, NONE, NONE, 0.902, NONE),
        "random": (0.105, 0.042, NONE, NONE, 0.52, NONE),
    },
    "smd": {
        "ridge, Mahalanobis, k-means together": (0.749, 0.745, NONE, NONE, NONE, 2.2),
        "ridge and Mahalanobis together": (0.742, 0.742, NONE, NONE, NONE, 1.0),
        "PCA residual, 10-row windows": (0.690, 0.668, NONE, NONE, 0.5, 2),
        "mean of robust z": (0.659, 0.643, NONE, NONE, NONE, 0.01),
        "Mahalanobis, 5-row windows": (0.653, 0.707, NONE, NONE, NONE, 1.3),
        "day profile, mean residual": (0.643, 0.676, NONE, NONE, NONE, 0.02),
        "kNN, 10-row windows": (0.622, 0.733, NONE, NONE, NONE, 5),
        "small CNN forecaster": (0.543, 0.562, NONE, NONE, NONE, 19),
        "k-means, 40-row windows": (0.528, 0.695, NONE, NONE, NONE, 3.4),
        "isolation forest": (0.285, 0.364, NONE, NONE, NONE, 0.4),
        "EWMA z": (0.142, 0.113, NONE, NONE, NONE, 0.2),
        "last difference or EWMA, 1 row in 2 days": (NONE, NONE, 0.716, 0.87, NONE, NONE),
        "mean last difference, 1 row a day": (NONE, NONE, 0.618, 0.63, NONE, NONE),
        "ridge and Mahalanobis, 1 row a week": (NONE, NONE, 0.437, 0.34, NONE, NONE),
        "ridge residual": (NONE, NONE, NONE, NONE, 0.814, NONE),
        "mean of three residuals, smoothed": (NONE, NONE, NONE, NONE, 0.835, NONE),
        "random": (0.097, 0.066, NONE, NONE, 0.34, NONE),
    },
}
NAB = {"ARTime": 73.0, "Numenta HTM": 70.1, "HTM Java": 68.6, "random cut forest": 52.4, "Skyline": 40.8}
Seconds = Mapping[str, Sequence[float]]  # of each file, by set


def one(job: tuple[Path, Path]) -> tuple[Path, float]:
    """Replay one file. Returns it and the CPU seconds it took."""
    from analyzer.replay import replay_file

    source, target = job
    began = time.process_time()
    replay_file(source, target)
    return source, time.process_time() - began


def free_cores(most: int = 2) -> int:
    """As many processes as there are idle cores now, at least one."""
    return min(max(round((os.cpu_count() or 1) - os.getloadavg()[0]), 1), most)


def replayed(files: Sequence[Path], data: Path, out: Path, jobs: int) -> dict[str, list[float]]:
    """Replay all files, one thread each. Returns the seconds of each by set."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read by children when they import numpy
        os.environ[name] = "1"
    seconds: dict[str, list[float]] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for k, (file, took) in enumerate(pool.map(one, [(f, out / f.relative_to(data)) for f in files]), 1):
            print(f"{k}/{len(files)} {file.relative_to(data)} {took:.1f} s", file=sys.stderr, flush=True)
            seconds.setdefault(file.parent.name, []).append(took)
    return seconds


def judged(scorer: Path, data: Path, out: Path, files: Sequence[Path]) -> Any:
    """What the scorer says of these files, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        for file in files:  # the scorer wants a score for every file that it sees
            link = Path(folder) / file.relative_to(data)
            link.parent.mkdir(exist_ok=True)
            for each in (file, file.with_suffix(".json")):
                if each.exists():
                    link.with_suffix(each.suffix).symlink_to(each.resolve())
        command = [sys.executable, "-W", "ignore", str(scorer), folder, str(out), "--json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def tables(report: Mapping[str, Any], seconds: Seconds) -> str:
    """Ours beside the peers, a table a set."""
    parts = [_set(name, report[name]["mean"], seconds[name]) for name in PEERS if name in report]
    if any(name in report for name in PEERS):
        parts.append(_forecasts({name: report[name]["mean"] for name in PEERS if name in report}))
    if "nab" in report:
        parts.append(_nab(report["nab"]["mean"], seconds["nab"]))
    return "\n\n".join(parts)


def _set(name: str, mean: Mapping[str, float], seconds: Sequence[float]) -> str:
    ours = (*(mean.get(m) for m in MEASURES), sum(seconds) / len(seconds))
    lines = [
        f"{name.upper() + ', ' + _count(len(seconds), 'machine'):42}" + "".join(f"{c:>11}" for c in COLUMNS),
        _row("openmanager", ours),
    ]
    return "\n".join([*lines, *(_row(peer, values) for peer, values in PEERS[name].items())])


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _row(name: str, values: Sequence[float | None]) -> str:
    places = (3, 3, 3, 2, 3, 2)
    return f"  {name:40}" + "".join(f"{'-' if v is None else f'{v:.{p}f}':>11}" for v, p in zip(values, places, strict=True))


def _forecasts(means: Mapping[str, Mapping[str, float]]) -> str:
    head = f"{'forecasts':42}" + "".join(f"{h:>11}" for h in HORIZONS)
    lines = [head]
    for name, mean in means.items():
        for measure, what in (("mae_ratio", "error over 'same time yesterday'"), ("coverage", "coverage of the 90 % band")):
            values = "".join(f"{mean.get(f'{measure}_{h}s', float('nan')):>11.3f}" for h in HORIZONS.values())
            lines.append(f"  {name.upper() + ', ' + what:40}{values}")
    return "\n".join(lines)


def _nab(mean: Mapping[str, float], seconds: Sequence[float]) -> str:
    head = f"{f'NAB standard, {len(seconds)} series':42}{'best':>11}{'own flag':>11}{'s/series':>11}"
    best, own = mean["nab_standard"], mean["nab_standard_own_flag"]
    ours = f"  {'openmanager':40}{best:>11.1f}{own:>11.1f}{sum(seconds) / len(seconds):>11.2f}"
    return "\n".join([head, ours, *(f"  {name:40}{score:>11.1f}{'-':>11}{'-':>11}" for name, score in NAB.items())])


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--score", type=Path, required=True, metavar="SCORER")
    parser.add_argument("--out", type=Path, help="keep the scores here")
    parser.add_argument("--sets", default="", help="comma-separated; all where nothing is said")
    parser.add_argument(
        "--jobs", type=int, default=0, help="processes; as many cores as are idle, at most two, where nothing is said"
    )
    return parser


def main() -> None:
    """Replay, score, print."""
    args = arguments().parse_args()
    wanted = set(filter(None, args.sets.split(",")))
    files = [f for f in sorted(args.data.glob("*/*.npz")) if not wanted or f.parent.name in wanted]
    if not files:
        raise SystemExit(f"{args.data}: no sub-folder with .npz files{' named ' + args.sets if wanted else ''}")
    if not args.score.is_file():
        raise SystemExit(f"{args.score}: no scorer there; name one with --score")
    out = args.out or Path(tempfile.mkdtemp(prefix="openmanager-accuracy-"))
    seconds = replayed(files, args.data, out, args.jobs or free_cores())
    print(tables(judged(args.score, args.data, out, files), seconds))
    print(f"\nscores are in {out}")


if __name__ == "__main__":
    main()
