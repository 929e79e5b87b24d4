"""The engine: scored before learned, the same in any chunks, calm about trifles, awake for what is not."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.detect.engine import Engine, StateError
from analyzer.signals import Signal
from analyzer.window import Series, Window
from tests.analyzer.detect.made import DAY, HOUR, MINUTE, START, day, learned, run, table, times

WEB = table(4)
ODD = st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-308, 0.1])


def after(engine, now, hours, seed=5):
    at = times(now, now + hours * HOUR)
    return at, day(at, n=4, seed=seed)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_do_not_change_scores(chunk):
    engine, now = learned(WEB)
    at, values = after(engine, now, 3)
    whole = run(engine, WEB, at, values)[1]
    engine, _ = learned(WEB)
    parts = [run(engine, WEB, at[i : i + chunk], values[:, i : i + chunk])[1] for i in range(0, len(at), chunk)]
    assert np.array_equal(np.concatenate(parts, axis=1), whole, equal_nan=True)


def test_resumed_engine_says_the_same():
    engine, now = learned(WEB)
    at, values = after(engine, now, 2)
    state = engine.state()
    whole = run(engine, WEB, at, values)[1]
    resumed = Engine({})
    resumed.restore(state)
    assert np.array_equal(run(resumed, WEB, at, values)[1], whole, equal_nan=True)


@pytest.mark.parametrize("change", ["head", "series", "c.level", "c.ring"])
def test_broken_state_is_refused_and_leaves_an_empty_engine(change):
    engine, _ = learned(WEB, days=1)
    state = engine.state() | {change: np.zeros(3, np.uint8)}
    fresh = Engine({})
    with pytest.raises(StateError):
        fresh.restore(state)
    assert len(fresh.series) == 0


def test_state_of_another_version_is_refused_so_that_it_is_learned_anew():
    engine, _ = learned(WEB, days=1)
    state = engine.state()
    state["head"][0] -= 1
    fresh = Engine({})
    with pytest.raises(StateError, match="version"):
        fresh.restore(state)
    assert len(fresh.series) == 0


def test_state_of_a_series_is_small():
    engine, _ = learned(WEB, days=1)
    assert engine.nbytes / len(WEB) < 2048


def test_jump_is_told_within_three_minutes_with_its_onset():
    engine, now = learned(WEB)
    at, values = after(engine, now, 2)
    values[1, 60:] += 0.3
    out, score = run(engine, WEB, at, values)
    first = int(np.argmax(score[1] >= 1.0))
    assert 60 < first <= 63
    assert abs(out[first].onset[1] - at[60]) <= 2 * MINUTE
    assert out[70].z[1] > 5.0


def test_jump_is_told_at_fifteen_second_cycles():
    engine, now = learned(WEB, step=60.0)
    at = times(now, now + HOUR, 15.0)
    values = day(at, n=4, seed=5)
    values[1, 120:] += 0.3
    score = run(engine, WEB, at, values)[1]
    assert int(np.argmax(score[1] >= 1.0)) <= 120 + 8


def test_one_odd_sample_is_not_an_anomaly():
    engine, now = learned(WEB)
    at, values = after(engine, now, 2)
    values[1, 60] += 0.5
    assert np.nanmax(run(engine, WEB, at, values)[1]) < 1.0


def test_trifle_stays_below_the_edge():
    signals = {"cpu": Signal("cpu", "cpu", {}, "ratio", min_deviation=0.35)}
    engine, now = learned(WEB, signals=signals)
    at, values = after(engine, now, 2)
    values[1, 60:] += 0.3
    assert np.nanmax(run(engine, WEB, at, values)[1]) < 1.0


def test_side_that_nobody_asked_about_stays_below_the_edge():
    engine, now = learned(WEB, signals={"cpu": Signal("cpu", "cpu", {}, "ratio", direction="above")})
    at, values = after(engine, now, 2)
    values[1, 60:] -= 0.3
    out, score = run(engine, WEB, at, values)
    assert np.nanmax(score) < 1.0
    assert out[-1].z[1] < -5.0


def test_constant_series_that_jumps_is_a_clear_anomaly():
    engine, now = learned(WEB, values=lambda at: np.full((4, len(at)), 8.0))
    at, values = times(now, now + HOUR), np.full((4, 60), 8.0)
    values[2, 30:] = 9.0
    score = run(engine, WEB, at, values)[1]
    assert np.nanmax(score[2, 30:35]) >= 1.0
    assert not (score[[0, 1, 3]] > 0).any()


def test_fault_does_not_teach_the_engine_that_it_is_normal():
    engine, now = learned(WEB)
    at, values = after(engine, now, 5)
    values[1, 60:] += 0.3
    score = run(engine, WEB, at, values)[1]
    assert (score[1, 65:] >= 1.0).all()


def test_new_level_is_normal_after_six_stable_hours():
    engine, now = learned(WEB)
    at, values = after(engine, now, 9)
    values[1, 60:] += 0.3
    out, score = run(engine, WEB, at, values)
    promoted = [i for i, s in enumerate(out) if s.promoted[1]]
    assert promoted and 60 + 360 <= promoted[0] <= 60 + 420
    assert np.nanmax(score[1, promoted[0] + 1 :]) < 1.0


def test_drift_towards_a_limit_never_is_normal():
    signals = {"memory": Signal("memory", "memory", {}, "ratio", low=0, high=1, limit=1.0)}
    series = table(4, signals=("memory",))
    engine, now = learned(series, signals=signals, values=lambda at: day(at, noise=0.002))
    at = times(now, now + 10 * HOUR)
    values = day(at, noise=0.002, seed=5)
    values[1, 60:] += np.linspace(0.05, 0.4, 540)
    out, score = run(engine, series, at, values)
    assert not any(s.promoted[1] for s in out)
    assert score[1, -1] >= 1.0


def test_job_that_comes_every_weekday_becomes_usual():
    engine, now = learned(WEB, days=7, step=600.0)
    at = times(now, now + 5 * DAY, 600.0)
    values = day(at, seed=5)
    job = at % DAY // HOUR == 3
    values[1, job] += 0.3
    score = run(engine, WEB, at, values)[1]
    nights = [np.nanmax(score[1, job & (at // DAY == START // DAY + 7 + n)]) for n in range(5)]
    assert nights[0] >= 1.0
    assert nights[4] < 1.0


def test_muted_series_do_not_learn():
    engine, now = learned(WEB)
    before = engine.c["known"].copy()
    at, values = after(engine, now, 1)
    run(engine, WEB, at, values, muted=np.array([True, False, False, False]))
    learned_seconds = engine.c["known"] - before
    assert learned_seconds[0] == 0.0
    assert (learned_seconds[1:] >= 3600.0).all()


def test_new_server_is_judged_by_its_peers_at_once():
    engine, now = learned(WEB)
    grown = table(5)
    at = times(now, now + HOUR)
    values = day(at, n=5, seed=5)
    values[4, 30:] += 0.4
    out, score = run(engine, grown, at, values)
    assert out[0].ready[4] == pytest.approx(0.5)
    assert np.nanmax(score[4, :30]) < 1.0 <= np.nanmax(score[4, 30:])


def test_new_series_without_peers_says_nothing_at_first():
    engine = Engine({})
    at = times(START, START + HOUR)
    out, score = run(engine, WEB, at, day(at))
    assert np.isnan(score[:, :29]).all()
    assert np.isnan(out[0].yhat).all()
    assert np.isfinite(score[:, 45:]).all()


def test_two_hours_are_enough_to_notice():
    engine = Engine({})
    at = times(START, START + 3 * HOUR)
    values = day(at)
    values[0, 150:] += 0.4
    score = run(engine, WEB, at, values)[1]
    assert np.nanmax(score[0, 150:160]) >= 1.0
    assert np.nanmax(score[1:]) < 1.0


def test_down_and_restart_have_kinds_of_their_own():
    series = Series.build([("up", "h", "web", (("instance", "h"),)), ("uptime", "h", "web", (("instance", "h"),))])
    engine, now = learned(series, days=1, values=lambda at: np.stack([np.ones(len(at)), at - START]))
    at = times(now, now + 600)
    values = np.stack([np.ones(10), at - START])
    values[0, 4:6], values[1, 4:6], values[1, 6:] = 0.0, np.nan, at[6:] - at[6] + 20
    out, _ = run(engine, series, at, values)
    said = [[s.kinds[k] if v >= 1 else "" for k, v in zip(s.kind, s.score, strict=True)] for s in out]
    assert [row[0] for row in said] == ["", "", "", "", "down", "down", "", "", "", ""]
    assert [row[1] for row in said][3:8] == ["", "", "", "restart", "restart"]


def test_silent_host_vanishes_nowhere():
    series = table(2, signals=("cpu", "load", "up"))
    engine, now = learned(series, values=lambda at: np.concatenate([day(at), np.ones((2, len(at)))]))
    at = times(now, now + HOUR)
    values = np.concatenate([day(at), np.ones((2, 60))])
    values[[0, 2], 20:] = np.nan  # both signals of h0; `up` still comes from the scraper
    assert not (run(engine, series, at, values)[1] >= 1.0).any()


def test_half_an_answer_makes_nothing_vanish():
    series = table(2, signals=("cpu", "load"))
    engine, now = learned(series)
    at = times(now, now + HOUR)
    values = day(at)
    values[0, 20:] = np.nan
    out = engine.step(Window(series, at, values, partial=True))
    assert not any((s.score >= 1.0).any() for s in out)


def test_gap_of_a_day_is_not_an_anomaly():
    engine, now = learned(WEB)
    at = times(now + DAY, now + DAY + 2 * HOUR)
    assert not (run(engine, WEB, at, day(at, seed=5))[1] >= 1.0).any()


def test_columns_that_are_not_newer_change_nothing():
    engine, now = learned(WEB)
    at, values = after(engine, now, 1)
    run(engine, WEB, at, values)
    before = engine.state()
    score = run(engine, WEB, at[-3:], values[:, -3:] + 9)[1]
    assert np.isnan(score).all()
    assert all(np.array_equal(before[k], v, equal_nan=v.dtype.kind == "f") for k, v in engine.state().items())


def test_gone_series_are_forgotten():
    engine, now = learned(table(200), days=1)
    at = times(now, now + 26 * HOUR, 300.0)
    run(engine, WEB, at, day(at))
    assert engine.series.hosts == ("h0", "h1", "h2", "h3")


def test_no_more_series_than_there_is_room_for():
    from analyzer.detect.settings import DetectionSettings

    engine = Engine({}, DetectionSettings(max_series=3))
    run(engine, WEB, np.array([START]), np.ones((4, 1)))
    assert (len(engine.series), engine.refused) == (3, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.floats(-100, 9000), st.lists(ODD, min_size=3, max_size=3)), min_size=1, max_size=40), st.booleans())
def test_any_input_gets_a_finite_score_or_none(columns, known):
    series = table(3)
    engine = learned(series, days=1)[0] if known else Engine({})
    at = np.array([START + DAY + t for t, _ in columns])
    values = np.array([v for _, v in columns], float).T.reshape(3, -1)
    for s in engine.step(Window(series, at, values)):
        assert not np.isinf(s.score).any()
        assert not np.isinf(s.z).any()


def test_the_first_weekend_after_weekdays_only_is_known_less_well_than_the_next_weekday():
    monday = START - ((START // DAY + 3) % 7) * DAY
    at = np.arange(monday, monday + 5 * DAY, 300.0)
    engine = Engine({})
    engine.bootstrap(Window(WEB, at, day(at)))
    saturday, next_monday = monday + 5 * DAY, monday + 7 * DAY
    ready = [float(engine.step(Window(WEB, np.array([t]), day(np.array([t]))))[0].ready[0]) for t in (saturday, next_monday)]
    assert ready == [pytest.approx(0.7), 1.0]
