"""A full table: what is silent for long makes room, what still sends never does, and who is left out is known by name."""

import numpy as np

from analyzer.detect.engine import Engine
from analyzer.detect.room import longest_silent
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Window
from tests.analyzer.detect.made import HOUR, START, table


def full(*, silent_for, names=("a", "b")):
    """An engine with room for six that knows six of the first name, silent for so long; then six of the second come."""
    engine = Engine({}, DetectionSettings(max_series=6))
    for at, name in zip((START, START + silent_for), names, strict=True):
        engine.step(Window(table(6, signals=(name,)), np.array([at]), np.full((6, 1), 0.5)))
    return engine


def test_series_silent_for_hours_make_room_for_new_ones():
    engine = full(silent_for=4 * HOUR)
    assert {engine.series.signals[i] for i in engine.series.signal} == {"b"}
    assert (engine.refused, len(engine.left_out)) == (0, 0)


def test_series_that_were_there_a_while_ago_are_not_pushed_out():
    engine = full(silent_for=1 * HOUR)
    assert {engine.series.signals[i] for i in engine.series.signal} == {"a"}
    assert engine.refused == 6
    assert engine.left_out.keys()[0] == ("b", (("instance", "h0"),))


def test_the_longest_silent_go_first_and_those_that_are_sent_stay():
    last_seen = START - HOUR * np.array([0.0, 9.0, 5.0, 7.0, np.nan, 8.0])
    asked = np.array([False, False, False, False, False, True])
    assert longest_silent(last_seen, START, 2, asked).tolist() == [4, 1]
    assert longest_silent(last_seen, -np.inf, 2, asked).tolist() == []


def test_what_stays_keeps_what_it_learned_when_others_go():
    engine = Engine({}, DetectionSettings(max_series=4))
    engine.step(Window(table(4), np.array([START]), np.arange(4.0)[:, None]))
    engine.step(Window(table(2), START + 4 * HOUR + np.arange(3) * 60.0, np.ones((2, 3))))
    before = engine.c["known"][:2].copy()
    engine.step(Window(table(3, signals=("disk",)), np.array([START + 4.1 * HOUR]), np.ones((3, 1))))
    assert engine.series.positions(table(2).keys()).tolist() == [0, 1]
    assert engine.c["known"][:2].tolist() == before.tolist()
    assert (len(engine.series), engine.refused) == (4, 1)
