"""What is handed to the cycle, and what is kept from it."""

import numpy as np

from analyzer.intake import LOST_FOR, Watch, filled, teaching
from analyzer.maintenance import Maintenance
from analyzer.window import Window
from tests.analyzer.reports import FINDING, NOW, series

HOSTS = tuple(f"web-{i}" for i in range(6))
TABLE = series(*(("cpu", host) for host in HOSTS))


def column(at, hosts):
    """One column in which so many hosts sent something."""
    return Window(TABLE, np.array([at]), np.where(np.arange(6) < hosts, 0.5, np.nan)[:, None])


def test_columns_without_samples_are_left_out():
    values = np.array([[1.0, np.nan, 3.0]] * 6)
    assert [float(c.times[0]) for c in filled(Window(TABLE, np.array([0.0, 60.0, 120.0]), values))] == [0.0, 120.0]


def test_most_hosts_silent_at_once_is_a_partial_answer_until_it_lasts():
    watch = Watch()
    assert not watch.check(column(NOW, 6)).partial
    lost = watch.check(column(NOW + 60, 2))
    assert (lost.partial, lost.warnings, watch.since) == (True, ("4 of 6 hosts fell silent at once",), NOW + 60)
    assert watch.check(column(NOW + 120, 2)).partial
    assert not watch.check(column(NOW + 60 + LOST_FOR, 2)).partial
    assert not watch.check(column(NOW + 120 + LOST_FOR, 2)).partial


def test_half_of_the_hosts_may_go():
    watch = Watch()
    watch.check(column(NOW, 6))
    assert not watch.check(column(NOW + 60, 3)).partial


def test_neither_maintenance_nor_what_is_found_teaches():
    times = NOW - 600 + 300 * np.arange(4)
    history = Window(TABLE, times, np.ones((6, 4)))
    window = Maintenance(NOW - 300, NOW, "web-1")
    found = {("cpu", (("instance", "web-2"),)): FINDING}  # since NOW - 300
    taught = teaching(history, [window], found).values
    assert np.isnan(taught[1]).tolist() == [False, True, False, False]
    assert np.isnan(taught[2]).tolist() == [False, True, True, True]
    assert np.isfinite(taught[[0, 3, 4, 5]]).all()
    assert teaching(history, [], {}) is history
