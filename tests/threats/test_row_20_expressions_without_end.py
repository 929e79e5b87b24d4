"""Threat row 20: expressions that backtrack for ever elsewhere; also the patterns of maintenance windows."""

import time

import pytest

from analyzer.maintenance import Maintenance, muted
from analyzer.signals import compile_regex
from analyzer.window import Series
from tests.analyzer.reports import series

EVIL = ["(a+)+$", "(a|a)*$", "(a|aa)+$", "([a-zA-Z]+)*$", "(.*a){20}$"]


def took(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@pytest.mark.parametrize("pattern", EVIL)
def test_row_20_a_matcher_takes_no_time_whatever_its_pattern(pattern):
    regex = compile_regex(pattern)
    assert took(lambda: regex.fullmatch("a" * 5000 + "!")) < 0.1


@pytest.mark.parametrize("pattern", ["*a" * 100 + "b", "?*" * 100 + "b", "[a-z]*" * 40 + "b"])
def test_row_20_a_window_takes_no_time_whatever_its_pattern(pattern):
    table: Series = series(("cpu", "a" * 250))
    assert took(lambda: muted([Maintenance(0, 9e9, pattern)], table, 1.0)) < 0.5
