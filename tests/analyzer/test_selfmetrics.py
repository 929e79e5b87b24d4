"""The analyzer's own metrics."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import generate_latest

from analyzer.selfmetrics import SelfMetrics
from deploy.local.servers import need
from tests.analyzer.reports import INCIDENT, opened, report, scores, series, suppression

VMANOMALY = {
    "start_time_seconds", "cpu_cores_available", "scheduler_alive", "scheduler_restarts_total",
    "reader_request_duration_seconds_count", "reader_response_parsing_seconds_count", "reader_received_bytes_total",
    "models_active", "model_runs_total",
    "model_runs_skipped_total", "model_run_errors_total", "model_datapoints_accepted_total", "model_datapoints_produced_total",
    "writer_datapoints_sent_total",
}  # fmt: skip


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def counted(*reports):
    metrics = SelfMetrics()
    for one in reports:
        metrics.count(one)
    return metrics


def test_names_are_those_that_dashboards_of_vmanomaly_ask_for():
    text = generate_latest(SelfMetrics().registry).decode()
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert {f"openmanager_analyzer_{name}" for name in VMANOMALY} <= names


def test_a_report_is_counted():
    metrics = counted(opened())
    assert value(metrics, "openmanager_analyzer_models_active") == 2
    assert value(metrics, "openmanager_analyzer_model_datapoints_accepted_total") == 2
    assert value(metrics, "openmanager_analyzer_incidents_open", severity=INCIDENT.severity, pages="true") == 1
    assert value(metrics, "openmanager_analyzer_last_cycle_timestamp_seconds") == opened().time


def test_an_incident_that_ended_is_no_longer_open():
    metrics = counted(opened(), report())
    assert value(metrics, "openmanager_analyzer_incidents_open", severity=INCIDENT.severity, pages="true") == 0


def test_what_was_held_back_is_counted_by_reason():
    metrics = counted(replace(report(), suppressions=(suppression(), suppression(), suppression(reason="budget"))))
    assert value(metrics, "openmanager_suppressed_total", reason="hold") == 2


def test_readiness_is_the_mean_of_a_signal():
    half = replace(scores(series(("cpu", "a"), ("cpu", "b"))), ready=np.array([1.0, 0.0]))
    metrics = counted(report(half.series, scores=half))
    assert value(metrics, "openmanager_series_ready", **{"for": "cpu"}) == 0.5


def test_a_signal_that_is_no_longer_watched_leaves_the_page():
    metrics = counted(report(series(("cpu", "a"))), report(series(("disk", "a"))))
    assert value(metrics, "openmanager_series_ready", **{"for": "cpu"}) is None


def test_what_waits_and_whether_the_loop_turns_is_asked_at_every_scrape():
    metrics, now = SelfMetrics(), {"samples": 3.0, "alive": True}
    metrics.ask_writer(lambda: now["samples"], lambda: 7.0)
    metrics.ask_loop(lambda: now["alive"])
    now["samples"], now["alive"] = 5.0, False
    assert value(metrics, "openmanager_analyzer_writer_queue_samples") == 5
    assert value(metrics, "openmanager_analyzer_writer_queue_age_seconds") == 7
    assert value(metrics, "openmanager_analyzer_scheduler_alive") == 0


@pytest.mark.servers
def test_promtool_has_nothing_to_say():
    metrics = counted(opened())
    metrics.reader_responses.labels("200").inc()
    metrics.writer_responses.labels("204").inc()
    metrics.reader_series.labels("cpu").inc()
    page = generate_latest(metrics.registry)
    done = subprocess.run([need("promtool"), "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
