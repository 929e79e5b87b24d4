"""The onset score: news stands up once, whatever the unit, and falls back by itself."""

import numpy as np
import pytest

from analyzer.detect.columns import Columns
from analyzer.detect.engine import Engine
from analyzer.detect.extremes import KEPT, Extremes, fields
from analyzer.signals import Signal
from analyzer.window import Window
from tests.analyzer.detect.made import DAY, START, day, table, times

STEP = 300.0


def surprise(values, *, series=None, step=STEP, **kw):
    """The onset score of series from nothing: float64 [series, times]."""
    values = np.atleast_2d(values)
    series = table(len(values)) if series is None else series
    at = START + step * np.arange(values.shape[1])
    return np.array([s.surprise for s in Engine(kw.pop("signals", {}), **kw).step(Window(series, at, values))]).T


def opened(values, *, after=2.5, **kw):
    """The rows at which something opens, once days enough were seen."""
    rows = np.flatnonzero(surprise(values, **kw)[0] >= 1.0)
    return rows[rows >= after * DAY / STEP].tolist()


def waves(days, n=1, step=STEP, **kw):
    return day(times(START, START + days * DAY, step), n=n, **kw)


def test_news_opens_where_it_begins():
    values = waves(4)[0]
    values[800:830] += 0.5
    assert opened(values) == [800]


def test_a_quiet_week_opens_little():
    assert (surprise(waves(9, n=8))[:, 576:] >= 1.0).sum() <= 2 * 8


def test_the_unit_does_not_matter():
    values = waves(4)[0]
    values[800:830] += 0.5
    assert opened(1e9 * values) == opened(values)


def test_a_constant_series_is_silent_until_it_jumps():
    values = np.full(600, 50.0)
    values[500:] = 51.0
    assert opened(values, after=0) == [500]


def test_what_was_seen_at_this_hour_is_no_news():
    values = waves(6)[0]
    for today in (2, 3, 4, 5):
        values[today * 288 + 150 : today * 288 + 160] += 0.5
    assert opened(values) == [726]


def test_the_usual_value_of_another_hour_is_news():
    night_and_day = np.tile(np.r_[np.zeros(144), np.ones(144)], 5) + 0.01 * waves(5)[0]
    night_and_day[4 * 288 + 60 : 4 * 288 + 90] += 1.0
    assert 0 <= opened(night_and_day)[0] - (4 * 288 + 60) <= 12  # within the hour


def test_nothing_is_said_before_twenty_looks():
    score = surprise(waves(1))[0]
    assert np.isnan(score[:20]).all()
    assert np.isfinite(score[21:]).all()


def test_looks_are_five_minutes_apart():
    values = waves(2, step=60.0)
    values[0, 2400:2500] += 0.5
    score = surprise(values, step=60.0)[0]
    assert np.count_nonzero(score) < len(score) / 5
    assert score[2400:2410].max() >= 1.0


def test_the_side_that_nobody_asked_about_does_not_open():
    values = waves(4)[0]
    values[800:830] -= 0.35
    rises = {"cpu": Signal(alias="cpu", topic="cpu", title={}, unit="ratio", direction="above")}
    assert opened(values) == [800]
    assert opened(values, signals=rises) == []


def test_what_is_too_small_to_matter_does_not_open():
    values = waves(4)[0]
    values[800:830] += 0.3
    coarse = {"cpu": Signal(alias="cpu", topic="cpu", title={}, unit="ratio", min_deviation=0.5)}
    assert opened(values, signals=coarse) == []


def test_the_first_minutes_after_a_long_silence_do_not_open():
    values = waves(4)[0]
    values[790:800] = np.nan
    values[800] += 0.5
    assert 800 not in opened(values)


def test_what_is_muted_stays_news():
    values, series = waves(5)[0], table(1)
    values[2 * 288 + 100 : 2 * 288 + 120] += 0.5
    values[4 * 288 + 100 : 4 * 288 + 120] += 0.5
    engine, out = Engine({}), []
    for i, v in enumerate(values):
        muted = np.array([2 * 288 <= i < 3 * 288])
        out.append(engine.step(Window(series, np.array([START + STEP * i]), np.array([[v]])), muted=muted)[0].surprise[0])
    assert out[4 * 288 + 100] >= 1.0


def test_saved_and_restored_it_goes_on_alike():
    values, series, at = waves(3), table(1), times(START, START + 3 * DAY, STEP)
    engine, twin = Engine({}), Engine({})
    engine.step(Window(series, at[:500], values[:, :500]))
    twin.restore(engine.state())
    one, two = (e.step(Window(series, at[500:], values[:, 500:])) for e in (engine, twin))
    assert [s.surprise[0] for s in one] == [s.surprise[0] for s in two]


@pytest.mark.parametrize("share", [0.003, 0.0005])
def test_rarity_is_the_share_of_looks_that_go_as_high(share):
    rng = np.random.default_rng(0)
    columns = Columns(fields("t"))
    columns.grow(50)
    tail, rows, grain = Extremes(columns, "t", memory_seconds=2000 * STEP), np.arange(50), np.full(50, 1e-9)
    for _ in range(2000):
        tail.learn(rows, rows, rng.pareto(2.0, 50), STEP)
    height = np.full(50, share**-0.5 - 1.0)
    assert np.median(tail.rarity(rows, height, grain)) == pytest.approx(-np.log10(share), abs=0.25)


def test_old_extremes_lose_their_weight():
    columns = Columns(fields("t"))
    columns.grow(1)
    tail, row, rng = Extremes(columns, "t", memory_seconds=200 * STEP), np.array([0]), np.random.default_rng(1)
    before = []
    for i in range(2000):
        height = rng.exponential(1.0 if i > 500 else 100.0, 1)
        tail.learn(row, row, height, STEP)
        before.append(columns["t.top"][0, KEPT - 1])
    assert before[500] > 300
    assert before[-1] < before[500] / 3


def test_eight_hours_are_enough_for_what_is_plain():
    values = waves(1)[0]
    values[100:110] += 1.0
    assert opened(values, after=0)[:1] == [100]
