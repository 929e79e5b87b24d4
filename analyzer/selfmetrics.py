"""The analyzer's own metrics: what it read, scored, wrote and withheld, and how long each stage took.

Names follow vmanomaly's set under `openmanager_analyzer_` where there is a counterpart, so that its dashboards carry over.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from analyzer.records import Report

STAGES = ("read", "score", "store", "sinks", "whole")
_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class SelfMetrics:
    """One registry and what is in it; built once, handed to whoever counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry
        self.cycle_seconds = Histogram(
            "openmanager_cycle_duration_seconds", "How long a stage of one cycle took.", ["stage"], buckets=_FAST, registry=r
        )
        self.cycles = Counter("openmanager_analyzer_cycles", "Cycles by outcome.", ["outcome"], registry=r)
        self.last_cycle = Gauge(
            "openmanager_analyzer_last_cycle_timestamp_seconds", "Evaluation time of the newest cycle that was written.", registry=r
        )
        self.heartbeat = Gauge("openmanager_analyzer_heartbeat_timestamp_seconds", "When the cycle loop last turned.", registry=r)
        self.source_up = Gauge(
            "openmanager_analyzer_source_up", "1 = the source answered the newest cycle, 0 = it did not.", registry=r
        )
        self.skew = Gauge(
            "openmanager_analyzer_clock_skew_seconds", "The source's clock minus ours; beyond 30 s nothing is written.", registry=r
        )
        self.series = Gauge("openmanager_analyzer_series", "Series known to the detectors.", registry=r)
        self.ready = Gauge("openmanager_series_ready", "Mean readiness of the series of a signal, 0..1.", ["for"], registry=r)
        self.suppressed = Counter("openmanager_suppressed", "What would have been said and was not.", ["reason"], registry=r)
        self.findings = Gauge("openmanager_analyzer_findings_open", "Findings open now.", registry=r)
        self.incidents = Gauge("openmanager_analyzer_incidents_open", "Incidents open now.", ["severity", "pages"], registry=r)
        self.snapshots = Gauge("openmanager_analyzer_snapshot_timestamp_seconds", "When detector state was last saved.", registry=r)
        self.quarantined = Counter(
            "openmanager_analyzer_state_quarantined", "State files set aside as unusable.", ["what"], registry=r
        )
        self.sink_errors = Counter("openmanager_analyzer_sink_errors", "Reports that a sink could not take.", ["sink"], registry=r)
        self._reader(r)
        self._writer(r)
        for outcome in ("done", "skipped", "failed", "overrun"):
            self.cycles.labels(outcome)

    def _reader(self, r: CollectorRegistry) -> None:
        self.reader_seconds = Histogram(
            "openmanager_analyzer_reader_request_duration_seconds", "How long the source took to answer.", buckets=_FAST, registry=r
        )
        self.reader_responses = Counter(
            "openmanager_analyzer_reader_responses", "Answers of the source by code.", ["code"], registry=r
        )
        self.reader_bytes = Counter("openmanager_analyzer_reader_received_bytes", "Bytes that the source sent.", registry=r)
        self.reader_series = Counter("openmanager_analyzer_reader_timeseries_received", "Series that the source sent.", registry=r)
        self.reader_dropped = Counter("openmanager_series_dropped", "Series not taken in, by reason.", ["reason"], registry=r)

    def _writer(self, r: CollectorRegistry) -> None:
        self.writer_sent = Counter("openmanager_analyzer_writer_datapoints_sent", "Samples that the receiver took.", registry=r)
        self.writer_refused = Counter(
            "openmanager_analyzer_writer_datapoints_refused", "Samples not written, by reason.", ["reason"], registry=r
        )
        self.writer_queue = Gauge("openmanager_analyzer_writer_queue_samples", "Samples waiting to be written.", registry=r)
        self.writer_queue_age = Gauge(
            "openmanager_analyzer_writer_queue_age_seconds", "Age of the oldest sample that waits.", registry=r
        )
        self.alerts_sent = Counter("openmanager_analyzer_alerts_sent", "Posts of alerts by outcome.", ["outcome"], registry=r)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.cycle_seconds.labels(name).observe(time.perf_counter() - began)

    def count(self, report: Report) -> None:
        """Take the figures of one cycle."""
        board = report.board
        self.last_cycle.set(report.time)
        self.series.set(len(board.scores.series))
        self.findings.set(sum(f.state == "firing" for f in board.findings))
        for severity in ("info", "warning", "critical"):
            for pages in (True, False):
                n = sum(i.severity == severity and i.pages == pages for i in board.incidents)
                self.incidents.labels(severity, str(pages).lower()).set(n)
        for entry in report.suppressions:
            self.suppressed.labels(entry.reason).inc()
        series, ready = board.scores.series, np.nan_to_num(board.scores.ready)
        total = np.bincount(series.signal, minlength=len(series.signals))
        mean = np.bincount(series.signal, weights=ready, minlength=len(series.signals)) / np.maximum(total, 1)
        for alias, value in zip(series.signals, mean.tolist(), strict=True):
            self.ready.labels(alias).set(value)
