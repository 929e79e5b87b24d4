"""When a score is worth a finding, when findings are worth waking somebody, and how long each must last.

Values only; durations in seconds, never in cycles, so that 15 s and 60 s cycles decide alike. The shipped figures were set on
the simulated fleet's ordinary weeks (`python -m tests.bench.faults`), not on one fault.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds and times of findings and incidents.

    Attributes
    ----------
    open_score, close_score : a finding opens above the one and closes below the other.
    youth : by so much further out a finding opens on a series of which nothing is known yet; less as more of it is seen.
    hold : how long a score must stay just above `open_score`; a stronger one less, by its square, and one that other signals of the
        same host bear out less, by their number. sharp_hold : the least.
    resolve_after : how long a score must stay below `close_score`.
    gone_after : a finding whose series sends nothing for so long ends as "gone".
    max_gap : the most that one step may count as time seen; a pause or a moved clock is not evidence.
    ready_min : series that have seen less than this share of what detectors need open nothing.
    flap_window, flap_opens : opened so often within the window means flapping.
    ledger_every : one suppression line per host, signal and reason within this time.
    together : onsets of findings that belong together lie at most so far apart.
    quiet_after : an incident ends when none of its findings has fired for so long.
    cooldown : what comes back within this time continues the old incident.
    settle : an incident pages this long after opening at the earliest, so that its root can show itself.
    doubt : what might still prove a job that somebody started, and that no user feels, pages this long after opening.
    reroot_hold : so long must another root look better before an alerted incident is moved there.
    page_confidence, page_evidence : how sure of the kind, and how much corroborated strangeness, a page takes.
    lone_score, lone_hold : a single strange series or an unknown kind pages only above this score, held so long.
    down_hold : a server must be down so long before it pages.
    limit_within, limit_critical, limit_hold : a forecast limit becomes an incident below the first, critical below the second,
        once it has said so for the third.
    limit_level : share of the limit that must be used before a forecast may page.
    only_fills : signals that rarely go back by themselves; a limit of others must be near, or the series strange as well.
    habit_spread, habit_days : what came at the same time of day (within the spread) on so many earlier days is a habit.
    fleet_share : a surge or a loss of data that takes this share of the hosts is the fleet's, not a server's.
    """

    open_score: float = 1.0
    close_score: float = 0.6
    youth: float = 1.0
    hold: float = 120.0
    sharp_hold: float = 15.0
    resolve_after: float = 300.0
    gone_after: float = 3600.0
    max_gap: float = 180.0
    ready_min: float = 0.5
    flap_window: float = 7200.0
    flap_opens: int = 4
    ledger_every: float = 3600.0
    together: float = 900.0
    quiet_after: float = 300.0
    cooldown: float = 3600.0
    settle: float = 15.0
    doubt: float = 420.0
    reroot_hold: float = 180.0
    page_confidence: float = 0.5
    page_evidence: float = 1.0
    lone_score: float = 1.5
    lone_hold: float = 600.0
    down_hold: float = 90.0
    limit_within: float = 4 * 3600.0
    limit_critical: float = 3600.0
    limit_hold: float = 900.0
    limit_level: float = 0.6
    only_fills: tuple[str, ...] = ("disk", "inodes")
    habit_spread: float = 2700.0
    habit_days: int = 2
    fleet_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.close_score <= self.open_score:
            raise ValueError(f"0 < close_score <= open_score must hold, not {self.close_score}, {self.open_score}")
        if min(self.hold, self.resolve_after, self.quiet_after, self.cooldown, self.settle) < 0:
            raise ValueError("hold, resolve_after, quiet_after, cooldown and settle are seconds, 0 or more")
