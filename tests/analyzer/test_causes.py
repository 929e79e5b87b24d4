"""Root and kind from the pattern of signals."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.causes import KINDS, Judge, cause, ranked
from analyzer.graph import Graph
from analyzer.kinds import PATTERNS
from analyzer.records import FAULT_KINDS, Finding, Scores, Topology
from analyzer.symptoms import Symptoms, observe
from tests.analyzer.scoring import SIGNALS, calm, series, strange

TABLE = series("web-1", "web-2", "api-1", "db-1", "cache-1", signals=tuple(SIGNALS))
GRAPH = Graph(
    Topology((("web-1", "api-1"), ("web-2", "api-1"), ("api-1", "db-1"), ("api-1", "cache-1"))), TABLE.hosts, TABLE.roles
)  # fmt: skip


def marks(*cells: tuple[str, str, float], onsets: dict[str, float] | None = None) -> Scores:
    scores = replace(calm(TABLE), time=1000.0)
    for host, signal, z in cells:
        scores = strange(scores, host, signal, z=z, onset=(onsets or {}).get(host, 900.0))
    return scores


def best(scores: Scores, *findings: Finding, habits: tuple[str, ...] = ()) -> tuple[str, str]:
    symptoms = observe(scores, findings, SIGNALS)
    return Judge(symptoms.signals).weigh(symptoms, GRAPH, TABLE.hosts, habits).best()


def finding(host: str, signal: str, kind: str) -> Finding:
    return Finding(
        "f", signal, host, (("instance", host),), kind, "firing", 900.0, 950.0, 1000.0, None, 3.0, 3.0, 0.0, 1.0, 0.9, 1.1, 0.0
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([("web-1", "cpu", 8), ("web-1", "load", 8)], ("web-1", "cpu_runaway")),
        ([("web-1", "memory", 8), ("web-1", "swap", 8)], ("web-1", "memory_leak")),
        ([("db-1", "disk", 8)], ("db-1", "disk_fill")),
        ([("web-2", "disk_latency", 8), ("web-2", "iowait", 8), ("web-2", "disk_time", 8)], ("web-2", "disk_slow")),
        ([("web-1", "network_transmit", 9), ("web-1", "tcp_retransmits", 6)], ("web-1", "network_saturation")),
        ([("web-1", "tcp_retransmits", 9), ("web-1", "network_errors", 9)], ("web-1", "packet_loss")),
        ([("web-1", "steal", 9), ("web-1", "load", 5), ("web-1", "response_time", 5)], ("web-1", "steal")),
        ([("web-1", "nice", 9), ("web-1", "cpu", 8), ("web-1", "load", 8)], ("web-1", "batch_job")),
        ([("cache-1", "cache_hit", -9), ("db-1", "requests", 6), ("api-1", "response_time", 5)], ("cache-1", "cache_stampede")),
        ([("db-1", "response_time", 8), ("api-1", "response_time", 8), ("web-1", "response_time", 8)], ("db-1", "db_slow")),
        ([("web-1", "clock_skew", -9)], ("web-1", "clock_skew")),
        ([("db-1", "cpu", 8), ("db-1", "disk_time", 8), ("db-1", "load", 8)], ("db-1", "batch_job")),
        ([("web-1", "open_files", 9)], ("web-1", "unknown")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_each_pattern_is_named(cells, expected):
    assert best(marks(*cells)) == expected


def test_a_server_that_does_not_answer_crashed():
    assert best(marks(("web-1", "errors", 8)), finding("api-1", "up", "down")) == ("api-1", "crash")


def test_a_value_that_stands_still_is_stuck_and_not_high():
    assert best(marks(("web-1", "cpu", 8)), finding("web-1", "cpu", "stuck")) == ("web-1", "stuck_metric")


def test_demand_that_rose_everywhere_is_a_surge():
    cells = [
        (h, s, 8.0) for h in ("web-1", "web-2", "api-1", "db-1") for s in ("requests", "cpu", "network_receive", "network_transmit")
    ]
    assert best(marks(*cells))[1] == "traffic_surge"


def test_requests_that_nobody_sends_are_no_surge():
    cells = [("db-1", "requests", 8.0), ("db-1", "cpu", 8.0), ("cache-1", "cache_hit", -8.0)]
    assert best(marks(*cells)) == ("cache-1", "cache_stampede")


def test_the_deepest_strange_dependency_beats_its_dependents():
    cells = [(h, "response_time", 9.0) for h in ("web-1", "web-2", "api-1")] + [("db-1", "response_time", 5.0)]
    assert best(marks(*cells))[0] == "db-1"


def test_of_two_alike_the_one_that_began_first_is_the_root():
    cells = [("web-1", "cpu", 8.0), ("web-2", "cpu", 8.0)]
    assert best(marks(*cells, onsets={"web-1": 900.0, "web-2": 100.0}))[0] == "web-2"


def test_only_a_database_can_be_a_slow_database():
    assert best(marks(("web-1", "response_time", 8)))[1] == "unknown"


def test_a_habit_at_this_hour_is_a_batch_job():
    scores = marks(("web-1", "cpu", 8))
    assert (best(scores)[1], best(scores, habits=("web-1",))[1]) == ("cpu_runaway", "batch_job")


def test_confidences_add_up_to_at_most_one():
    symptoms = observe(marks(("web-1", "cpu", 8), ("db-1", "memory", 8)), (), SIGNALS)
    verdict = Judge(symptoms.signals).weigh(symptoms, GRAPH, TABLE.hosts)
    assert 0.9 < sum(sure for _, sure in ranked(verdict.hypotheses(), most=99)) <= 1.0


def test_that_nothing_else_fits_is_no_certainty_about_a_failure_without_a_name():
    assert ranked({("web-1", "unknown"): 2.0}) == [(("web-1", "unknown"), 0.6)]


def test_reasons_say_what_speaks_for_and_against():
    scores = marks(("web-1", "cpu", 8), ("web-1", "requests", 8))
    symptoms = observe(scores, (), SIGNALS)
    found = cause(("web-1", "cpu_runaway"), 0.6, symptoms, scores, GRAPH)
    assert [(r.signal, r.what) for r in (*found.reasons_for[:1], *found.reasons_against)] == [
        ("cpu", "above"),
        ("requests", "above"),
        ("load", "usual"),
    ]


def test_dependants_that_feel_it_are_a_reason():
    scores = marks(("db-1", "response_time", 8), ("api-1", "response_time", 8))
    found = cause(("db-1", "db_slow"), 0.9, observe(scores, (), SIGNALS), scores, GRAPH)
    assert ("api-1", "response_time", "depends") in {(r.host, r.signal, r.what) for r in found.reasons_for}


def test_without_topology_the_strangest_server_is_the_root():
    scores = marks(("db-1", "cpu", 9), ("db-1", "load", 9))
    symptoms = observe(scores, (), SIGNALS)
    assert Judge(symptoms.signals).weigh(symptoms, Graph(Topology(), TABLE.hosts, TABLE.roles), TABLE.hosts).best()[0] == "db-1"


def test_every_kind_has_a_pattern_and_none_has_two_names():
    assert (set(KINDS), len(KINDS)) == (set(FAULT_KINDS), len(FAULT_KINDS))


def test_every_mark_names_a_signal_and_a_sign():
    marks_of = [m for p in PATTERNS.values() for table in (p.core, p.usual, p.may, p.against, p.up, p.down, p.peers) for m in table]
    assert {m[0] for m in marks_of} <= set("+-~!")


def test_a_circle_of_dependencies_is_no_endless_loop():
    graph = Graph(Topology((("web-1", "api-1"), ("api-1", "web-1"))), TABLE.hosts, TABLE.roles)
    assert (graph.dependents(0), graph.dependencies(0)) == ({2: 1}, {2: 1})


def test_nothing_strange_is_unknown_at_most():
    cells = (5, len(TABLE.signals))
    empty = Symptoms(TABLE.hosts, TABLE.signals, np.zeros(cells), np.full(cells, -1), np.full(5, np.nan), np.zeros(cells, bool))
    assert Judge(empty.signals).weigh(empty, GRAPH, TABLE.hosts).best()[1] == "unknown"


def covers(host: str, kind: str, *findings: Finding) -> float:
    symptoms = observe(calm(TABLE), (), SIGNALS)
    return float(Judge(symptoms.signals).covers((host,), findings, GRAPH)[0, KINDS.index(kind)])


RUNAWAY = (("web-1", "cpu", 9), ("web-1", "load", 9))


def test_a_job_that_began_long_after_the_cpu_went_up_is_not_what_sent_it_up():
    later = strange(marks(*RUNAWAY, onsets={"web-1": -900.0}), "web-1", "disk_time", z=9, onset=800.0)
    assert best(later) == ("web-1", "cpu_runaway")


def test_a_little_niced_work_does_not_explain_a_cpu_that_is_full():
    scores = marks(*RUNAWAY, ("web-1", "nice", 9))
    scores.value[scores.series.rows_of(signal="nice", host="web-1")] = 0.55  # 0.05 above what is expected, cpu 0.45
    assert best(scores) == ("web-1", "cpu_runaway")


def test_a_saturated_dependency_does_not_account_for_background_work_on_its_dependent():
    job = replace(finding("web-1", "nice", "level"), observed=1.0, expected=0.0)
    assert (covers("api-1", "network_saturation", job), covers("web-1", "batch_job", job)) == (0.0, pytest.approx(1.0))


def test_a_slow_database_accounts_for_slow_answers_of_those_who_need_it():
    slow = replace(finding("web-1", "response_time", "level"), observed=1.0, expected=0.0)
    assert covers("db-1", "db_slow", slow) == pytest.approx(1.0)


def test_niced_work_stays_a_batch_job_although_users_are_slower_for_another_reason():
    cells = [("db-1", "nice", 9), ("db-1", "cpu", 8), ("db-1", "load", 8), ("db-1", "disk_time", 6)]
    felt = [("api-1", "response_time", 5), ("web-1", "response_time", 4)]
    assert best(marks(*cells, *felt)) == ("db-1", "batch_job")
