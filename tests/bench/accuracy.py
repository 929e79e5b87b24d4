"""Replays recorded, labelled data sets with the live code and has them judged. Prints, asserts nothing.

    python -m tests.bench.accuracy DATA SCORER [--out SCORES] [--sets asd,smd,nab] [--jobs 2]

DATA: a folder with sub-folders of .npz files; SCORER: a program that takes DATA and SCORES and prints measures.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from analyzer.detect.replay import replay

PEERS = """one setting for all          ASD VUS-PR  AUC-PR   SMD VUS-PR  AUC-PR
small CNN forecaster              0.564   0.397        0.543   0.562
day profile, mean residual        0.436   0.366        0.643   0.676
k-means, 40-row windows           0.384   0.260        0.528   0.695
isolation forest                  0.124   0.113        0.285   0.364
mean of robust z                  0.110   0.105        0.659   0.643
EWMA z                            0.162   0.129        0.142   0.113
random                            0.105   0.042        0.097   0.066
NAB standard: HTM 70.1, random cut forest 52.4, Skyline 40.8"""


def one(job: tuple[Path, Path]) -> tuple[str, float]:
    """Replay one file."""
    source, target = job
    began = time.monotonic()
    with np.load(source, allow_pickle=False) as arrays:
        said = replay({k: arrays[k] for k in arrays.files})
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target, **said)
    return source.stem, time.monotonic() - began


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("scorer", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sets", default="")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp(prefix="openmanager-accuracy-"))
    wanted = set(filter(None, args.sets.split(",")))
    files = [f for f in sorted(args.data.glob("*/*.npz")) if not wanted or f.parent.name in wanted]
    with ProcessPoolExecutor(args.jobs) as pool:
        for k, (name, seconds) in enumerate(pool.map(one, [(f, out / f.relative_to(args.data)) for f in files]), 1):
            print(f"{k}/{len(files)} {name} {seconds:.0f} s", file=sys.stderr)
    print(PEERS)
    subprocess.run([sys.executable, str(args.scorer), str(args.data), str(out)], check=True)
    print(f"scores are in {out}")


if __name__ == "__main__":
    main()
