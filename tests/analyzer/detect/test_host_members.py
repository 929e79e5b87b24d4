"""What the detectors of whole servers notice, and what they get used to."""

import numpy as np
import pytest

from analyzer.detect.columns import Columns
from analyzer.detect.hosts.combine import Combined
from analyzer.detect.hosts.group import Group
from analyzer.detect.hosts.habit import pace, unused, unused_past
from analyzer.detect.registry import HOST_DETECTORS
from tests.analyzer.detect.made import DAY, START, times

STEP, M = 300.0, 6
KINDS = ("change", "near", "far", "memory", "quiet")


def server(at, seed=0):
    """A daily wave in six signals, with noise of their own: float64 [time, signals]."""
    noise = np.random.default_rng(seed).standard_normal((len(at), M))
    return np.sin(2 * np.pi * at / DAY)[:, None] * np.arange(1, M + 1) + 0.2 * noise


@pytest.fixture(scope="module")
def told():
    """Score and alarm of two days of rows, after four days of history; a function of what is done to the rows."""
    at = times(START, START + 6 * DAY, STEP)
    x, history = server(at), int(4 * DAY / STEP)

    def tell(change=lambda x: x):
        group = Group("g", [(f"s{i}", 0) for i in range(M)], STEP, {k: HOST_DETECTORS[k] for k in KINDS})
        group.begin(["h"], np.arange(M)[None])
        group.fit(at[:history], x[None, :history])
        said = []
        for t, row in zip(at[history:], change(x[history:].copy()), strict=True):
            group.step(t, np.append(row, np.nan), np.append(np.ones(M, bool), False))
            said.append((group.c["score"][0], group.c["alarm"][0], group.c["blame"][0].argmax()))
        return tuple(np.array(part) for part in zip(*said, strict=True))

    return tell


def altered(rows, signals, by):
    def change(x):
        x[rows, signals] = by(x[rows, signals])
        return x

    return change


def test_calm_days_raise_hardly_an_alarm(told):
    _, alarm, _ = told()
    assert alarm.sum() <= 3


def test_a_jump_of_two_signals_is_alarmed_at_once_and_blamed_on_them(told):
    score, alarm, blame = told(altered(slice(300, 312), [1, 4], lambda x: x + 8.0))
    assert alarm[300]
    assert score[300:312].min() > 1.0
    assert blame[302] in (1, 4)


def test_the_score_fades_after_a_fault_and_does_not_vanish_with_it(told):
    score, alarm, _ = told(altered(slice(300, 312), [1, 4], lambda x: x + 8.0))
    assert score[316] > 0.7 * score[300:312].max()
    assert score[380:400].max() < 0.4 * score[300:312].max()
    assert not alarm[330:].any()


def test_a_server_that_stands_still_is_strange_though_every_value_is_usual(told):
    calm, _, _ = told()
    score, _, _ = told(altered(slice(300, 360), slice(None), lambda x: np.broadcast_to(x[:1], x.shape)))
    assert score[350] > 2 * calm[350]


def test_a_row_without_samples_is_not_judged(told):
    score, alarm, _ = told(altered(slice(300, 303), slice(None), lambda x: x * np.nan))
    assert np.isnan(score[300:303]).all()
    assert not alarm[300:310].any()


def test_half_of_a_new_level_is_habit_after_a_day():
    residual = np.full((1, 2000, 1), 3.0, np.float32)
    left = unused_past(residual, STEP)[0, :, 0]
    assert left[0] == 3.0
    assert left[int(DAY / STEP)] == pytest.approx(1.5, abs=0.01)


def test_a_wild_hour_is_hardly_habit():
    habit = np.zeros((1, 1), np.float32)
    for _ in range(12):
        unused(np.full((1, 1), 1000.0, np.float32), habit, pace(STEP))
    assert habit[0, 0] < 0.15


def test_figures_are_judged_on_the_scale_of_their_own_past():
    columns = Columns(dict(Combined.fields(("near", "far"))))
    columns.grow(2)
    combined = Combined(columns, ("near", "far"), STEP)
    past = np.abs(np.random.default_rng(1).standard_normal((2, 3000, 2)))
    combined.fit(past * np.array([1.0, 100.0])[:, None, None], np.arange(2))
    score, alarm = combined.judge(np.array([[9.0, 9.0], [9.0, 9.0]]), np.ones(2, bool))
    assert score[0] > 1.0 > score[1]
    assert alarm.tolist() == [True, False]
