"""What people said about incidents, and what that moves: the edge of normal of a signal on a server, and hours that stay quiet.

In: verdicts, one an incident. Out: `Verdicts`, folded from them anew whenever one is added or taken back, so that nothing is left
of what is taken back. *wrong*: the edges of the incident's signals on its server go out by STEP, at most to FURTHEST. *right*: back
by STEP, never below 1. *expected*: the same kind on the same server and signal pages nobody around that hour of that weekday.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from analyzer.records import Incident
from analyzer.window import Floats, Series

Word = Literal["right", "wrong", "expected"]
STEP: Final = 1.25
FURTHEST: Final = 2.0
AROUND: Final = 3600.0  # seconds before it began and after it ended for which the hour is expected
LONGEST: Final = 6 * 3600.0  # of an incident's length, the most that becomes expected
WEEK: Final = 7 * 86400.0
FACTS: Final = frozenset({"up"})  # whether a server answers is nobody's opinion


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said about one incident, by whom and when, and what is needed to act on it.

    `signals`: of its findings on its server, the alert's first. `undone`: when it was taken back or replaced, unix seconds.
    """

    incident: str
    time: float
    verdict: Word
    note: str = ""
    who: str = ""
    host: str = ""
    kind: str = ""
    signals: tuple[str, ...] = ()
    began: float = 0.0
    ended: float = 0.0
    undone: float | None = None

    @classmethod
    def of(cls, incident: Incident, verdict: Word, note: str, who: str, now: float) -> "Verdict":
        """About an incident as it is now."""
        found = [f.signal for f in incident.findings if f.host == incident.host]
        signals = tuple(s for s in dict.fromkeys((incident.signal, *found)) if s and s not in FACTS)
        ended = now if incident.ended is None else incident.ended
        return cls(incident.id, now, verdict, note, who, incident.host, incident.kind, signals, incident.started, ended)


@dataclass(frozen=True, slots=True)
class Move:
    """One edge that a verdict moved: times what is usual, before and after."""

    incident: str
    host: str
    signal: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """What is in force. `edges`: (host, signal) -> factor above 1; everything else is 1."""

    all: tuple[Verdict, ...] = ()
    moves: tuple[Move, ...] = ()
    edges: Mapping[tuple[str, str], float] = field(default_factory=dict)
    offset: Callable[[float], float] = field(default=lambda at: 0.0)

    def factors(self, series: Series) -> Floats | None:
        """How much further out 1.0 lies, float64 [series]; None = nowhere."""
        if not self.edges:
            return None
        hosts, signals = ({name: i for i, name in enumerate(names)} for names in (series.hosts, series.signals))
        factors = np.ones((len(hosts), len(signals)))
        for (host, signal), factor in self.edges.items():
            if host in hosts and signal in signals:
                factors[hosts[host], signals[signal]] = factor
        return factors[series.host, series.signal]

    def expected(self, host: str, kind: str, signal: str, now: float) -> bool:
        """Whether people said that this comes at this hour of this weekday."""
        return any(
            v.verdict == "expected" and (v.host, v.kind) == (host, kind) and signal in v.signals and self._around(v, now)
            for v in self.all
        )

    def _around(self, said: Verdict, now: float) -> bool:
        """Local weekday and time of day alike, with some room on both sides."""
        first = said.began + self.offset(said.began) - AROUND
        long = min(max(said.ended - said.began, 0.0), LONGEST) + 2 * AROUND
        return (now + self.offset(now) - first) % WEEK < long


def fold(said: Iterable[Verdict], offset: Callable[[float], float] = lambda at: 0.0) -> Verdicts:
    """What verdicts come to, in the order in which they were given; those that were taken back count for nothing.

    offset : seconds that the users' zone is ahead of UTC at a time.
    """
    kept = tuple(sorted((v for v in said if v.undone is None and v.host), key=lambda v: (v.time, v.incident)))
    edges: dict[tuple[str, str], float] = {}
    moves = []
    for v in kept:
        for signal in v.signals if v.verdict != "expected" else ():
            before = edges.get((v.host, signal), 1.0)
            after = min(before * STEP, FURTHEST) if v.verdict == "wrong" else max(before / STEP, 1.0)
            edges[v.host, signal] = after
            if after != before:
                moves.append(Move(v.incident, v.host, signal, before, after))
    return Verdicts(kept, tuple(moves), {key: factor for key, factor in edges.items() if factor > 1.0}, offset)
