"""Data in hand: from one row to many, something honest is said."""

import numpy as np
import pytest

from analyzer.detect.offline import analyse
from tests.analyzer.detect.made import START, day, times


def rows(n, columns=2, seed=0):
    at = START + 60.0 * np.arange(n)
    return at, 50 + np.random.default_rng(seed).standard_normal((columns, n))


def test_one_row_says_what_it_cannot_say():
    found = analyse(*rows(1), ("cpu", "memory"))
    assert (found.anomalies, found.trends, found.methods) == ((), {}, ())
    assert found.notes[0] == "1 rows: z-score/iqr needs 5"


def test_no_row_is_not_an_error():
    assert analyse(np.zeros(0), np.zeros((2, 0)), ("cpu", "memory")).anomalies == ()


def test_spike_is_found_first_by_name_and_time():
    at, values = rows(100)
    values[1, 40] = 95.0
    best = next(a for a in analyse(at, values, ("cpu", "memory")).anomalies if a.column)
    assert (best.column, best.time, best.value) == ("memory", at[40], 95.0)
    assert best.expected == pytest.approx(50, abs=0.5)


def test_trend_is_told_per_hour():
    at, values = rows(120)
    values[0] += 3.0 * (at - at[0]) / 3600
    trend = analyse(at, values, ("cpu", "memory")).trends
    assert trend["cpu"].slope_per_hour == pytest.approx(3.0, abs=0.5)
    assert (trend["cpu"].direction, trend["memory"].direction) == ("rising", "flat")


def test_odd_combination_is_found_by_the_forest():
    at, values = rows(300, columns=3)
    values[:, 150] += 6.0
    assert any(a.column == "" and a.time == at[150] for a in analyse(at, values, ("a", "b", "c")).anomalies)


def test_states_are_named_from_calm_to_busy():
    at, values = rows(200)
    values[:, 100:] += 30
    found = analyse(at, values, ("cpu", "memory"))
    assert found.state in {"busy", "stressed"}
    assert sum(share for _, share in found.states) == pytest.approx(1.0)


def test_same_data_same_answer():
    at, values = rows(300)
    assert repr(analyse(at, values, ("a", "b"))) == repr(analyse(at, values, ("a", "b")))


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e308, 0.0])
def test_odd_columns_give_finite_answers(odd):
    at, values = rows(100)
    values[0] = odd
    values[1, 50:] = odd
    found = analyse(at, values, ("a", "b"))
    assert all(np.isfinite(a.score) for a in found.anomalies)
    assert all(np.isfinite([t.slope_per_hour, t.r2]).all() for t in found.trends.values())


def test_a_day_of_minutes_is_judged_by_the_live_engine():
    at = times(START, START + 6 * 3600)
    values = day(at, n=2)
    values[0, 300:310] += 0.4
    found = analyse(at, values, ("cpu", "memory"))
    assert any("live" in a.methods and a.column == "cpu" and at[300] <= a.time <= at[312] for a in found.anomalies)
