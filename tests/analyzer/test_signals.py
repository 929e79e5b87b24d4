"""Signals: the presets are whole, and a mistake in a declaration is named with its place."""

import pytest

from analyzer.signals import PRESETS, Matcher, SignalError, load_presets, metrics_of, parse_file, parse_matchers, parse_signals
from analyzer.yamlfile import ConfigError

TOPICS = {
    "cpu": {"cpu", "steal", "iowait", "nice"},
    "memory": {"memory", "swap"},
    "disk": {"disk", "inodes"},
    "disk_io": {"disk_time", "disk_latency"},
    "network": {"network_receive", "network_transmit", "network_errors", "tcp_retransmits"},
    "load": {"load", "context_switches"},
    "processes": {"processes", "open_files"},
    "temperature": {"temperature"},
    "uptime": {"uptime", "up", "clock_skew"},
    **{name: {name} for name in ("requests", "errors", "response_time", "connections", "replication_lag", "cache_hit")},
}


def test_every_topic_has_its_signals():
    found = {}
    for signal in load_presets(PRESETS):
        found.setdefault(signal.topic, set()).add(signal.alias)
    assert found == TOPICS


@pytest.mark.parametrize("signal", load_presets(PRESETS), ids=lambda signal: signal.alias)
def test_a_preset_says_all_that_is_needed(signal):
    assert set(signal.title) == {"en", "ko"}
    assert any("가" <= one <= "힣" for one in signal.title["ko"])
    assert signal.min_deviation > 0
    assert signal.limit is None or signal.low < signal.limit <= signal.high


def test_limits_are_where_something_runs_out():
    limits = {signal.alias: signal.limit for signal in load_presets(PRESETS) if signal.limit is not None}
    assert limits == {"memory": 1.0, "swap": 1.0, "disk": 1.0, "inodes": 1.0}


def test_own_values_stand_on_top_of_a_preset():
    base = load_presets(["node"])
    cpu = next(s for s in parse_signals({"cpu": {"min_deviation": 0.5}}, base=base) if s.alias == "cpu")
    assert (cpu.min_deviation, cpu.unit) == (0.5, "ratio")
    assert cpu.declaration == base[0].declaration


def test_a_preset_signal_can_be_left_out():
    assert "cpu" not in {s.alias for s in parse_signals({"cpu": None}, base=load_presets(["node"]))}


def test_promql_is_taken_as_it_is():
    (signal,) = parse_signals({"queue": {"expr": "sum by (instance) (queue_length)", "unit": "count"}})
    assert (signal.expr, signal.declaration, signal.title) == (
        "sum by (instance) (queue_length)",
        None,
        {"en": "queue", "ko": "queue"},
    )


def test_the_metrics_of_a_declaration_are_known():
    signals = parse_signals({"a": {"over": {"rate": ["x", "y"]}, "under": {"gauge": "z"}}, "b": {"expr": "w"}})
    assert metrics_of(signals) == {"x", "y", "z"}


@pytest.mark.parametrize(
    ("body", "path", "problem"),
    [
        ("x", "signals.s", "mapping"),
        ({}, "signals.s", "needs `over`"),
        ({"under": {"gauge": "m"}}, "signals.s", "needs `over`"),
        ({"over": {"gauge": "m"}, "expr": "m"}, "signals.s.expr", "not both"),
        ({"expr": ""}, "signals.s.expr", "text"),
        ({"over": {}}, "signals.s.over", "exactly one of gauge, rate, age"),
        ({"over": {"gauge": "m", "rate": "m"}}, "signals.s.over", "exactly one"),
        ({"over": {"gauge": "m-1"}}, "signals.s.over.gauge", "not a name"),
        ({"over": {"gauge": []}}, "signals.s.over.gauge", "no metric"),
        ({"over": {"gauge": "m", "by": []}}, "signals.s.over.by", "unknown key"),
        ({"over": {"gauge": "m", "where": "a=b"}}, "signals.s.over.where", 'name="value"'),
        ({"over": {"gauge": "m", "where": 'a=~"("'}}, "signals.s.over.where", "regular expression"),
        ({"over": {"gauge": "m", "sum_without": ["a"], "max_without": []}}, "signals.s.over.max_without", "only one"),
        ({"over": {"gauge": "m"}, "unit": "apples"}, "signals.s.unit", "one of ratio"),
        ({"over": {"gauge": "m"}, "range": [1, 0]}, "signals.s.range", "not below"),
        ({"over": {"gauge": "m"}, "range": [0]}, "signals.s.range", "[low, high]"),
        ({"over": {"gauge": "m"}, "min_deviation": -1}, "signals.s.min_deviation", "from 0 up"),
        ({"over": {"gauge": "m"}, "limit": float("nan")}, "signals.s.limit", "finite"),
        ({"over": {"gauge": "m"}, "limit": True}, "signals.s.limit", "finite"),
        ({"over": {"gauge": "m"}, "sparse": "yes"}, "signals.s.sparse", "true or false"),
        ({"over": {"gauge": "m"}, "title": {"en": 5}}, "signals.s.title.en", "text"),
        ({"over": {"gauge": "m"}, "lable": []}, "signals.s.lable", "unknown key"),
    ],
)
def test_a_mistake_is_named_with_its_place(body, path, problem):
    with pytest.raises(SignalError) as raised:
        parse_signals({"s": body})
    assert ".".join(raised.value.path) == path
    assert problem in raised.value.problem


def test_a_mistake_in_a_file_is_named_with_its_line():
    text = "signals:\n  cpu:\n    unit: ratio\n    over:\n      gauge: m\n      where: oops\n"
    with pytest.raises(ConfigError, match=r"^mine\.yml:6: signals\.cpu\.over\.where: "):
        parse_file(text, "mine.yml")


@pytest.mark.parametrize(
    "text", ["", "[]", "a: b", "signals: 1", "signals: {a: {over: {gauge: m}}, a: null}", "\x00", "signals: &x [*x]"]
)
def test_a_file_that_is_no_preset_is_refused(text):
    with pytest.raises(ConfigError):
        parse_file(text, "mine.yml")


def test_a_preset_that_is_not_there_is_named(tmp_path):
    for name in ("nodes", str(tmp_path / "none.yml")):
        with pytest.raises(ConfigError, match=r"nodes|none"):
            load_presets([name])


def test_a_file_of_one_s_own_is_a_preset(tmp_path):
    (tmp_path / "mine.yml").write_text("matchers: {prod: 'env=\"prod\"'}\nsignals: {q: {over: {gauge: queue, where: prod}}}\n")
    (signal,) = load_presets([str(tmp_path / "mine.yml")])
    assert signal.declaration.over.matchers == (Matcher("env", "=", "prod"),)


def test_matchers_are_read_as_promql_writes_them():
    assert parse_matchers("""{job="a\\"b", env!~'x|y' , z=`\\n`,}""") == (
        Matcher("job", "=", 'a"b'),
        Matcher("env", "!~", "x|y"),
        Matcher("z", "=", "\\n"),
    )


@pytest.mark.parametrize("text", ['a="b" c="d"', 'a="b', 'a=="b"', '="b"', 'a="\\q"', 'a="b"} or up{', 'a="\\ud800"', 'a=~"(?P<x"'])
def test_matchers_that_are_none_are_refused(text):
    with pytest.raises(SignalError):
        parse_matchers(text)


def test_no_selector_is_none():
    assert parse_matchers("") == parse_matchers("{}") == ()
