"""Threat row 32, the whole cycle: 100,000 series that come and go cost no more than the cap, and what stays is still watched."""

import numpy as np

from analyzer.derived import DerivedSettings, Deriver
from analyzer.detect.engine import Engine
from analyzer.detect.settings import DetectionSettings
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.incidents import Incidents
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.selfmetrics import SelfMetrics
from analyzer.window import Series, Window
from tests.analyzer.clockwork import NOW, SIGNALS

CAP, STAYS = 1500, 50


def pods(wave, n):
    """Some hosts that stay and a wave of pods that does not."""
    stay = [("memory", f"web-{i}", "web", (("instance", f"web-{i}"),)) for i in range(STAYS)]
    come = [("memory", f"pod-{wave}-{i}", "", (("instance", f"pod-{wave}-{i}"),)) for i in range(n)]
    return Series.build(stay + come)


def test_series_that_come_and_go_stay_within_the_cap_and_drop_out_of_metrics():
    cycle = Cycle(
        SIGNALS, engine=Engine(SIGNALS, DetectionSettings(max_series=CAP)), forecaster=Forecaster(SIGNALS, max_series=CAP),
        findings=Findings(SIGNALS, Policy()), incidents=Incidents(SIGNALS, Policy()),
    )  # fmt: skip
    deriver, metrics, sizes = Deriver(DerivedSettings(max_written_series=5 * CAP)), SelfMetrics(), []
    for wave in range(100):
        series = pods(wave, 1000)
        now = NOW + 3600.0 * wave
        report = cycle.run(Window(series, np.array([now]), np.full((len(series), 1), 0.5)))[0]
        deriver.series_of(report)
        metrics.count(report)
        page = sum(len(family.samples) for family in metrics.registry.collect())
        sizes.append((len(cycle.engine.series), len(cycle.forecaster.series), page))
    rows = cycle.engine.series.positions(pods(0, 0).keys())
    assert max(max(a, b) for a, b, _ in sizes) <= CAP
    assert len({page for _, _, page in sizes[1:]}) == 1
    assert (rows >= 0).all()
    assert np.isfinite(report.board.scores.value[rows]).all()
    assert len(deriver._ended) <= CAP
