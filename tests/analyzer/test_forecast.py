"""Forecasts: near what comes, bands that hold, bounds that are kept, limits that are told once they are sure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.forecast import Forecaster, StateError, forecast_rows
from analyzer.signals import Signal
from analyzer.window import Window
from tests.analyzer.detect.made import DAY, HOUR, START, day, table, times

HOURS = (3600.0, 21600.0, 86400.0)
SIGNALS = {
    "cpu": Signal("cpu", "cpu", {}, "ratio", low=0.0, high=1.0),
    "disk": Signal("disk", "disk", {}, "ratio", low=0.0, high=1.0, limit=1.0),
}


def learned(values, at, *, signal="cpu"):
    forecaster = Forecaster(SIGNALS)
    forecaster.bootstrap(Window(table(len(values), signals=(signal,)), at, values))
    return forecaster


def filling(minutes, *, rate=0.003):
    """Five days of a quiet disk, then `minutes` of filling: times and values [1, time]."""
    at = times(START, START + 5 * DAY + minutes * 60.0)
    values = 0.5 + 0.0005 * np.random.default_rng(1).standard_normal((1, len(at)))
    values[0, -minutes:] += rate * np.arange(minutes)
    return at, values


def until(at, values, minutes):
    """Seconds until the limit, as told at each of the last `minutes`."""
    forecaster = learned(values[:, :-minutes], at[:-minutes], signal="disk")
    told = []
    for i in range(len(at) - minutes, len(at)):
        forecaster.learn(Window(table(1, signals=("disk",)), at[i : i + 1], values[:, i : i + 1]))
        told.append(forecaster.forecast(at[i], HOURS))
    return told


def test_the_usual_day_is_expected():
    at = times(START, START + 6 * DAY, 300.0)
    made = learned(day(at, n=3), at).forecast(at[-1], HOURS)
    expected = 0.4 + 0.15 * np.sin(2 * np.pi * (at[-1] + np.array(HOURS)) / DAY)
    assert np.abs(made.yhat - expected).max() < 0.03


def test_nine_of_ten_samples_fall_into_the_band():
    at = times(START, START + 12 * DAY, 300.0)
    values = day(at, n=8)
    forecaster, inside = learned(values[:, :2016], at[:2016]), []
    for i in range(2016, len(at) - 288):
        forecaster.learn(Window(table(8), at[i : i + 1], values[:, i : i + 1]))
        if i % 24 == 0:
            made = forecaster.forecast(at[i], HOURS)
            truth = values[:, [i + 12, i + 72, i + 288]]
            inside.append((made.lower <= truth) & (truth <= made.upper))
    assert 0.86 <= np.mean(inside) <= 0.95


def test_forecasts_stay_within_what_the_metric_can_be():
    at = times(START, START + 2 * DAY, 300.0)
    made = learned(np.clip(day(at) + 0.45, 0, 1), at).forecast(at[-1], HOURS)
    assert made.upper.max() <= 1.0
    assert (made.lower <= made.yhat).all() and (made.yhat <= made.upper).all()


def test_filling_disk_tells_when_it_is_full():
    at, values = filling(60)
    told = until(at, values, 60)[-1]
    left = (1.0 - values[0, -1]) / 0.003 * 60
    assert told.until_limit[0] == pytest.approx(left, rel=0.1)
    assert told.until_limit_low[0] <= told.until_limit[0] <= told.until_limit_high[0]
    assert told.upper[0, 0] <= 1.0


def test_limit_once_told_does_not_flap():
    at, values = filling(90)
    told = np.isfinite([t.until_limit[0] for t in until(at, values, 90)])
    assert told[-1]
    assert np.diff(told.astype(int)).tolist().count(1) == 1


def test_quiet_disk_has_no_limit_in_sight():
    at, values = filling(120, rate=0.0)
    assert np.isnan([t.until_limit[0] for t in until(at, values, 120)]).all()


def test_daily_rise_is_not_a_way_to_the_limit():
    at = times(START, START + 6 * DAY + 9 * HOUR, 300.0)
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * (at - 6 * HOUR) / DAY)
    values = (wave + 0.01 * np.random.default_rng(0).standard_normal(len(at)))[None]
    told = until(at, values, 60)
    assert np.isnan([t.until_limit[0] for t in told]).all()


def wandering():
    """Six days of memory near its limit: it wanders and comes back. Times and values [1, time]."""
    at, rng = times(START, START + 6 * DAY), np.random.default_rng(3)
    steps = np.zeros(len(at))
    for i, push in enumerate(0.002 * rng.standard_normal(len(at) - 1), 1):
        steps[i] = 0.99 * steps[i - 1] + push
    return at, np.clip(0.93 + steps, 0, 1)[None]


def test_memory_that_stays_near_its_limit_has_none_in_sight():
    at, values = wandering()
    assert np.isnan([t.until_limit[0] for t in until(at, values, 240)]).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_near_the_limit_changes_its_mind_once_at_most(seed):
    at = times(START, START + 4 * DAY)
    values = 0.95 + 0.01 * np.random.default_rng(seed).standard_normal((1, len(at)))
    told = np.isfinite([t.until_limit[0] for t in until(at, values, 240)])
    assert np.abs(np.diff(told.astype(int))).sum() <= 1


def test_a_clean_leak_over_three_hours_is_found_live_and_in_rows():
    at, values = filling(180, rate=0.25 / 180)
    left = (1.0 - values[0, -1]) / (0.25 / 180) * 60
    assert until(at, values, 180)[-1].until_limit[0] == pytest.approx(left, rel=0.15)
    rows = forecast_rows(at[-180:], values[:, -180:], HOURS, high=(1.0,), limits=(1.0,))
    assert rows.until_limit[0] == pytest.approx(left, rel=0.15)
    assert rows.until_limit_low[0] <= rows.until_limit[0] <= rows.until_limit_high[0]


def test_a_new_constant_is_expected_two_days_after_it_moved():
    at = times(START, START + 3 * DAY, 300.0)
    values = np.where(at < START + DAY, 0.3, 0.7)[None]
    assert learned(values, at).forecast(at[-1], HOURS).yhat[0].tolist() == pytest.approx([0.7] * 3, abs=1e-3)


def test_what_beats_within_the_quarter_is_not_taken_for_its_last_sample():
    at = times(START, START + 5 * DAY, 300.0)
    values = np.tile([0.4, 0.4, 0.18], len(at) // 3)[None]
    assert learned(values, at).forecast(at[-1], HOURS).yhat[0].tolist() == pytest.approx([0.4] * 3, abs=0.01)


def test_any_horizon_up_to_seven_days():
    at = times(START, START + 6 * DAY, 300.0)
    made = learned(day(at, n=2), at).forecast(at[-1], (1800.0, 3 * DAY, 7 * DAY))
    assert np.isfinite(made.yhat).all() and (made.upper > made.lower).all()


def test_state_is_little_more_than_a_kilobyte_a_series():
    at = times(START, START + 3600.0)
    assert learned(day(at, n=50), at).nbytes / 50 <= 1200


def test_large_numbers_keep_their_small_changes():
    at = times(START, START + 3 * DAY, 300.0)
    made = learned(16e9 + 1e6 * day(at, n=1), at, signal="bytes").forecast(at[-1], HOURS)
    expected = 16e9 + 1e6 * (0.4 + 0.15 * np.sin(2 * np.pi * (at[-1] + np.array(HOURS)) / DAY))
    assert np.abs(made.yhat - expected).max() < 6e4


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunks_do_not_change_forecasts(chunk):
    at = times(START, START + DAY, 300.0)
    values = day(at)
    whole = learned(values, at).forecast(at[-1], HOURS)
    parts = Forecaster(SIGNALS)
    for i in range(0, len(at), chunk):
        parts.learn(Window(table(4), at[i : i + chunk], values[:, i : i + chunk]))
    made = parts.forecast(at[-1], HOURS)
    assert np.array_equal(made.yhat, whole.yhat) and np.array_equal(made.lower, whole.lower)


def test_resumed_forecaster_says_the_same():
    at = times(START, START + DAY, 300.0)
    first = learned(day(at), at)
    second = Forecaster(SIGNALS)
    second.restore(first.state())
    assert np.array_equal(first.forecast(at[-1], HOURS).upper, second.forecast(at[-1], HOURS).upper)


def test_broken_state_is_refused():
    at = times(START, START + HOUR)
    state = learned(day(at), at).state()
    with pytest.raises(StateError):
        Forecaster(SIGNALS).restore(state | {"c.ring": np.zeros(3)})


def test_a_few_rows_give_a_wide_band():
    made = forecast_rows(np.array([START, START + 60, START + 120]), np.array([[1.0, 2.0, 3.0]]), (3600.0,))
    assert made.lower[0, 0] < 2.0 < made.upper[0, 0]


def test_no_rows_give_no_forecast():
    assert forecast_rows(np.zeros(0), np.zeros((2, 0)), (3600.0,)).yhat.shape == (2, 1)


def test_rows_keep_their_order_bounds_and_limits():
    at = times(START, START + DAY)
    values = np.stack([np.full(1440, 7.0), 50 + 2 * (at - START) / HOUR])
    made = forecast_rows(at, values, (3600.0, 86400.0), low=(0.0, 0.0), high=(None, 100.0), limits=(None, 100.0))
    assert made.yhat[0].tolist() == pytest.approx([7.0, 7.0])
    assert made.upper[1, 1] == 100.0
    assert made.until_limit[1] == pytest.approx(3600.0, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 90000), st.sampled_from([0.0, 1.0, np.nan, np.inf, 1e308, -1e308])), min_size=1, max_size=60)
)
def test_any_input_gives_numbers_or_none(samples):
    at = np.array([START + t for t, _ in samples])
    made = forecast_rows(at, np.array([[v for _, v in samples]]), HOURS, limits=(2.0,))
    for figure in (made.yhat, made.lower, made.upper, made.until_limit):
        assert not np.isinf(figure).any()
