"""After a long silence: what cannot be judged yet is unknown, and an anomaly that was there before it is not forgotten."""

import numpy as np

from analyzer.window import Window
from tests.analyzer.detect.made import DAY, HOUR, MINUTE, day, learned, run, table, times

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


def test_hours_that_nobody_watched_do_not_make_a_new_normal():
    engine, score, _ = after_a_gap(8)
    assert score[0, -1] >= 1.0
    at = times(engine.last + MINUTE, engine.last + 5 * HOUR)
    out, score = run(engine, WEB, at, ill(at, seed=3))
    assert not any(s.promoted[0] for s in out)
    assert (score[0] >= 1.0).all()


def test_what_began_in_an_absence_is_still_strange_when_the_analyzer_is_back():
    engine, now = learned(WEB)
    missed = times(now, now + 9 * HOUR, 5 * MINUTE)
    values = ill(missed, seed=4)
    values[0, :12] -= 0.4  # it began an hour after the analyzer went away
    engine.bootstrap(Window(WEB, missed, values), guarded=True)
    at = times(now + 9 * HOUR, now + 9.5 * HOUR)
    out, score = run(engine, WEB, at, ill(at, seed=5))
    assert (score[0, 10:] >= 1.0).all()
    assert not any(s.promoted[0] for s in out)
    assert np.nanmax(score[1:]) < 1.0


def test_a_series_that_is_not_there_right_after_a_gap_has_not_been_gone_for_all_of_it():
    both = table(4, signals=("cpu", "disk"))
    engine, now = learned(both)
    run(engine, both, times(now, now + 10 * MINUTE), day(times(now, now + 10 * MINUTE), n=8, seed=1))
    back = times(now + 8 * DAY, now + 8 * DAY + 12 * MINUTE)
    values = day(back, n=8, seed=2)
    values[0] = np.nan
    score = run(engine, both, back, values)[1]
    assert not (score[0, :3] >= 1.0).any()
    assert score[0, -1] >= 1.0
