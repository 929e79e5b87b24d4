"""Which detectors of whole servers earn their place in the score: each alone, each left out, each added. Prints, asserts nothing.

    python -m tests.bench.members --data DATA --score SCORER [--cache FOLDER]

DATA: sub-folders of .npz host files (train, test, label, step_s) with their .json; SCORER: the program that judges them, beside
which lies `scoring/metrics.py`. Figures of every detector are made once a file by the live group of detectors and kept in
FOLDER; everything else is arithmetic on them, by the live `Combined`. The last table chooses each setting without one machine and
judges it on that one alone.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from analyzer.detect.columns import Columns
from analyzer.detect.hosts import combine
from analyzer.detect.hosts.group import Group
from analyzer.detect.registry import HOST_DETECTORS

KINDS = tuple(kind for kind in HOST_DETECTORS if kind != "states")
START = 1_700_006_400.0
Measures = dict[str, dict[str, float]]  # by machine


@dataclass(frozen=True)
class Machine:
    """One recorded host: figures of history and of the judged rows [time, kinds], and what is known about the latter."""

    name: str
    past: np.ndarray
    figures: np.ndarray
    blame: np.ndarray
    label: np.ndarray
    step: float
    events: list

    @property
    def set(self) -> str:
        return self.name.split("/")[0]


def machine(path: Path, cache: Path) -> Machine:
    """Figures from the cache, or from rows taken one after the other as the engine does."""
    name, kept = f"{path.parent.name}/{path.stem}", cache / f"{path.parent.name}-{path.stem}.npz"
    with np.load(path, allow_pickle=False) as d:
        train, test, label, step = d["train"].astype(float), d["test"].astype(float), d["label"], float(d["step_s"])
    if not kept.exists():
        np.savez(kept, **measured(train, test, step))
    with np.load(kept) as d:
        past, figures, blame = d["past"], d["figures"], d["blame"]
    events = json.loads(path.with_suffix(".json").read_text())["events"]
    return Machine(name, past, figures, blame, label, step, events)


def measured(train: np.ndarray, test: np.ndarray, step: float) -> dict[str, np.ndarray]:
    """Figures of all detectors over the newest week of history and over `test`."""
    m, at = train.shape[1], START + step * np.arange(len(train) + len(test))
    group = Group("host", [(f"c{i}", 0) for i in range(m)], step, {k: HOST_DETECTORS[k] for k in KINDS})
    group.begin(["host"], np.arange(m)[None])
    group.fit(at[: len(train)], train[None])
    clean = group.dump("")
    past = [group._measure(group.row(t, x[None]))[0] for t, x in zip(at, train, strict=False)]
    group.load(clean, "", ["host"])
    figures, blame = [], []
    for t, x in zip(at[len(train) :], test, strict=True):
        figures.append(group._measure(group.row(t, x[None]))[0])
        blame.append(group.c["blame"][0].copy())
    return {"past": np.array(past)[200:], "figures": np.array(figures), "blame": np.array(blame, np.float32)}


@contextmanager
def settings(**other: object) -> Iterator[None]:
    """The combination with other constants than the shipped ones."""
    before = {name: getattr(combine, name) for name in other}
    for name, value in other.items():
        setattr(combine, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(combine, name, value)


def fitted(host: Machine) -> combine.Combined:
    """The combination, as it stands at the end of the past."""
    columns = Columns(dict(combine.Combined.fields(KINDS)))
    columns.grow(1)
    combined = combine.Combined(columns, KINDS, host.step)
    combined.fit(host.past[None], np.arange(1))
    return combined


def scores(host: Machine) -> np.ndarray:
    """What `Combined.judge` says of every row, all rows at once."""
    combined = fitted(host)
    held, out = 0.0, []
    for total in combined._total(host.figures / combined.c["usual"]).tolist():
        held = max(total, combined.fade * held)
        out.append(held)
    return np.array(out)


def alarms(host: Machine) -> np.ndarray:
    """Alarm of every row, one after the other."""
    combined, calm = fitted(host), np.ones(1, bool)
    return np.array([combined.judge(row[None], calm)[1][0] for row in host.figures])


def ranking(hosts: Iterable[Machine], scorer: ModuleType) -> Measures:
    """VUS-PR and AUC-PR of every host with the present constants."""
    said = {host.name: (scores(host), host.label) for host in hosts}
    return {name: {"vus": scorer.vus(*both)[1], "auc": scorer.auc_pr(*both)} for name, both in said.items()}


def alarming(hosts: Iterable[Machine], scorer: ModuleType) -> Measures:
    """Event F1 and false alarms a day."""
    reports = {host.name: scorer.event_report(alarms(host), host.label, host.step) for host in hosts}
    return {name: {"f1": float(np.nan_to_num(r["f1"])), "false": r["false_alarms_per_day"]} for name, r in reports.items()}


def line(name: str, got: Measures) -> str:
    """Means over each set, and the first measure of every machine."""
    parts = [f"{name:<34}"]
    for some in sorted({n.split("/")[0] for n in got}):
        of = [list(v.values()) for n, v in got.items() if n.startswith(some + "/")]
        first, second = np.mean(of, axis=0)
        parts.append(f"{some} {first:.3f} {second:.3f}  [" + " ".join(f"{v[0]:.2f}" for v in of) + "]")
    return " | ".join(parts)


def ablation(hosts: list[Machine], scorer: ModuleType) -> None:
    """Each alone, each left out, each added."""
    shipped = combine.MEMBERS
    print(line("shipped: " + ", ".join(shipped), ranking(hosts, scorer)))
    print(line("its alarms: event F1, false a day", alarming(hosts, scorer)))
    with settings(WEIGHT=0.0):
        print(line("without the silence of quiet", ranking(hosts, scorer)))
    with settings(FADE_SECONDS=0.0, FADE_ROWS=1):
        print(line("without fading", ranking(hosts, scorer)))
    for kind in shipped:
        with settings(MEMBERS=tuple(k for k in shipped if k != kind)):
            print(line(f"without {kind}", ranking(hosts, scorer)))
    for kind in KINDS:
        if kind not in shipped:
            with settings(MEMBERS=(*shipped, kind)):
                print(line(f"with {kind}", ranking(hosts, scorer)))
    for kind in KINDS:
        with settings(MEMBERS=(kind,), WEIGHT=0.0):
            print(line(f"{kind} alone", ranking(hosts, scorer)))


def left_out(hosts: list[Machine], scorer: ModuleType) -> None:
    """Settings chosen on all machines but one, judged on that one; the mean over machines is what to expect elsewhere."""
    grids: dict[str, tuple[Callable[[list[Machine], ModuleType], Measures], list[dict[str, object]]]] = {
        "members": (ranking, [{"MEMBERS": k} for k in some_members()]),
        "fading": (ranking, [{"FADE_SECONDS": 60.0 * n, "FADE_ROWS": n} for n in (9, 13, 17, 24, 35)]),
        "budget": (alarming, [{"BUDGET": {"steady": s, "quick": q}} for s in (1, 1.5, 2) for q in (4, 8, 12)]),
    }
    for name, (measure, grid) in grids.items():
        tried = []
        for other in grid:
            with settings(**other):
                tried.append(measure(hosts, scorer))
        chosen, often = {}, Counter()
        for host in hosts:
            best = max(range(len(grid)), key=lambda i, host=host, tried=tried: balance(tried[i], but=host.name))
            chosen[host.name], _ = tried[best][host.name], often.update([str(grid[best])])
        print(line(f"left out: {name}", chosen), dict(often))


def some_members() -> list[tuple[str, ...]]:
    pool = ("near", "far", "memory", "seasonal")
    return [tuple(k for i, k in enumerate(pool) if bits >> i & 1) for bits in range(1, 2 ** len(pool))]


def balance(got: Measures, but: str) -> float:
    """Mean worth over sets, each set the mean of its machines, one of which is left out: of both rankings, or of event F1."""
    worth = {n: v["f1"] if "f1" in v else v["vus"] + v["auc"] for n, v in got.items() if n != but}
    sets = sorted({n.split("/")[0] for n in worth})
    return float(np.mean([np.mean([v for n, v in worth.items() if n.startswith(s + "/")]) for s in sets]))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--score", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    spec = importlib.util.spec_from_file_location("scoring_metrics", args.score.resolve().parent / "scoring" / "metrics.py")
    if spec is None or spec.loader is None:
        sys.exit(f"{args.score}: no scoring/metrics.py beside it")
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    cache = args.cache or Path(tempfile.mkdtemp(prefix="openmanager-members-"))
    cache.mkdir(parents=True, exist_ok=True)
    hosts = []
    for path in sorted(args.data.glob("*/*.npz")):
        with np.load(path, allow_pickle=False) as d:
            recorded = {"train", "test", "label"} <= set(d.files)
        if recorded:
            hosts.append(machine(path, cache))
            print(f"{hosts[-1].name}: figures of {len(KINDS)} detectors", file=sys.stderr)
    print(f"{'':<34} | VUS-PR AUC-PR  [VUS-PR of each machine]")
    ablation(hosts, scorer)
    left_out(hosts, scorer)


if __name__ == "__main__":
    main()
