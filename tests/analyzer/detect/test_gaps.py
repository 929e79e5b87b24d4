"""After a long silence: what cannot be judged yet is unknown, and an anomaly that was there before it is not forgotten."""

import numpy as np

from tests.analyzer.detect.made import HOUR, MINUTE, day, learned, run, table, times

WEB = table(4)


def ill(at, **kw):
    values = day(at, **kw)
    values[0] += 0.4
    return values


def after_a_gap(hours):
    """An engine that saw h0 ill, then nothing, then h0 still ill; scores of ten minutes back; since when rows had rested."""
    engine, now = learned(WEB)
    at = times(now, now + 30 * MINUTE)
    run(engine, WEB, at, ill(at, seed=1))
    since = engine.c["paused"].copy()
    back = times(now + 30 * MINUTE + hours * HOUR, now + 40 * MINUTE + hours * HOUR)
    return engine, run(engine, WEB, back, ill(back, seed=2))[1], since


def test_the_first_minutes_after_a_long_gap_say_nothing_rather_than_all_is_well():
    _, score, _ = after_a_gap(3)
    assert np.isnan(score[:, :5]).all()
    assert np.isfinite(score[:, 6:]).all()


def test_what_was_strange_before_the_gap_and_still_is_stays_out_of_learning():
    engine, score, since = after_a_gap(3)
    assert score[0, -1] >= 1.0
    assert np.isfinite(since).tolist() == [True, False, False, False]
    assert engine.c["paused"][0] == since[0]


def test_a_short_gap_is_judged_at_once():
    _, score, _ = after_a_gap(0.25)
    assert np.isfinite(score).all()
