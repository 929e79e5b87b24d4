"""What one floor hands to the next: scores, findings, incidents, explanations. Values only, frozen, no behaviour but looking up.

Times are unix seconds, values base units, NaN = unknown. Nothing here knows a clock or an address.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from analyzer.signals import Signal
from analyzer.window import Bools, Floats, Ints, Labels, Series

Severity = Literal["info", "warning", "critical"]
FindingState = Literal["pending", "firing", "resolved"]
FindingKind = Literal["level", "shift", "fast", "stuck", "vanished", "peer", "limit", "down", "restart"]
FAULT_KINDS = (
    "cpu_runaway", "memory_leak", "disk_fill", "disk_slow", "network_saturation", "packet_loss", "steal", "traffic_surge",
    "cache_stampede", "db_slow", "crash", "clock_skew", "stuck_metric", "batch_job", "unknown",
)  # fmt: skip
BENIGN_KINDS = frozenset({"traffic_surge", "batch_job"})


@dataclass(frozen=True, slots=True, eq=False)
class HostScores:
    """What is said of whole servers: whether the combination of their signals is as it was before.

    Attributes
    ----------
    time : of the row that was judged; it may be some minutes old.
    hosts : who they are, in the order of the table's.
    score : float64 [hosts]; 1 = edge of normal at the budget; NaN = cannot say.
    alarm : bool [hosts], beyond the budget.
    blame : float64 [series], how much each series is to blame, in usual sizes; 0 where none.
    state : one a host: idle, normal, busy, stressed; "" = cannot say.
    """

    time: float
    hosts: tuple[str, ...]
    score: Floats
    alarm: Bools
    blame: Floats
    state: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the detectors say about one instant, for every series they know.

    Attributes
    ----------
    time : the evaluation time.
    series : who the rows are (the engine's own table: series that sent nothing this time included).
    value : float64 [series]; NaN = no sample.
    yhat, lower, upper : float64 [series], expected value and band of the usual at this hour; NaN = not learned yet.
    score : float64 [series]; 0 = as expected, 1 = edge of normal, above = anomalous; NaN = cannot say.
    z : float64 [series], signed, lightly smoothed residual in robust standard deviations: direction and blame.
    kind : int64 [series], position in `kinds` of the detector that speaks loudest.
    onset : float64 [series], when the present deviation began; NaN where there is none.
    ready : float64 [series], 0..1: how much of what the detectors need has been seen.
    promoted : bool [series], the level that the series now has became its new normal in this very column; None = none did.
    whole : what is said of whole servers; None = nobody judges them.
    surprise : float64 [series], stands up where something new begins and falls back by itself; 1 = worth a word, NaN = cannot say;
    None = nobody looked.
    """

    time: float
    series: Series
    value: Floats
    yhat: Floats
    lower: Floats
    upper: Floats
    score: Floats
    z: Floats
    kind: Ints
    kinds: tuple[str, ...]
    onset: Floats
    ready: Floats
    promoted: Bools | None = None
    whole: HostScores | None = None
    surprise: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """How far each series is known, and what stands in the way; all [series], times in seconds.

    Attributes
    ----------
    series : the engine's table. time : of the newest column.
    known : float64, seconds of samples that were learned. silent : float64, since the last sample; NaN = there never was one.
    lent : bool, judged by what peers of its role lent it. peers : bool, others of its role and signal are known.
    fact : bool, series whose meaning is known (`up`): they need nothing. resting : bool, strange now, and so not learned.
    needs, full : seconds of samples after which a series is judged by itself alone; after which nothing is missing.
    refused : how many series found no room. left_out : who they are, the first of them.
    """

    series: Series
    time: float
    known: Floats
    silent: Floats
    lent: Bools
    peers: Bools
    fact: Bools
    resting: Bools
    needs: float
    full: float
    refused: int = 0
    left_out: Series = field(default_factory=Series.empty)


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Expected values ahead, made at `time`.

    yhat, lower, upper : float64 [series, horizon]; horizons in seconds. until_limit* : float64 [series], seconds until the
    signal's limit (NaN = not within the longest horizon, or gated because it is not sure), with the band's own low and high.
    """

    time: float
    series: Series
    horizons: tuple[float, ...]
    yhat: Floats
    lower: Floats
    upper: Floats
    until_limit: Floats
    until_limit_low: Floats
    until_limit_high: Floats


@dataclass(frozen=True, slots=True)
class Finding:
    """One series that is strange for a while. `id` is stable from its opening to its end."""

    id: str
    signal: str
    host: str
    labels: Labels
    kind: FindingKind
    state: FindingState
    onset: float
    opened: float
    updated: float
    ended: float | None
    score: float
    peak: float
    observed: float
    expected: float
    lower: float
    upper: float
    z: float
    flapping: bool = False
    closed_because: str = ""  # "", recovered, new_normal, gone, maintenance


@dataclass(frozen=True, slots=True)
class Suppression:
    """Something that would have been said and was not, and why: the ledger's line."""

    time: float
    host: str
    signal: str
    reason: str  # warmup, min_deviation, hold, flapping, maintenance, partial, benign, budget, observe, …
    score: float


@dataclass(frozen=True, slots=True)
class Reason:
    """A piece of evidence for or against a cause: which signal on which host did what."""

    host: str
    signal: str
    what: Literal["above", "below", "usual", "frozen", "gone", "earlier", "later", "depends", "restarted"]
    value: float
    expected: float
    weight: float


@dataclass(frozen=True, slots=True)
class Cause:
    """A candidate: the server where it began and what kind of failure it looks like. Confidence 0..1, all together at most 1."""

    host: str
    kind: str
    confidence: float
    onset: float
    reasons_for: tuple[Reason, ...] = ()
    reasons_against: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """Findings that belong together and what began them: what becomes one alert.

    `id` never changes. `host`, `alertname`, `signal`, `labels` (mountpoint, device) and `severity` are the alert's identity, frozen
    once it was sent; when they must change, `revision` goes up and the old alert is resolved in the same request (`supersedes`).
    """

    id: str
    revision: int
    alertname: str
    severity: Severity
    state: Literal["open", "resolved"]
    host: str
    signal: str
    labels: Labels
    kind: str
    benign: bool
    confidence: float
    started: float
    opened: float
    updated: float
    ended: float | None
    score: float
    findings: tuple[Finding, ...]
    causes: tuple[Cause, ...]
    affected: tuple[str, ...]  # other hosts that feel it
    pages: bool  # strong and certain enough to reach people; false = kept for reading only
    why_not: str = ""  # the suppression reason when it does not page
    closed_because: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """Who needs whom: (dependent, on) pairs. A slow `on` reaches its dependents; demand goes the other way."""

    edges: tuple[tuple[str, str], ...] = ()

    def on(self, host: str) -> tuple[str, ...]:
        """What a host needs."""
        return tuple(b for a, b in self.edges if a == host)

    def dependents(self, host: str) -> tuple[str, ...]:
        """Who needs a host."""
        return tuple(a for a, b in self.edges if b == host)


@dataclass(frozen=True, slots=True)
class Text:
    """Words in one language: a headline, two to five sentences, numbered actions."""

    headline: str
    sentences: tuple[str, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Words about one incident, and the facts that they are made of."""

    incident: str
    time: float
    texts: Mapping[str, Text]  # by language
    confidence: float
    engine: str
    evidence: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """Everything known at one instant; what explaining, answering and the API read. Replaced whole every cycle."""

    time: float
    signals: Mapping[str, Signal]
    scores: Scores
    forecast: Forecast | None
    findings: tuple[Finding, ...]
    incidents: tuple[Incident, ...]
    explanations: Mapping[str, Explanation]
    topology: Topology
    health: Mapping[str, float] = field(default_factory=dict)  # host -> 0..100
    server_score: Mapping[str, float] = field(default_factory=dict)
    server_state: Mapping[str, str] = field(default_factory=dict)
    muted: Bools | None = None  # [series]: inside a maintenance window or silence
    learning: Learning | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything of one cycle, frozen: what sinks get."""

    time: float
    board: Board
    changed: tuple[Incident, ...]  # opened, revised, or resolved in this cycle
    superseded: tuple[Incident, ...]  # old revisions whose alert must be resolved now
    suppressions: tuple[Suppression, ...]
    ended_series: Series  # series that stopped: their derived series get a stale marker
    partial: bool = False
