"""A span of the past through the live code: history learned, then every column judged, by one configuration or by two at once.

In: sources of samples, cycles, a `Span`. Out: each side's recorder has heard every report. Bounded memory: an hour of columns, or a
day of history, at a time, the next part read while one is worked on. Nothing is written.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np

from analyzer.backtest.outcome import Recorder
from analyzer.backtest.spells import Presence, Told
from analyzer.intake import Watch, down, filled, spans, teaching
from analyzer.maintenance import Window as MaintenanceWindow
from analyzer.maintenance import muted
from analyzer.pipeline import Cycle
from analyzer.ports import Source, SourceError
from analyzer.records import Topology
from analyzer.window import Bools, Series, Window

HISTORY_PART = 86400.0  # of history that is read at once, as the service does
PART = 3600.0  # of the span that is read at once; who depends on whom is asked as often
MOST_COLUMNS = 240
TRIES = (1.0, 4.0)  # seconds to wait before asking again a source that did not answer
TELLING = 86400.0  # of what else is read (alerts of rules, the fleet's truth) at once
LEAST_GAP = 60.0


@dataclass(frozen=True, slots=True)
class Span:
    """What is judged and what is learned before. Unix seconds; `start` and `end` are the first and the last column."""

    start: float
    end: float
    step: float
    history: float
    history_step: float

    @property
    def columns(self) -> int:
        """How many columns will be judged."""
        return int((self.end - self.start) / self.step + 1e-6) + 1


@dataclass(slots=True)
class Side:
    """One configuration at work.

    Attributes
    ----------
    shared : signals whose samples are those of the first source; None = all of them. own : reads the others; None = there are none.
    windows : maintenance. learned : columns of history that held samples.
    """

    cycle: Cycle
    recorder: Recorder
    windows: Sequence[MaintenanceWindow] = ()
    shared: frozenset[str] | None = None
    own: Source | None = None
    watch: Watch = field(default_factory=Watch)
    learned: int = 0

    def muted(self, series: Series, now: float) -> Bools:
        """Which series are inside a maintenance window: bool [series]."""
        return muted(self.windows, series, now)

    def learn(self, history: Window) -> None:
        """Take a part of history."""
        self.learned += int(np.isfinite(history.values).any(axis=0).sum())
        self.cycle.bootstrap(teaching(self.cycle.people().silences.hidden(history), self.windows, {}))

    def judge(self, window: Window, topology: Topology, stopped: Callable[[], bool]) -> None:
        """Every column that holds samples, as the service would at its time."""
        for column in filled(window):
            if stopped():
                return
            for report in self.cycle.run(self.watch.check(column), topology=topology, muted=self.muted):
                self.recorder.take(report)


Progress = Callable[[str, float], None]  # phase ("learn" or "judge"), share done 0..1


class Past:
    """Reads once, judges once a side.

    Parameters
    ----------
    progress : hears how far it is. stopped : asked between columns; True ends the judging early.

    Attributes
    ----------
    judged_to : the last column that every side was asked to judge. warnings : what the source said, each once, in how many reads.
    topology : the newest that was read.
    """

    def __init__(
        self, source: Source, sides: Sequence[Side], span: Span, *, progress: Progress, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.source, self.sides, self.span = source, list(sides), span
        self.progress, self.stopped = progress, stopped
        self.judged_to = span.start - span.step
        self.warnings: dict[str, int] = {}
        self.topology = Topology()

    async def learn(self) -> None:
        """Teach every side the history before the span. Raises SourceError."""
        span, step = self.span, self.span.history_step
        first, last = down(span.start - span.history, step), down(span.start - span.step, step)
        parts = list(spans(first, last, step, max(int(HISTORY_PART / step), 1))) if last >= first else []
        async with aclosing(self._reads(parts, step)) as reads:
            async for until, windows in reads:
                for side, window in zip(self.sides, windows, strict=True):
                    await asyncio.to_thread(side.learn, window)
                self.progress("learn", (until - first) / max(last - first, step))

    async def judge(self) -> None:
        """Judge the span, column by column. Raises SourceError, after which what was judged until then still stands."""
        span = self.span
        most = int(min(max(PART / span.step, 1), MOST_COLUMNS))
        try:
            async with aclosing(self._reads(list(spans(span.start, span.end, span.step, most)), span.step)) as reads:
                async for until, windows in reads:
                    self.topology = await self._topology(float(windows[0].times[0]))
                    for side, window in zip(self.sides, windows, strict=True):
                        await asyncio.to_thread(side.judge, window, self.topology, self.stopped)
                    if not self.stopped():
                        self.judged_to = until
                        self.progress("judge", (until - span.start) / max(span.end - span.start, span.step))
        finally:
            self.judged_to = max(self.judged_to, min(side.recorder.last for side in self.sides))

    async def _reads(self, parts: list[tuple[float, float]], step: float) -> AsyncGenerator[tuple[float, list[Window]]]:
        """(end, one window a side) of each part; the next part is on its way while one is worked on."""
        coming = asyncio.create_task(self._read(*parts[0], step)) if parts else None
        try:
            for at, (_, until) in enumerate(parts):
                if coming is None or self.stopped():
                    return
                windows = await coming
                coming = asyncio.create_task(self._read(*parts[at + 1], step)) if at + 1 < len(parts) else None
                yield until, windows
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _read(self, first: float, last: float, step: float) -> list[Window]:
        """One window a side: what is shared is read once."""
        whole = await self._asked(self.source, first, last, step)
        windows = []
        for side in self.sides:
            mine = whole if side.shared is None else chosen(whole, side.shared)
            windows.append(mine if side.own is None else joined(mine, await self._asked(side.own, first, last, step)))
        return windows

    async def _asked(self, source: Source, first: float, last: float, step: float) -> Window:
        """One read, tried again where the source does not answer."""
        for wait in (*TRIES, None):
            try:
                window = await source.read(first, last, step)
                break
            except SourceError:
                if wait is None or self.stopped():
                    raise
                await asyncio.sleep(wait)
        for warning in window.warnings:
            self.warnings[warning] = self.warnings.get(warning, 0) + 1
        return window

    async def _topology(self, now: float) -> Topology:
        """Who depended on whom; the last one where it could not be read, as in the service."""
        try:
            return await self.source.topology(now)
        except SourceError as error:
            said = f"topology: {error}"
            self.warnings[said] = self.warnings.get(said, 0) + 1
            return self.topology


def chosen(window: Window, signals: frozenset[str]) -> Window:
    """The rows of some signals."""
    if signals >= set(window.series.signals):
        return window
    wanted = np.array([s in signals for s in window.series.signals], bool)
    rows = np.flatnonzero(wanted[window.series.signal]) if len(window.series) else np.zeros(0, np.int64)
    return replace(window, series=Series.build(_rows(window.series.take(rows))), values=window.values[rows])


def joined(one: Window, other: Window) -> Window:
    """Two windows of the same times as one."""
    series = Series.build([*_rows(one.series), *_rows(other.series)])
    return Window(
        series,
        one.times,
        np.concatenate([one.values, other.values]),
        one.partial or other.partial,
        tuple(dict.fromkeys((*one.warnings, *other.warnings))),
        one.refused + other.refused,
    )


def _rows(series: Series) -> Iterable[tuple[str, str, str, tuple[tuple[str, str], ...]]]:
    return ((*series.key(i)[:1], series.host_of(i), series.role_of(i), series.labels[i]) for i in range(len(series)))


async def told(source: Source, span: Span, until: float) -> list[Told]:
    """When each series of a source was there between the span's start and `until`. Raises SourceError."""
    presence = Presence(max(2.5 * span.step, LEAST_GAP))
    for first, last in spans(span.start, max(until, span.start), span.step, max(int(TELLING / span.step), 1)):
        presence.take(await source.read(first, last, span.step))
    return presence.told()
