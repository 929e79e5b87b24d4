"""Whole servers inside the engine: the same in any windows, learned from history or from the first hours, kept over a restart."""

import numpy as np
import pytest

from analyzer.detect.engine import Engine
from analyzer.detect.hosts.past import Kept
from analyzer.detect.hosts.shape import MOST_SLOTS, common_slots, grouped, hosts_of, usable
from analyzer.detect.registry import DETECTORS, HOST_DETECTORS
from analyzer.window import Series, Window
from tests.analyzer.detect.made import DAY, HOUR, START, day, table, times

SIGNALS = ("cpu", "load", "memory")
WEB = table(4, signals=SIGNALS)
LEARNED = {}


def level_only(**kw):
    """An engine that is quick: one detector for single series."""
    return Engine({}, detectors={"level": DETECTORS["level"]}, **kw)


def known(step=600.0, days=2):
    """An engine that has read two days of the four hosts, and the time up to which it has."""
    engine, end = level_only(), START + days * DAY
    if not LEARNED:
        at = times(START, end, step)
        engine.bootstrap(Window(WEB, at, day(at, n=12)))
        engine.step(Window(WEB, at[-1:] + 1.0, day(at, n=12)[:, -1:]))
        LEARNED.update(engine.state())
    engine.restore(LEARNED)
    return engine, end + step


def whole(engine, at, values, series=WEB, **kw):
    """Score [hosts, times] and blame [series, times] of a stretch."""
    said = [s.whole for s in engine.step(Window(series, at, values), **kw)]
    return np.array([w.score for w in said]).T, np.array([w.blame for w in said]).T


def next_day(now, seed=3):
    at = times(now, now + DAY / 2, 600.0)
    return at, day(at, n=12, seed=seed)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_do_not_change_scores_of_servers(chunk):
    engine, now = known()
    at, values = next_day(now)
    expected = whole(engine, at, values)
    engine, _ = known()
    parts = [whole(engine, at[i : i + chunk], values[:, i : i + chunk]) for i in range(0, len(at), chunk)]
    assert all(np.array_equal(np.concatenate(got, axis=1), e) for got, e in zip(zip(*parts, strict=True), expected, strict=True))
    assert np.isfinite(expected[0]).all()


def test_a_strange_combination_is_told_of_its_server_alone():
    engine, now = known()
    at, values = next_day(now)
    values[[0, 4, 8], 40:46] += 0.2  # every signal of h0
    score, blame = whole(engine, at, values)
    assert score[0, 40:46].max() > max(1.0, score[1:].max(), score[0, :40].max())
    assert set(np.argsort(-blame[:, 42])[:3].tolist()) == {0, 4, 8}


def test_between_two_rows_the_last_answer_stays():
    engine, now = known()
    at = times(now, now + HOUR, 60.0)
    score, _ = whole(engine, at, day(at, n=12, seed=3))
    assert [len(np.unique(score[0, i : i + 10])) for i in range(0, 60, 10)] == [1] * 6
    assert len(np.unique(score[0])) == 6


def test_a_resumed_engine_says_the_same_of_servers():
    engine, now = known()
    at, values = next_day(now)
    whole(engine, at[:20], values[:, :20])
    resumed = level_only()
    resumed.restore(engine.state())
    for got, expected in zip(*(whole(e, at[20:], values[:, 20:]) for e in (resumed, engine)), strict=True):
        assert np.array_equal(got, expected)


def test_a_state_from_before_there_were_servers_is_taken_without_them():
    engine, now = known()
    resumed = level_only()
    resumed.restore({k: v for k, v in engine.state().items() if not k.startswith("h.")})
    at, values = next_day(now)
    assert len(resumed.series) == 12
    assert np.isnan(whole(resumed, at[:5], values[:, :5])[0]).all()


@pytest.mark.parametrize("name", ["h.head", "h.g0.head", "h.g0.c.rows", "h.kept.first"])
def test_broken_servers_are_learned_anew_and_leave_the_series_alone(name):
    engine, now = known()
    resumed = level_only()
    resumed.restore(engine.state() | {name: np.full(3, 9, np.uint8)})
    at, values = next_day(now)
    assert len(resumed.series) == 12
    whole(resumed, at[:5], values[:, :5])


def first_day(hours, engine=None, **kw):
    """A fresh installation after some hours: when each host had its first score, in hours; NaN where it has none."""
    at = times(START, START + hours * HOUR, 120.0)
    score, _ = whole(engine or level_only(), at, day(at, n=12), **kw)
    has = np.isfinite(score)
    return np.where(has.any(axis=1), has.argmax(axis=1) * 120.0 / HOUR, np.nan)


def test_a_fresh_installation_knows_its_servers_after_four_hours():
    assert first_day(6) == pytest.approx([4.0] * 4, abs=0.1)


def test_servers_that_are_being_learned_survive_a_restart():
    engine, resumed = level_only(), level_only()
    assert np.isnan(first_day(3, engine)).all()
    resumed.restore(engine.state())
    at = times(START + 3 * HOUR, START + 6 * HOUR, 120.0)
    got, expected = (whole(e, at, day(at, n=12))[0] for e in (resumed, engine))
    assert np.array_equal(got, expected, equal_nan=True)
    assert np.isfinite(got[:, -1]).all()


def test_what_is_muted_teaches_nothing():
    assert np.isnan(first_day(6, muted=np.ones(12, bool))).all()


def test_a_server_of_which_too_little_was_seen_in_a_day_begins_anew():
    engine = level_only()
    first_day(25, engine, muted=WEB.host == 0)
    assert list(engine.hosts.young) == ["h0"]
    assert engine.hosts.young["h0"][0] > START + 20 * HOUR


def test_samples_are_let_go_once_a_day_was_learned():
    engine = level_only()
    first_day(25, engine)
    assert (engine.hosts.young, engine.hosts.kept.stretches) == ({}, [])


def test_a_server_that_joins_shares_the_model_of_its_role():
    engine, now = known()
    five = table(5, signals=SIGNALS)
    at = times(now, now + 6 * HOUR, 120.0)
    score, _ = whole(engine, at, day(at, n=15, seed=4), five)
    assert np.isfinite(score[:4]).all()
    assert np.isfinite(score[4]).argmax() * 120.0 == pytest.approx(4 * HOUR, abs=400)
    assert [sorted(g.names) for g in engine.hosts.groups] == [["h0", "h1", "h2", "h3", "h4"]]


def test_a_silent_server_has_no_score_and_a_vanished_one_no_model():
    engine, now = known()
    at, values = next_day(now)
    values[[0, 4, 8]] = np.nan
    score, _ = whole(engine, at, values)
    assert np.isnan(score[0]).all()
    assert np.isfinite(score[1:]).all()
    three = WEB.take(np.flatnonzero(WEB.host != 0))
    engine._keep(np.flatnonzero(engine.series.host != 0))
    assert np.isfinite(whole(engine, at[-1:] + 600.0, values[np.flatnonzero(WEB.host != 0), -1:], three)[0]).all()
    assert engine.hosts.groups[0].names == ["h1", "h2", "h3"]


def test_a_server_is_busy_by_day_and_stressed_beyond_all_it_was_seen_doing():
    engine, now = known()
    at, values = next_day(now)
    values[:, -20:] += 1.0
    said = [s.whole.state[0] for s in engine.step(Window(WEB, at, values))]
    assert "busy" in said[:60]
    assert said[-1] == "stressed"


def test_one_signal_is_no_combination():
    series = table(3)
    engine, at = level_only(), times(START, START + 2 * DAY, 600.0)
    engine.bootstrap(Window(series, at, day(at, n=3)))
    assert np.isnan(engine.step(Window(series, at[-1:] + 600.0, np.ones((3, 1))))[0].whole.score).all()


def test_a_server_that_loses_its_combination_while_it_is_learned_is_let_go():
    engine = level_only()
    first_day(3, engine)
    engine._keep(np.flatnonzero((engine.series.host != 0) | (engine.series.signal == 0)))
    rows = WEB.take(np.flatnonzero((WEB.host != 0) | (WEB.signal == 0)))
    at = times(START + 3 * HOUR, START + 5 * HOUR, 120.0)
    assert np.isfinite(whole(engine, at, day(at, n=10), rows)[0][:, -1]).tolist() == [False, True, True, True]
    assert "h0" not in engine.hosts.young


def test_hosts_of_a_role_share_places_and_others_share_them_by_likeness():
    has = {"a": "cpu load", "b": "cpu load disk up", "c": "cpu load", "d": "cpu load", "e": "cpu"}
    rows = [(s, h, "web" if h in "ab" else "") for h, signals in has.items() for s in signals.split()]
    series = Series.build((s, h, r, (("instance", h),)) for s, h, r in rows)
    groups = grouped(hosts_of(series, usable(series)))
    assert [[h.name for h in hosts] for _, hosts in groups] == [["c", "d"], ["a", "b"]]
    assert common_slots(groups[1][1]) == (("cpu", 0), ("disk", 0), ("load", 0))


def test_a_host_has_so_many_places_and_no_more():
    rows = [(f"s{i}", "a", "web", (("device", f"{j:02d}"),)) for i in range(40) for j in range(9)]
    series = Series.build(rows)
    assert len(common_slots(hosts_of(series, usable(series)))) == MOST_SLOTS


def test_kept_samples_come_back_small_movements_of_large_values_included():
    kept, rows = Kept(), np.array([1, 3])
    kept.add(np.array([0.0, 60.0]), rows, np.array([[1e12, 1e12 + 1.0], [np.nan, 5.0]]))
    kept.append(120.0, rows, np.array([1e12 + 2.0, 6.0]))
    at, values = kept.matrix(np.array([3, 1, 2]))
    assert at.tolist() == [0.0, 60.0, 120.0]
    assert np.array_equal(values, [[np.nan, 5, 6], [1e12, 1e12 + 1, 1e12 + 2], [np.nan] * 3], equal_nan=True)


def test_every_detector_of_servers_can_be_left_out():
    engine, at = level_only(host_detectors={"states": HOST_DETECTORS["states"]}), times(START, START + 2 * DAY, 600.0)
    engine.bootstrap(Window(WEB, at, day(at, n=12)))
    said = engine.step(Window(WEB, at[-1:] + 600.0, day(at, n=12)[:, -1:]))[0].whole
    assert set(said.state) <= {"idle", "normal", "busy"}
