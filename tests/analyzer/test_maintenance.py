"""Maintenance windows."""

import time

import numpy as np
import pytest

from analyzer.maintenance import Maintenance, active, muted
from tests.analyzer.scoring import series

TABLE = series("web-1", "web-2", "db-1", signals=("cpu", "disk"))


def test_a_window_mutes_its_host_and_no_other():
    assert muted([Maintenance(0, 100, "web-1")], TABLE, 50).tolist() == [True, True, False, False, False, False]


def test_a_pattern_takes_all_that_fit():
    assert muted([Maintenance(0, 100, "web-*")], TABLE, 50).tolist() == [True, True, True, True, False, False]


def test_a_window_may_be_for_one_signal():
    assert muted([Maintenance(0, 100, "*", signals=("disk",))], TABLE, 50).tolist() == [False, True] * 3


def test_the_end_is_not_inside():
    window = Maintenance(0, 100)
    assert [bool(active([window], t)) for t in (-1, 0, 99.9, 100)] == [False, True, True, False]


def test_a_thousand_windows_cost_a_cycle_next_to_nothing():
    table = series(*(f"web-{i}" for i in range(1000)))
    windows = [Maintenance(0, 100, f"db-{i}") for i in range(999)] + [Maintenance(0, 100, "web-7")]
    began = time.process_time()
    rows = muted(windows, table, 50)
    assert time.process_time() - began < 0.1
    assert np.flatnonzero(rows).tolist() == [7]


def test_no_series_is_no_error():
    assert muted([Maintenance(0, 100)], series(), 50).tolist() == []


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="must end after it starts"):
        Maintenance(100, 0)
