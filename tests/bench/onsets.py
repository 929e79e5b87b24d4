"""What earned its place in the onset score of a single series: every candidate alone, and beside what is shipped. Asserts nothing.

    python -m tests.bench.onsets --data DATA --score SCORER

DATA: a folder with nab/*.npz; SCORER: as for tests.bench.accuracy. A candidate is a statistic of a series' past; its own online
tail makes it a rarity, as for the shipped one, and the louder of both is judged. Won: in how many of ten random halves of the
series the flag at 1 does better than the shipped one alone. What does not win most of them is not in the product.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analyzer.detect.columns import Columns
from analyzer.detect.extremes import Extremes, fields
from analyzer.detect.replay import replay
from analyzer.detect.settings import DetectionSettings
from analyzer.detect.surprise import ECHO, LOUDER
from analyzer.window import Floats

HOUR, DAY = 3600.0, 86400.0
DRAWS = 10


def before(x: Floats, rows: int) -> Floats:
    """The rows before each row: float64 [T, rows], NaN before the start."""
    return sliding_window_view(np.r_[np.full(rows, np.nan), x], rows)[: len(x)]


def middle(x: Floats, rows: int) -> Floats:
    """Median of the rows before."""
    return np.r_[x[:1], [np.nanmedian(w) for w in before(x, rows)[1:]]]


def activity(x: Floats, step: float) -> Floats:
    """Mean absolute difference over the last hour."""
    moves = np.abs(np.diff(x, prepend=x[0]))
    return np.r_[moves[:1], np.nanmean(before(np.r_[moves, 0.0], max(int(HOUR / step), 6))[2:], axis=1)]


def last_week(x: Floats, step: float) -> Floats:
    """Distance to the same time a week before."""
    rows = round(7 * DAY / step)
    return np.r_[np.full(min(rows, len(x)), np.nan), np.abs(x[rows:] - x[:-rows])][: len(x)]


def nearest_window(x: Floats, step: float) -> Floats:
    """Distance of the last three hours to the nearest such window of the past (k-nearest neighbours)."""
    rows = max(int(3 * HOUR / step), 4)
    windows, out = sliding_window_view(x, rows), np.full(len(x), np.nan)
    for t in range(2 * rows, len(x)):
        past = windows[: t - 2 * rows + 2]
        out[t] = np.sqrt(((past - windows[t - rows + 1]) ** 2).sum(axis=1).min())
    return out


CANDIDATES: Mapping[str, Callable[[Floats, float], Floats]] = {
    "difference to the row before": lambda x, step: np.abs(np.diff(x, prepend=x[0])),
    "against the hour before": lambda x, step: np.abs(x - middle(x, max(int(HOUR / step), 3))),
    "against the day before": lambda x, step: np.abs(x - middle(x, max(int(DAY / step), 3))),
    "same time last week": last_week,
    "more activity than ever": activity,
    "less activity than ever": lambda x, step: 1.0 / (activity(x, step) + 1e-3 * np.nanstd(x[:50]) + 1e-9),
    "nearest window of three hours": nearest_window,
}


def rarities(statistics: Floats, step: float) -> Floats:
    """Each statistic over the edge of its own tail, said once: float64 [candidates, T]."""
    columns = Columns(fields("c"))
    columns.grow(len(statistics))
    rows, tail = np.arange(len(statistics)), Extremes(columns, "c", memory_seconds=14 * DAY)
    edge, echo, out = np.log10(DetectionSettings().one_look_in), np.zeros(len(statistics)), np.zeros(statistics.shape)
    for t, values in enumerate(statistics.T):
        known = np.flatnonzero(np.isfinite(values))
        a = values[known]
        grain = 1e-3 * columns["c.top"][known, -1].astype(np.float64) + 1e-12
        score = np.zeros(len(rows))
        score[known] = np.nan_to_num(tail.rarity(known, a, grain)) / edge
        tail.learn(known, known, a, step)
        echo *= np.exp(-step / ECHO)
        out[:, t] = np.where(score > LOUDER * echo, score, 0.0)
        echo = np.maximum(echo, score)
    return out


def judged(scorer: Path, files: Sequence[Path], scores: Mapping[str, Floats]) -> tuple[float, float]:
    """NAB standard of these series: at the best threshold, and with the flag at 1."""
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "data", "nab"), Path(folder, "out", "nab")
        data.mkdir(parents=True)
        out.mkdir(parents=True)
        for file in files:
            (data / file.name).symlink_to(file.resolve())
            np.savez(out / file.name, score=scores[file.stem], flag=scores[file.stem] >= 1.0)
        command = [sys.executable, "-W", "ignore", str(scorer), str(data.parent), str(out.parent), "--json"]
        mean = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["nab"]["mean"]
    return mean["nab_standard"], mean["nab_standard_own_flag"]


def halves(scorer: Path, files: Sequence[Path], scores: Mapping[str, Floats]) -> Floats:
    """The flag's figure on random halves of the series, the same for all: float64 [DRAWS]."""
    rng = np.random.default_rng(0)
    draws = [rng.permutation(len(files))[: len(files) // 2] for _ in range(DRAWS)]
    return np.array([judged(scorer, [files[i] for i in draw], scores)[1] for draw in draws])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--score", type=Path, required=True, metavar="SCORER")
    args = parser.parse_args()
    files = sorted((args.data / "nab").glob("*.npz"))
    shipped, others = {}, {name: {} for name in CANDIDATES}
    for file in files:
        with np.load(file, allow_pickle=False) as arrays:
            x, ts = np.asarray(arrays["value"], np.float64), np.asarray(arrays["ts"], np.float64)
        shipped[file.stem] = replay({"value": x, "ts": ts})["score"]
        step = float(np.median(np.diff(ts)))
        each = rarities(np.array([candidate(x, step) for candidate in CANDIDATES.values()]), step)
        for name, score in zip(CANDIDATES, each, strict=True):
            others[name][file.stem] = score
        print(file.stem, file=sys.stderr, flush=True)
    print(f"{'NAB standard':44}{'best':>8}{'flag':>8}{'halves':>16}{'won':>8}")
    rows = {"never seen at this hour (shipped)": shipped} | others
    rows |= {f"shipped and {n}": {k: np.maximum(shipped[k], v) for k, v in each.items()} for n, each in others.items()}
    alone = halves(args.score, files, shipped)
    for name, scores in rows.items():
        best, own = judged(args.score, files, scores)
        half = halves(args.score, files, scores)
        spread = f"{half.mean():.1f} ({half.min():.0f}..{half.max():.0f})"
        print(f"{name:44}{best:8.1f}{own:8.1f}{spread:>16}{(half > alone).sum():8}", flush=True)


if __name__ == "__main__":
    main()
