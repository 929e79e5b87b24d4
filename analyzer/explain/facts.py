"""Evidence: everything that may be said about one incident, as values. What is not in here is never said.

Filled by `evidence.py` from the live board (or from a written situation by other hands); read by `words.py`. Values are base units,
times unix seconds, NaN = unknown.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal

from analyzer.explain import units
from analyzer.explain.units import Shown
from analyzer.window import Labels

NAN = math.nan
Bearing = Literal["above", "below", "usual", "frozen", "gone", "down", "restarted", "unknown"]
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Fact:
    """One reading of one signal on one server, against what is usual there at this hour.

    Attributes
    ----------
    labels : what tells this series from others of the signal on that server (mountpoint, device).
    noun : how people call the signal.
    observed, expected, lower, upper : in the base unit; NaN = not known.
    low, high : what the value can be at all; an edge of the usual range that lies there is not worth a word.
    onset : when it left its range; NaN where it did not.
    bearing : where it stands now. `was` : on which side it was when it left (for what has ended or come back).
    kind : the kind of the finding, "" where there is none.
    score : 1 = edge of normal.
    """

    host: str
    signal: str
    noun: Shown
    unit: str
    role: str = ""
    labels: Labels = ()
    observed: float = NAN
    expected: float = NAN
    lower: float = NAN
    upper: float = NAN
    low: float = -math.inf
    high: float = math.inf
    onset: float = NAN
    ended: float | None = None
    bearing: Bearing = "unknown"
    was: Bearing = "unknown"
    kind: str = ""
    score: float = NAN

    @property
    def reading(self) -> Shown:
        """The observed value with its unit; nothing where there is none."""
        return units.show(self.observed, self.unit, self.signal) if math.isfinite(self.observed) else units.NOTHING

    @property
    def usual(self) -> Shown:
        """What is usual at this hour, as a range, one edge, or the expected value; nothing where it is not learned."""
        if not (math.isfinite(self.lower) and math.isfinite(self.upper)):
            return self._around()
        lower, upper = max(self.lower, self.low), min(self.upper, self.high)
        margin = 0.02 * max(abs(lower), abs(upper))
        open_below, open_above = lower <= self.low + margin, upper >= self.high - margin
        if open_below and open_above:
            return self._around()
        if open_below:
            edge = units.show(upper, self.unit, self.signal, coarse=True)
            return Shown(f"at most {edge.en}", f"{edge.ko} 이하")
        if open_above:
            edge = units.show(lower, self.unit, self.signal, coarse=True)
            return Shown(f"at least {edge.en}", f"{edge.ko} 이상")
        return units.span(lower, upper, self.unit, self.signal)

    def _around(self) -> Shown:
        if not math.isfinite(self.expected):
            return units.NOTHING
        shown = units.show(self.expected, self.unit, self.signal, coarse=True)
        return Shown(f"about {shown.en}", f"약 {shown.ko}")

    @property
    def inside(self) -> bool:
        """Whether the observed value lies inside the usual range, whatever a finding says of its pace or its peers."""
        return self.lower <= self.observed <= self.upper

    @property
    def strange(self) -> bool:
        """Whether this is out of the usual now."""
        return self.bearing not in ("usual", "unknown")


@dataclass(frozen=True, slots=True)
class Limit:
    """When a signal runs out: seconds until it does at the present pace, with the band's own ends (NaN = open)."""

    limit: float
    seconds: float
    seconds_low: float = NAN
    seconds_high: float = NAN
    per_hour: float = NAN


@dataclass(frozen=True, slots=True)
class Speaking:
    """A reason for or against a cause, as a fact."""

    fact: Fact
    what: str
    weight: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """A candidate cause with its reasons."""

    host: str
    kind: str
    confidence: float
    speaks_for: tuple[Speaking, ...] = ()
    speaks_against: tuple[Speaking, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Something on record that was changed on a server: a candidate when it came before the onset, never a proof."""

    time: float
    host: str
    what: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that lowers the confidence: learning, young, alone, rival, …; with the number that it is about."""

    what: Literal["learning", "young", "alone", "rival", "unmapped", "against", "missing"]
    value: float = NAN
    host: str = ""
    kind: str = ""
    fact: Fact | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts of one incident.

    Attributes
    ----------
    id, state, severity, kind, benign, confidence, closed_because : as the incident has them.
    time : when this was gathered. zone : the reader's, for clock times.
    host, role : where it began. lead : the reading that the headline is about.
    moved : other readings of `host` that left their range, in the order in which they did.
    steady : readings of `host` that did not.
    felt : the clearest reading of every other server that feels it, in order; `dependents` says which of them need `host`.
    work : what those do themselves (their CPU), where that is usual: it shows that they suffer and do not cause.
    unfelt : one usual reading of each dependent that does not feel it.
    needs : one reading of each server that `host` needs.
    peers : the lead's signal on servers in the same role.
    """

    id: str
    time: float
    host: str
    kind: str
    lead: Fact
    zone: tzinfo = UTC
    role: str = ""
    state: str = "open"
    severity: str = "warning"
    benign: bool = False
    confidence: float = NAN
    started: float = NAN
    ended: float | None = None
    closed_because: str = ""
    moved: tuple[Fact, ...] = ()
    steady: tuple[Fact, ...] = ()
    felt: tuple[Fact, ...] = ()
    work: tuple[Fact, ...] = ()
    affected: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    unfelt: tuple[Fact, ...] = ()
    needs: tuple[Fact, ...] = ()
    peers: tuple[Fact, ...] = ()
    restarted: float = NAN
    limit: Limit | None = None
    suspects: tuple[Suspect, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    changes: tuple[Change, ...] = ()
    names: Mapping[str, str] | None = None

    @property
    def began(self) -> float:
        """Since when the lead is strange."""
        return self.lead.onset if math.isfinite(self.lead.onset) else self.started

    @property
    def over(self) -> float:
        """When it ended: for a server that was down its start, otherwise the lead's own end; now where neither is known."""
        if self.lead.was == "down" and math.isfinite(self.restarted):
            return self.restarted
        return next((t for t in (self.lead.ended, self.ended) if t is not None), self.time)

    def facts(self) -> Iterator[tuple[str, Fact]]:
        """Every reading, with its part in the story."""
        yield "lead", self.lead
        for part in ("moved", "steady", "felt", "work", "unfelt", "needs", "peers"):
            yield from ((part, fact) for fact in getattr(self, part))
        for suspect in self.suspects:
            yield from (("for", s.fact) for s in suspect.speaks_for)
            yield from (("against", s.fact) for s in suspect.speaks_against)
        yield from (("against", d.fact) for d in self.doubts if d.fact is not None)

    def clock(self, time: float) -> Shown:
        """A time of day as the reader sees it."""
        return units.clock(time, self.time, self.zone)

    def numbers(self) -> frozenset[str]:
        """Every number that a text about this may hold, as written there: the check against invention."""
        texts = [self.host, self.role, *self.affected, *self.dependents]
        for _, fact in self.facts():
            texts += [fact.host, fact.role, fact.noun.en, fact.noun.ko, fact.reading.en, fact.usual.en]
            texts += [value for _, value in fact.labels]
            texts += self._since(fact.onset) + self._since(NAN if fact.ended is None else fact.ended)
        texts += self._since(self.started) + self._since(self.restarted)
        texts += self._since(NAN if self.ended is None else self.ended)
        if math.isfinite(self.began):
            texts += [units.duration(max(0.0, self.over - self.began)).en, self.clock(self.over).en]
        if math.isfinite(self.restarted) and math.isfinite(self.began):
            texts.append(units.duration(abs(self.restarted - self.began)).en)
        texts += self._ahead()
        for suspect in self.suspects:
            texts += [suspect.host, percent(suspect.confidence)]
        texts += [percent(self.confidence), *(percent(d.value) for d in self.doubts), *(d.host for d in self.doubts)]
        for change in self.changes:
            texts += [change.what, change.host, *self._since(change.time)]
        texts += [str(n) for n in range(1 + max(len(self.affected), len(self.felt), len(self.dependents), len(self.moved)))]
        texts += list((self.names or {}).values())
        return frozenset(n for text in texts for n in NUMBER.findall(text))

    def _since(self, time: float) -> list[str]:
        if not math.isfinite(time):
            return []
        return [self.clock(time).en, units.duration(max(0.0, self.time - time)).en]

    def _ahead(self) -> list[str]:
        if self.limit is None:
            return []
        ahead, unit = self.limit, self.lead.unit
        texts = [units.show(ahead.limit, unit).en, units.about(ahead.seconds).en, self.clock(self.time + ahead.seconds).en]
        texts += [self.clock(self.time + s).en for s in (ahead.seconds_low, ahead.seconds_high) if math.isfinite(s)]
        return texts + ([units.pace(ahead.per_hour, unit).en] if math.isfinite(ahead.per_hour) else [])


def percent(share: float) -> str:
    """A confidence as people say it: whole percents, never a certainty that nobody has."""
    return f"{min(max(round(share * 100), 1), 99)}%" if math.isfinite(share) else ""
