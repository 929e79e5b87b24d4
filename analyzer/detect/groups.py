"""Medians within groups of series, NaN left out: how a series' peers are doing.

In: values [series] and group numbers [series]. Out: the median and the number of members seen, for every series. Vectorised.
"""

import numpy as np

from analyzer.window import Floats, Ints


def group_median(values: Floats, group: Ints) -> tuple[Floats, Ints]:
    """Median of the finite values in each series' group, and how many they are; NaN and 0 for group -1.

    values : float64 [series]; group : int64 [series], -1 = no group. Returns float64 [series], int64 [series].
    """
    rows = np.flatnonzero(np.isfinite(values) & (group >= 0))
    size = int(group.max(initial=-1)) + 1
    median = np.full(size + 1, np.nan)  # the last one is for -1
    count = np.zeros(size + 1, np.int64)
    if len(rows):
        order = rows[np.argsort(values[rows])]
        order = order[
            np.argsort(group[order].astype(np.min_scalar_type(size)), kind="stable")
        ]  # narrow integers sort in linear time
        sorted_group, sorted_values = group[order], values[order]
        count[:size] = np.bincount(sorted_group, minlength=size)
        start = np.concatenate([[0], np.cumsum(count[:size])[:-1]])
        has = np.flatnonzero(count[:size])
        left = start[has] + (count[has] - 1) // 2
        right = start[has] + count[has] // 2
        median[has] = 0.5 * (sorted_values[left] + sorted_values[right])
    return median[group], count[group]
