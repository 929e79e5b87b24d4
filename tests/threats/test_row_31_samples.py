"""Threat row 31, the whole cycle: whatever the samples are, a report comes that can be stored and written, and later ones too."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.derived import Deriver
from analyzer.store.queries import report_rows
from analyzer.window import Window
from tests.analyzer.clockwork import MINUTE, NOW, TABLE, World, cycle

LEARNED = {}
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324, 1.0, 0.3, -1.0])


def known():
    """A cycle that has learned two days."""
    made = cycle()
    if LEARNED:
        made.restore_arrays(LEARNED)
        return made
    world, at = World(), NOW - 2 * 86400 + 300 * np.arange(576)
    made.bootstrap(Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1)))
    LEARNED.update(made.arrays())
    return made


def judged(made, columns, start=NOW):
    """Reports of columns, each as storable and writable as it must be."""
    values = np.array(columns, float).T
    reports = made.run(Window(TABLE, start + MINUTE * np.arange(values.shape[1]), values))
    deriver = Deriver()
    for report in reports:
        score = report.board.scores.score
        assert np.isfinite(score[~np.isnan(score)]).all()
        report_rows(report, json.dumps(made.state(), allow_nan=False))
        assert all(np.isfinite(v) or np.isnan(v) for _, _, v in deriver.series_of(report).samples())
    return reports


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(ODD, min_size=len(TABLE), max_size=len(TABLE)), min_size=1, max_size=12))
def test_any_samples_give_finite_scores_or_none(columns):
    judged(known(), columns)


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e308, -1e308], ids=str)
def test_an_hour_of_nonsense_does_not_change_what_is_usual(odd):
    made, world = known(), World()
    world.at = NOW + 86400
    judged(made, [np.full(len(TABLE), odd)] * 60)
    last = judged(made, [world.column(NOW + 3600 + 60 * i) for i in range(30)], NOW + 3600)[-1].board.scores
    rows = last.series.rows_of(signal="cpu")
    assert last.yhat[rows] == pytest.approx(0.3, abs=0.1)


def test_repeated_and_unsorted_times_change_nothing():
    made, world = known(), World()
    world.at = NOW + 86400
    judged(made, [world.column(NOW + 60 * i) for i in range(10)])
    before = {k: v.copy() for k, v in made.engine.state().items()}
    judged(made, [world.column(NOW + 60 * i) for i in (5, 2, 9)], NOW + 60)
    after = made.engine.state()
    assert all(np.array_equal(v, after[k], equal_nan=v.dtype.kind == "f") for k, v in before.items())
