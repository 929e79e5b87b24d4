"""Recorded data through the live code: both forms, causal, the same in any chunks."""

import numpy as np
import pytest

from analyzer.detect.replay import DatasetError, replay
from tests.analyzer.detect.made import DAY, START, day, times

STEP = 600.0


def host(fault=True):
    """Two days to learn from and one to judge, four metrics; two of them jump for an hour."""
    at = times(START, START + 3 * DAY, STEP)
    values = day(at, n=4).T
    train, test = values[:288], values[288:].copy()
    if fault:
        test[60:66, :2] += 0.4
    return {"train": train, "test": test, "step_s": np.array(STEP)}


def test_strange_rows_rank_first_and_are_flagged():
    out = replay(host())
    assert set(np.argsort(-out["score"])[:4]) <= set(range(60, 68))
    assert out["flag"][60:66].any()
    assert out["flag"][:60].sum() < 6


def test_blame_falls_on_the_metrics_that_moved():
    blame = replay(host())["dim_score"][60:66].max(axis=0)
    assert set(np.argsort(-blame)[:2]) == {0, 1}


def test_forecasts_are_made_every_six_hours():
    out = replay(host(fault=False))
    made = np.isfinite(out["yhat"]).all(axis=(1, 2))
    assert np.flatnonzero(made).tolist() == [0, 36, 72, 108]
    assert out["horizons_s"].tolist() == [3600, 21600, 86400]
    assert (out["lower"][made] <= out["upper"][made]).all()


def test_later_rows_do_not_change_earlier_scores():
    whole, half = host(), host()
    half["test"] = half["test"][:80]
    assert np.array_equal(replay(half)["score"], replay(whole)["score"][:80])


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks_do_not_change_the_answer(chunk):
    expected, done = replay(host()), []
    out = replay(host(), chunk=chunk, progress=done.append)
    assert all(np.array_equal(out[k], expected[k], equal_nan=True) for k in expected)
    assert done[-1] == 144


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks_do_not_change_the_answer_about_a_single_series(chunk):
    at = times(START, START + DAY / 2, 300.0)
    arrays = {"value": day(at, n=1)[0], "ts": at}
    expected, got = replay(arrays), replay(arrays, chunk=chunk)
    assert all(np.array_equal(got[k], expected[k]) for k in expected)


def test_series_from_a_cold_start():
    at = times(START, START + 2 * DAY, 300.0)
    value = day(at, n=1)[0]
    value[500:520] += 0.5
    out = replay({"value": value, "ts": at})
    assert (out["score"][:6] == 0).all()  # nothing can be said yet
    assert out["flag"][500:504].any()
    assert out["score"].shape == out["flag"].shape == (576,)


def test_too_little_to_learn_from_scores_zero():
    out = replay({"train": np.zeros((3, 2)), "test": np.ones((5, 2)), "step_s": np.array(60.0)})
    assert out["score"].tolist() == [0, 0, 0, 0, 0]


def test_odd_values_get_finite_scores():
    arrays = host()
    arrays["train"][::50, 1], arrays["test"][20:24, 2], arrays["test"][30, 0] = np.nan, np.nan, 1e308
    assert np.isfinite(replay(arrays)["score"]).all()


@pytest.mark.parametrize(
    "arrays",
    [
        {"other": np.zeros(3)},
        {"train": np.zeros((3, 2)), "test": np.zeros((3, 1)), "step_s": np.array(60.0)},
        {"train": np.zeros((3, 2)), "test": np.zeros((3, 2)), "step_s": np.array(0.0)},
        {"value": np.zeros(3), "ts": np.zeros(2)},
    ],
)
def test_what_is_no_data_set_is_refused(arrays):
    with pytest.raises(DatasetError):
        replay(arrays)
