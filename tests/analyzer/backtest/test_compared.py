"""Alerts beside rules, beside planted faults, beside another configuration's."""

import numpy as np
import pytest

from analyzer.backtest.against import compare
from analyzer.backtest.lead import confirmed, leads, rules
from analyzer.backtest.outcome import Spell
from analyzer.backtest.spells import Presence
from analyzer.backtest.truth import judge, planted
from analyzer.identity import Identity
from analyzer.records import Topology
from analyzer.window import Series, Window
from tests.analyzer.backtest.told import DAY, HOUR, MINUTE, START, alert, outcome, quiet

NEEDS = Topology((("web-01", "db-01"),))


def fired(begin, end, name="HostCpuBusy", host="web-01:9100", **labels):
    pairs = {"alertname": name, "instance": host, "severity": "warning"} | labels
    return "rules", tuple(sorted(pairs.items())), Spell(START + begin * HOUR, None if end is None else START + end * HOUR)


def fault(begin, end, kind="cpu_runaway", root="web-01", *, server=None, benign=False):
    pairs = {"benign": str(benign).lower(), "kind": kind, "root": root, "server": server or root}
    return "truth", tuple(sorted(pairs.items())), Spell(START + begin * HOUR, START + end * HOUR)


def lead(theirs, said):
    return [(one.how, one.seconds / MINUTE) for one in leads(rules(theirs, Identity()), said)]


def present(*columns, step=60.0):
    """One series over windows of columns that are 1 where it is there."""
    presence, at = Presence(150.0), 0.0
    for part in columns:
        values = np.array([[1.0 if there else np.nan for there in part]])
        times = at + step * np.arange(len(part))
        presence.take(Window(Series.build([("x", "", "", ())]), times, values))
        at = float(times[-1]) + step
    return [(s.start, s.end) for _, _, s in presence.told()]


def test_a_stretch_goes_over_windows_and_small_gaps():
    assert present([0, 1, 1], [1, 0, 1], [0, 0, 0, 0]) == [(60.0, 300.0)]


def test_a_longer_gap_ends_it_and_what_is_there_at_last_has_no_end():
    assert present([1, 0, 0, 0], [1, 1]) == [(0.0, 0.0), (240.0, None)]
    assert present([1, 0, 0, 1], [1, 0, 0, 0, 0]) == [(0.0, 0.0), (180.0, 240.0)]


def test_an_alert_of_ours_before_the_rule_is_lead_time():
    assert lead([fired(5, 6)], outcome(alert(4.75, 6))) == [("earlier", 15.0)]
    assert lead([fired(5, 6)], outcome(alert(5.5, 6))) == [("later", -30.0)]


def test_an_alert_about_a_server_that_depends_on_it_counts_as_well():
    assert lead([fired(5, 6)], outcome(alert(4.5, 6, host="db-01", affected=("web-01",)))) == [("earlier", 30.0)]


def test_an_alert_that_ended_long_before_is_about_something_else():
    assert lead([fired(5, 6)], outcome(alert(3, 4.5))) == [("missed", 0.0)]


def test_what_was_seen_and_paged_nobody_is_neither_told_nor_missed():
    assert lead([fired(5, 6)], outcome(kept=[quiet(4.5, 5.5)])) == [("kept", 30.0)]


def test_rules_about_others_or_from_before_the_span_say_nothing_about_lead():
    said = outcome(alert(0.5, 1))
    assert lead([fired(0, 1), fired(0.5, 1, host="printer")], said) == [("before", 0.0), ("unwatched", 0.0)]


def test_one_rule_on_one_server_is_one_alert_whatever_its_labels():
    told = [fired(5, 6, device="sda"), fired(5.5, None, device="sdb"), fired(8, 9, device="sdc")]
    assert [(r.host, r.spell.end) for r in rules(told, Identity())] == [("web-01", None)]
    assert len(rules([fired(1, 2), fired(3, 4)], Identity())) == 2


def test_an_alert_is_confirmed_by_a_rule_up_to_an_hour_later():
    theirs = rules([fired(6.5, 7)], Identity())
    assert confirmed(alert(5, 6), theirs, START + DAY)
    assert not confirmed(alert(4, 5), theirs, START + DAY)
    assert not confirmed(alert(5, 6, host="db-01"), theirs, START + DAY)


def test_a_fault_is_found_with_root_kind_and_delay():
    truth = judge(planted([fault(5, 6)]), outcome(alert(5.1, 6)), NEEDS)
    one = truth.verdicts[0]
    assert (one.alert is not None, one.root, one.kind, round(one.delay)) == (True, True, True, 360)
    assert truth.false_alarms == 0


def test_an_alert_at_another_server_that_the_fault_touches_finds_it_without_its_root():
    faults = planted([fault(5, 6, "db_slow", "db-01"), fault(5, 6, "db_slow", "db-01", server="web-01")])
    one = judge(faults, outcome(alert(5.1, 6)), NEEDS).verdicts[0]
    assert (len(faults), one.alert is not None, one.root, one.kind) == (1, True, False, False)


def test_a_kind_that_nobody_was_told_of_is_right_when_it_is_called_unknown():
    assert judge(planted([fault(5, 6, "fd_leak")]), outcome(alert(5.1, 6, kind="unknown")), NEEDS).verdicts[0].kind


def test_alerts_about_nothing_and_about_what_is_harmless_are_false_alarms():
    truth = judge(planted([fault(5, 6, benign=True)]), outcome(alert(5.1, 6), alert(12, 13, name="i2")), NEEDS)
    assert ([a.incident.id for a in truth.false], truth.false_alarms, truth.judged) == (["i2"], 2, ())


def test_a_fault_from_before_the_span_is_not_judged_and_excuses_its_alerts():
    truth = judge(planted([fault(-1, 1)]), outcome(alert(0.5, 1)), NEEDS)
    assert (truth.verdicts, truth.false) == ((), ())


def test_two_faults_on_one_server_share_two_alerts():
    faults = planted([fault(5, 7), fault(5.5, 7, "disk_fill")])
    truth = judge(faults, outcome(alert(5.1, 6), alert(5.6, 7, name="i2", kind="disk_fill")), NEEDS)
    assert [v.alert.incident.id for v in truth.verdicts] == ["i1", "i2"]


def test_alerts_of_two_configurations_are_paired_by_time_and_server():
    a = outcome(alert(1, 2), alert(5, 6, name="i2"), alert(9, 10, name="i3", host="db-01"))
    b = outcome(alert(1.5, 2, name="x"), alert(9, 10, name="y", host="mail-01"))
    compared = compare(a, b)
    assert [(p.a.incident.id, p.b.incident.id, p.ahead, p.differs) for p in compared.both] == [("i1", "x", -1800.0, False)]
    assert ([x.incident.id for x in compared.only_a], [y.incident.id for y in compared.only_b]) == (["i2", "i3"], ["y"])


def test_the_same_root_is_paired_before_the_same_time():
    near = alert(1, 2, name="near", host="db-01", affected=("web-01",))
    compared = compare(outcome(alert(1, 2)), outcome(near, alert(1.2, 2, name="same")))
    assert [p.b.incident.id for p in compared.both] == ["same"]


@pytest.mark.parametrize("change", [{"kind": "unknown"}, {"severity": "critical"}])
def test_the_same_alert_under_another_name_or_severity_differs(change):
    assert compare(outcome(alert(1, 2)), outcome(alert(1, 2, **change))).both[0].differs
