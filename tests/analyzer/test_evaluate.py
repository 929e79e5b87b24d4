"""The local evaluation: Prometheus's rules in small, where the answer can be said by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analyzer.evaluate import STALE, STALE_BITS, Raw, Wanted, evaluate, stale_where_missing
from analyzer.identity import Identity
from analyzer.signals import PRESETS, load_presets, parse_signals

NAN = math.nan
HOST = (("instance", "web-01:9100"),)
RATE = parse_signals({"r": {"over": {"rate": "c"}}})
GAUGE = parse_signals({"g": {"over": {"gauge": "c"}}})


def value(signals, samples, at, *, rate_window=60.0):
    """The one value of one signal over samples 15 s apart from 0; None when there is no row."""
    raw = Raw(("c",), (HOST,), 15.0 * np.arange(len(samples)), np.array([samples], float))
    found = evaluate(signals, raw, np.array([float(at)]), rate_window=rate_window).values
    return found[0, 0].item() if len(found) else None


@pytest.mark.parametrize(
    ("samples", "at", "rate"),
    [
        ([100, 250, 400, 550, 700], 60, 10.0),  # the window holds both of its ends
        ([100, 250, 400, 550, 700], 70, 10.0),  # extrapolated to both edges
        ([1000, NAN, 1300, NAN, 1600], 60, 10.0),
        ([1000, 1150, 50, 200, 350], 60, 10.0 * 500 / 600),  # started over: 150 + 50 + 150 + 150
        ([0, 0, 0, 0, 0], 60, 0.0),
        ([700], 0, None),
        ([100, 250], 400, None),
        ([0, 150, 300], 60, 6.25),  # nothing is put before zero, half a step after the last sample
    ],
)
def test_a_rate_is_prometheus_s(samples, at, rate):
    assert value(RATE, samples, at) == (None if rate is None else pytest.approx(rate))


@pytest.mark.parametrize(
    ("samples", "at", "seen"),
    [
        ([5], 0, 5.0),
        ([5], 300, 5.0),  # five minutes old is young enough
        ([5], 300.001, None),
        ([5], -1, None),
        ([5, NAN, NAN], 30, 5.0),
        ([5, STALE, NAN], 30, None),
        ([5, STALE, 7], 30, 7.0),
    ],
)
def test_an_instant_value_is_the_newest_of_five_minutes(samples, at, seen):
    assert value(GAUGE, samples, at) == seen


def test_a_stale_marker_does_not_break_a_rate():
    assert value(RATE, [100, 250, STALE, 550, 700], 60) == 10.0


def test_age_is_the_time_since():
    assert value(parse_signals({"a": {"over": {"age": "c"}}}), [10.0], 45) == 35.0


def table(rows, signals, at=0.0):
    """Keys and values of signals over one column of (name, labels, value) rows."""
    names, labels, values = zip(*rows, strict=True)
    labels = tuple(tuple(sorted(pairs.items())) for pairs in labels)
    raw = Raw(names, labels, np.array([0.0]), np.array(values, float)[:, None])
    window = evaluate(signals, raw, np.array([at]))
    return {
        (key[0], *(v for _, v in key[1])): row[0] for key, row in zip(window.series.keys(), window.values.tolist(), strict=True)
    }


CORES = [("c", {"instance": "a", "cpu": str(i)}, i) for i in range(3)] + [("c", {"instance": "b", "cpu": "0"}, 7)]


@pytest.mark.parametrize(("aggregate", "a", "b"), [("sum", 3, 7), ("avg", 1, 7), ("max", 2, 7), ("min", 0, 7), ("count", 3, 1)])
def test_rows_without_a_label_become_one(aggregate, a, b):
    signals = parse_signals({"s": {"over": {"gauge": "c", f"{aggregate}_without": ["cpu"]}}})
    assert table(CORES, signals) == {("s", "a"): a, ("s", "b"): b}


def test_missing_rows_are_left_out_of_an_aggregate():
    signals = parse_signals({"s": {"over": {"gauge": "c", "avg_without": ["cpu"]}}})
    rows = [
        ("c", {"instance": "a", "cpu": "0"}, 4),
        ("c", {"instance": "a", "cpu": "1"}, NAN),
        ("c", {"instance": "b", "cpu": "0"}, NAN),
    ]
    assert table(rows, signals) == {("s", "a"): 4}


def test_both_sides_of_a_division_must_have_the_labels():
    signals = parse_signals({"s": {"over": {"gauge": "x"}, "under": {"gauge": "y"}, "complement": True}})
    rows = [("x", {"instance": "a"}, 1), ("x", {"instance": "b"}, 1), ("y", {"instance": "a"}, 4), ("y", {"instance": "c"}, 4)]
    assert table(rows, signals) == {("s", "a"): 0.75}


def test_division_by_nothing_is_no_sample():
    signals = parse_signals({"s": {"over": {"gauge": "x"}, "under": {"gauge": "y"}}})
    rows = [("x", {"instance": "a"}, 0), ("y", {"instance": "a"}, 0), ("x", {"instance": "b"}, 1), ("y", {"instance": "b"}, 0)]
    assert table(rows, signals) == {}


def test_metrics_of_a_term_are_added_where_all_are_there():
    signals = parse_signals({"s": {"over": {"gauge": ["x", "y"]}}})
    rows = [("x", {"instance": "a"}, 1), ("y", {"instance": "a"}, 2), ("x", {"instance": "b"}, 5)]
    assert table(rows, signals) == {("s", "a"): 3}


@pytest.mark.parametrize(("where", "seen"), [
    ('cpu="1"', [1]), ('cpu!="1"', [0, 2, 7]), ('cpu=~"0|1"', [0, 1, 7]), ('cpu!~"[01]"', [2]), ('cpu=~"."', [0, 1, 2, 7]),
    ('none=""', [0, 1, 2, 7]), ('none!=""', []), ('cpu=~"1x?", instance="a"', [1]),
])  # fmt: skip
def test_matchers_mean_what_they_mean_in_promql(where, seen):
    assert sorted(table(CORES, parse_signals({"s": {"over": {"gauge": "c", "where": where}}})).values()) == seen


def test_a_metric_that_nobody_has_gives_no_rows():
    signals = load_presets(PRESETS)
    assert table([("up", {"instance": "a"}, 1)], signals) == {("up", "a"): 1}


def test_only_series_that_a_signal_needs_are_wanted():
    wanted = Wanted(load_presets(["node"]), also=["node_uname_info"])
    assert wanted("node_cpu_seconds_total", {"mode": "steal"})
    assert not wanted("node_cpu_seconds_total", {"mode": "user"})
    assert not wanted("node_network_receive_bytes_total", {"device": "lo"})
    assert wanted("node_uname_info", {})
    assert not wanted("node_other", {})


def test_rows_know_their_host_and_role():
    raw = Raw(("c",), ((("instance", "web-01:9100"), ("tier", "web")),), np.zeros(1), np.ones((1, 1)))
    window = evaluate(GAUGE, raw, np.zeros(1), identity=Identity(role_label="tier"))
    assert (window.series.host_of(0), window.series.role_of(0)) == ("web-01", "web")


def test_no_times_and_no_rows_are_fine():
    raw = Raw((), (), np.zeros(0), np.zeros((0, 0)))
    assert evaluate(RATE, raw, np.zeros(0)).values.shape == (0, 0)
    assert evaluate(RATE, raw, np.zeros(3)).values.shape == (0, 3)


def test_what_a_scraper_misses_ends_a_series():
    marked = stale_where_missing(np.array([[NAN, 1.0, NAN, 2.0]]))
    assert (marked.view(np.int64) == STALE_BITS).tolist() == [[False, False, True, False]]


@given(
    arrays(np.float64, (3, 12), elements=st.one_of(st.floats(-1e308, 1e308), st.sampled_from([NAN, STALE, math.inf, 1e308, 0.0]))),
    st.lists(st.floats(-400, 700), max_size=6).map(sorted),
)
def test_whatever_the_samples_values_are_finite_or_none(values, at):
    names, labels = ("c", "c", "d"), ((("i", "a"),), (("i", "b"),), (("i", "a"),))
    raw = Raw(names, labels, 15.0 * np.arange(12), values)
    signals = parse_signals({
        "r": {"over": {"rate": "c"}, "under": {"rate": "d"}, "complement": True},
        "g": {"over": {"gauge": ["c", "d"], "max_without": ["i"]}},
    })  # fmt: skip
    window = evaluate(signals, raw, np.array(at, float))
    assert not np.isinf(window.values).any()


@given(arrays(np.float64, (6, 40), elements=st.floats(0, 1e12)), st.data())
def test_rows_do_not_know_of_each_other(values, data):
    order = data.draw(st.permutations(range(6)))
    labels = tuple((("i", str(i)),) for i in range(6))
    at = np.arange(0, 600.0, 37)
    whole = evaluate(RATE, Raw(("c",) * 6, labels, 15.0 * np.arange(40), values), at)
    mixed = evaluate(RATE, Raw(("c",) * 6, tuple(labels[i] for i in order), 15.0 * np.arange(40), values[order]), at)
    rows = mixed.series.positions(whole.series.keys())
    np.testing.assert_array_equal(whole.values, mixed.values[rows])
