"""A week in two bytes a quarter of an hour: close enough whatever the unit, and not ruined by one wild value."""

import numpy as np
import pytest

from analyzer.detect.columns import Columns
from analyzer.detect.ring import CELLS, FIELDS, SLOTS, Ring, sorted_days

ALL = np.arange(CELLS)


def ring(n=1):
    columns = Columns(FIELDS)
    columns.grow(n)
    return Ring(columns)


@pytest.mark.parametrize("scale", [1e-9, 0.3, 1e3, 1e13])
def test_what_is_read_is_what_was_written_to_a_thousandth_of_its_movement(scale):
    week, means = ring(), scale * (40 + np.sin(np.arange(CELLS)))
    week.write(np.array([0]), ALL, means[None])
    assert np.abs(week.read()[0] - means).max() < 1e-3 * scale


def test_a_series_learned_slot_by_slot_is_as_close():
    week, means = ring(), 5e9 + 1e6 * np.sin(np.arange(CELLS))
    for cell in range(CELLS):
        week.write(np.array([0]), np.array([cell]), means[cell].reshape(1, 1))
    assert np.abs(week.read()[0] - means).max() < 2e3


def test_one_wild_value_does_not_make_the_others_coarse():
    week, means = ring(), 0.3 + 0.1 * np.sin(np.arange(CELLS))
    week.write(np.array([0]), ALL, means[None])
    week.write(np.array([0]), np.array([7]), np.array([[1e30]]))
    assert np.abs(np.delete(week.read()[0] - means, 7)).max() < 1e-3


def test_a_constant_series_stays_exactly_what_it_is():
    week = ring()
    week.write(np.array([0]), ALL, np.full((1, CELLS), 1_234_567_890.0))
    assert (week.read() == 1_234_567_890.0).all()


def test_cells_without_a_value_keep_what_they_had():
    week = ring(2)
    week.write(np.array([0, 1]), ALL[:2], np.array([[1.0, 2.0], [3.0, 4.0]]))
    week.write(np.array([0, 1]), ALL[:2], np.array([[np.nan, 2.5], [np.nan, np.nan]]))
    assert week.read()[:, :2].tolist() == [[1.0, 2.5], [3.0, 4.0]]


def test_the_median_tells_weekdays_from_weekends_and_shrinks_what_is_thin():
    week, means = ring(), np.full(CELLS, np.nan)
    means[3::SLOTS] = [10, 11, 12, 13, 99, 2, 4]
    week.write(np.array([0]), ALL, means[None])
    assert week.median(3, weekend=False)[0] == pytest.approx(5 / 6 * 12 + 1 / 6 * 11, rel=1e-3)
    assert week.median(3, weekend=True)[0] == pytest.approx(2 / 3 * 3 + 1 / 3 * 11, rel=1e-3)
    assert np.isnan(week.median(4, weekend=True)[0])


def test_a_shift_moves_the_week():
    week = ring()
    week.write(np.array([0]), ALL[:2], np.array([[1.0, 2.0]]))
    week.shift(np.array([0]), np.array([5.0]))
    assert week.read()[0, :2].tolist() == [6.0, 7.0]


def test_medians_leave_out_what_is_missing():
    days = np.array([[1, np.nan, np.nan], [9, 4, np.nan], [2, 6, np.nan]], np.float32)
    assert np.array_equal(sorted_days(days), np.array([2, 5, np.nan], np.float32), equal_nan=True)
