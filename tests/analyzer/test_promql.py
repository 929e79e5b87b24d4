"""Declared signals as PromQL: always valid, and no value can become more than a value."""

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.promql import compile as promql
from analyzer.promql import duration, quote, selector_text
from analyzer.signals import PRESETS, Matcher, load_presets, parse_matchers, parse_signals

SIGNALS = {signal.alias: signal for signal in load_presets(PRESETS)}


@pytest.mark.parametrize("signal", SIGNALS.values(), ids=lambda signal: signal.alias)
def test_every_preset_is_valid_promql(signal):
    promql_parser.parse(promql(signal, rate_window=60, selector=parse_matchers('job="node"')))


@pytest.mark.parametrize(
    ("alias", "text"),
    [
        (
            "cpu",
            '1 - sum without (cpu, mode) (rate(node_cpu_seconds_total{mode=~"idle|iowait|steal"}[60s]))'
            ' / count without (cpu, mode) (node_cpu_seconds_total{mode="idle"})',
        ),
        ("memory", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"),
        ("uptime", "time() - node_boot_time_seconds"),
        ("context_switches", "rate(node_context_switches_total[60s])"),
        (
            "cache_hit",
            "rate(app_cache_hits_total[60s]) / (rate(app_cache_hits_total[60s]) + rate(app_cache_misses_total[60s]))",
        ),
    ],
)
def test_a_declaration_reads_as_one_would_write_it(alias, text):
    assert promql(SIGNALS[alias], rate_window=60) == text


@given(st.text(max_size=30))
def test_any_text_is_a_value_and_nothing_else(text):
    tree = promql_parser.parse(selector_text("up", [Matcher("job", "=", text), Matcher("env", "!=", "x")]))
    assert [(m.name, m.value) for m in tree.matchers.matchers] == [("job", text), ("env", "x")]


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_what_is_quoted_is_read_back(text):
    assert parse_matchers(f"job={quote(text)}") == (Matcher("job", "=", text),)


def test_an_injected_value_stays_inside_its_quotes():
    (signal,) = parse_signals({"s": {"over": {"gauge": "m"}}})
    evil = [Matcher("job", "=", 'x"} or up{a="\\')]
    assert promql(signal, rate_window=60, selector=evil) == 'm{job="x\\"} or up{a=\\"\\\\"}'


@pytest.mark.parametrize(("seconds", "text"), [(60, "60s"), (1.5, "1500ms"), (0, "1ms"), (120.0004, "120s")])
def test_durations_are_whole_milliseconds(seconds, text):
    assert duration(seconds) == text


def test_free_promql_stays_but_for_the_rate_window():
    (signal,) = parse_signals({"s": {"expr": "rate(m[$__rate_interval])"}})
    assert promql(signal, rate_window=90, selector=parse_matchers('job="x"')) == "rate(m[90s])"


@pytest.mark.parametrize("body", [
    {"over": {"age": ["a", "b"]}},
    {"over": {"age": "a"}, "under": {"age": "b"}, "complement": True},
    {"over": {"rate": ["a", "b"], "sum_without": ["x"]}, "complement": True},
    {"over": {"gauge": "a", "avg_without": []}},
])  # fmt: skip
def test_every_shape_of_declaration_is_valid(body):
    (signal,) = parse_signals({"s": body})
    promql_parser.parse(promql(signal, rate_window=60))
