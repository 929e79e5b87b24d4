"""Samples in one byte each: fine near a series' own middle, coarse far away, and every middle exact.

In: values with a centre and a scale per series. Out: int8 codes and back. The steps grow with the distance from the centre (a
companding quantizer; Smith 1957), so that a code is off by a fiftieth of that distance at most. The code keeps order: the median
of codes is the code of the median.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int8]
Array32 = NDArray[np.float32]
NONE, MOST, REACH = -128, 127, 4.0
UNITS = 4.0  # a series' ninth decile of distances from its centre, in units of its scale
FAR = float(np.sinh(REACH))  # the farthest that can be told, in the same units
_TABLE = np.sinh(np.arange(-128, 128) * (REACH / MOST)).astype(np.float32)
_TABLE[0] = np.nan
_BY_BYTE = np.concatenate([_TABLE[128:], _TABLE[:128]])  # in the order of the code's unsigned byte


def decode(codes: Codes) -> Array32:
    """Distances from the centre in units of the scale, NaN = no sample; any shape."""
    out: Array32 = np.take(_BY_BYTE, codes.view(np.uint8))
    return out


def encode(units: NDArray[Any]) -> Codes:
    """The nearest codes; beyond the reach the last one. Any shape, NaN = no sample."""
    with np.errstate(invalid="ignore"):
        steps = np.clip(np.rint(np.arcsinh(units) * (MOST / REACH)), -MOST, MOST)
    return np.where(np.isnan(steps), NONE, steps).astype(np.int8)


def code_median(codes: Codes) -> Array32:
    """Median along the last axis in units of the scale, NaN where there is no sample: float32 [series]."""
    ordered = np.sort(codes, axis=-1)  # what is missing comes first
    gone = (ordered == NONE).sum(axis=-1)
    there = ordered.shape[-1] - gone
    left = np.minimum(gone + np.maximum(there - 1, 0) // 2, ordered.shape[-1] - 1)
    right = np.minimum(gone + there // 2, ordered.shape[-1] - 1)
    low = np.take_along_axis(ordered, left[..., None], -1)[..., 0]
    high = np.take_along_axis(ordered, right[..., None], -1)[..., 0]
    middle: Array32 = np.float32(0.5) * (decode(np.ascontiguousarray(low)) + decode(np.ascontiguousarray(high)))
    return middle
