"""The analyzer's own metrics: what it read, scored, wrote and withheld, and how long each stage took.

Names follow vmanomaly's set under `openmanager_analyzer_` where there is a counterpart, so that its dashboards carry over. What
can be asked at scrape time (what waits to be written, whether the loop turns) is asked then and not kept here.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from analyzer.readiness import readiness
from analyzer.records import Report
from analyzer.verdicts import Verdicts

_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
OURS = "openmanager_analyzer"


class SelfMetrics:
    """One registry and what is in it; built once, handed to whoever counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._loop(self.registry)
        self._state(self.registry)
        self._models(self.registry)
        self._reader(self.registry)
        self._writer(self.registry)

    def _loop(self, r: CollectorRegistry) -> None:
        self.cycle_seconds = Histogram(
            "openmanager_cycle_duration_seconds", "How long a stage of one cycle took.", ["stage"], buckets=_FAST, registry=r
        )
        self.cycles = Counter(f"{OURS}_cycles", "Cycles by outcome.", ["outcome"], registry=r)
        for outcome in ("done", "skipped", "failed", "overrun"):
            self.cycles.labels(outcome)
        self.last_cycle = Gauge(
            f"{OURS}_last_cycle_timestamp_seconds", "Evaluation time of the newest cycle that was written.", registry=r
        )
        self.heartbeat = Gauge(f"{OURS}_heartbeat_timestamp_seconds", "When the cycle loop last turned.", registry=r)
        self.alive = Gauge(f"{OURS}_scheduler_alive", "1 = the cycle loop runs, 0 = it has ended.", registry=r)
        self.restarts = Counter(f"{OURS}_scheduler_restarts", "Starts of the cycle loop after the first, by reloads.", registry=r)
        self.skew = Gauge(
            f"{OURS}_clock_skew_seconds", "The source's clock minus ours; beyond 30 s nothing is written.", registry=r
        )
        start = Gauge(f"{OURS}_start_time_seconds", "When the analyzer started, unix seconds.", registry=r)
        start.set_to_current_time()
        cores = Gauge(f"{OURS}_cpu_cores_available", "Processor cores that this process may use.", registry=r)
        cores.set(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

    def _state(self, r: CollectorRegistry) -> None:
        self.suppressed = Counter("openmanager_suppressed", "What would have been said and was not.", ["reason"], registry=r)
        self.verdicts = Gauge("openmanager_feedback_verdicts", "Verdicts of people in force.", ["verdict"], registry=r)
        self.edges = Gauge("openmanager_feedback_edges_moved", "Signals of servers whose edge of normal people moved.", registry=r)
        self.silence_reads = Counter(f"{OURS}_silence_reads", "Reads of silences by outcome.", ["outcome"], registry=r)
        self.silenced = Gauge(f"{OURS}_silences", "Silences of Alertmanager that are known.", registry=r)
        for outcome in ("ok", "failed"):
            self.silence_reads.labels(outcome)
        self.findings = Gauge(f"{OURS}_findings_open", "Findings open now.", registry=r)
        self.incidents = Gauge(f"{OURS}_incidents_open", "Incidents open now.", ["severity", "pages"], registry=r)
        self.snapshots = Gauge(f"{OURS}_snapshot_timestamp_seconds", "When detector state was last saved.", registry=r)
        self.quarantined = Counter(f"{OURS}_state_quarantined", "State files set aside as unusable.", ["what"], registry=r)
        self.sink_errors = Counter(f"{OURS}_sink_errors", "Reports that a sink could not take.", ["sink"], registry=r)
        self.alerts_sent = Counter(f"{OURS}_alerts_sent", "Posts of alerts by outcome.", ["outcome"], registry=r)

    def _models(self, r: CollectorRegistry) -> None:
        self.models = Gauge(f"{OURS}_models_active", "Series that the detectors keep a model of.", registry=r)
        self.runs = Counter(f"{OURS}_model_runs", "Columns of samples that were scored.", registry=r)
        self.runs_skipped = Counter(f"{OURS}_model_runs_skipped", "Cycles without data, in which nothing was scored.", registry=r)
        self.run_errors = Counter(f"{OURS}_model_run_errors", "Cycles that failed.", registry=r)
        self.accepted = Counter(f"{OURS}_model_datapoints_accepted", "Samples that were scored or learned from.", registry=r)
        self.produced = Counter(f"{OURS}_model_datapoints_produced", "Scores given.", registry=r)
        self.ready = Gauge("openmanager_series_ready", "Mean readiness of the series of a signal, 0 to 1.", ["for"], registry=r)
        self.readiness = Gauge("openmanager_series_readiness", "Series by what they lack to be known well.", ["reason"], registry=r)
        self.refused = Gauge("openmanager_series_refused", "Series without room (max_series) in the newest cycle.", registry=r)
        self._ready_of: set[str] = set()

    def _reader(self, r: CollectorRegistry) -> None:
        self.source_up = Gauge(f"{OURS}_source_up", "1 = the source answered the newest cycle, 0 = it did not.", registry=r)
        self.reader_seconds = Histogram(
            f"{OURS}_reader_request_duration_seconds", "How long the source took to answer.", buckets=_FAST, registry=r
        )
        self.reader_parsing = Histogram(
            f"{OURS}_reader_response_parsing_seconds", "How long an answer took to read.", buckets=_FAST, registry=r
        )
        self.reader_responses = Counter(f"{OURS}_reader_responses", "Answers of the source by code.", ["code"], registry=r)
        self.reader_bytes = Counter(f"{OURS}_reader_received_bytes", "Bytes that the source sent.", registry=r)
        self.reader_series = Counter(
            f"{OURS}_reader_timeseries_received", "Series that the source sent.", ["query_key"], registry=r
        )
        self.reader_points = Counter(
            f"{OURS}_reader_datapoints_received", "Samples that the source sent.", ["query_key"], registry=r
        )
        self.reader_dropped = Counter("openmanager_series_dropped", "Series not taken in, by reason.", ["reason"], registry=r)

    def _writer(self, r: CollectorRegistry) -> None:
        self.writer_sent = Counter(f"{OURS}_writer_datapoints_sent", "Samples that the receiver took.", registry=r)
        self.writer_refused = Counter(
            f"{OURS}_writer_datapoints_refused", "Samples not written, by reason.", ["reason"], registry=r
        )
        self.writer_responses = Counter(f"{OURS}_writer_responses", "Answers of the receiver by code.", ["code"], registry=r)
        self.writer_queue = Gauge(f"{OURS}_writer_queue_samples", "Samples waiting to be written.", registry=r)
        self.writer_queue_age = Gauge(f"{OURS}_writer_queue_age_seconds", "Age of the oldest sample that waits.", registry=r)

    def ask_writer(self, samples: Callable[[], float], age: Callable[[], float]) -> None:
        """From now on ask these, at every scrape, how many samples wait to be written and for how many seconds the oldest has."""
        self.writer_queue.set_function(samples)
        self.writer_queue_age.set_function(age)

    def ask_loop(self, alive: Callable[[], bool]) -> None:
        """From now on ask this, at every scrape, whether the cycle loop runs."""
        self.alive.set_function(lambda: float(alive()))

    def feedback(self, verdicts: Verdicts) -> None:
        """What people said that is in force now."""
        for word in ("right", "wrong", "expected"):
            self.verdicts.labels(word).set(sum(v.verdict == word for v in verdicts.all))
        self.edges.set(len(verdicts.edges))

    def silences(self, outcome: str, known: int) -> None:
        """Silences were asked for; so many count now."""
        self.silence_reads.labels(outcome).inc()
        self.silenced.set(known)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage: read, score, store, sinks, whole."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.cycle_seconds.labels(name).observe(time.perf_counter() - began)

    def skipped(self) -> None:
        """A cycle had nothing to work on."""
        self.cycles.labels("skipped").inc()
        self.runs_skipped.inc()

    def failed(self) -> None:
        """A cycle met something that it should not have."""
        self.cycles.labels("failed").inc()
        self.run_errors.inc()

    def count(self, report: Report) -> None:
        """Take the figures of one column."""
        board, scores = report.board, report.board.scores
        self.last_cycle.set(report.time)
        self.models.set(len(scores.series))
        self.runs.inc()
        self.accepted.inc(int(np.isfinite(scores.value).sum()))
        self.produced.inc(int(np.isfinite(scores.score).sum()))
        self.findings.set(sum(f.state == "firing" for f in board.findings))
        for severity in ("info", "warning", "critical"):
            for pages in (True, False):
                n = sum(i.severity == severity and i.pages == pages for i in board.incidents)
                self.incidents.labels(severity, str(pages).lower()).set(n)
        for entry in report.suppressions:
            self.suppressed.labels(entry.reason).inc()
        self._count_ready(report)

    def _count_ready(self, report: Report) -> None:
        series, ready = report.board.scores.series, np.nan_to_num(report.board.scores.ready)
        if report.board.learning is not None:
            self.refused.set(report.board.learning.refused)
            for reason, count in readiness(report.board.learning, report.board.muted).counts().items():
                self.readiness.labels(reason).set(count)
        total = np.bincount(series.signal, minlength=len(series.signals))
        mean = np.bincount(series.signal, weights=ready, minlength=len(series.signals)) / np.maximum(total, 1)
        watched = {alias: value for alias, value, n in zip(series.signals, mean.tolist(), total.tolist(), strict=True) if n}
        for alias, value in watched.items():
            self.ready.labels(alias).set(value)
        for alias in self._ready_of - watched.keys():  # the client keeps every label that it ever saw
            self.ready.remove(alias)
        self._ready_of = set(watched)
