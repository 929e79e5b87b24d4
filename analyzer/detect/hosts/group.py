"""The hosts that share one model: their detectors, what each host has of its own, and the newest answer.

In: samples over the rows of the engine's table. Out: score, alarm, blame and state of every host of the group.
Nothing here loops over hosts.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from analyzer.detect.columns import Array, Columns, Field
from analyzer.detect.hosts.combine import Combined
from analyzer.detect.hosts.day import SLOTS, at_times, usual_day
from analyzer.detect.hosts.members import CLIP, Array32, HostDetector, Past, Row, rate_of
from analyzer.detect.hosts.shape import Slot
from analyzer.detect.profile import DAY
from analyzer.window import Bools, Floats, Ints

HUGE = 1e30  # larger samples are taken as this: sums of them stay finite
CALIBRATE, MOST, LEAST = 40_000, 12_000, 900  # rows judged again for the scales: of all hosts, of all groups, of each group
STRETCH, WARM_UP, WARM_FIRST = 450, 100, 200  # in such stretches; their first rows only warm up what remembers
BLAME_HALF = 2.0  # minutes, and at least as many rows
BLAME_MOST = np.float32(50.0)  # usual sizes; beyond it everything is equally to blame
BREAK, BREAK_ROWS = 1800.0, 5  # a longer gap, in seconds and in rows, is forgotten
WARM = 30  # rows that make the detectors forget


class Group:
    """Some hosts.

    Parameters
    ----------
    key, slots : what makes hosts alike, and the places of their vector.
    spacing : seconds between rows.
    detectors : by kind.

    Attributes
    ----------
    names : the hosts, in the order of the columns. span : seconds of past that the shared part was learned from.
    """

    def __init__(self, key: str, slots: Sequence[Slot], spacing: float, detectors: Mapping[str, type[HostDetector]]) -> None:
        self.key, self.slots, self.spacing = key, tuple(slots), spacing
        self.names: list[str] = []
        self.span, self.last = 0.0, -np.inf
        m = len(self.slots)
        spec = {
            "rows": Field(-1, (m,), np.int64),
            "mean": Field(0.0, (m,)),
            "deviation": Field(1.0, (m,)),
            "day": Field(0.0, (SLOTS, m), np.float16),
            "blame": Field(0.0, (m,), np.float32),
            "score": Field(np.nan),
            "alarm": Field(False, (), np.bool_),
            "state": Field(-1, (), np.int8),
            **Combined.fields(tuple(detectors)),
        }
        for detector in detectors.values():
            spec |= detector.fields(m, spacing)
        self.c = Columns(spec)
        self.members = {kind: d(self.c, m, spacing) for kind, d in detectors.items()}
        self.combined = Combined(self.c, tuple(detectors), spacing)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Bytes of state, shared arrays included."""
        return self.c.nbytes + sum(a.nbytes for member in self.members.values() for a in member.shared.values())

    def begin(self, names: Sequence[str], rows: Ints) -> None:
        """The hosts of an empty group, and the rows of the table that fill their places: int64 [hosts, slots]."""
        self.names = list(names)
        self.c.grow(len(names))
        self.c["rows"] = rows

    def fit(self, times: Floats, x: Floats, like: "Group | None" = None, most: int = MOST) -> None:
        """Learn from the past, x float64 [hosts, time, slots]; the shared part is taken from `like` where there is one.

        most : rows to judge again; edges of normal that are passed once in days want thousands, many groups have not the time.
        """
        self._standardise(x)
        past = self._past(times, x)
        everyone = np.arange(len(self), dtype=np.int64)
        self.span = float(times[-1] - times[0]) if like is None else like.span
        for kind, member in self.members.items():
            if like is None:
                member.fit(past)
            else:
                member.shared = like.members[kind].shared
            member.adapt(past, everyone)
        rows, warm = judged_again(len(past), len(self), most)
        figures = np.zeros((len(self), len(rows), len(self.members)))
        for i, at in enumerate(rows.tolist()):
            figures[:, i] = self._measure(past.row(at), self.combined.used)
        self.combined.fit(figures[:, ~warm], everyone)
        self.last = float(times[-1])

    def due(self, now: float) -> bool:
        """Whether a row should be taken at this time."""
        return now - self.last >= 0.999 * self.spacing or now < self.last

    def step(self, now: float, x: Floats, learn: Bools) -> None:
        """Judge one column of the table, each array with one entry more that stands for "no series": NaN and False."""
        c, rows = self.c, self.c["rows"]
        row = self.row(now, x[rows])
        gap = now - self.last
        if gap > max(BREAK, BREAK_ROWS * self.spacing) or gap <= 0:
            self._forget(row)
        self.last = now
        alive = row.seen.any(axis=1)
        figures = self._measure(row)
        calm = 2 * (learn[rows] & row.seen).sum(axis=1) > row.seen.sum(axis=1)  # most of the host is learned from
        score, alarm = self.combined.judge(figures, alive & calm)
        c["score"] = np.where(alive, score, np.nan)
        c["alarm"] = alarm & alive

    def absorb(self, other: "Group") -> None:
        """Take the hosts of another group, of the same slots and detectors, into this one."""
        self.names += other.names
        for name, array in other.c.arrays.items():
            self.c.arrays[name] = np.concatenate([self.c.arrays[name], array])

    def drop(self, names: Iterable[str]) -> None:
        """Let hosts go."""
        gone = set(names) & set(self.names)
        if gone:
            keep = np.array([i for i, name in enumerate(self.names) if name not in gone], np.int64)
            self.names = [self.names[i] for i in keep.tolist()]
            self.c.take(keep)

    def move(self, place: Ints) -> None:
        """The table was packed: `place` int64 [old rows], new position or -1."""
        rows = self.c["rows"]
        rows[:] = np.where(rows >= 0, np.append(place, -1)[rows], -1)
        gone = np.flatnonzero(rows.max(axis=1) < 0)
        self.drop([self.names[i] for i in gone.tolist()])

    def dump(self, prefix: str) -> dict[str, Array]:
        """Plain arrays."""
        shared = {f"{prefix}s.{kind}.{name}": a.copy() for kind, m in self.members.items() for name, a in m.shared.items()}
        return {f"{prefix}head": np.array([self.spacing, self.span, self.last]), **self.c.dump(f"{prefix}c."), **shared}

    def load(self, state: Mapping[str, Array], prefix: str, names: Sequence[str]) -> None:
        """Take `dump` back. Raises StateError, KeyError or ValueError where it does not fit."""
        self.names = list(names)
        self.c.load(state, f"{prefix}c.", len(names))
        self.spacing, self.span, self.last = (float(v) for v in state[f"{prefix}head"])
        for kind, member in self.members.items():
            start = f"{prefix}s.{kind}."
            member.shared = {name[len(start) :]: a.copy() for name, a in state.items() if name.startswith(start)}

    def _standardise(self, x: Floats) -> None:
        """Mean and deviation of each signal; one that hardly moves gets at least a small share of its range."""
        x = np.clip(x, -HUGE, HUGE)
        has = np.isfinite(x)
        n = np.maximum(has.sum(axis=1), 1)
        clean = np.where(has, x, 0.0)
        mean = clean.sum(axis=1) / n
        spread = np.sqrt((np.where(has, x - mean[:, None], 0.0) ** 2).sum(axis=1) / n)
        span = np.where(has, x, -np.inf).max(axis=1) - np.where(has, x, np.inf).min(axis=1)
        floor = np.maximum(0.005 * np.where(np.isfinite(span), span, 0.0), 1e-3 * np.maximum(np.abs(mean), 1e-9))
        self.c["mean"], self.c["deviation"] = mean, np.maximum(spread, floor)

    def _past(self, times: Floats, x: Floats) -> Past:
        """The past in standard deviations; the usual day is learned from it, if it is long enough to have one."""
        z, seen = self._scaled(x, self.c["mean"][:, None], self.c["deviation"][:, None])
        if times[-1] - times[0] > 0.99 * DAY:
            self.c["day"] = usual_day(times, z, seen)
        usual = at_times(self.c["day"], times)
        z = np.where(seen, z, usual)
        return Past(times, z, usual, np.clip(z - usual, -CLIP, CLIP), seen, self._count())

    def row(self, now: float, x: Floats) -> Row:
        """A row of samples, float64 [hosts, slots], as the detectors take it."""
        z, seen = self._scaled(x, self.c["mean"], self.c["deviation"])
        usual = at_times(self.c["day"], np.array([now]))[:, 0]
        z = np.where(seen, z, usual)
        return Row(now, z, usual, np.clip(z - usual, -CLIP, CLIP), seen, self._count())

    def _count(self) -> Ints:
        count: Ints = (self.c["rows"] >= 0).sum(axis=1)
        return count

    @staticmethod
    def _scaled(x: Floats, mean: Floats, deviation: Floats) -> tuple[Array32, Bools]:
        """Samples in standard deviations, 0 where there are none."""
        seen = np.isfinite(x)
        z = np.where(seen, np.clip((np.clip(x, -HUGE, HUGE) - mean) / deviation, -CLIP, CLIP), 0.0)
        return z.astype(np.float32), seen

    def _measure(self, row: Row, used: Bools | None = None) -> Floats:
        """Figures of all detectors, or of those that are `used`, float64 [hosts, detectors]; the blame moves on."""
        figures = np.zeros((len(self), len(self.members)))
        residuals = []
        for at, member in enumerate(self.members.values()):
            if used is None or used[at]:
                measure = member.measure(row)
                figures[:, at] = np.nan_to_num(measure.value)
                if measure.residual is not None:
                    residuals.append(np.minimum(np.abs(measure.residual), BLAME_MOST))
        if residuals:
            blame = self.c["blame"]
            blame += rate_of(BLAME_HALF, self.spacing) * (np.mean(residuals, axis=0) - blame)
        return figures

    def _forget(self, row: Row) -> None:
        """After a long gap: as if everything had been as usual since."""
        calm = Row(row.now, row.usual, row.usual, np.zeros_like(row.left), row.seen, row.count)
        for _ in range(WARM):
            self._measure(calm)


def judged_again(past: int, hosts: int, most: int) -> tuple[Ints, Bools]:
    """Rows of the past to judge again, in stretches spread over all of it, the newest row last; and which of them only warm up."""
    wanted = max(min(most, CALIBRATE // max(hosts, 1)), LEAST)
    if past <= wanted:
        return np.arange(past, dtype=np.int64), np.arange(past) < min(WARM_FIRST, past // 4)
    stretches = max(1, round(wanted / STRETCH))
    length = wanted // stretches + WARM_UP
    ends = np.linspace(past / stretches, past, stretches).astype(np.int64)
    rows = np.maximum(ends[:, None] - length, 0) + np.arange(length)
    return np.minimum(rows, past - 1).ravel(), np.tile(np.arange(length) < WARM_UP, stretches)
