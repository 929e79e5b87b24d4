"""All servers as wholes: which are known, which are still being learned, and what is said of each.

In: the engine's columns, and the history that it learns from. Out: `HostScores`. A host is known once hours of it were seen: its
samples are kept until then, and it is learned again after half a day and after a day. Hosts of one role share a model; one that
joins a known role only learns what is its own.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from analyzer.detect.columns import Array, StateError
from analyzer.detect.frame import Frame
from analyzer.detect.hosts.group import MOST, Group
from analyzer.detect.hosts.members import HostDetector, sample
from analyzer.detect.hosts.past import Kept
from analyzer.detect.hosts.shape import MOST_GROUPS, Host, Slot, common_slots, grouped, hosts_of, placed, usable
from analyzer.detect.hosts.states import NAMES
from analyzer.records import HostScores
from analyzer.window import Bools, Floats, Ints, Series, apart

VERSION = 1
SPACING = 60.0  # least seconds between two rows
STAGES = (4 * 3600.0, 12 * 3600.0, 86400.0)  # how much of a host was seen when it is learned, again, and for good
LEAST_ROWS, JOIN_ROWS = 60, 24  # that a model needs, and a host that joins one
BLOCK, CELLS = 64, 3_000_000  # hosts, and samples, that are learned from at once; the first such block teaches what is shared


class HostModel:
    """The model of whole servers over the rows of one engine's table.

    Parameters
    ----------
    detectors : by kind.

    Attributes
    ----------
    groups : known hosts. young : the others, and since when they are seen.
    """

    def __init__(self, detectors: Mapping[str, type[HostDetector]]) -> None:
        self.detectors = dict(detectors)
        self.groups: list[Group] = []
        self.young: dict[str, tuple[float, int]] = {}  # first seen, how many stages are behind it
        self.kept = Kept()
        self.row_at = -np.inf
        self.catching_up = False  # history was read and not learned from
        self._series = Series.empty()
        self._next = np.inf  # when the next host reaches a stage
        self._young_rows: Ints | None = None
        self._said: HostScores | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return sum(g.nbytes for g in self.groups) + self.kept.nbytes

    def remember(self, series: Series, times: Floats, values: Floats) -> None:
        """A stretch of history over the rows of the table: float64 [series, time]. Learned from before the next row is judged."""
        self._look(series, float(times[0]))
        rows = self._rows_of_young()
        if len(rows) and len(times):
            self.kept.add(times, rows, values[rows])
            self.catching_up, self.row_at = True, float(times[-1])

    def step(self, f: Frame, series: Series, learn: Bools) -> HostScores:
        """Judge one column, and keep it for those that are still being learned. learn : bool [series], nothing is strange there."""
        changed = self._look(series, f.now)
        self.learn(f.now)
        if self.young and (f.now - self.row_at >= 0.999 * SPACING or f.now < self.row_at):
            self.row_at = f.now
            rows = self._rows_of_young()
            self.kept.append(f.now, rows, np.where(learn, f.x, np.nan)[rows])
        due = [g for g in self.groups if g.due(f.now)]
        if due:
            x, calm = np.append(f.x, np.nan), np.append(learn, False)
            for group in due:
                group.step(f.now, x, calm)
        if due or changed or self._said is None:
            self._said = self._say(f.now, series)
        return self._said

    def learn(self, now: float) -> None:
        """Learn the hosts of which enough was seen: all of them after history was read, else those of one group a row."""
        if now < self._next:
            self.catching_up = False
            return
        ready = [name for name, (since, stage) in self.young.items() if _stage(now - since) > stage]
        hosts = [h for h in hosts_of(self._series, self._rows_of_young()) if h.name in ready]
        for name in set(ready) - {h.name for h in hosts}:  # they have lost their combination
            del self.young[name]
        groups = grouped(hosts, MOST_GROUPS - len(self.groups))
        for key, some in groups:
            self._learn(key, some, MOST // len(groups))
            self._grow_up(some, now)
            if not self.catching_up:
                break
        self.catching_up, self._said = False, None
        self._young_changed()
        self.kept.keep(self._rows_of_young())

    def move(self, place: Ints, series: Series) -> None:
        """The table was packed: `place` int64 [old rows], new position or -1; `series` is what it is now."""
        self.kept.move(place)
        for group in self.groups:
            group.move(place)
        self.groups = [g for g in self.groups if len(g)]
        self._look(series, self.row_at)

    def state(self) -> dict[str, Array]:
        """Plain arrays."""
        head = {
            "version": VERSION,
            "detectors": list(self.detectors),
            "groups": [{"key": g.key, "slots": g.slots, "spacing": g.spacing, "names": g.names} for g in self.groups],
            "young": self.young,
            "row_at": self.row_at if np.isfinite(self.row_at) else None,
            "catching_up": self.catching_up,
        }
        out: dict[str, Array] = {"head": np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), np.uint8).copy()}
        for i, group in enumerate(self.groups):
            out |= group.dump(f"g{i}.")
        return out | {f"kept.{k}": a for k, a in self.kept.dump().items()}

    def restore(self, state: Mapping[str, Array], series: Series) -> None:
        """Take `state` back over the rows of `series`. Raises StateError; the model is to be made anew then."""
        try:
            head = json.loads(bytes(np.asarray(state["head"], np.uint8)).decode())
            if head["version"] != VERSION or head["detectors"] != list(self.detectors):
                raise StateError("state: other detectors of whole servers")
            for i, known in enumerate(head["groups"]):
                slots: list[Slot] = [(str(alias), int(n)) for alias, n in known["slots"]]
                group = Group(str(known["key"]), slots, float(known["spacing"]), self.detectors)
                group.load(state, f"g{i}.", [str(n) for n in known["names"]])
                if group.c["rows"].max(initial=-1) >= len(series) or group.c["rows"].min(initial=-1) < -1:
                    raise StateError("state: servers and series do not fit")
                self.groups.append(group)
            self.young = {str(n): (float(since), int(stage)) for n, (since, stage) in head["young"].items()}
            self.row_at = -np.inf if head["row_at"] is None else float(head["row_at"])
            self.catching_up = bool(head["catching_up"])
            self.kept.load({k[5:]: a for k, a in state.items() if k.startswith("kept.")}, len(series))
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise StateError(f"state: {error}") from error
        self._look(series, self.row_at)

    def _look(self, series: Series, now: float) -> bool:
        """Take notice of a table that changed: hosts that are new are young, those that went are forgotten."""
        if series is self._series:
            return False
        self._series, self._said = series, None
        known = {name for g in self.groups for name in g.names} | set(self.young)
        if self.detectors and set(series.hosts) - known:  # going through all series is for when somebody is new
            self.young |= {h.name: (now, 0) for h in hosts_of(series, usable(series)) if h.name not in known}
        there = set(series.hosts)
        self.young = {name: at for name, at in self.young.items() if name in there}
        self._young_changed()
        return True

    def _young_changed(self) -> None:
        self._young_rows = None
        nexts = (since + 0.999 * STAGES[stage] for since, stage in self.young.values() if stage < len(STAGES))
        self._next = min(nexts, default=np.inf)

    def _rows_of_young(self) -> Ints:
        if self._young_rows is None:
            rows = usable(self._series)
            names = [i for i, name in enumerate(self._series.hosts) if name in self.young]
            self._young_rows = rows[np.isin(self._series.host[rows], names)]
        return self._young_rows

    def _learn(self, key: str, hosts: Sequence[Host], most: int) -> None:
        """Learn some hosts that are alike: into the group that is there already, if it knows more than they do, else anew.

        most : rows that may be judged again.
        """
        names = [h.name for h in hosts]
        for group in self.groups:
            group.drop(names)
        self.groups = [g for g in self.groups if len(g)]
        span = max(self._seen(h) for h in hosts)
        like = next((g for g in self.groups if g.key == key and g.span >= min(span, STAGES[-1]) * 0.9), None)
        if like is not None:
            hosts = [h for h in hosts if 2 * len(set(like.slots) & set(h.rows)) >= len(like.slots)]
        size = min(max(CELLS // max(self.kept.columns * max((len(h.rows) for h in hosts), default=1), 1), 1), BLOCK)
        teachers = [hosts[i] for i in sample(len(hosts), size).tolist()] if like is None else []
        rest = [h for h in hosts if h not in teachers]
        for block in [teachers, *(rest[i : i + size] for i in range(0, len(rest), size))]:
            made = self._made(key, block, like, most) if block else None
            if made is None:
                continue
            if like is None:
                like = made
                self.groups.append(made)
            else:
                like.absorb(made)

    def _grow_up(self, hosts: Sequence[Host], now: float) -> None:
        """Note which stage these hosts have reached; the last is the end of youth, or a new beginning if too little was seen."""
        known = {name for group in self.groups for name in group.names}
        for host in hosts:
            since, _ = self.young.pop(host.name)
            stage = _stage(now - since)
            if stage < len(STAGES):
                self.young[host.name] = (since, stage)
            elif host.name not in known:
                self.young[host.name] = (now, 0)

    def _seen(self, host: Host) -> float:
        first, last = self.kept.span
        return max(last - max(first, self.young[host.name][0]), 0.0)

    def _made(self, key: str, hosts: Sequence[Host], like: Group | None, most: int) -> Group | None:
        """A group of these hosts; None where too little of them was kept."""
        slots = common_slots(hosts) if like is None else like.slots
        if not slots:
            return None
        rows = placed(hosts, slots)
        times, x = self.kept.matrix(np.maximum(rows.ravel(), 0))
        x = np.where(rows.ravel()[:, None] >= 0, x, np.nan).reshape(*rows.shape, -1).swapaxes(1, 2)
        spacing = _usual_step(times[apart(times, SPACING)]) if like is None else like.spacing
        keep = apart(times, spacing)
        times, x = times[keep], x[:, keep]
        enough = np.isfinite(x).any(axis=2).sum(axis=1) >= (LEAST_ROWS if like is None else JOIN_ROWS)
        if not enough.any():
            return None
        hosts, rows, x = [h for h, e in zip(hosts, enough.tolist(), strict=True) if e], rows[enough], x[enough]
        group = Group(key, slots, spacing, self.detectors)
        group.begin([h.name for h in hosts], rows)
        group.fit(times, x, like, most)
        return group

    def _say(self, now: float, series: Series) -> HostScores:
        """What is known of every host of the table."""
        at = {name: i for i, name in enumerate(series.hosts)}
        score, alarm = np.full(len(at), np.nan), np.zeros(len(at), bool)
        blame, state = np.zeros(len(series) + 1), np.full(len(at), len(NAMES))
        for group in self.groups:
            place = np.array([at[name] for name in group.names], np.int64)
            score[place], alarm[place] = group.c["score"], group.c["alarm"]
            known = np.isfinite(group.c["score"])
            state[place[known]] = group.c["state"][known]
            blame[group.c["rows"]] = group.c["blame"]
        names = np.array([*NAMES, ""])
        return HostScores(now, series.hosts, score, alarm, blame[:-1], tuple(names[state].tolist()))


def _stage(seen: float) -> int:
    return sum(seen >= 0.999 * stage for stage in STAGES)


def _usual_step(times: Floats) -> float:
    """The spacing at which most of the time is covered; history may be coarser than what came after it."""
    steps = np.sort(np.diff(times))
    if not len(steps):
        return SPACING
    covered = np.cumsum(np.minimum(steps, 3600.0))
    return max(SPACING, float(steps[np.searchsorted(covered, 0.5 * covered[-1])]))
