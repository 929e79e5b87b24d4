"""One byte a sample: order is kept, the centre is exact, what is far off is still near."""

import numpy as np

from analyzer.detect.codes import FAR, code_median, decode, encode


def test_centre_is_exact_and_nothing_stays_nothing():
    back = decode(encode(np.array([0.0, np.nan])))
    assert back[0] == 0.0 and np.isnan(back[1])


def test_a_code_is_off_by_a_fiftieth_at_most():
    units = np.geomspace(1.0, FAR, 500)
    assert np.abs(decode(encode(units)) / units - 1).max() < 0.025


def test_codes_keep_order_and_end_at_the_reach():
    codes = encode(np.array([-1e9, -3.0, -0.5, 0.0, 0.5, 3.0, 1e9]))
    assert codes.tolist() == sorted(codes.tolist())
    assert decode(codes)[-1] == np.float32(FAR)


def test_median_of_codes_passes_over_what_is_missing():
    middle = code_median(encode(np.array([[np.nan, 1.0, 2.0, 30.0], [np.nan] * 4])))
    assert abs(middle[0] - 2.0) < 0.05
    assert np.isnan(middle[1])
