"""What a report writes: names, labels, stale markers, the cap."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from analyzer.derived import STALE, DerivedSettings, Deriver, clean, horizon_name, is_stale
from analyzer.records import Report
from analyzer.sinks.exposition import Renderer
from deploy.local.servers import need
from tests.analyzer.reports import INCIDENT, NOW, forecast, report, scores, series

CPU = series(("cpu", "web-01"))


def written(derived):
    return {(name, labels): value for name, labels, value in derived.samples()}


def names(derived):
    return {name for name, _, _ in derived.samples()}


def stale(derived):
    return {(n, labels) for b in derived.blocks for n, labels in
            [(b.family.name, b.family.table.labels[i]) for i in np.flatnonzero(b.written & is_stale(b.values))]}  # fmt: skip


def test_each_series_gives_value_expectation_band_and_score_with_its_labels_and_for():
    got = written(Deriver().series_of(report(CPU)))
    label = (("for", "cpu"), ("instance", "web-01"))
    assert {name: v for (name, labels), v in got.items() if labels == label} == {
        "openmanager_y": 0.5, "openmanager_yhat": 0.5, "openmanager_yhat_lower": 0.4, "openmanager_yhat_upper": 0.6,
        "openmanager_anomaly_score": 0.1,
    }  # fmt: skip


def test_unknown_is_not_written():
    unready = replace(scores(CPU), yhat=np.array([np.nan]), lower=np.array([np.nan]), upper=np.array([np.nan]))
    assert names(Deriver().series_of(report(CPU, scores=unready))) == {"openmanager_y", "openmanager_anomaly_score"}


def test_servers_have_score_health_and_state():
    got = written(
        Deriver().series_of(report(CPU, health={"web-01": 90.0}, server_score={"web-01": 1.5}, server_state={"web-01": "busy"}))
    )
    assert got["openmanager_health_score", (("instance", "web-01"),)] == 90.0
    assert got["openmanager_server_anomaly_score", (("instance", "web-01"),)] == 1.5
    assert got["openmanager_server_state", (("instance", "web-01"), ("state", "busy"))] == 1.0


def test_a_new_state_of_a_server_ends_the_old_one():
    deriver = Deriver()
    deriver.series_of(report(CPU, server_state={"web-01": "busy"}))
    got = deriver.series_of(report(CPU, NOW + 60, server_state={"web-01": "idle"}))
    assert stale(got) == {("openmanager_server_state", (("instance", "web-01"), ("state", "busy")))}


def test_cluster_and_instance_come_from_the_name_of_the_server():
    got = Deriver(DerivedSettings(identity=("cluster", "instance"))).series_of(report(CPU, health={"eu/web-01": 90.0}))
    assert ("openmanager_health_score", (("cluster", "eu"), ("instance", "web-01"))) in written(got)


def test_an_open_paging_incident_is_active_and_ends_with_a_stale_marker():
    deriver, label = Deriver(), (("alertname", "OpenManagerAnomaly"), ("instance", "web-01"), ("severity", "warning"))
    assert written(deriver.series_of(report(CPU, incidents=(INCIDENT,))))["openmanager_incident_active", label] == 1.0
    assert stale(deriver.series_of(report(CPU, NOW + 60))) == {("openmanager_incident_active", label)}
    assert stale(deriver.series_of(report(CPU, NOW + 120))) == set()


def test_an_incident_that_pages_nobody_is_not_active():
    assert "openmanager_incident_active" not in names(Deriver().series_of(report(CPU, incidents=(replace(INCIDENT, pages=False),))))


def test_a_series_that_ended_gets_one_stale_marker_on_all_five():
    deriver = Deriver()
    deriver.series_of(report(CPU))
    gone = report(CPU, NOW + 60, ended=CPU, value=np.nan)
    assert {name for name, _ in stale(deriver.series_of(gone))} == {
        "openmanager_y", "openmanager_yhat", "openmanager_yhat_lower", "openmanager_yhat_upper", "openmanager_anomaly_score",
    }  # fmt: skip
    assert not names(deriver.series_of(report(CPU, NOW + 120, value=np.nan))) & {"openmanager_y", "openmanager_yhat"}


def test_a_series_that_came_back_is_written_again():
    deriver = Deriver()
    deriver.series_of(report(CPU))
    deriver.series_of(report(CPU, NOW + 60, ended=CPU, value=np.nan))
    assert "openmanager_yhat" in names(deriver.series_of(report(CPU, NOW + 120)))


def test_a_series_that_left_the_table_gets_stale_markers():
    deriver = Deriver()
    deriver.series_of(report(series(("cpu", "web-01"), ("cpu", "web-02"))))
    got = stale(deriver.series_of(report(CPU, NOW + 60)))
    assert {labels for _, labels in got} == {(("for", "cpu"), ("instance", "web-02"))}
    assert len(got) == 5


def test_nothing_ends_while_the_answer_is_not_whole():
    deriver = Deriver()
    deriver.series_of(report(CPU))
    half = report(CPU, NOW + 60, value=np.nan)
    half = Report(half.time, half.board, (), (), (), half.ended_series, partial=True)
    assert stale(deriver.series_of(half)) == set()
    assert len(stale(deriver.series_of(report(CPU, NOW + 120, value=np.nan)))) == 1  # only the value went: y


def test_the_stale_marker_has_the_bits_of_prometheus():
    assert np.float64(STALE).view(np.uint64) == 0x7FF0000000000002


def test_forecasts_are_written_every_two_minutes_where_there_is_a_limit():
    table, deriver = series(("cpu", "web-01"), ("disk", "web-01")), Deriver()
    first = deriver.series_of(report(table, 120.0 * 10**7, forecast=forecast(table)))
    again = deriver.series_of(report(table, 120.0 * 10**7 + 60, forecast=forecast(table)))
    later = deriver.series_of(report(table, 120.0 * 10**7 + 120, forecast=forecast(table)))
    ahead = {(n, dict(labels)["for"]) for n, labels, _ in first.samples() if re.search(r"_\d+h$", n)}
    assert ahead == {(f"openmanager_{v}_{h}", "disk") for v in ("yhat", "yhat_lower", "yhat_upper") for h in ("1h", "6h", "24h")}
    assert not any(re.search(r"_\d+h$", n) for n in names(again))
    assert "openmanager_yhat_24h" in names(later)


def test_forecasts_are_also_written_for_signals_that_a_user_asks_for():
    deriver = Deriver(DerivedSettings(forecast_for=frozenset({"cpu"})))
    assert "openmanager_yhat_1h" in names(deriver.series_of(report(CPU, forecast=forecast(CPU))))


def test_seconds_until_a_limit_carry_the_limit_and_end_when_it_is_far():
    table, deriver = series(("disk", "web-01")), Deriver()
    label = (("for", "disk"), ("instance", "web-01"), ("limit", "1"))
    near = deriver.series_of(report(table, 1.2e9, forecast=forecast(table)))
    assert written(near)["openmanager_seconds_until_limit", label] == 7200.0
    far = deriver.series_of(report(table, 1.2e9 + 120, forecast=forecast(table, until=np.nan)))
    assert ("openmanager_seconds_until_limit", label) in stale(far)


def test_names_follow_the_configured_format():
    got = Deriver(DerivedSettings(name="vmanomaly_$VAR", extra_labels=(("env", "prod"),))).series_of(report(CPU))
    assert ("vmanomaly_y", (("env", "prod"), ("for", "cpu"), ("instance", "web-01"))) in written(got)


def test_a_for_label_of_the_input_is_kept_under_another_name():
    table = series(("cpu", "web-01", ("for", "x")))
    labels = (("exported_for", "x"), ("for", "cpu"), ("instance", "web-01"))
    assert ("openmanager_y", labels) in written(Deriver().series_of(report(table)))


def test_series_over_the_cap_are_refused_and_counted_and_no_series_is_half_written():
    table = series(*(("cpu", f"h{i}") for i in range(10)))
    got = Deriver(DerivedSettings(max_written_series=22)).series_of(report(table))
    rows = {labels for name, labels, _ in got.samples() if name == "openmanager_y"}
    assert (len(got), len(rows), got.refused) == (20, 4, 30)  # 4 x 5; 6 x 5 refused


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ((("a", "1"), ("a", "2")), "duplicate_label"),
        ((("a-b", "1"),), "label_name"),
        ((("", "1"),), "label_name"),
        ((("온도", "1"),), "label_name"),
        ((("__name__", "x"),), "reserved_label"),
        ((("a", "\ud800"),), "bad_utf8"),
    ],
)
def test_label_sets_that_cannot_be_written_are_named(pairs, reason):
    assert clean(pairs) == ((), reason)


def test_labels_are_sorted_and_empty_ones_left_out():
    assert clean((("b", "2"), ("c", ""), ("A", "1"))) == ((("A", "1"), ("b", "2")), "")


def test_bad_series_are_dropped_and_counted_by_reason_and_good_ones_written():
    table = series(("cpu", "web-01"), ("cpu", "web-02", ("bad-name", "x")), ("cpu", "web-01"))
    got = Deriver().series_of(report(table))
    assert got.dropped == {"label_name": 5, "duplicate_series": 5}
    assert sum(name == "openmanager_y" for name, _, _ in got.samples()) == 1


@pytest.mark.parametrize(("seconds", "name"), [(3600, "1h"), (86400, "24h"), (900, "15m"), (90, "90s")])
def test_horizons_are_named_as_the_contract_says(seconds, name):
    assert horizon_name(seconds) == name


def test_tables_are_kept_while_the_series_stay_the_same():
    deriver = Deriver()
    first = deriver.series_of(report(CPU)).blocks
    second = deriver.series_of(report(series(("cpu", "web-01")), NOW + 60)).blocks
    assert [b.family for b in first] == [b.family for b in second]


def test_the_text_has_no_timestamps_and_keeps_forecasts_between_two_writes():
    deriver, table = Deriver(), series(("disk", "web-01"))
    deriver.series_of(report(table, 1.2e9, forecast=forecast(table)))
    deriver.series_of(report(table, 1.2e9 + 60, forecast=forecast(table)))
    text = Renderer().render(deriver.newest()).decode()
    assert 'openmanager_y{for="disk",instance="web-01"} 0.5\n' in text
    assert 'openmanager_yhat_24h{for="disk",instance="web-01"} 0.5\n' in text


def test_the_text_escapes_label_values():
    deriver = Deriver()
    deriver.series_of(report(series(("cpu", 'we"b\\01\n'))))
    assert b'openmanager_y{for="cpu",instance="we\\"b\\\\01\\n"} 0.5\n' in Renderer().render(deriver.newest())


@pytest.mark.servers
def test_promtool_takes_the_text():
    deriver, table = Deriver(), series(("disk", "web-01"))
    deriver.series_of(report(table, forecast=forecast(table), health={"web-01": 90.0}, incidents=(INCIDENT,)))
    done = subprocess.run(
        [need("promtool"), "check", "metrics"], input=Renderer().render(deriver.newest()), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
