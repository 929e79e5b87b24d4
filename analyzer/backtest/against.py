"""Two configurations over the same samples: which alerts both would have raised, which only one of them, and who was earlier.

In: two `Outcome`s of one span. Out: `Comparison`. Two alerts are the same when their times meet and so do their servers; those with
the same root are paired first, then those that began closest together.
"""

from dataclasses import dataclass

from analyzer.backtest.outcome import Alert, Outcome

SLACK = 900.0  # alerts whose times miss each other by no more may still be about the same


@dataclass(frozen=True, slots=True)
class Pair:
    """One alert that both would have raised."""

    a: Alert
    b: Alert

    @property
    def ahead(self) -> float:
        """Seconds that b is earlier than a; negative = later."""
        return self.a.start - self.b.start

    @property
    def differs(self) -> bool:
        """Whether they call it something else."""
        one, other = self.a.incident, self.b.incident
        return (one.host, one.kind, self.a.severity) != (other.host, other.kind, self.b.severity)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A beside B."""

    both: tuple[Pair, ...]
    only_a: tuple[Alert, ...]
    only_b: tuple[Alert, ...]


def compare(a: Outcome, b: Outcome) -> Comparison:
    """Pair the alerts of two outcomes."""
    near = [
        ((one.incident.host != other.incident.host, abs(one.start - other.start)), i, j)
        for i, one in enumerate(a.alerts)
        for j, other in enumerate(b.alerts)
        if one.hosts & other.hosts and _meet(one, other, a.end)
    ]
    mine: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(near):
        if i not in mine and j not in taken:
            mine[i] = j
            taken.add(j)
    both = tuple(Pair(one, b.alerts[mine[i]]) for i, one in enumerate(a.alerts) if i in mine)
    only_a = tuple(one for i, one in enumerate(a.alerts) if i not in mine)
    only_b = tuple(one for j, one in enumerate(b.alerts) if j not in taken)
    return Comparison(both, only_a, only_b)


def _meet(one: Alert, other: Alert, end: float) -> bool:
    first, second = (one.start, _until(one, end)), (other.start, _until(other, end))
    return first[0] <= second[1] + SLACK and second[0] <= first[1] + SLACK


def _until(alert: Alert, end: float) -> float:
    return end if alert.end is None else alert.end
