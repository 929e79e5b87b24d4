"""Alertmanager's silences: which series they are about, and which alerts they cover."""

import numpy as np
import pytest

from analyzer.silences import MOST, Silences, parse
from analyzer.window import Series, Window

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
TABLE = Series.build(
    (alias, host, "web", (("instance", f"{host}:9100"), ("job", "node"), *more))
    for host in ("web-1", "web-2")
    for alias, more in (("cpu", ()), ("disk", (("mountpoint", "/"),)))
)


def matcher(text):
    """`a=b`, `a!=b`, `a=~b` or `a!~b` as Alertmanager's API gives it."""
    for operator, equal, regex in (("!=", False, False), ("!~", False, True), ("=~", True, True), ("=", True, False)):
        if operator in text:
            name, value = text.split(operator, 1)
            return {"name": name, "value": value, "isEqual": equal, "isRegex": regex}
    raise AssertionError(text)


def row(*matchers, start="2026-09-21T14:00:00Z", end="2026-09-21T15:00:00.123Z", name="s1"):
    return {"id": name, "startsAt": start, "endsAt": end, "comment": "disk swap", "matchers": [matcher(m) for m in matchers]}


def silences(*matchers, **more):
    found, odd = parse([row(*matchers, **more)])
    assert odd == 0
    return Silences(found)


@pytest.mark.parametrize(
    ("matchers", "rows"),
    [
        (["instance=web-1"], [1, 1, 0, 0]), (["instance=web-1:9100"], [1, 1, 0, 0]), (["instance=~web-.*"], [1, 1, 1, 1]),
        (["instance=~web"], [0, 0, 0, 0]), (["instance=web-1", "signal=cpu"], [1, 0, 0, 0]), (["signal=disk"], [0, 1, 0, 1]),
        (["mountpoint=/"], [0, 1, 0, 1]), (["instance=web-1", "mountpoint!=/"], [1, 0, 0, 0]),
        (["job=node", "instance=~(web-2|x):.+"], [0, 0, 1, 1]), (["signal=~.+", "instance!=web-1"], [0, 0, 1, 1]),
        (["signal=~.+", "instance!~web-1:.*"], [0, 0, 1, 1]), (["instance=web-1", "rack=7"], [0, 0, 0, 0]),
        (["instance=web-1", "alertname=OpenManagerAnomaly"], [1, 1, 0, 0]), (["instance=web-1", "severity=warning"], [1, 1, 0, 0]),
        (["instance=web-1", "source=openmanager"], [1, 1, 0, 0]), (["instance=web-1", "alertname=HostHighCpu"], [0, 0, 0, 0]),
        (["instance=web-1", "severity=page"], [0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_a_silence_keeps_the_series_it_names_out_of_learning(matchers, rows):
    assert silences(*matchers).resting(TABLE, NOW).tolist() == [bool(r) for r in rows]


@pytest.mark.parametrize(
    "broad", ["severity=warning", "source=openmanager", "alertname=~OpenManager.*", "instance!=db-1", "rack!~7"]
)
def test_a_silence_that_names_no_server_and_no_signal_does_not_end_all_learning(broad):
    assert not silences(broad).resting(TABLE, NOW).any()


def test_a_silence_counts_from_its_start_to_its_end():
    found = silences("instance=web-1")
    assert [bool(found.resting(TABLE, NOW + s).any()) for s in (-801, -800, 2799, 2801)] == [False, True, True, False]


def test_an_alert_of_ours_is_covered_as_alertmanager_would():
    alert = {
        "alertname": "OpenManagerAnomaly",
        "instance": "web-1",
        "severity": "warning",
        "signal": "cpu",
        "source": "openmanager",
    }
    assert silences("severity=~warning|info", "instance=web-1").covers(alert, NOW)
    assert silences("instance=web-1", "mountpoint=").covers(alert, NOW)
    assert not silences("severity=critical", "instance=web-1").covers(alert, NOW)
    assert not silences("instance=web-1:9100").covers(alert, NOW)
    assert not silences("instance=web-1").covers(alert, NOW + 3600)


def test_history_is_read_without_what_was_silenced_then():
    window = Window(TABLE, NOW + np.array([-1200.0, 0.0, 3600.0]), np.ones((4, 3)))
    hidden = silences("instance=web-1").hidden(window)
    assert np.isnan(hidden.values).tolist() == [[False, True, False]] * 2 + [[False] * 3] * 2
    assert silences("instance=db-1").hidden(window) is window


@pytest.mark.parametrize(
    "odd",
    [
        None, 7, {}, row(), row("a=~("), row("a=b", end="soon"), row("a=b", end="2026-09-21T14:00:00Z"),
        {**row("a=b"), "matchers": 1},
        row(*["a=b"] * 33), {**row("a=b"), "matchers": [{"name": "a"}]},
        row("a=b", start="99999-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_what_is_no_silence_costs_itself_only(odd):
    found, bad = parse([odd, row("instance=web-1")])
    assert ([s.id for s in found], bad) == (["s1"], 1)


@pytest.mark.parametrize("answer", [None, {}, "x", 3])
def test_an_answer_that_is_no_list_holds_no_silence(answer):
    assert parse(answer) == ((), 1)


def test_so_many_silences_count_and_the_longest_are_among_them():
    found, left = parse([row("a=b", end=f"2026-09-21T15:00:00.{i:06d}Z", name=f"s{i}") for i in range(MOST + 5)])
    assert (len(found), left, found[0].id) == (MOST, 5, f"s{MOST + 4}")


def test_the_silence_of_older_alertmanagers_has_no_is_equal():
    old = row("instance=web-1")
    del old["matchers"][0]["isEqual"]
    assert Silences(parse([old])[0]).resting(TABLE, NOW).tolist() == [True, True, False, False]
