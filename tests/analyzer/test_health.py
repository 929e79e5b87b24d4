"""Health of servers."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.health import health, server_scores, server_states
from analyzer.records import HostScores, Incident
from tests.analyzer.scoring import calm, down, series, strange

TABLE = series("web-1", "web-2", signals=("cpu", "memory", "load", "up"))


def incident(severity: str, *, benign: bool = False) -> Incident:
    return Incident(
        "i", 0, "OpenManagerAnomaly", severity, "open", "web-1", "cpu", (), "cpu_runaway", benign, 0.9, 0.0, 0.0, 0.0, None, 3.0,
        (), (), ("web-2",), True,
    )  # fmt: skip


def test_calm_servers_are_wholly_healthy():
    assert health(calm(TABLE), []) == {"web-1": 100.0, "web-2": 100.0}


def test_a_strange_series_costs_before_anything_is_an_incident():
    got = health(strange(calm(TABLE), "web-1", "cpu", score=6.0), [])
    assert got["web-1"] < got["web-2"] == 100.0


@pytest.mark.parametrize(("severity", "expected"), [("critical", 40.0), ("warning", 70.0), ("info", 92.0)])
def test_an_incident_costs_by_severity(severity, expected):
    assert health(calm(TABLE), [incident(severity)])["web-1"] == expected


def test_a_server_that_only_feels_it_loses_less():
    assert health(calm(TABLE), [incident("critical")])["web-2"] == 76.0


def test_a_benign_incident_costs_little():
    assert health(calm(TABLE), [incident("warning", benign=True)])["web-1"] == 91.0


def test_a_server_that_is_down_has_no_health():
    assert health(down(calm(TABLE), "web-1"), [])["web-1"] == 0.0


def test_p8_a_server_without_data_is_neither_healthy_nor_sick():
    silent = replace(calm(TABLE), value=np.full(8, np.nan), score=np.full(8, np.nan))
    assert health(silent, []) == {}


def test_a_server_score_is_the_mean_of_its_three_strangest():
    assert server_scores(strange(calm(TABLE), "web-1", "cpu", score=2.8)) == {
        "web-1": pytest.approx(1.0),
        "web-2": pytest.approx(0.1),
    }


def together(*score, state=("", "")):
    whole = HostScores(0.0, TABLE.hosts, np.array(score), np.array(score) >= 1.0, np.zeros(len(TABLE)), state)
    return replace(calm(TABLE), whole=whole)


def test_a_strange_combination_of_calm_series_is_a_strange_server():
    assert server_scores(together(1.7, np.nan)) == {"web-1": pytest.approx(1.7), "web-2": pytest.approx(0.1)}


def test_a_strange_combination_costs_no_health_by_itself():
    assert health(together(1.7, np.nan), []) == {"web-1": 100.0, "web-2": 100.0}


def test_a_state_that_nobody_knows_is_not_told():
    assert server_states(together(0.2, np.nan, state=("busy", ""))) == {"web-1": "busy"}
    assert server_states(calm(TABLE)) == {}
