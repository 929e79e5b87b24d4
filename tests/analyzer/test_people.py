"""What people told us, through the whole cycle: what pages, what is learned, what the ledger says, and all of it taken back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analyzer.maintenance import Maintenance
from analyzer.maintenance import muted as inside
from analyzer.people import People
from analyzer.silences import Matcher, Silence, Silences
from analyzer.verdicts import Verdict, fold
from analyzer.window import Window
from tests.analyzer.clockwork import DAY, MINUTE, NOW, TABLE, World, cycle

HOUR, WEEK = 3600.0, 7 * DAY
LEARNED = {}
CPU = ("cpu", (("instance", "web-1"),))


def known():
    """A cycle that has learned two days, and its world."""
    made, world = cycle(), World()
    world.at = NOW + 10 * DAY
    if not LEARNED:
        at = NOW - 2 * DAY + 300 * np.arange(576)
        made.bootstrap(Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1)))
        LEARNED.update(made.arrays())
    made.restore_arrays(LEARNED)
    return made, world


def live(made, world, minutes, start=NOW, **more):
    """Reports, minute by minute."""
    at = start + MINUTE * np.arange(minutes)
    return made.run(Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1)), **more)


def ill(made, minutes=15, start=NOW, **more):
    """Reports of a while in which web-1's CPU runs away from the third minute on."""
    world = World()
    world.at, world.faults["web-1"] = start + 10 * DAY, start + 2 * MINUTE
    return live(made, world, minutes, start, **more)


def paged(reports):
    return [i for r in reports for i in r.board.incidents if i.pages]


def withheld(reports):
    return {line.reason for r in reports for line in r.suppressions}


def silence(*pairs, start=NOW - HOUR, end=NOW + 12 * HOUR, regex=False):
    return Silence("s1", start, end, tuple(Matcher(name, value, regex) for name, value in pairs))


def told(made, *silences, verdicts=()):
    """From now on people say this."""
    people = People(Silences(silences), fold(verdicts))
    made.people = lambda: people
    return made


def test_without_people_it_pages():
    assert paged(ill(known()[0]))


@pytest.mark.parametrize("instance", ["web-1", "web-1:9100"])
def test_what_is_silenced_is_not_learned(instance):
    table = TABLE
    if ":" in instance:
        table = replace(TABLE, labels=tuple((("instance", f"{p[0][1]}:9100"),) for p in TABLE.labels))
    levels = {}
    for name, rules in {"silenced": [silence(("instance", instance))], "open": []}.items():
        made, world = cycle(), World()
        told(made, *rules)
        world.at = NOW + DAY
        at = NOW + MINUTE * np.arange(120)
        made.run(Window(table, at, np.stack([world.column(t) for t in at], axis=1)))
        levels[name] = made.engine.c["known"].copy()
    web = levels["silenced"][levels["open"] > levels["silenced"]]
    assert web.tolist() == [0.0] * 4  # every signal of web-1 but `up`, which is a fact, and nothing else


def test_what_is_silenced_pages_nobody_and_the_ledger_says_why():
    reports = ill(told(known()[0], silence(("instance", "web-1"))))
    assert reports[-1].board.findings  # it is seen all the same
    assert not paged(reports)
    assert "silence" in withheld(reports)
    assert [i.why_not for i in reports[-1].board.incidents] == ["silence"]


def test_a_silence_of_another_severity_or_signal_holds_nothing_back():
    assert paged(ill(told(known()[0], silence(("instance", "web-1"), ("severity", "info")))))
    assert paged(ill(told(known()[0], silence(("instance", "web-1"), ("signal", "memory")))))


def test_it_pages_when_the_silence_ends_and_the_fault_does_not():
    made = told(known()[0], silence(("instance", "web-1"), end=NOW + 10 * MINUTE))
    reports = ill(made, 20)
    assert not paged(reports[:10])
    assert paged(reports[11:])


def test_a_silenced_fault_does_not_become_normal():
    made = told(known()[0], silence(("instance", "web-1")))
    reports = ill(made, 8 * 60)
    row = reports[-1].board.scores.series.positions([CPU])[0]
    assert not any(r.board.scores.promoted[row] for r in reports)
    assert reports[-1].board.scores.score[row] > 1
    assert not paged(reports)


def test_maintenance_pages_nobody_and_teaches_nothing_and_the_ledger_says_why():
    windows = [Maintenance(NOW, NOW + HOUR, "web-1")]
    made = known()[0]
    before = made.engine.c["known"].copy()
    reports = ill(made, muted=lambda series, now: inside(windows, series, now))
    rows = reports[-1].board.scores.series.rows_of(host="web-1")
    assert not reports[-1].board.findings and "maintenance" in withheld(reports)
    assert (made.engine.c["known"] == before)[rows].all()


def wrong(reports, verdict="wrong", times=1):
    """Verdicts of people about the incident that paged, some number of times."""
    incident = paged(reports)[-1]
    said = Verdict.of(incident, verdict, "", "ada", reports[-1].time)
    return [replace(said, incident=f"{incident.id}.{n}", time=said.time + n) for n in range(times)]


def mild(made, minutes=20, start=NOW):
    """Reports of a while in which web-1's CPU and load lie just outside the usual."""
    world, out = World(), []
    world.at = start + DAY
    for i in range(minutes):
        at = start + MINUTE * i
        column = world.column(at)
        ill = [r for r, (alias, labels) in enumerate(TABLE.keys()) if alias in ("cpu", "load") and labels[0][1] == "web-1"]
        column[ill] *= 1.4 if i >= 2 else 1.0
        out += made.run(Window(TABLE, np.array([at]), column[:, None]))
    return out


def test_wrong_moves_what_pages_and_taking_it_back_restores_it():
    first = mild(known()[0])
    said = wrong(first, times=4)
    spared = mild(told(known()[0], verdicts=said))
    assert not paged(spared)
    assert "feedback" in withheld(spared)
    undone = [replace(v, undone=NOW) for v in said]
    again = mild(told(known()[0], verdicts=undone))
    assert [r.board.incidents for r in again] == [r.board.incidents for r in first]


def test_wrong_never_hides_a_clear_failure():
    said = wrong(ill(known()[0]), times=50)
    assert paged(ill(told(known()[0], verdicts=said)))


def test_wrong_about_one_server_changes_nothing_for_another():
    said = [replace(v, host="web-2") for v in wrong(mild(known()[0]), times=4)]
    assert paged(mild(told(known()[0], verdicts=said)))


def test_expected_keeps_that_hour_of_the_week_quiet_and_no_other():
    said = wrong(ill(known()[0]), "expected")
    quiet = [replace(v, began=v.began - WEEK, ended=v.ended - WEEK) for v in said]  # a week ago
    reports = ill(told(known()[0], verdicts=quiet))
    assert not paged(reports)
    assert "expected" in withheld(reports)
    other = [replace(v, began=v.began - WEEK + 5 * HOUR, ended=v.ended - WEEK + 5 * HOUR) for v in said]
    assert paged(ill(told(known()[0], verdicts=other)))


def test_what_is_expected_and_goes_on_beyond_its_hour_pages():
    said = wrong(ill(known()[0]), "expected")
    quiet = [replace(v, began=v.began - WEEK - 50 * MINUTE, ended=v.ended - WEEK - 50 * MINUTE) for v in said]
    reports = ill(told(known()[0], verdicts=quiet), 60)
    assert not paged(reports[:10])
    assert paged(reports[40:])


def test_right_moves_back_what_wrong_moved_out():
    first = mild(known()[0])
    said = wrong(first, times=4)
    back = [replace(v, verdict="right", incident=f"r{v.incident}", time=v.time + 100) for v in said]
    assert paged(mild(told(known()[0], verdicts=[*said, *back])))


def test_what_is_withheld_survives_a_restart():
    made = told(known()[0], silence(("instance", "web-1")))
    ill(made)
    state = json.loads(json.dumps(made.state(), allow_nan=False))
    again = told(known()[0], silence(("instance", "web-1")))
    again.restore_trackers(state)
    assert not paged(ill(again, 5, NOW + 15 * MINUTE))
