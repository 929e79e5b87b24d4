"""Decoding answers: the quick way gives what json and float give, bit for bit, or it is not taken."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.sources.decode import DecodeError, decode
from tests.analyzer.sources.replies import ok

VALUES = st.one_of(
    st.floats().map(repr), st.integers(-(10**20), 10**20).map(str), st.sampled_from(["NaN", "+Inf", "-Inf", "0", "-0"])
)
POINTS = st.lists(st.tuples(st.one_of(st.integers(0, 2 * 10**9), st.floats(0, 2e9)), VALUES), max_size=4)
ROWS = st.lists(st.tuples(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2), POINTS), max_size=4)


def as_json_and_float_have_it(rows):
    return [(i, float(at), float(text)) for i, (_, points) in enumerate(rows) for at, text in points]


def same(one, other):
    finite = [(i, at, value if math.isfinite(value) else math.nan) for i, at, value in one]
    np.testing.assert_array_equal(np.array(finite).reshape(-1, 3), np.array(other).reshape(-1, 3))


def decoded(text):
    answer = decode(text.encode())
    values = np.where(np.isfinite(answer.values), answer.values, np.nan)
    return answer, list(zip(answer.row.tolist(), answer.times.tolist(), values.tolist(), strict=True))


@given(ROWS, st.sampled_from([None, 1]), st.booleans())
def test_a_matrix_is_exact(rows, indent, ascii_only):
    result = [{"metric": labels, "values": points} for labels, points in rows]
    reply = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    answer, points = decoded(json.dumps(reply, indent=indent, ensure_ascii=ascii_only))
    same(as_json_and_float_have_it(rows), points)
    assert [json.loads(text) for text in answer.metrics] == [labels for labels, _ in rows]


@given(st.lists(st.tuples(st.integers(0, 2 * 10**9), VALUES), max_size=5))
def test_a_vector_is_exact(samples):
    _, points = decoded(ok([{"metric": {}, "value": sample} for sample in samples]))
    same([(i, float(at), float(text)) for i, (at, text) in enumerate(samples)], points)


@given(st.binary(max_size=100))
def test_no_bytes_can_hurt(body):
    with pytest.raises(DecodeError):
        decode(body)


PLAIN = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
ANY = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3))


@given(ANY)
def test_no_json_in_place_of_samples_can_hurt(value):
    for kind, key in (("vector", "value"), ("matrix", "values"), ("scalar", "x")):
        result = value if kind == "scalar" else [{"metric": {}, key: value}]
        try:
            answer = decode(ok(result, kind).encode())
        except DecodeError:
            continue
        assert len(answer.row) == len(answer.times) == len(answer.values)


def test_a_text_that_holds_two_numbers_is_none():
    with pytest.raises(DecodeError):
        decode(ok([{"metric": {}, "values": [[1, "2,3"]]}], "matrix").encode())


def test_series_without_points_keep_the_others_in_place():
    rows = [{"metric": {"a": "1"}, "values": []}, {"metric": {"a": "2"}, "values": [[1, " 5"]]}]
    answer = decode(ok(rows, "matrix").encode())
    assert (answer.row.tolist(), answer.values.tolist()) == ([1], [5.0])


def test_native_histograms_are_left_out():
    rows = [{"metric": {"a": "1"}, "histogram": [1, {"count": "1"}]}, {"metric": {"a": "2"}, "value": [1, "5"]}]
    assert decode(ok(rows).encode()).metrics == [b'{"a": "2"}']
