"""Reads signals from a Prometheus (or Thanos, Mimir, VictoriaMetrics) over its query API.

In: signals, times. Out: one `Window`; gaps stay NaN. Prometheus away is a SourceError; some signals unanswered, a limit reached or
a server that warns is a window marked partial; nothing there is an empty window.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from analyzer import promql
from analyzer.identity import Identity, display_names
from analyzer.ports import SourceError
from analyzer.records import Topology
from analyzer.signals import Matcher, Signal
from analyzer.sources.api import Api, RefusedError, TooLargeError
from analyzer.sources.observer import Observer, Silent
from analyzer.sources.registry import Part, Registry, place
from analyzer.sources.topology import TopologySettings, edges
from analyzer.window import Floats, Window

MOST_POINTS = 11_000  # per series and query, Prometheus's own limit
CHUNK_POINTS = 100_000  # per query over all series: some 3 MB of JSON, 30 ms to decode
MOST_COLUMNS = 1_000_000
GIVE_UP_AFTER = 2  # failures in a row without any answer: the rest would only wait for the same timeout


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """Where and how to read. Durations in seconds.

    Attributes
    ----------
    selector : matchers added to every declared metric.
    rate_window : None = max(60, 4 scrape intervals).
    timeout : of one request.
    max_bytes : of one answer; max_series : over all signals.
    """

    url: str
    selector: tuple[Matcher, ...] = ()
    scrape_interval: float = 15.0
    rate_window: float | None = None
    timeout: float = 10.0
    max_bytes: int = 64 << 20
    max_series: int = 20_000
    concurrency: int = 4
    identity: Identity = field(default_factory=Identity)
    topology: TopologySettings = field(default_factory=TopologySettings)


def live_window(scrape_interval: float) -> float:
    """The rate window that fits a scrape interval, seconds."""
    return max(60.0, 4 * scrape_interval)


class PrometheusSource:
    """`ports.Source` over the query API."""

    def __init__(
        self,
        settings: PrometheusSettings,
        signals: Sequence[Signal],
        session: aiohttp.ClientSession,
        *,
        observer: Observer | None = None,
    ) -> None:
        self._settings, self._signals = settings, tuple(signals)
        self._observer = observer or Silent()
        self._api = Api(
            settings.url,
            session,
            timeout=settings.timeout,
            max_bytes=settings.max_bytes,
            concurrency=settings.concurrency,
            observer=self._observer,
        )
        self._registry = Registry(settings.identity, settings.max_series, self._observer)
        self._reading = asyncio.Lock()
        self.rate_window = settings.rate_window or live_window(settings.scrape_interval)

    async def now(self) -> float:
        """Prometheus's clock, unix seconds."""
        return await self._api.clock()

    async def read(self, start: float, end: float, step: float, *, rate_window: float | None = None) -> Window:
        """All signals at start, start + step, … end.

        Without `rate_window`, a long read asks first how far apart the samples of that time are: rates over history that was
        stored at 60 s need a wider window than live ones (twice the distance, so that it smooths as little more as possible).
        """
        if not (np.isfinite([start, end, step]).all() and step > 0 and end >= start and (end - start) / step < MOST_COLUMNS):
            raise SourceError(f"cannot read from {start} to {end} in steps of {step}")
        times = np.round(start + step * np.arange(int((end - start) / step + 1e-6) + 1), 3)
        async with self._reading:  # one table of known series
            self._registry.begin()
            job = _Job(self._api, self._registry, self._settings, times, step)
            if rate_window is None and end - start > 10 * self.rate_window:
                await job.probe(self._signals, self.rate_window)
            asked = (job.signal(signal, rate_window or self.rate_window) for signal in self._signals)
            parts = [part for part in await asyncio.gather(*asked) if part is not None]
            return job.window(parts)

    async def topology(self, now: float) -> Topology:
        """Who depends on whom at that time; empty where no such series is."""
        where = self._settings.topology
        if not where.metric:
            return Topology()
        expr = promql.selector_text(where.metric, self._settings.selector)
        answer = await self._api.query(expr, at=now, key="topology")
        rows = Registry(self._settings.identity, self._settings.max_series, Silent()).part("topology", answer.metrics).rows
        return edges(self._settings.identity, where, (row[3] for row in rows))

    async def names(self, now: float) -> dict[str, str]:
        """Host -> the name that the machine gives itself, where `node_uname_info` is scraped."""
        answer = await self._api.query(promql.selector_text("node_uname_info", self._settings.selector), at=now, key="names")
        rows = Registry(self._settings.identity, self._settings.max_series, Silent()).part("names", answer.metrics).rows
        return display_names(self._settings.identity, (row[3] for row in rows))


class _Job:
    """One read: all signals at the same times."""

    def __init__(self, api: Api, registry: Registry, settings: PrometheusSettings, times: Floats, step: float) -> None:
        self._api, self._registry, self._settings = api, registry, settings
        self._times, self._step = times, step
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._answers = 0
        self._failures: list[SourceError] = []
        self._warnings: list[str] = []
        self._partial = False
        self._distance: tuple[Floats, Floats] | None = None  # times, seconds between samples around them

    async def probe(self, signals: Sequence[Signal], window: float) -> None:
        """How far apart stored samples are over the span, from a counter that the signals need."""
        metric = next((s.declaration.over.metrics[0] for s in signals if s.declaration and s.declaration.over.kind == "rate"), None)
        if metric is None:
            return
        start, end = float(self._times[0]), float(self._times[-1])
        span = 10 * window
        what = promql.selector_text(metric, self._settings.selector)
        expr = f"quantile(0.5, count_over_time({what}[{promql.duration(span)}]))"
        step = max((end - start) / 50, self._step)
        try:
            answer = await self._api.query_range(expr, start=start, end=end, step=step, key="resolution")
        except SourceError:
            return  # the signals themselves will tell
        if len(answer.values):
            self._distance = answer.times, span / np.maximum(np.nan_to_num(answer.values, nan=np.inf) - 1, 1)

    async def signal(self, signal: Signal, window: float) -> tuple[Part, Floats] | None:
        """Rows and values of one signal; None when it could not be had, which is noted."""
        try:
            async with self._slots:
                if len(self._failures) >= GIVE_UP_AFTER and not self._answers:
                    raise SourceError("not asked any more")
                found = await (self._instant(signal, window) if len(self._times) == 1 else self._range(signal, window))
        except SourceError as error:
            self._failures.append(error)
            self._warnings.append(f"{signal.alias}: {error}")
            self._partial |= not isinstance(error, RefusedError)
            return None
        self._answers += 1
        return found

    def window(self, parts: Sequence[tuple[Part, Floats]]) -> Window:
        """Everything together. Raises SourceError when nothing could be had."""
        if self._failures and not parts:
            raise self._failures[0]
        refused = self._registry.refused
        if refused:
            self._warnings.append(f"{refused} series beyond max_series ({self._settings.max_series}) left out")
        if not parts:
            return Window.empty(self._times)
        values = np.concatenate([values for _, values in parts])
        some = ~np.isnan(values).all(axis=1)  # 0 / 0 is an answer and no sample
        series = self._registry.series([part for part, _ in parts], some)
        shown = values if some.all() else values[some]
        return Window(series, self._times, shown, self._partial, tuple(dict.fromkeys(self._warnings)), refused)

    def _note(self, partial: bool, warnings: Sequence[str]) -> None:
        self._partial |= partial
        self._warnings += warnings

    async def _instant(self, signal: Signal, window: float) -> tuple[Part, Floats]:
        expr = promql.compile(signal, rate_window=window, selector=self._settings.selector)
        answer = await self._api.query(expr, at=float(self._times[0]), key=signal.alias)
        self._note(answer.partial, answer.warnings)
        part = self._registry.part(signal.alias, answer.metrics)
        values = answer.values[part.kept][:, None].copy()
        values[~np.isfinite(values)] = np.nan
        return part, values

    async def _range(self, signal: Signal, window: float) -> tuple[Part, Floats]:
        chunks: list[tuple[int, int, Part, Floats]] = []
        at, size, total = 0, 400, len(self._times)
        while at < total:
            times = self._times[at : at + size]
            expr = promql.compile(signal, rate_window=self._wide(times, window), selector=self._settings.selector)
            try:
                answer = await self._api.query_range(
                    expr, start=float(times[0]), end=float(times[-1]), step=self._step, key=signal.alias
                )
            except TooLargeError:
                if len(times) == 1:
                    raise
                size = len(times) // 2
                continue
            self._note(answer.partial, answer.warnings)
            part = self._registry.part(signal.alias, answer.metrics)
            chunks.append((at, at + len(times), part, place((len(part.rows), len(times)), part, answer, times, self._step)))
            at += len(times)
            size = min(max(CHUNK_POINTS // max(len(answer.metrics), 1), 1), MOST_POINTS, 2 * size)
        return _joined(chunks, total)

    def _wide(self, times: Floats, window: float) -> float:
        if self._distance is None:
            return window
        at, apart = self._distance
        near = apart[(at >= times[0] - 10 * window) & (at <= times[-1] + 10 * window)]
        # not the largest: where samples begin or resume, a count over what went before is too low
        return max(window, float(np.ceil(2 * np.quantile(near, 0.75)))) if len(near) else window


def _joined(chunks: Sequence[tuple[int, int, Part, Floats]], total: int) -> tuple[Part, Floats]:
    """Consecutive answers of one signal as one; a series may be in some of them only."""
    if all(part is chunks[0][2] for _, _, part, _ in chunks):
        return chunks[0][2], np.concatenate([values for _, _, _, values in chunks], axis=1)
    rows = {row[3]: row for _, _, part, _ in chunks for row in part.rows}
    position = {labels: i for i, labels in enumerate(rows)}
    values = np.full((len(rows), total), np.nan)
    for begin, end, part, some in chunks:
        values[[position[row[3]] for row in part.rows], begin:end] = some
    return Part([], list(rows.values()), np.arange(len(rows))), values
