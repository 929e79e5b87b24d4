"""One door: what a service that was there reported, a backtest over the same samples reports afterwards, to the last figure."""

import time
from pathlib import Path

import numpy as np
import pytest

from analyzer.backtest.outcome import Recorder
from analyzer.build import make_cycle, prometheus_source, times_of
from analyzer.config import load
from analyzer.past import Past, Side, Span
from analyzer.resume import Resume
from analyzer.runner import Runner
from analyzer.selfmetrics import SelfMetrics
from analyzer.sources.observer import Silent
from service.httpclient import HttpConfig, make_session
from tests.analyzer.clockwork import Disk, Remember
from tests.e2e.stack import stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]
MINUTE, HOUR = 60.0, 3600.0
WATCHED = 'job="node", instance=~"search-es-01|db-master-01|db-replica-01"'


@pytest.fixture
def world(tmp_path):
    """A day of the fleet, scraped every 15 s in its last hour and a half; a process has been running away for 40 minutes."""
    with stack(tmp_path, interval=60, scrape=15) as made:
        made.start_servers()
        made.seed([("cpu_runaway", "search-es-01", 0.8, 2400, 5400)], days=1.2, fine=5400.0)
        made.write("a.yml", made.analyzer_config(reader={"history": "26h", "judge_last": "15m", "selector": WATCHED}))
        yield made


class Then:
    """The source as it was at a time."""

    def __init__(self, source, at):
        self.source, self.at = source, at
        self.read, self.topology = source.read, source.topology

    async def now(self):
        return self.at


async def reported(config, session, folder: Path, first, minutes):
    """Reports of a service that starts at a time and then turns minute by minute."""
    source, sink = Then(prometheus_source(config, config.reader.signals, session, Silent()), first), Remember()
    disk, metrics = Disk(folder), SelfMetrics()
    resume = Resume(
        source=source, cycle=make_cycle(config, first, None), store=disk, metrics=metrics, path=folder / "detectors.npz",
        times=times_of(config), windows=tuple,
    )  # fmt: skip
    runner = Runner(resume=resume, sinks=[sink], store=disk, metrics=metrics, wall=lambda: source.at)
    await runner.prepare()
    for _ in range(minutes):
        source.at += MINUTE
        await runner.tick()
    return sink.reports


class Reports(Recorder):
    """A recorder that keeps what it heard."""

    def __init__(self):
        super().__init__()
        self.reports = []

    def take(self, report):
        self.reports.append(report)


async def tried(config, session, span):
    """Reports of a backtest."""
    side = Side(make_cycle(config, span.start, None), Reports())
    past = Past(prometheus_source(config, config.reader.signals, session, Silent()), [side], span, progress=lambda p, s: None)
    await past.learn()
    await past.judge()
    return side.recorder.reports


async def test_a_backtest_says_what_the_service_said(world, tmp_path):
    config = load(world.folder / "a.yml", {})
    began = np.floor((time.time() - 50 * MINUTE) / MINUTE) * MINUTE
    start, end = began - 14 * MINUTE, began + 35 * MINUTE
    span = Span(start, end, MINUTE, 26 * HOUR - 14 * MINUTE, config.reader.history_step)
    async with make_session(HttpConfig.parse(config.reader.http)) as session:
        then = await reported(config, session, tmp_path, began, 35)
        now = await tried(config, session, span)
    assert [r.time for r in then] == [r.time for r in now]
    assert "search-es-01" in {i.host for report in then for i in report.changed}
    for one, other in zip(then, now, strict=True):
        np.testing.assert_array_equal(one.board.scores.score, other.board.scores.score, str(one.time - began))
        assert (one.changed, one.superseded, one.suppressions) == (other.changed, other.superseded, other.suppressions)
