"""A signal: one thing worth watching on every server, with what is known about it beforehand.

A signal is declared (gauge, rate or ratio over metrics), so that it compiles both to PromQL and to a local evaluation of
scraped text, or it is free PromQL. Floor 0: values only; the presets lie in `presets/*.yml`.
"""

from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["both", "above", "below"]
Kind = Literal["gauge", "rate", "age"]
Aggregate = Literal["sum", "avg", "max", "min", "count"]


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher, as in PromQL: name, operator (`=`, `!=`, `=~`, `!~`), value (RE2, anchored)."""

    name: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


@dataclass(frozen=True, slots=True)
class Term:
    """One side of a declaration.

    The metrics (each with the matchers) are turned by `kind` (gauge: as they are; rate: per second over the rate window;
    age: evaluation time minus value), aggregated `without` the named labels, then added up across `metrics`.
    """

    metrics: tuple[str, ...]
    kind: Kind = "gauge"
    matchers: tuple[Matcher, ...] = ()
    aggregate: Aggregate | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """`over / under`, or `over` alone; `complement` makes it `1 - over / under`."""

    over: Term
    under: Term | None = None
    complement: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """What is watched, in which unit, and what counts as worth mentioning.

    Attributes
    ----------
    alias, topic : the names in series (`for`) and in questions.
    title : words for people, by language ("en", "ko").
    unit : ratio, bytes_per_second, per_second, seconds, celsius, count, bytes.
    declaration, expr : exactly one of them.
    direction : which side of the expected value matters.
    low, high : what the value can be at all (None = open).
    min_deviation, min_relative : smaller deviations (in the unit; as a share of the expected value) are never a finding.
    limit : where it runs out (disk 1.0); None = it has none.
    labels : labels beside the identity that make a series of this signal, e.g. ("mountpoint",).
    """

    alias: str
    topic: str
    title: dict[str, str]
    unit: str
    declaration: Declaration | None = None
    expr: str | None = None
    direction: Direction = "both"
    low: float | None = None
    high: float | None = None
    min_deviation: float = 0.0
    min_relative: float = 0.0
    limit: float | None = None
    labels: tuple[str, ...] = field(default=())
