"""One cycle: what a report holds, and what a column that says nothing must not change."""

import json

import numpy as np
import pytest

from analyzer.records import Explanation, Text
from analyzer.window import Window
from tests.analyzer.clockwork import MINUTE, NOW, TABLE, World, cycle

WORDS = {"en": Text("h", ("s",), ())}


class Words:
    """Says when it was asked."""

    def __init__(self):
        self.asked = []

    def explain(self, incident, board):
        self.asked.append(board.time - NOW)
        return Explanation(incident.id, board.time, WORDS, 1.0, "test")


def window(world, start, minutes, **options):
    at = start + MINUTE * np.arange(minutes)
    world.at = at[-1]
    return Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1), **options)


@pytest.fixture
def known():
    """A cycle that has learned two days and its world."""
    world, made = World(), cycle(explainer=Words())
    at = NOW - 2 * 86400 + 300 * np.arange(576)
    made.bootstrap(Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1)))
    return made, world


def test_every_column_is_a_report_in_time_order(known):
    made, world = known
    reports = made.run(window(world, NOW, 5))
    assert [r.time - NOW for r in reports] == [0, 60, 120, 180, 240]
    assert all(r.board.time == r.time for r in reports)


def test_columns_at_once_and_one_by_one_say_the_same(known):
    made, world = known
    state = made.arrays()
    world.faults["web-1"] = NOW + 60
    at_once = made.run(window(world, NOW, 8))
    again = cycle(explainer=Words())
    again.restore_arrays(state)
    one_by_one = [again.run(window(world, NOW + 60 * i, 1))[0] for i in range(8)]
    for one, other in zip(at_once, one_by_one, strict=True):
        np.testing.assert_allclose(one.board.scores.score, other.board.scores.score)
    assert [i.id for i in at_once[-1].board.incidents] == [i.id for i in one_by_one[-1].board.incidents] != []


def test_an_open_incident_is_explained_when_it_changes_and_anew_once_a_minute(known):
    made, world = known
    world.faults["web-1"] = NOW
    reports = made.run(window(world, NOW, 6))
    opened = next(r.time for r in reports if r.changed) - NOW
    assert made.explainer.asked == [opened + 60 * i for i in range(len(made.explainer.asked))]
    assert reports[-1].board.explanations.keys() == {i.id for i in reports[-1].board.incidents}


def test_words_about_what_has_ended_stay_an_hour_and_no_longer(known):
    made, world = known
    world.faults["web-1"], world.healed["web-1"] = NOW, NOW + 300
    reports = made.run(window(world, NOW, 90))
    ended = next(r.time for r in reports for i in r.changed if i.state == "resolved")
    there = [r.time for r in reports if r.board.explanations]
    assert 3500 < there[-1] - ended <= 3600


def test_forecasts_are_made_anew_every_two_minutes_and_after_a_clock_was_set_back(known):
    made, world = known
    reports = made.run(window(world, NOW, 5))
    assert [r.board.forecast.time - NOW for r in reports] == [0, 0, 120, 120, 240]
    early = made.run(window(world, NOW - 7200, 1))[0]
    assert early.board.forecast.time == NOW - 7200


def test_a_column_that_was_judged_already_ends_no_series(known):
    made, world = known
    made.run(window(world, NOW, 3))
    again = made.run(window(world, NOW, 2))
    assert [len(r.ended_series) for r in again] == [0, 0]
    assert len(made.run(window(world, NOW + 180, 1))[0].ended_series) == 0


def test_half_of_the_trackers_is_none_of_them(known):
    made, world = known
    world.faults["web-1"] = NOW
    made.run(window(world, NOW, 6))
    fresh, half = cycle(), {"findings": json.loads(json.dumps(made.state()))["findings"], "incidents": {}}
    with pytest.raises(KeyError):
        fresh.restore_trackers(half)
    assert fresh.state() == cycle().state()
