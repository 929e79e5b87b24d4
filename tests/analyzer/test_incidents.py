"""Findings -> incidents."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analyzer.findings import Findings
from analyzer.incidents import Incidents, Step
from analyzer.policy import Policy
from analyzer.records import Forecast, Incident, Scores, Topology
from analyzer.window import Ints
from tests.analyzer.scoring import SIGNALS, calm, down, series, strange

NAMES = (
    "cpu", "load", "memory", "disk", "disk_time", "network_receive", "network_transmit", "requests", "errors", "response_time",
    "connections", "nice", "inodes", "up",
)  # fmt: skip
HOSTS = ("proxy-1", "web-1", "web-2", "api-1", "db-1", "backup-1")
TABLE = series(*HOSTS, signals=NAMES)
TOPOLOGY = Topology(
    (("proxy-1", "web-1"), ("proxy-1", "web-2"), ("web-1", "api-1"), ("web-2", "api-1"), ("api-1", "db-1"), ("backup-1", "db-1"))
)
Edit = Callable[[Scores], Scores]


class Live:
    """Findings and incidents run together, one step a minute."""

    def __init__(self, **policy: float) -> None:
        self.findings, self.incidents = Findings(SIGNALS, Policy(**policy)), Incidents(SIGNALS, Policy(**policy))
        self.now = 0.0
        self.steps: list[Step] = []

    def run(self, edit: Edit, minutes: int, *, forecast: Forecast | None = None, partial: bool = False) -> list[Incident]:
        for _ in range(minutes):
            scores = edit(replace(calm(TABLE), time=self.now))
            found, _ = self.findings.step(scores, partial=partial)
            self.steps.append(self.incidents.step(found, scores, forecast, TOPOLOGY, self.now, partial=partial))
            self.now += 60.0
        return self.steps[-1].open

    def paged(self) -> set[str]:
        return {i.id for step in self.steps for i in step.open if i.pages}


def runaway(host: str, at: float = 120.0) -> Edit:
    return lambda s: strange(strange(s, host, "cpu", onset=at), host, "load", onset=at)


def slow_db(s: Scores) -> Scores:
    for host, late in (("db-1", 0), ("api-1", 20), ("web-1", 40), ("web-2", 40), ("proxy-1", 60)):
        s = strange(s, host, "response_time", onset=120.0 + late)
    return strange(s, "db-1", "connections", onset=120.0)


def surge(s: Scores) -> Scores:
    for host in HOSTS[:5]:
        for signal in ("requests", "cpu", "network_receive", "network_transmit"):
            s = strange(s, host, signal, onset=120.0)
    return s


def batch(s: Scores) -> Scores:
    return strange(strange(s, "backup-1", "cpu"), "backup-1", "disk_time")


def _stuck(scores: Scores, rows: Ints) -> Ints:
    kind = scores.kind.copy()
    kind[rows] = scores.kinds.index("stuck")
    return kind


def both(a: Edit, b: Edit) -> Edit:
    return lambda s: b(a(s))


def ordinary(s: Scores) -> Scores:
    return s


def crashed(s: Scores) -> Scores:
    return strange(down(s, "api-1"), "web-1", "errors", onset=120.0)


@pytest.fixture
def live() -> Live:
    made = Live()
    made.run(ordinary, 2)
    return made


@pytest.mark.parametrize(
    ("edit", "host", "kind"),
    [
        (runaway("web-1"), "web-1", "cpu_runaway"),
        (lambda s: strange(s, "web-2", "memory"), "web-2", "memory_leak"),
        (lambda s: strange(strange(s, "backup-1", "disk"), "backup-1", "disk_time"), "backup-1", "disk_fill"),
        (slow_db, "db-1", "db_slow"),
        (crashed, "api-1", "crash"),
    ],
    ids=["cpu_runaway", "memory_leak", "disk_fill", "db_slow", "crash"],
)
def test_a_planted_failure_becomes_one_incident_with_root_and_kind(live, edit, host, kind):
    found = live.run(edit, 15)
    assert [(i.host, i.kind, i.pages) for i in found] == [(host, kind, True)]


@pytest.mark.parametrize("edit", [surge, batch], ids=["traffic_surge", "batch_job"])
def test_normal_life_pages_nobody(live, edit):
    found = live.run(edit, 60)
    assert ([i.benign for i in found], live.paged()) == ([True], set())


def test_a_runaway_process_pages_within_a_few_minutes(live):
    live.run(runaway("web-1"), 3)
    assert len(live.paged()) == 1


def test_what_moves_the_disks_a_little_and_nobody_feels_may_be_a_job_and_waits(live):
    stirring = lambda s: strange(s, "web-1", "disk_time", score=0.4, z=1.5)  # noqa: E731
    live.run(both(runaway("web-1"), stirring), 6)
    early = live.paged()
    live.run(both(runaway("web-1"), stirring), 5)
    assert (early, len(live.paged())) == (set(), 1)


def test_a_job_during_a_rush_of_visitors_pages_nobody_although_its_signals_rise_one_after_the_other(live):
    live.run(surge, 10)
    steps = [("nice", 3.0), ("load", 1.5), ("disk_time", 1.2), ("cpu", 1.1)]
    edit: Edit = surge
    for signal, score in steps:
        edit = both(edit, lambda s, signal=signal, score=score: strange(s, "backup-1", signal, score=score, onset=800.0))
        live.run(edit, 4)
    assert (live.paged(), {i.kind for i in live.steps[-1].open}) == (set(), {"traffic_surge", "batch_job"})


def test_a_full_disk_whose_inodes_stand_still_is_one_story(live):
    full = lambda s: strange(strange(s, "backup-1", "disk"), "backup-1", "disk_time")  # noqa: E731
    live.run(full, 10)
    table = TABLE.rows_of(signal="inodes", host="backup-1")
    frozen = lambda s: replace(strange(full(s), "backup-1", "inodes", score=1.5), kind=_stuck(s, table))  # noqa: E731
    assert [i.kind for i in live.run(frozen, 15)] == ["disk_fill"]


def test_two_failures_at_once_stay_apart(live):
    found = live.run(both(slow_db, lambda s: strange(s, "web-2", "memory", onset=130.0)), 15)
    assert {(i.host, i.kind) for i in found} == {("db-1", "db_slow"), ("web-2", "memory_leak")}


def test_a_cascade_is_one_alert_although_dependants_are_seen_first(live):
    early = lambda s: strange(strange(s, "web-1", "response_time", onset=120.0), "proxy-1", "response_time", onset=120.0)  # noqa: E731
    live.run(early, 3)
    found = live.run(slow_db, 15)
    assert ([(i.host, i.kind) for i in found], len(live.paged())) == ([("db-1", "db_slow")], 1)


def test_its_id_does_not_change_while_it_lasts(live):
    live.run(slow_db, 30)
    assert len({i.id for step in live.steps for i in step.open}) == 1


def test_dependants_that_feel_it_make_it_critical(live):
    found = live.run(slow_db, 15)
    assert (found[0].severity, set(found[0].affected)) == ("critical", {"api-1", "web-1", "web-2", "proxy-1"})


def test_an_anomaly_alone_is_at_most_a_warning(live):
    assert [i.severity for i in live.run(runaway("web-1"), 60)] == ["warning"]


def test_a_server_down_is_critical_under_its_own_name(live):
    found = live.run(lambda s: down(s, "web-1"), 5)
    assert [(i.alertname, i.severity, i.signal) for i in found] == [("OpenManagerServerDown", "critical", "up")]


def test_most_servers_away_at_once_is_one_story(live):
    found = live.run(lambda s: down(down(down(down(s, "web-1"), "web-2"), "db-1"), "backup-1"), 6)
    assert ([i.alertname for i in found], len(live.paged())) == (["OpenManagerServerDown"], 1)


def test_a_higher_severity_supersedes_the_alert_in_the_same_step(live):
    live.run(runaway("api-1"), 10)
    live.run(both(runaway("api-1"), lambda s: strange(s, "web-1", "response_time", onset=700.0)), 10)
    told = [(old.severity, old.state, new.severity, new.revision) for s in live.steps for old in s.superseded for new in s.changed]
    assert told == [("warning", "resolved", "critical", 1)]


def test_an_alerted_identity_is_frozen(live):
    live.run(runaway("api-1"), 10)
    live.run(both(runaway("api-1"), lambda s: strange(s, "api-1", "connections", score=9.0, z=30.0)), 10)
    paged = [i for step in live.steps for i in step.open if i.pages]
    assert len({(i.alertname, i.host, i.signal, i.labels, i.severity, i.revision) for i in paged}) == 1


def test_an_incident_ends_once_and_says_why(live):
    live.run(runaway("web-1"), 10)
    live.run(ordinary, 30)
    ends = [(i.state, i.closed_because) for step in live.steps for i in step.changed if i.state == "resolved"]
    assert (ends, live.steps[-1].open) == ([("resolved", "recovered")], [])


def test_what_comes_back_soon_continues_the_old_incident(live):
    first = live.run(runaway("web-1"), 10)[0].id
    live.run(ordinary, 15)
    assert [i.id for i in live.run(runaway("web-1", at=1620.0), 10)] == [first]


def test_what_comes_back_much_later_is_a_new_incident(live):
    first = live.run(runaway("web-1"), 10)[0].id
    live.run(ordinary, 100)
    assert [i.id == first for i in live.run(runaway("web-1", at=6720.0), 10)] == [False]


def test_p8_a_partial_answer_opens_and_ends_no_incident(live):
    live.run(runaway("web-1"), 10)
    live.run(ordinary, 60, partial=True)
    assert ([i.host for i in live.steps[-1].open], live.steps[-1].changed) == (["web-1"], [])


def test_an_unknown_pattern_is_called_unknown_and_pages_only_when_it_lasts(live):
    odd = lambda s: strange(strange(s, "web-1", "connections", score=5.0, z=-20.0), "web-1", "network_receive", score=5.0, z=-20.0)  # noqa: E731
    live.run(odd, 8)
    before = live.paged()
    found = live.run(odd, 20)
    assert (before, [(i.kind, i.pages) for i in found]) == (set(), [("unknown", True)])


def test_what_does_not_page_is_in_the_ledger_with_its_reason(live):
    live.run(batch, 20)
    assert {x.reason for step in live.steps for x in step.suppressions} == {"benign"}


def test_what_came_at_this_hour_on_earlier_days_is_a_habit(live):
    for day in range(1, 4):
        live.now = day * 86400.0
        live.run(lambda s: strange(s, "backup-1", "cpu", onset=s.time), 30)
        live.run(ordinary, 60)
    assert live.steps[-61].open[0].benign


def limit(seconds: float) -> Forecast:
    until = np.full(len(TABLE), np.nan)
    until[TABLE.rows_of(signal="disk", host="backup-1")] = seconds
    nothing = np.full((len(TABLE), 1), np.nan)
    return Forecast(0.0, TABLE, (3600.0,), nothing, nothing, nothing, until, until, until)


FULL = SIGNALS | {"disk": replace(SIGNALS["disk"], limit=0.6)}


@pytest.mark.parametrize(("seconds", "severity"), [(3 * 3600.0, "warning"), (1800.0, "critical")])
def test_a_limit_within_hours_is_an_incident_of_its_own(live, seconds, severity):
    live.incidents.limits.signals = FULL
    found = live.run(ordinary, 20, forecast=limit(seconds))
    assert [(i.alertname, i.severity, i.signal, i.pages) for i in found] == [("OpenManagerLimitForecast", severity, "disk", True)]


def test_a_limit_that_was_forecast_for_a_moment_is_nothing(live):
    live.incidents.limits.signals = FULL
    live.run(ordinary, 10, forecast=limit(3600.0))
    assert live.run(ordinary, 30) == []


def test_p5_a_restart_continues_the_incidents(live):
    before = live.run(slow_db, 15)[0]
    again = Live()
    again.findings.restore(json.loads(json.dumps(live.findings.state())))
    again.incidents.restore(json.loads(json.dumps(live.incidents.state())))
    again.now = live.now
    after = again.run(slow_db, 5)
    assert [(i.id, i.revision, i.opened, i.pages, i.severity) for i in after] == [(before.id, 0, before.opened, True, "critical")]


def test_the_same_input_gives_the_same_incidents():
    first, second = Live(), Live()
    first.run(slow_db, 10)
    second.run(slow_db, 10)
    assert repr(first.steps) == repr(second.steps)
