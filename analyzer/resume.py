"""What is known when the analyzer starts: taken up where it was left, or learned from the source's history.

In: a snapshot of the detectors, the trackers' state of the newest report, and the source. Out: a cycle that can score the next
column. The detectors are brought up to the trackers silently, so that nothing is opened or ended twice; what nobody judged while
we were away is judged if it is short, and learned from if it is long.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from analyzer import snapshot
from analyzer.detect.columns import StateError
from analyzer.intake import down, filled, spans, teaching
from analyzer.maintenance import Window as MaintenanceWindow
from analyzer.maintenance import muted
from analyzer.pipeline import Cycle
from analyzer.ports import Source
from analyzer.selfmetrics import SelfMetrics
from analyzer.uncut import Uncut
from analyzer.window import Bools, Series, Window
from service import logs

CATCH_UP = 2 * 3600.0  # longest gap whose columns are scored one by one; beyond it they are only learned from, coarsely
READ_COLUMNS = 240  # read at once: a read that is too much for the source must not be all or nothing
PART = 86400.0  # of history that is read at once


class CycleStore(Protocol):
    """Where the trackers' state of the newest report lies."""

    async def trackers(self) -> tuple[float, str] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds. `judge_last`: the end of history that is judged and not only learned from; `snapshot_every`: at most between two."""

    interval: float
    history: float
    history_step: float
    judge_last: float
    snapshot_every: float

    def aligned(self, now: float) -> float:
        """The newest evaluation time that is not after `now`."""
        return down(now, self.interval)


class Resume:
    """Start-up, long gaps, and saving.

    Parameters
    ----------
    path : the snapshot's file.
    fingerprint : of the configuration; a snapshot of another one is not taken.
    windows : the maintenance windows in force.

    Attributes
    ----------
    last : evaluation time of the newest column that was judged; 0 before the first.
    whole : the detectors know everything up to `last`.
    """

    def __init__(
        self,
        *,
        source: Source,
        cycle: Cycle,
        store: CycleStore,
        metrics: SelfMetrics,
        path: Path,
        times: Times,
        windows: Callable[[], Iterable[MaintenanceWindow]],
        fingerprint: str = "",
    ) -> None:
        self.source, self.cycle, self.store, self.metrics = source, cycle, store, metrics
        self.path, self.times, self.windows, self.fingerprint = path, times, windows, fingerprint
        self.last, self.saved_at, self.whole = 0.0, 0.0, False
        self.uncut = Uncut()
        self.progress = ""
        self._known_to: float | None = None  # how far the detectors know everything; None = they know nothing
        self._learned_to = -np.inf  # how far history was read into them, should the source go away in between
        self._log = logs.get("resume")

    # ---- start ----

    async def load(self) -> None:
        """Detectors from the snapshot, trackers from the store, each without the other where one is unusable."""
        await self._load_trackers()
        try:
            loaded = await asyncio.to_thread(snapshot.load, self.path)
            if loaded is not None:
                self._take(*loaded)
        except (snapshot.SnapshotError, StateError, ValueError, KeyError, TypeError) as error:
            await asyncio.to_thread(snapshot.quarantine, self.path)  # where reading it has not done so already
            self.metrics.quarantined.labels("snapshot").inc()
            self._log.warning("saved detectors cannot be used, learning anew", reason=str(error))

    def _take(self, arrays: dict[str, Any], meta: dict[str, Any]) -> None:
        if meta.get("fingerprint") != self.fingerprint:
            self._log.info("signals or identity changed, learning anew")
            return
        at = float(meta["time"])
        self.cycle.restore_arrays(arrays)
        self._known_to = self.saved_at = at
        self.last = max(self.last, at)

    async def _load_trackers(self) -> None:
        saved = await self.store.trackers()
        if saved is None:
            return
        at, text = saved
        try:
            self.cycle.restore_trackers(json.loads(text))
            self.last = at
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.metrics.quarantined.labels("trackers").inc()
            self._log.warning("open findings could not be read, starting without", reason=repr(error))

    async def catch_up(self, now: float) -> None:
        """Bring detectors and trackers together, and both near to `now` (the source's clock). Raises SourceError: try again."""
        cold, judged_from = self._known_to is None, self.times.aligned(now - self.times.judge_last)
        if self.whole:
            self._known_to = self.last
        if self._known_to is None:
            await self._learn(now - self.times.history, now - self.times.judge_last)
            self._known_to, self.last = judged_from, max(self.last, judged_from)
        elif now - self.last > CATCH_UP:
            await self._learn(max(self._known_to, now - self.times.history), now - self.times.judge_last, guarded=True)
            self._known_to = self.last = judged_from
        elif self.last - self._known_to > CATCH_UP:  # no snapshot could be written for hours
            await self._learn(self._known_to, self.last - CATCH_UP, guarded=True)
            self._known_to = self.times.aligned(self.last - CATCH_UP)
        await self._replay(self._known_to, self.last)
        self._known_to, self.whole, self.progress = self.last, True, ""
        if cold:
            await self.save()

    async def _replay(self, start: float, end: float) -> None:
        """Columns whose findings are known already: scored again, silently."""
        for first, last in spans(start + self.times.interval, end, self.times.interval, READ_COLUMNS):
            window = await self.source.read(first, last, self.times.interval)
            await self.uncut.run(asyncio.to_thread(self._silently, window))
            self._known_to = last

    def _silently(self, window: Window) -> None:
        for one in filled(window):
            self.cycle.catch_up(one, muted=self.muted)

    async def _learn(self, start: float, end: float, *, guarded: bool = False) -> None:
        """Read history in day-long parts and learn from each; goes on where a source that went away has interrupted it."""
        learn = partial(self.cycle.bootstrap, guarded=guarded)
        began, step = time.monotonic(), self.times.history_step
        first = max(down(start, step), self._learned_to + step)
        for at, until in spans(first, down(end, step), step, max(int(PART / step), 1)):
            window = await self.source.read(at, until, step)
            taught = teaching(self.cycle.people().silences.hidden(window), self.windows(), self.cycle.findings.open)
            await self.uncut.run(asyncio.to_thread(learn, taught))
            self._learned_to = until
            done = min(1.0, (until - start) / max(end - start, 1.0))
            self.progress = f"learning from history: {done:.0%}"
            self._log.info("learned from history", percent=round(100 * done), series=len(window.series))
        await self.uncut.run(asyncio.to_thread(self.cycle.settle))
        self._log.info("history is learned", seconds=round(time.monotonic() - began, 1))

    def muted(self, series: Series, now: float) -> Bools:
        """Which series are inside a maintenance window: bool [series]."""
        return muted(self.windows(), series, now)

    # ---- saving ----

    async def save_when_due(self) -> None:
        """Save the detectors when it is time to."""
        if not 0 <= self.last - self.saved_at < self.times.snapshot_every:
            await self.save()

    async def save(self) -> None:
        """Save the detectors, unless they are half learned or half changed: then the older snapshot is the better one."""
        if self.whole and not self.uncut.torn:
            await self.uncut.run(asyncio.to_thread(self._save, self.last))

    def _save(self, at: float) -> None:
        try:
            snapshot.save(self.path, self.cycle.arrays(), {"time": at, "fingerprint": self.fingerprint})
        except OSError as error:
            self._log.warning("detector state not saved, it will be tried again", reason=str(error))
            return
        self.saved_at = at
        self.metrics.snapshots.set_to_current_time()
