"""Trends towards a limit: what leaks is one, what swings or wanders is not."""

import numpy as np
import pytest

from analyzer.detect.limits import SPANS, Moves, gate, trend

WEEK = np.arange(672)


def of(past):
    """The trend of the last two hours of a week in quarters of an hour."""
    moves = Moves.of(past[:, :-8])
    return trend(past[:, -SPANS[1] :], 900.0, moves.falls[:, 1], moves.rises[:, 1])


def noise(rows=1):
    return 0.001 * np.random.default_rng(5).standard_normal((rows, 672))


def test_a_leak_is_a_trend_with_its_slope():
    past = 0.5 + noise() + np.maximum(WEEK - 664, 0) * 0.01
    found = of(past)
    assert found.sure[0]
    assert found.slope[0] == pytest.approx(0.01 / 900, rel=0.2)


def test_what_falls_as_far_as_it_rises_is_no_trend():
    saw = 0.5 + noise() + 0.01 * (WEEK % 24)
    assert not of(np.roll(saw, 24 - 672 % 24)).sure[0]


def test_a_step_is_no_trend():
    assert not of(0.5 + noise() + 0.2 * (WEEK >= 668)).sure[0]


def test_gate_opens_after_eight_minutes_and_closes_after_as_many():
    held, is_open, told = np.zeros(1), np.zeros(1, bool), []
    for sure in [True] * 5 + [False] * 8:
        held, is_open = gate(held, is_open, np.array([sure]), 120.0)
        told.append(bool(is_open[0]))
    assert told == [False] * 3 + [True] * 6 + [False] * 4
