"""Planted faults and quiet weeks through the live path, beside a 3-sigma detector and the node-mixin's alerts.

    python -m tests.bench.faults --seeds 2 --kinds memory_leak,db_slow --quiet-weeks 4

In: the simulated fleet, a week of history, then faults one after the other (or none). Out: a table for each kind, and pages a
20 host-weeks. The same code as the service's cycle; nothing here reads the truth before judging.
"""

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from analyzer.causes import KINDS as NAMED
from analyzer.detect.engine import Engine
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.incidents import Incidents
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.records import BENIGN_KINDS, Incident, Report
from exporter.fleet import faults as planting
from exporter.fleet.faults import Fault
from tests.bench import rivals
from tests.bench.fleet import DAY, Fleet

HOUR = 3600.0
CHUNK = 6 * HOUR
START = 1_760_313_600.0  # a Monday, 00:00 UTC
SHIPPED = [*planting.KINDS, *planting.HIDDEN]
SHARP = ("cpu_runaway", "disk_slow", "network_saturation", "packet_loss", "steal", "cache_stampede", "db_slow", "crash")
PAIRS = (
    ("db_slow", "memory_leak"), ("cpu_runaway", "disk_fill"), ("packet_loss", "crash"), ("disk_slow", "cpu_runaway"),
    ("network_saturation", "steal"), ("traffic_surge", "memory_leak"), ("cache_stampede", "disk_fill"), ("clock_skew", "db_slow"),
)  # fmt: skip


@dataclass
class Told:
    """One incident as the outside sees it: when it first paged, and what it said last."""

    first: float
    last: Incident
    hosts: set[str] = field(default_factory=set)
    until: float = 0.0


@dataclass
class Outcome:
    """What became of one planted fault."""

    fault: Fault
    together: bool
    delay: float = float("nan")
    root: bool = False
    kind: bool = False
    named: str = ""
    pages: int = 0
    sigma: float = float("nan")
    mixin: float = float("nan")


class Live:
    """The service's cycle over one fleet, a week already learned; without the models of whole servers, which page nobody."""

    def __init__(self, fleet: Fleet, *, step: float, history_days: int = 7, jobs: Sequence[Fault] = ()) -> None:
        known = {s.alias: s for s in fleet.signals}
        policy = Policy()
        self.fleet, self.step = fleet, step
        self.cycle = Cycle(
            known, engine=Engine(known, host_detectors={}), forecaster=Forecaster(known), findings=Findings(known, policy),
            incidents=Incidents(known, policy),
        )  # fmt: skip
        self.told: dict[str, Told] = {}
        self.kept: list[Incident] = []
        self.cycle.bootstrap(fleet.window(START - history_days * DAY, START, max(step, 60.0), jobs))

    def run(self, begin: float, end: float, faults: Sequence[Fault]) -> Iterator[list[Report]]:
        """Reports of [begin, end), a chunk at a time."""
        for at in np.arange(begin, end, CHUNK):
            window = self.fleet.window(at, min(at + CHUNK, end), self.step, faults)
            reports = self.cycle.run(window, topology=self.fleet.topology)
            for report in reports:
                self._listen(report)
            yield reports

    def _listen(self, report: Report) -> None:
        for incident in report.board.incidents:
            if incident.pages:
                told = self.told.setdefault(incident.id, Told(report.time, incident))
                told.last, told.until = incident, report.time
                told.hosts |= {incident.host, *incident.affected}
        self.kept += [i for i in report.changed if i.state == "resolved"]


def plant(kinds: Sequence[str], rng: np.random.Generator, fleet: Fleet, days: float, *, pairs: bool) -> list[tuple[Fault, bool]]:
    """Faults one after the other, each with room to recover; with `pairs`, also two at once. (fault, overlapping)."""
    out: list[tuple[Fault, bool]] = []
    at, end, number = START + 2 * HOUR, START + days * DAY - 3 * HOUR, 0  # the last one needs its time too
    deck: list[tuple[str, ...]] = []
    while at < end:
        if not deck:
            singles = [(k,) for k in kinds for _ in range(2)]
            deck = singles + ([p for p in PAIRS if set(p) <= set(kinds)] if pairs else [])
            rng.shuffle(deck)
        longest, chosen = 0.0, deck.pop()
        used: set[str] = set()
        for kind in chosen:
            roles = planting.ROLES_OF.get(kind)
            pool = [s.hostname for s in fleet.load.servers if (not roles or s.role in roles) and s.hostname not in used]
            server = str(rng.choice(pool))
            used.add(server)
            length = planting.kind_of(kind).duration_seconds * float(rng.uniform(0.8, 1.5))
            start = at + (float(rng.uniform(0, 1200)) if len(used) > 1 else 0.0)
            fault = Fault(
                f"f{number}", kind, server, round(start), round(length), round(float(rng.uniform(0.3, 1.0)), 2), start + length
            )
            out.append((fault, len(chosen) > 1))
            number += 1
            longest = max(longest, start + length + fault.tail - at)
        at += longest + float(rng.uniform(1.2, 2.5)) * HOUR
    return out


def touched(fault: Fault, fleet: Fleet) -> set[str]:
    """Servers that the fault may leave marks on, its own included; demand and failover reach further than the published truth."""
    names = [s.hostname for s in fleet.load.servers]
    index = names.index(fault.server)
    near = {names[i] for i in planting.touched(fault, index, len(names))} | {fault.server}
    for host in list(near):
        near |= set(fleet.topology.on(host))
    return near


def judge(planted: Sequence[tuple[Fault, bool]], live: Live) -> tuple[list[Outcome], list[Told]]:
    """Match what was told to what was planted. Returns outcomes and the pages that belong to nothing."""
    outcomes = [Outcome(f, together) for f, together in planted]
    false = []
    for told in sorted(live.told.values(), key=lambda t: t.first):
        near = [o for o in outcomes if o.fault.start <= told.first <= o.fault.start + o.fault.duration_seconds + 900]
        fits = [o for o in near if told.last.host == o.fault.server and told.last.kind == o.fault.kind]
        fits = fits or [o for o in near if told.last.host == o.fault.server]
        fits = fits or [o for o in near if told.hosts & touched(o.fault, live.fleet)]
        if not fits:
            false.append(told)
            continue
        outcome = min(fits, key=lambda o: o.pages)
        outcome.pages += 1
        if outcome.pages == 1:
            outcome.delay, outcome.named = told.first - outcome.fault.start, f"{told.last.kind}@{told.last.host}"
        outcome.root |= told.last.host == outcome.fault.server
        outcome.kind |= told.last.host == outcome.fault.server and told.last.kind in (
            outcome.fault.kind,
            _alias(outcome.fault.kind),
        )
    return outcomes, false


def _alias(kind: str) -> str:
    """A kind that nobody was told of is right when it is called unknown."""
    return "unknown" if kind not in NAMED else kind


def table(outcomes: Iterable[Outcome], *, detail: bool) -> str:
    """Rows by kind."""
    rows = [
        f"{'kind':20}{'n':>4}{'found':>7}{'root':>6}{'kind':>6}{'twins':>6}{'p50 s':>7}{'p90 s':>7} |{'3-sigma':>8}{'mixin':>7}"
    ]
    outcomes = list(outcomes)
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        benign = outcome.fault.kind in BENIGN_KINDS
        groups[outcome.fault.kind].append(outcome)
        if not benign:
            groups["all, alone" if not outcome.together else "all, overlapping"].append(outcome)
            if outcome.fault.kind in SHARP:
                groups["sharp kinds"].append(outcome)
            groups["severity " + ("0.3-0.5" if outcome.fault.severity < 0.5 else "0.5-1")].append(outcome)
    for kind, found in sorted(groups.items(), key=lambda item: (item[0] not in SHIPPED, item[0])):
        hit = [o for o in found if o.pages]
        delays = np.array([o.delay for o in hit]) if hit else np.array([np.nan])

        def share(values: Iterable[bool], of: int = len(found)) -> str:
            return f"{100 * sum(values) / of:.0f}%"

        rows.append(
            f"{kind:20}{len(found):>4}{share(bool(o.pages) for o in found):>7}{share(o.root for o in found):>6}"
            f"{share(o.kind for o in found):>6}{sum(max(o.pages - 1, 0) for o in found):>6}{np.nanmedian(delays):>7.0f}"
            f"{np.nanpercentile(delays, 90):>7.0f} |{share(np.isfinite(o.sigma) for o in found):>8}"
            f"{share(np.isfinite(o.mixin) for o in found):>7}" + ("  (should page nobody)" if kind in BENIGN_KINDS else "")
        )
    if detail:
        rows += [_wrong(o) for o in outcomes if (o.pages > 0 if o.fault.kind in BENIGN_KINDS else not o.kind or o.pages > 1)]
    return "\n".join(rows)


def _wrong(o: Outcome) -> str:
    fault, pair = o.fault, " (pair)" if o.together else ""
    what = (
        f"{fault.kind}@{fault.server} severity {fault.severity} at {_clock(fault.start)} for {fault.duration_seconds / 60:.0f} min"
    )
    return f"  {what}{pair}: {o.named or 'nothing'}, {o.pages} pages"


def _clock(at: float) -> str:
    return f"day {int((at - START) // DAY)} {int(at % DAY // HOUR):02d}:{int(at % HOUR // 60):02d}"


class Bar:
    """Progress on a terminal's last line."""

    def __init__(self, name: str, total: float) -> None:
        self.name, self.total, self.began = name, max(total, 1e-9), time.monotonic()

    def show(self, done: float) -> None:
        """Draw it."""
        if sys.stderr.isatty():
            share = min(done / self.total, 1.0)
            bar = "#" * int(30 * share)
            print(
                f"\r{self.name} [{bar:30}] {100 * share:3.0f}% {time.monotonic() - self.began:4.0f} s",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def end(self) -> None:
        """Leave the line."""
        if sys.stderr.isatty():
            print(file=sys.stderr)


def with_faults(seed: int, kinds: Sequence[str], days: float, step: float, *, pairs: bool) -> tuple[list[Outcome], list[Told]]:
    """Plant, replay, judge: one fleet."""
    fleet = Fleet(seed)
    planted = plant(kinds, np.random.default_rng(seed), fleet, days, pairs=pairs)
    faults = [f for f, _ in planted]
    live, bar = Live(fleet, step=step), Bar(f"faults, seed {seed}", days * DAY)
    for reports in live.run(START, START + days * DAY, faults):
        bar.show(reports[-1].time - START)
    bar.end()
    outcomes, false = judge(planted, live)
    sigma, mixin = rivals.ThreeSigma(), rivals.Mixin()
    for at in np.arange(START - DAY, START + days * DAY, CHUNK):
        window = fleet.window(at, at + CHUNK, step, faults)
        sigma.take(window)
        mixin.take(window)
    for outcome in outcomes:
        end = outcome.fault.start + outcome.fault.duration_seconds
        outcome.sigma = sigma.first(outcome.fault.server, outcome.fault.start, end) - outcome.fault.start
        outcome.mixin = mixin.first(outcome.fault.server, outcome.fault.start, end) - outcome.fault.start
    return outcomes, false


def nightly(rng: np.random.Generator, fleet: Fleet) -> list[Fault]:
    """A batch job that comes every night, known to history, and one that starts only now."""
    servers = rng.choice(
        [s.hostname for s in fleet.load.servers if s.role in ("ci", "analytics", "monitoring", "mail")], 2, replace=False
    )
    return [
        Fault("old", "batch_job", str(servers[0]), START - 14 * DAY + 1.5 * HOUR, 2400, 0.6),
        Fault("new", "batch_job", str(servers[1]), START + 5.2 * HOUR, 1800, 0.4),
    ]


def quiet(seed: int, weeks: float, step: float) -> tuple[list[Told], Counter[str], float, float, float]:
    """No faults, but deployments, campaigns, backups, nightly jobs. Pages, why others did not page, host-weeks, rivals' alarms."""
    fleet, days = Fleet(seed), weeks * 7
    rng = np.random.default_rng(1000 + seed)
    jobs = nightly(rng, fleet)
    surges = [
        Fault(
            f"surge{k}",
            "traffic_surge",
            "proxy-nginx-01",
            START + (7 * k + rng.uniform(1, 6)) * DAY,
            3600,
            float(rng.uniform(0.3, 1)),
        )
        for k in range(int(np.ceil(weeks)))
    ]
    live, bar = Live(fleet, step=step, jobs=jobs), Bar(f"quiet, seed {seed}", days * DAY)
    sigma, mixin = rivals.ThreeSigma(), rivals.Mixin()
    for at in np.arange(START - DAY, START, CHUNK):
        sigma.take(fleet.window(at, at + CHUNK, step, jobs))
    for reports in live.run(START, START + days * DAY, [*jobs, *surges]):
        window = fleet.window(reports[0].time, reports[-1].time + step, step, [*jobs, *surges])
        sigma.take(window)
        mixin.take(window)
        bar.show(reports[-1].time - START)
    bar.end()
    why = Counter(f"{i.why_not} {i.kind}" for i in live.kept if not i.pages)
    return list(live.told.values()), why, len(fleet.load.servers) * weeks, sigma.count(START), mixin.count(START)


def tell(told: Iterable[Told]) -> str:
    """One line a page."""
    lines = []
    for t in told:
        what = (
            f"{t.last.kind}@{t.last.host} {t.last.severity} confidence {t.last.confidence:.2f}, {(t.until - t.first) / 60:.0f} min"
        )
        lines.append(
            f"  {_clock(t.first)} {what}: " + ", ".join(f"{f.host}:{f.signal} {f.kind} {f.peak:.1f}" for f in t.last.findings[:6])
        )
    return "\n".join(lines)


@dataclass
class Quiet:
    """What was said in weeks without faults: host-weeks, and alarms of ours and of the rivals in them."""

    weeks: float = 0.0
    pages: list[Told] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)
    sigma: float = 0.0
    mixin: float = 0.0


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    args = _arguments().parse_args(argv)
    kinds = [k for k in args.kinds.split(",") if k] or SHIPPED
    unknown = sorted(set(kinds) - set(SHIPPED))
    if unknown:
        raise SystemExit(f"unknown kinds {', '.join(unknown)}; known: {', '.join(SHIPPED)}")
    outcomes: list[Outcome] = []
    false: list[Told] = []
    for seed in range(args.first_seed, args.first_seed + args.seeds) if args.weeks > 0 else ():
        found, wrong = with_faults(seed, kinds, args.weeks * 7, args.step, pairs=not args.no_pairs)
        outcomes += found
        false += wrong
    if outcomes:
        print(table(outcomes, detail=args.detail))
        host_weeks = 20 * args.weeks * args.seeds
        print(
            f"pages that belong to no fault: {len(false)} in {host_weeks:.0f} host-weeks ({20 * len(false) / host_weeks:.2f} in 20)"
        )
        print(tell(false))
    calm = without_faults(args) if args.quiet_weeks > 0 else Quiet()
    if calm.weeks:
        pages = len(calm.pages)
        print(f"quiet: {pages} pages in {calm.weeks:.0f} host-weeks = {20 * pages / calm.weeks:.2f} in 20 host-weeks")
        print(f"  not paged: {dict(calm.why.most_common(12))}")
        print(tell(calm.pages))
    print(beside(outcomes, calm))


def without_faults(args: argparse.Namespace) -> Quiet:
    """Weeks without faults on fleets of their own."""
    all_of = Quiet()
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        found, why, weeks, sigma, mixin = quiet(100 + seed, args.quiet_weeks, args.step)
        all_of.pages += found
        all_of.why += why
        all_of.weeks, all_of.sigma, all_of.mixin = all_of.weeks + weeks, all_of.sigma + sigma, all_of.mixin + mixin
    return all_of


def beside(outcomes: Iterable[Outcome], calm: Quiet) -> str:
    """One row for ours and for each rival: harmful faults found, delay of the sharp ones, alarms a server and quiet week."""
    harmful = [o for o in outcomes if o.fault.kind not in BENIGN_KINDS]
    rows = [f"{'':12}{'found':>7}{'root':>6}{'kind':>6}{'sharp p50 s':>13}{'false alarms a server and week':>32}"]
    for name, alarms in (("openmanager", len(calm.pages)), ("3-sigma", calm.sigma), ("node-mixin", calm.mixin)):
        delays = {id(o): o.delay if name == "openmanager" else o.sigma if name == "3-sigma" else o.mixin for o in harmful}
        found = [o for o in harmful if np.isfinite(delays[id(o)])]
        sharp = [delays[id(o)] for o in found if o.fault.kind in SHARP]
        ours = (_percent(o.root for o in harmful), _percent(o.kind for o in harmful)) if name == "openmanager" else ("-", "-")
        p50 = f"{np.median(sharp):.0f}" if sharp else "-"
        rate = f"{alarms / calm.weeks:.2f}" if calm.weeks else "-"
        rows.append(f"{name:12}{_percent(o in found for o in harmful):>7}{ours[0]:>6}{ours[1]:>6}{p50:>13}{rate:>32}")
    return "\n".join(rows)


def _percent(flags: Iterable[bool]) -> str:
    """Share of what is true; "-" of nothing."""
    values = list(flags)
    return f"{100 * sum(values) / len(values):.0f}%" if values else "-"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.faults", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many fleets")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--kinds", default="", help="comma-separated; all when empty")
    parser.add_argument("--weeks", type=float, default=2.0, help="weeks with faults for each seed; 0 = none")
    parser.add_argument("--quiet-weeks", type=float, default=4.0, help="weeks without faults for each seed; 0 = none")
    parser.add_argument("--step", type=float, default=60.0, help="seconds between cycles; 15 as in the demo")
    parser.add_argument("--no-pairs", action="store_true", help="no two faults at once")
    parser.add_argument("--detail", action="store_true", help="name what went wrong")
    return parser


if __name__ == "__main__":
    main()
