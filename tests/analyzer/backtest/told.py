"""Hand-made alerts and outcomes for tests: a span of a day that begins at 0."""

from dataclasses import replace

from analyzer.backtest.outcome import Alert, Outcome, Quiet, Spell
from analyzer.records import Text
from tests.analyzer.reports import INCIDENT

DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0
START = 20_000 * DAY
HOSTS = ("web-01", "web-02", "db-01", "mail-01")
WORDS = {
    "en": Text("web-01: CPU 93%", ("CPU is 93%.", "Most likely a process."), ("Look at top.",)),
    "ko": Text("web-01: CPU 93%", ("CPU가 93%입니다.", "프로세스일 가능성이 높습니다."), ("top을 보십시오.",)),
}


def incident(name="i1", host="web-01", kind="cpu_runaway", **changes):
    return replace(INCIDENT, id=name, host=host, kind=kind, findings=(), **({"affected": ()} | changes))


def alert(begin, end=None, *, name="i1", host="web-01", kind="cpu_runaway", severity="warning", **changes):
    """An alert by hours of the span."""
    spell = Spell(START + begin * HOUR, None if end is None else START + end * HOUR)
    one = incident(name, host, kind, **changes)
    return Alert(one, severity, (spell,), ("cpu",), WORDS, WORDS, kind, host)


def quiet(begin, end, why="evidence", host="web-01", **changes):
    """An incident that paged nobody."""
    return Quiet(incident("q1", host, **changes), START + begin * HOUR, START + end * HOUR, why, ("cpu",), WORDS)


def outcome(*alerts, kept=(), days=1.0):
    """A day on four hosts."""
    return Outcome(START, START + days * DAY, 1440, 0, HOSTS, 100, tuple(alerts), tuple(kept))
