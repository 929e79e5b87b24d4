"""Scores -> findings."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from analyzer.findings import Findings
from analyzer.policy import Policy
from analyzer.records import Finding, Scores, Suppression
from analyzer.window import Series
from tests.analyzer.scoring import SIGNALS, calm, down, series, strange

TABLE = series("web-1", "web-2", signals=("cpu", "memory", "up"))


def run(findings: Findings, *steps: Scores, every: float = 60.0, start: float = 0.0) -> list[list[Finding]]:
    """Each step's findings, one step every 60 s."""
    return [findings.step(replace(s, time=start + i * every))[0] for i, s in enumerate(steps)]


def fresh(**policy: float) -> Findings:
    return Findings(SIGNALS, Policy(**policy))


HIGH = strange(calm(TABLE), "web-1", "cpu", score=1.02)


def test_a_held_score_opens_one_finding():
    got = run(fresh(hold=120), calm(TABLE), HIGH, HIGH, HIGH)
    assert [len(found) for found in got] == [0, 0, 1, 1]


def test_the_hold_time_is_seconds_and_not_cycles():
    got = run(fresh(hold=120), calm(TABLE), *[HIGH] * 8, every=15.0)
    assert [len(found) for found in got] == [0] * 8 + [1]


def test_a_single_spike_opens_nothing_and_is_in_the_ledger():
    findings = fresh(hold=120)
    run(findings, calm(TABLE), HIGH)
    found, lines = findings.step(replace(calm(TABLE), time=120.0))
    assert (found, [(x.host, x.signal, x.reason) for x in lines]) == ([], [("web-1", "cpu", "hold")])


def test_a_stronger_score_needs_less_time():
    got = run(fresh(hold=120), calm(TABLE), *[strange(calm(TABLE), "web-1", "cpu", score=1.5)] * 8, every=15.0)
    assert [len(found) for found in got].index(1) == 4


def test_a_much_stronger_score_needs_less_time():
    got = run(fresh(hold=120), calm(TABLE), strange(calm(TABLE), "web-1", "cpu", score=3.0))
    assert [f.signal for f in got[-1]] == ["cpu"]


def test_what_shows_in_three_signals_of_a_host_at_once_needs_a_third_of_the_time():
    table = series("web-1", signals=("cpu", "load", "memory"))
    all_off = calm(table)
    for signal in ("cpu", "load", "memory"):
        all_off = strange(all_off, "web-1", signal, score=1.05)
    got = run(fresh(hold=120), calm(table), *[all_off] * 8, every=15.0)
    assert [len(found) for found in got].index(3) == 3


def test_many_mounts_of_one_signal_are_one_witness():
    rows = [("disk", "web-1", "web", (("instance", "web-1"), ("mountpoint", f"/{i}"))) for i in range(4)]
    table = Series.build(rows)
    got = run(fresh(hold=120), calm(table), *[strange(calm(table), "web-1", "disk", score=1.02)] * 5, every=15.0)
    assert got[-1] == []


def test_a_finding_stays_open_between_the_two_thresholds():
    middle = strange(calm(TABLE), "web-1", "cpu", score=0.8)
    got = run(fresh(hold=120), calm(TABLE), HIGH, HIGH, *[middle] * 30)
    assert [f.state for f in got[-1]] == ["firing"]


def test_a_finding_ends_after_a_calm_while_and_is_told_once():
    got = run(fresh(hold=120, resolve_after=300), calm(TABLE), HIGH, HIGH, *[calm(TABLE)] * 6)
    assert [[f.closed_because for f in found] for found in got[-5:]] == [[""], [""], [""], ["recovered"], []]


def test_its_id_does_not_change_while_it_lasts():
    got = run(fresh(hold=120), calm(TABLE), *[HIGH] * 5)
    assert len({f.id for found in got for f in found}) == 1


def test_a_deviation_below_the_minimum_is_no_finding():
    signals = SIGNALS | {"cpu": replace(SIGNALS["cpu"], min_deviation=0.5)}
    findings = Findings(signals, Policy())
    lines: list[Suppression] = []
    for i in range(5):
        found, held = findings.step(replace(HIGH, time=i * 60.0))
        lines += held
    assert (found, {x.reason for x in lines}) == ([], {"min_deviation"})


def test_the_wrong_side_is_no_finding():
    low = strange(calm(TABLE), "web-1", "cpu", score=3.0, z=-8.0)
    assert run(fresh(), *[low] * 5)[-1] == []


def test_a_muted_series_opens_nothing_and_says_maintenance():
    findings, muted = fresh(), np.ones(len(TABLE), bool)
    lines: list[Suppression] = []
    for i in range(5):
        found, held = findings.step(replace(HIGH, time=i * 60.0), muted=muted)
        lines += held
    assert (found, [x.reason for x in lines]) == ([], ["maintenance"])


def test_maintenance_ends_an_open_finding():
    findings = fresh()
    run(findings, *[HIGH] * 4)
    found, _ = findings.step(replace(HIGH, time=240.0), muted=np.ones(len(TABLE), bool))
    assert [(f.state, f.closed_because) for f in found] == [("resolved", "maintenance")]


def test_p8_a_partial_answer_opens_nothing():
    findings = fresh()
    lines: list[Suppression] = []
    for i in range(5):
        found, held = findings.step(replace(HIGH, time=i * 60.0), partial=True)
        lines += held
    assert (found, [x.reason for x in lines]) == ([], ["partial"])


def test_p8_a_partial_answer_ends_nothing():
    findings = fresh()
    run(findings, *[HIGH] * 4)
    states = [findings.step(replace(calm(TABLE), time=240.0 + i * 60), partial=True)[0][0].state for i in range(30)]
    assert set(states) == {"firing"}


def test_p8_no_data_at_all_ends_nothing_and_opens_nothing():
    findings = fresh()
    run(findings, *[HIGH] * 4)
    nothing = np.full(len(TABLE), np.nan)
    empty = replace(calm(TABLE), value=nothing, score=nothing)
    got = run(findings, *[empty] * 120, start=240.0)
    assert [f.state for f in got[-1]] == ["firing"]


def test_gap_is_not_an_anomaly():
    gap = calm(TABLE)
    gap = replace(gap, value=np.where(np.arange(6) == 0, np.nan, gap.value), score=np.where(np.arange(6) == 0, np.nan, gap.score))
    assert run(fresh(), *[gap] * 100)[-1] == []


def test_a_finding_whose_series_went_silent_ends_as_gone():
    findings = fresh(gone_after=600)
    run(findings, *[HIGH] * 4)
    silent = replace(HIGH, score=np.where(np.arange(6) == 0, np.nan, HIGH.score))
    got = run(findings, *[silent] * 12, start=240.0)
    assert [f.closed_because for found in got for f in found if f.state == "resolved"] == ["gone"]


def test_a_server_that_does_not_answer_is_a_finding_at_once():
    got = run(fresh(), calm(TABLE), down(calm(TABLE), "web-2"))
    assert [(f.host, f.signal, f.kind) for f in got[-1]] == [("web-2", "up", "down")]


def test_a_new_normal_closes_the_finding_and_says_so():
    findings = fresh()
    run(findings, calm(TABLE), *[HIGH] * 30)
    row = TABLE.rows_of(signal="cpu", host="web-1")
    moved = replace(HIGH, score=calm(TABLE).score, yhat=HIGH.yhat.copy())
    moved.yhat[row] = HIGH.value[row]
    got = run(findings, *[moved] * 7, start=1860.0)
    assert [f.closed_because for found in got for f in found if f.state == "resolved"] == ["new_normal"]


def test_opening_again_and_again_is_flapping():
    findings = fresh(hold=60, resolve_after=60, flap_opens=3)
    got = run(findings, calm(TABLE), *[HIGH, calm(TABLE), calm(TABLE)] * 4)
    assert [f.flapping for found in got for f in found if f.state == "firing" and f.opened == f.updated] == [False] * 2 + [True] * 2


def test_the_ledger_says_a_thing_once_an_hour():
    findings, muted = fresh(), np.ones(len(TABLE), bool)
    lines = [x for i in range(125) for x in findings.step(replace(HIGH, time=i * 60.0), muted=muted)[1]]
    assert [x.time for x in lines] == [0.0, 3600.0, 7200.0]


def test_row_45_a_clock_that_goes_back_two_hours_opens_and_ends_nothing():
    findings = fresh()
    run(findings, *[HIGH] * 4, start=10_000.0)
    found, _ = findings.step(replace(calm(TABLE), time=2_800.0))
    assert [f.state for f in found] == ["firing"]


def test_row_45_a_long_pause_does_not_count_as_time_held():
    findings = fresh(hold=600)
    run(findings, HIGH)
    assert findings.step(replace(HIGH, time=7200.0))[0] == []


def test_warming_up_opens_nothing():
    cold = replace(HIGH, ready=np.full(len(TABLE), 0.1))
    assert run(fresh(), *[cold] * 10)[-1] == []


def test_a_series_known_for_a_day_opens_only_on_what_is_clearly_beyond_its_edge():
    young = np.full(len(TABLE), 0.7)
    faint, clear = (replace(strange(calm(TABLE), "web-1", "cpu", score=score), ready=young) for score in (1.2, 1.6))
    assert (run(fresh(), *[faint] * 10)[-1], len(run(fresh(), *[clear] * 10)[-1])) == ([], 1)


def test_the_table_may_grow_while_a_finding_is_open():
    findings = fresh()
    before = run(findings, *[HIGH] * 4)[-1][0].id
    wider = series("db-1", "web-1", "web-2", signals=("cpu", "memory", "up"))
    found, _ = findings.step(replace(strange(calm(wider), "web-1", "cpu", score=1.02), time=240.0))
    assert [f.id for f in found] == [before]


def test_p5_a_restart_keeps_the_open_findings():
    findings, again = fresh(), fresh()
    before = run(findings, *[HIGH] * 4)[-1]
    again.restore(json.loads(json.dumps(findings.state())))
    found, _ = again.step(replace(HIGH, time=240.0))
    assert [(f.id, f.opened) for f in found] == [(f.id, f.opened) for f in before]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308, -1e308])
def test_row_31_no_value_raises(bad):
    odd = replace(HIGH, value=np.full(len(TABLE), bad), yhat=np.full(len(TABLE), -bad))
    run(fresh(), *[odd] * 5)


def test_ten_thousand_calm_series_cost_next_to_nothing():
    table = Series.build(("cpu", f"h{i}", "", (("instance", f"h{i}"),)) for i in range(10_000))
    findings, scores = fresh(), calm(table)
    findings.step(scores)
    began = time.perf_counter()
    for i in range(10):
        findings.step(replace(scores, time=60.0 * i))
    assert time.perf_counter() - began < 1.0
