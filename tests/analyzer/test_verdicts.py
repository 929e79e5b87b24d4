"""What people say moves edges within bounds, keeps hours quiet, and leaves nothing behind when it is taken back."""

from dataclasses import replace

import pytest

from analyzer.verdicts import Verdict, fold
from tests.analyzer.reports import FINDING, INCIDENT, NOW
from tests.analyzer.scoring import series

HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0
TABLE = series("web-1", "web-2", signals=("cpu", "disk"))


def said(*words, **more):
    """One verdict after another about incidents of web-1's CPU."""
    given = {"host": "web-1", "kind": "cpu_runaway", "signals": ("cpu",), "began": NOW, "ended": NOW + HOUR} | more
    return [Verdict(f"i{n}", NOW + n, word, **given) for n, word in enumerate(words)]


@pytest.mark.parametrize(
    ("words", "edge"),
    [
        (["wrong"], 1.25), (["wrong"] * 2, 1.5625), (["wrong"] * 9, 2.0), (["right"], 1.0), (["wrong", "right"], 1.0),
        (["wrong"] * 9 + ["right"], 1.6), (["wrong"] + ["right"] * 9, 1.0), (["expected"], 1.0),
    ],
)  # fmt: skip
def test_wrong_moves_the_edge_out_and_right_moves_it_back_within_bounds(words, edge):
    assert fold(said(*words)).edges.get(("web-1", "cpu"), 1.0) == pytest.approx(edge)


def test_only_that_signal_on_that_server_is_moved():
    assert fold(said("wrong")).factors(TABLE).tolist() == [1.25, 1.0, 1.0, 1.0]
    assert fold(said("expected")).factors(TABLE) is None


def test_servers_and_signals_that_are_gone_move_nothing():
    assert fold(said("wrong", host="web-9")).factors(TABLE).tolist() == [1.0] * 4


def test_what_is_taken_back_leaves_nothing():
    first, second, third = said("wrong", "wrong", "right")
    assert fold([first, replace(second, undone=NOW + 9), third]).edges == fold([first, third]).edges == {}
    assert fold([]).moves == ()


def test_every_move_says_where_it_came_from():
    moves = fold(said("wrong", "wrong", "wrong", "wrong", "right")).moves
    assert [(m.incident, round(m.before, 4), round(m.after, 4)) for m in moves] == [
        ("i0", 1.0, 1.25), ("i1", 1.25, 1.5625), ("i2", 1.5625, 1.9531), ("i3", 1.9531, 2.0), ("i4", 2.0, 1.6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "quiet"),
    [
        (NOW + WEEK, True), (NOW + 3 * WEEK + HOUR, True), (NOW + WEEK - 0.9 * HOUR, True), (NOW + WEEK + 1.9 * HOUR, True),
        (NOW + WEEK - 1.1 * HOUR, False), (NOW + WEEK + 2.1 * HOUR, False), (NOW + DAY, False), (NOW + 6 * DAY, False),
    ],
)  # fmt: skip
def test_expected_is_that_hour_of_that_weekday(at, quiet):
    assert fold(said("expected")).expected("web-1", "cpu_runaway", "cpu", at) is quiet


@pytest.mark.parametrize("other", [("web-2", "cpu_runaway", "cpu"), ("web-1", "crash", "cpu"), ("web-1", "cpu_runaway", "disk")])
def test_expected_is_that_kind_on_that_server_and_signal(other):
    assert not fold(said("expected")).expected(*other, NOW + WEEK)


def test_expected_hours_are_local_and_follow_a_change_of_the_clocks():
    winter = fold(said("expected"), lambda at: 7200.0 if at < NOW + DAY else 3600.0)
    assert [winter.expected("web-1", "cpu_runaway", "cpu", NOW + WEEK + h * HOUR) for h in (-0.5, 1, 2.5)] == [False, True, True]


def test_a_long_incident_does_not_make_the_week_quiet():
    long = fold(said("expected", ended=NOW + 5 * DAY))
    assert not long.expected("web-1", "cpu_runaway", "cpu", NOW + WEEK + 7.5 * HOUR)


def test_a_verdict_takes_the_signals_of_its_server_and_whether_it_answers_is_no_opinion():
    found = tuple(replace(FINDING, id=s, signal=s, host=h) for s, h in (("up", "web-01"), ("load", "web-01"), ("disk", "web-02")))
    made = Verdict.of(replace(INCIDENT, findings=found), "wrong", "", "ada", NOW)
    assert (made.host, made.signals, made.began, made.ended) == ("web-01", ("cpu", "load"), INCIDENT.started, NOW)
