"""Thresholds must make sense together."""

import pytest

from analyzer.policy import Policy


def test_the_shipped_policy_is_valid():
    assert Policy().close_score < Policy().open_score


@pytest.mark.parametrize("given", [{"close_score": 2.0}, {"close_score": 0.0}, {"hold": -1.0}])
def test_thresholds_that_contradict_each_other_are_refused(given):
    with pytest.raises(ValueError, match=r"must|seconds"):
        Policy(**given)
