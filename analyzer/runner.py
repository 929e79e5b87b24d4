"""The clockwork around the pipeline: reads the source on time, runs the cycle off the loop, and hands reports on.

What it protects: evaluation times are aligned on the source's clock; a source that is away opens nothing and ends nothing; what was
found is on disk before it is sent; a column is done wholly or not at all, whatever stops us; no trouble in one cycle ends the next.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import numpy as np

from analyzer import plain
from analyzer.intake import Watch, filled
from analyzer.ports import Sink, SinkError, Source, SourceError
from analyzer.records import Board, Report, Topology
from analyzer.resume import CATCH_UP, READ_COLUMNS, Resume
from analyzer.selfmetrics import SelfMetrics
from analyzer.troubles import SelfAlerts, Troubles
from analyzer.window import Window
from service import logs

TOPOLOGY_EVERY = 300.0
TOPOLOGY_RETRY = 60.0  # while there is none, or it could not be read
SKEW_LIMIT = 30.0  # beyond it our clock or the source's is wrong, and writing could blind the source (promise P1)
BACK = 3600.0  # a clock that was set back by less is waited for: the detectors take no column twice


class ReportStore(Protocol):
    """What must be on disk before anything is sent."""

    async def put_report(self, report: Report, trackers: str) -> None: ...


class Runner:
    """One analyzer at work.

    Parameters
    ----------
    resume : what was known before, and the cycle itself.
    self_alerts : tells people when the analyzer cannot work.
    set_skew : hears how far the source's clock is ahead of ours, seconds.
    wall : our wall clock, unix seconds.

    Attributes
    ----------
    board, report : the newest; None before the first cycle. reason : why there is none, or nothing new.
    """

    def __init__(
        self,
        *,
        resume: Resume,
        sinks: Iterable[Sink],
        store: ReportStore,
        metrics: SelfMetrics,
        self_alerts: SelfAlerts | None = None,
        set_skew: Callable[[float], None] = lambda skew: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.resume, self.sinks, self.store, self.metrics = resume, list(sinks), store, metrics
        self.source: Source = resume.source
        self.interval = resume.times.interval
        self.set_skew, self.wall = set_skew, wall
        self.board: Board | None = None
        self.report: Report | None = None
        self.listeners: list[Callable[[Report], Awaitable[None]]] = []
        self._why = "waiting for the first answer of the source"
        self._troubles = Troubles(self_alerts)
        self._topology, self._topology_at = Topology(), -np.inf
        self._watch = Watch()
        self._log = logs.get("runner")

    @property
    def last(self) -> float:
        """Evaluation time of the newest column that was judged."""
        return self.resume.last

    @property
    def reason(self) -> str:
        """Why there is nothing, or nothing new; empty when all is well."""
        return self.resume.progress or self._why

    async def prepare(self) -> None:
        """Resume from what was saved, or learn from the source's history. Tries again until the source answers."""
        await self.resume.load()
        while True:
            try:
                await self.resume.catch_up(await self._source_now())
                gc.freeze()  # tables and modules stay: the collector need not walk them in the middle of a cycle
                return
            except SourceError as error:
                await self._away(str(error))
                await asyncio.sleep(min(self.interval, 15.0))

    async def save_now(self) -> None:
        """Save the detectors as they are, before an orderly end."""
        await self.resume.save()

    # ---- one turn ----

    async def tick(self) -> int:
        """One turn: the columns that are due, each scored, stored and handed on. Returns how many."""
        self.metrics.heartbeat.set(self.wall())
        try:
            return await self._turn()
        except SourceError as error:
            self.metrics.skipped()
            await self._away(str(error))
            return 0

    async def _turn(self) -> int:
        now = await self._source_now()
        at = self._come_back(self.resume.times.aligned(now))
        if at <= self.last:
            return 0
        with self.metrics.stage("whole"):
            if at - self.last > CATCH_UP:
                await self.resume.catch_up(now)
            await self._refresh_topology(now)
            done = 0
            while self.last < at:
                first = self.last + self.interval
                until = min(at, first + (READ_COLUMNS - 1) * self.interval)
                done += await self._stretch(first, until, newest=until == at)
                if until == at:
                    break
            await self.resume.save_when_due()
        self.metrics.cycles.labels("done").inc()
        return done

    def _come_back(self, at: float) -> float:
        """The time to judge, where the source's clock was set back. Raises SourceError while its time has been judged already."""
        behind = self.last - at
        if behind <= 2 * self.interval:
            return at
        if behind < BACK:
            raise SourceError(f"its clock was set back; what comes in the next {behind:.0f} s was judged already")
        self._log.warning("the source's clock was set back; going on from there", seconds=round(behind))
        self.resume.last = at - self.interval
        return at

    async def _stretch(self, first: float, until: float, *, newest: bool) -> int:
        """Read some columns and do those that hold samples. Samples of the last ones may still be on their way: asked for again."""
        with self.metrics.stage("read"):
            window = await self.source.read(first, until, self.interval)
        columns = list(filled(window))
        if not columns:
            if newest:
                raise SourceError("not a single sample came")
            self.resume.last = until
            return 0
        for column in columns:
            checked = self._watch.check(column)
            if self._watch.since == float(column.times[0]):
                self._log.warning("taken for a failure of the scrapes", reason=checked.warnings[-1])
            await self._here(checked)
            await self.resume.uncut.run(self._column(checked))
        if not newest:
            self.resume.last = until
        return len(columns)

    async def _column(self, column: Window) -> None:
        """One column, wholly: scored, stored, handed on. One that cannot be scored is passed over, or it would fail for ever."""
        self.resume.last = float(column.times[0])
        with self.metrics.stage("score"):
            report, trackers = await asyncio.to_thread(self._score, column)
        await self._hand_on(report, trackers)

    def _score(self, column: Window) -> tuple[Report, str]:
        cycle = self.resume.cycle
        report = cycle.run(column, topology=self._topology, muted=self.resume.muted)[0]
        return report, plain.text(cycle.state())

    async def _hand_on(self, report: Report, trackers: str) -> None:
        with self.metrics.stage("store"):
            try:
                await self.store.put_report(report, trackers)
            except Exception as error:  # noqa: BLE001 - people are told whatever ails the store; counted and said
                self.metrics.sink_errors.labels("store").inc()
                self._log.error("a report could not be stored", reason=repr(error))
        self.board, self.report, self._why = report.board, report, ""
        with self.metrics.stage("sinks"):
            await asyncio.gather(
                *(self._sink(sink, report) for sink in self.sinks), *(self._tell(one, report) for one in self.listeners)
            )
        self.metrics.count(report)
        await self._troubles.full(report.board.learning.refused if report.board.learning else 0)

    async def _sink(self, sink: Sink, report: Report) -> None:
        try:
            await sink.put(report)
        except SinkError as error:
            self.metrics.sink_errors.labels(sink.name).inc()
            self._log.warning("a sink could not take the report", sink=sink.name, reason=str(error), recoverable=error.recoverable)
        except Exception:  # noqa: BLE001 - one sink's fault must not keep the others from being told
            self.metrics.sink_errors.labels(sink.name).inc()
            self._log.exception("a sink failed", sink=sink.name)

    async def _tell(self, listener: Callable[[Report], Awaitable[None]], report: Report) -> None:
        try:
            await listener(report)
        except Exception:  # noqa: BLE001 - as above
            self.metrics.sink_errors.labels("listener").inc()
            self._log.exception("a listener failed")

    # ---- clocks, topology, troubles ----

    async def _source_now(self) -> float:
        before = self.wall()
        now = await self.source.now()
        skew = now - (before + self.wall()) / 2
        self.metrics.skew.set(skew)
        self.set_skew(skew)
        await self._troubles.skewed(skew, SKEW_LIMIT)
        return now

    async def _refresh_topology(self, now: float) -> None:
        every = TOPOLOGY_EVERY if self._topology.edges else TOPOLOGY_RETRY
        if abs(now - self._topology_at) < every:
            return
        self._topology_at = now
        try:
            self._topology = await self.source.topology(now)
        except SourceError as error:
            self._topology_at = now - TOPOLOGY_EVERY + TOPOLOGY_RETRY
            self._log.warning("topology not read, the last one is kept", reason=str(error))

    async def _away(self, reason: str) -> None:
        self.metrics.source_up.set(0)
        self._why = f"no data: {reason}"
        self._log.warning("cycle skipped: nothing opens and nothing ends", reason=reason)
        await self._troubles.away(reason)

    async def _here(self, column: Window) -> None:
        self.metrics.source_up.set(1)
        await self._troubles.away(None)
        why = "; ".join(column.warnings[:3]) or "it says so itself"
        await self._troubles.partial(why if column.partial else None)
