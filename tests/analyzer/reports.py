"""Hand-made reports for sinks and the store: a few hosts, one incident, numbers that a test can read."""

from dataclasses import replace

import numpy as np

from analyzer.records import (
    Board,
    Cause,
    Explanation,
    Finding,
    Forecast,
    Incident,
    Learning,
    Report,
    Scores,
    Suppression,
    Text,
    Topology,
)
from analyzer.signals import Signal
from analyzer.window import Series

NOW = 1_790_000_000.0
SIGNALS = {
    "cpu": Signal("cpu", "cpu", {"en": "CPU", "ko": "CPU"}, "ratio"),
    "disk": Signal("disk", "disk", {"en": "disk", "ko": "디스크"}, "ratio", limit=1.0),
}
FINDING = Finding(
    "f1", "cpu", "web-01", (("instance", "web-01"),), "level", "firing", NOW - 300, NOW - 120, NOW, None, 4.0, 5.0, 0.93, 0.41, 0.3,
    0.52, 9.0,
)  # fmt: skip
INCIDENT = Incident(
    "inc1", 1, "OpenManagerAnomaly", "warning", "open", "web-01", "cpu", (("instance", "web-01"),), "cpu_runaway", False, 0.8,
    NOW - 300, NOW - 120, NOW, None, 5.0, (FINDING,), (Cause("web-01", "cpu_runaway", 0.8, NOW - 300),), ("web-02",), True,
)  # fmt: skip
EXPLANATION = Explanation(
    "inc1", NOW,
    {"en": Text("web-01 CPU 93%", ("CPU is 93%.", "Usual is 41%."), ("Look at top.",)),
     "ko": Text("web-01 CPU 93%", ("CPU가 93%입니다.", "평소는 41%입니다."), ("top을 보십시오.",))},
    0.8, "local", ({"signal": "cpu", "value": 0.93},),
)  # fmt: skip


def series(*rows):
    """(alias, host) pairs, or (alias, host, more labels)."""
    return Series.build((alias, host, "web", tuple(sorted((("instance", host), *more)))) for alias, host, *more in rows)


def scores(table, value=0.5, at=NOW):
    """Everything at `value` of 0.4 to 0.6."""
    n = len(table)
    return Scores(
        at, table, np.full(n, value), np.full(n, 0.5), np.full(n, 0.4), np.full(n, 0.6), np.full(n, 0.1), np.zeros(n),
        np.zeros(n, np.int64), ("level",), np.full(n, np.nan), np.ones(n),
    )  # fmt: skip


def learning(table, known=30 * 86400.0, at=NOW, **more):
    """Every series seen for so long, sending, without peers; `more` replaces."""
    n, none = len(table), np.zeros(len(table), bool)
    made = Learning(table, at, np.full(n, 1.0) * known, np.zeros(n), none, none, none, none, 7200.0, 259200.0)
    return replace(made, **more)


def forecast(table, until=7200.0, at=NOW):
    """1 h, 6 h and 24 h ahead at 0.5, a limit in two hours."""
    n = len(table)
    ahead, limit = np.full((n, 3), 0.5), np.full(n, until)
    return Forecast(at, table, (3600.0, 21600.0, 86400.0), ahead, ahead - 0.1, ahead + 0.1, limit, limit, limit)


def report(table=None, at=NOW, *, incidents=(), changed=(), superseded=(), explanations=(), ended=None, value=0.5, **board):
    """A report at a time; keyword arguments beyond the named go to the board."""
    table = series(("cpu", "web-01"), ("disk", "web-01", ("mountpoint", "/"))) if table is None else table
    made = Board(
        at, SIGNALS, board.pop("scores", None) or scores(table, value, at), board.pop("forecast", None), board.pop("findings", ()),
        tuple(incidents), {e.incident: e for e in explanations}, Topology(),
        learning=board.pop("learning", None) or learning(table), **board,
    )  # fmt: skip
    gone = Series.empty() if ended is None else ended
    return Report(at, made, tuple(changed), tuple(superseded), (), gone)


def opened(incident=INCIDENT, at=NOW):
    """The report in which an incident opens."""
    return report(at=at, incidents=(incident,), changed=(incident,), explanations=(EXPLANATION,))


def still_open(incident=INCIDENT, at=NOW + 60):
    """A later report in which it goes on."""
    return report(at=at, incidents=(incident,), explanations=(EXPLANATION,))


def resolved(incident=INCIDENT, at=NOW + 120):
    """The report in which it ends."""
    over = replace(incident, state="resolved", ended=at, closed_because="recovered")
    return report(at=at, changed=(over,), explanations=(EXPLANATION,))


def suppression(at=NOW, score=1.5, reason="hold"):
    """A line of the ledger."""
    return Suppression(at, "web-01", "cpu", reason, score)
