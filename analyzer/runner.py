"""The clockwork around the pipeline: reads the source on time, runs the cycle off the loop, and hands reports on.

What it protects: evaluation times are aligned on the source's clock; a source that is away opens nothing and ends nothing; what was
found is on disk before it is sent; a restart goes on where the last cycle ended.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from analyzer import snapshot
from analyzer.maintenance import Window as MaintenanceWindow
from analyzer.maintenance import muted
from analyzer.pipeline import Cycle
from analyzer.ports import Sink, SinkError, Source, SourceError
from analyzer.records import Board, Report, Topology
from analyzer.selfmetrics import SelfMetrics
from analyzer.window import Series, Window
from service import logs

CATCH_UP = 2 * 3600.0  # longest gap whose columns are scored one by one; beyond it they are only learned from, coarsely
TOPOLOGY_EVERY = 300.0
SKEW_LIMIT = 30.0  # beyond it our clock or the source's is wrong, and writing could blind the source (promise P1)
AWAY_AFTER = 2  # cycles without an answer before people hear of it


class CycleStore(Protocol):
    """What must be on disk before anything is sent."""

    async def put_report(self, report: Report, trackers: str) -> None: ...
    async def trackers(self) -> tuple[float, str] | None: ...


class SelfAlerts(Protocol):
    """Tells people that the analyzer itself cannot work."""

    async def self_alert(self, name: str, *, active: bool, summary: dict[str, str]) -> None: ...


class Runner:
    """One analyzer at work.

    Parameters
    ----------
    interval, history, history_step, snapshot_every : seconds.
    judge_last : seconds at the end of history that are judged, not only learned from, on a first start.
    windows : the maintenance windows in force, asked for at every cycle.
    wall : our wall clock, unix seconds.
    """

    def __init__(
        self,
        *,
        source: Source,
        cycle: Cycle,
        sinks: Iterable[Sink],
        store: CycleStore,
        metrics: SelfMetrics,
        state: Path,
        interval: float,
        history: float,
        history_step: float,
        judge_last: float,
        snapshot_every: float,
        windows: Callable[[], Iterable[MaintenanceWindow]],
        self_alerts: SelfAlerts | None = None,
        set_skew: Callable[[float], None] | None = None,
        wall: Callable[[], float] = time.time,
        fingerprint: str = "",
    ) -> None:
        self.source, self.cycle, self.sinks, self.store, self.metrics = source, cycle, list(sinks), store, metrics
        self.interval, self.history, self.history_step, self.judge_last = interval, history, history_step, judge_last
        self.snapshot_every, self.snapshot_path, self.fingerprint = snapshot_every, state / "detectors.npz", fingerprint
        self.windows, self.self_alerts, self.set_skew, self.wall = windows, self_alerts, set_skew, wall
        self.board: Board | None = None
        self.report: Report | None = None
        self.last = 0.0  # evaluation time of the newest column that was scored
        self.reason = "waiting for the first answer of the source"
        self.listeners: list[Callable[[Report], Awaitable[None]]] = []
        self._topology, self._topology_at = Topology(), 0.0
        self._snapshot_at, self._failures = 0.0, 0
        self._hosts_seen = 0
        self._alerted: set[str] = set()
        self._log = logs.get("runner")

    # ---- start ----

    async def prepare(self) -> None:
        """Resume from what was saved, or learn from the source's history. Retries until the source answers."""
        resumed = await self._resume()
        while True:
            try:
                now = await self._source_now()
                if not resumed:
                    await self._learn(now - self.history, now - self.judge_last)
                    self.last = max(self.last, self._aligned(now - self.judge_last))
                    await asyncio.to_thread(self._save, self.last)
                elif now - self.last > CATCH_UP:  # a long sleep: what was missed is learned from, not judged
                    await self._learn(max(self.last, now - self.history), now)
                return
            except SourceError as error:
                await self._away(str(error))
                await asyncio.sleep(min(self.interval, 15.0))

    async def _resume(self) -> bool:
        """Detectors from the snapshot, trackers from the store; cycles between the two are scored again, silently."""
        saved = await self.store.trackers()
        try:
            loaded = await asyncio.to_thread(snapshot.load, self.snapshot_path)
        except snapshot.SnapshotError as error:
            self.metrics.quarantined.labels("snapshot").inc()
            self._log.warning("state set aside, starting cold", reason=str(error))
            loaded = None
        self._restore_trackers(saved)
        if loaded is None:
            return False
        arrays, meta = loaded
        if meta.get("fingerprint") != self.fingerprint:
            self._log.info("signals or detection changed, learning anew")
            return False
        try:
            self.cycle.restore_arrays(arrays)
        except ValueError as error:
            self.metrics.quarantined.labels("snapshot").inc()
            self._log.warning("state set aside, starting cold", reason=str(error))
            return False
        self._snapshot_at = float(meta["time"])
        self.last = max(self.last, self._snapshot_at)
        await self._replay_to_trackers(self._snapshot_at)
        return True

    def _restore_trackers(self, saved: tuple[float, str] | None) -> None:
        if saved is None:
            return
        at, text = saved
        try:
            self.cycle.restore_trackers(json.loads(text))
            self.last = at
        except (ValueError, KeyError, TypeError) as error:
            self.metrics.quarantined.labels("trackers").inc()
            self._log.warning("open findings could not be read, starting without", reason=repr(error))

    async def _replay_to_trackers(self, snapshot_time: float) -> None:
        """The snapshot is older than the trackers by up to its period: bring the detectors up to them."""
        if self.last <= snapshot_time or self.last - snapshot_time > CATCH_UP:
            return
        try:
            missed = await self.source.read(snapshot_time + self.interval, self.last, self.interval)
        except SourceError as error:
            self._log.warning("cycles since the last snapshot are not learned from", reason=str(error))
            return
        await asyncio.to_thread(self.cycle.catch_up, missed)

    async def _learn(self, start: float, end: float) -> None:
        """Read history in day-long parts and learn from each."""
        began, at, part = time.monotonic(), self._down(start, self.history_step), 86400.0
        while at < end:
            until = min(at + part - self.history_step, self._down(end, self.history_step))
            if until < at:
                break
            window = await self.source.read(at, until, self.history_step)
            await asyncio.to_thread(self.cycle.bootstrap, window)
            done = min(1.0, (until - start) / max(end - start, 1.0))
            self.reason = f"learning from history: {done:.0%}"
            self._log.info("learned from history", percent=round(100 * done), series=len(window.series))
            at = until + self.history_step
        self._log.info("ready to score", seconds=round(time.monotonic() - began, 1))

    # ---- one turn ----

    async def tick(self) -> list[Report]:
        """One turn: the columns that are due, scored, stored and handed on. Never raises for what the source or a sink does."""
        self.metrics.heartbeat.set(self.wall())
        with self.metrics.stage("whole"):
            try:
                return await self._turn()
            except SourceError as error:
                self.metrics.cycles.labels("skipped").inc()
                await self._away(str(error))
                return []

    async def _turn(self) -> list[Report]:
        now = await self._source_now()
        due = self._due(now)
        if due is None:
            return []
        with self.metrics.stage("read"):
            window = self._checked(await self.source.read(due[0], due[1], self.interval))
        if window is None:
            self.metrics.cycles.labels("skipped").inc()
            await self._away("the source answered without a single sample")
            return []
        await self._back(partial=window.partial)
        await self._refresh_topology(now)
        with self.metrics.stage("score"):
            reports = await asyncio.to_thread(self._score, window)
        for report in reports:
            await self._hand_on(report)
        self.last = due[1]
        self.metrics.cycles.labels("done").inc()
        if due[1] - self._snapshot_at >= self.snapshot_every or due[1] < self._snapshot_at:
            await asyncio.to_thread(self._save, due[1])
        return reports

    def _due(self, now: float) -> tuple[float, float] | None:
        """First and last evaluation time of this turn; None when there is none."""
        at = self._aligned(now)
        if self.last - at > 2 * self.interval:  # the source's clock went back: go on from there, once, and say so
            self._log.warning("the source's clock went back", seconds=round(self.last - at))
            self.last = at - self.interval
        if at <= self.last:
            return None
        if not self.last or at - self.last > CATCH_UP:
            return at, at
        return self.last + self.interval, at

    def _checked(self, window: Window) -> Window | None:
        """Only columns that hold samples; partial where most hosts fell silent at once: then it is the watching that failed."""
        filled = np.isfinite(window.values).any(axis=0)
        if not filled.any():
            return None
        newest = np.isfinite(window.values[:, np.flatnonzero(filled)[-1]])
        hosts = len(np.unique(window.series.host[newest]))
        lost = self._hosts_seen >= 3 and hosts < self._hosts_seen / 2
        if not lost:
            self._hosts_seen = hosts
        elif not window.partial:
            self._log.warning(
                "most hosts fell silent at once: taken for a failure of the scrapes", before=self._hosts_seen, now=hosts
            )
        return Window(window.series, window.times[filled], window.values[:, filled], window.partial or lost, window.warnings)

    def _score(self, window: Window) -> list[Report]:
        def quiet(series: Series, now: float) -> Any:
            return muted(self.windows(), series, now)

        return self.cycle.run(window, topology=self._topology, muted=quiet)

    async def _hand_on(self, report: Report) -> None:
        with self.metrics.stage("store"):
            await self.store.put_report(report, json.dumps(self.cycle.state()))
        self.board, self.report, self.reason = report.board, report, ""
        with self.metrics.stage("sinks"):
            await asyncio.gather(*(self._sink(sink, report) for sink in self.sinks))
        for listener in self.listeners:
            await listener(report)
        self.metrics.count(report)

    async def _sink(self, sink: Sink, report: Report) -> None:
        try:
            await sink.put(report)
        except SinkError as error:
            self.metrics.sink_errors.labels(sink.name).inc()
            self._log.warning("a sink could not take the report", sink=sink.name, reason=str(error), recoverable=error.recoverable)

    # ---- clocks, topology, state ----

    async def _source_now(self) -> float:
        before = self.wall()
        now = await self.source.now()
        skew = now - (before + self.wall()) / 2
        self.metrics.skew.set(skew)
        if self.set_skew:
            self.set_skew(skew)
        english = f"The clocks of the analyzer and of its source differ by {abs(skew):.0f} s; nothing is written until they agree."
        korean = f"분석기와 데이터 소스의 시계가 {abs(skew):.0f}초 차이 납니다. 맞을 때까지 아무것도 기록하지 않습니다."
        await self._tell("OpenManagerClockSkew", active=abs(skew) > SKEW_LIMIT, summary={"en": english, "ko": korean})
        return now

    async def _refresh_topology(self, now: float) -> None:
        if abs(now - self._topology_at) < TOPOLOGY_EVERY and self._topology.edges:
            return
        try:
            self._topology, self._topology_at = await self.source.topology(now), now
        except SourceError as error:
            self._log.warning("topology not read, the last one is kept", reason=str(error))

    async def save_now(self) -> None:
        """Save the detectors as they are, before an orderly end."""
        if self.last:
            await asyncio.to_thread(self._save, self.last)

    def _save(self, at: float) -> None:
        meta = {"time": at, "fingerprint": self.fingerprint}
        try:
            snapshot.save(self.snapshot_path, self.cycle.arrays(), meta)
        except OSError as error:
            self._log.warning("detector state not saved, it will be tried again", reason=str(error))
            return
        self._snapshot_at = at
        self.metrics.snapshots.set(self.wall())

    def _aligned(self, now: float) -> float:
        return self._down(now, self.interval)

    @staticmethod
    def _down(value: float, step: float) -> float:
        return float(np.floor(value / step) * step)

    # ---- what people must hear ----

    async def _away(self, reason: str) -> None:
        self._failures += 1
        self.metrics.source_up.set(0)
        self.reason = f"the source does not answer: {reason}"
        self._log.warning("cycle skipped: nothing opens and nothing ends", reason=reason, in_a_row=self._failures)
        english = f"The analyzer gets no data: {reason}. Findings stay as they were; nothing new is found."
        korean = f"분석기가 데이터를 받지 못하고 있습니다: {reason}. 기존 탐지 결과는 그대로 두며, 새로 탐지하지 않습니다."
        await self._tell("OpenManagerSourceDown", active=self._failures >= AWAY_AFTER, summary={"en": english, "ko": korean})

    async def _back(self, *, partial: bool) -> None:
        self._failures = 0
        self.metrics.source_up.set(1)
        await self._tell("OpenManagerSourceDown", active=False, summary={})
        english = "The source's answers are not whole; nothing is concluded from what is missing."
        korean = "데이터 소스의 응답이 온전하지 않습니다. 빠진 데이터로는 아무것도 판단하지 않습니다."
        await self._tell("OpenManagerSourcePartial", active=partial, summary={"en": english, "ko": korean})

    async def _tell(self, name: str, *, active: bool, summary: dict[str, str]) -> None:
        """Once when it begins and once when it ends."""
        if active == (name in self._alerted):
            return
        (self._alerted.add if active else self._alerted.discard)(name)
        self._log.warning("self-alert", alert=name, active=active)
        if self.self_alerts is not None:
            await self.self_alerts.self_alert(name, active=active, summary=summary)
