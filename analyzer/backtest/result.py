"""A whole backtest: what each configuration said, and how that compares with rules, with what was planted, and with each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.backtest.against import Comparison, compare
from analyzer.backtest.lead import Lead, Rule, confirmed, leads
from analyzer.backtest.outcome import Alert, Outcome
from analyzer.backtest.truth import Planted, Truth, judge
from analyzer.records import Topology


@dataclass(frozen=True, slots=True)
class Judged:
    """One configuration: its outcome, its alerts beside those of rules, those without any, and beside the planted faults.

    truth : None = nobody knows what was planted. mode : `alerting.mode`; only with `on` would anything have been posted.
    """

    name: str
    mode: str
    outcome: Outcome
    leads: tuple[Lead, ...]
    unconfirmed: tuple[Alert, ...]
    truth: Truth | None


@dataclass(frozen=True, slots=True)
class Result:
    """Everything.

    Attributes
    ----------
    step, learned : seconds between columns; seconds of history that held samples.
    asked_to : the last column that was asked for, should the run have been stopped before. warnings : what the source said, in how
        many reads. broken : why the source could not be read to the end; "" = it could.
    other_step : what the second configuration would have judged at; None = the same.
    """

    url: str
    step: float
    learned: float
    asked_to: float
    sides: tuple[Judged, ...]
    comparison: Comparison | None
    warnings: Mapping[str, int] = field(default_factory=dict)
    other_step: float | None = None
    broken: str = ""

    @property
    def stopped(self) -> bool:
        """Whether it ended before everything was judged."""
        return self.sides[0].outcome.end < self.asked_to


@dataclass(frozen=True, slots=True)
class Known:
    """What others know about the span: alerts of rules, planted faults (None = there is no such series), who depends on whom."""

    rules: Sequence[Rule]
    faults: Sequence[Planted] | None
    topology: Topology

    def beside(self, outcome: Outcome, *, name: str, mode: str) -> Judged:
        """One configuration's outcome beside all of it."""
        alone = tuple(a for a in outcome.alerts if not confirmed(a, self.rules, outcome.end))
        truth = None if self.faults is None else judge(self.faults, outcome, self.topology)
        return Judged(name, mode, outcome, leads(self.rules, outcome), alone, truth)


def compared(sides: Sequence[Judged]) -> Comparison | None:
    """The first beside the second, where there is one."""
    return compare(sides[0].outcome, sides[1].outcome) if len(sides) > 1 else None
