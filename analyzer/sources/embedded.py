"""Scrapes exposition text itself and evaluates declared signals, where there is no Prometheus.

In: targets by hand or by HTTP SD. Out: the same `Window`s that Prometheus would give, over what was scraped since the start
(nothing older is known). A target that does not answer has `up` 0; nobody to ask at all is a SourceError.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import numpy as np

from analyzer import exposition
from analyzer.evaluate import Plan, Wanted
from analyzer.identity import Identity, display_names
from analyzer.ports import SourceError
from analyzer.records import Topology
from analyzer.signals import Signal
from analyzer.sources.decode import plain
from analyzer.sources.observer import Observer, Silent
from analyzer.sources.prometheus import MOST_COLUMNS, live_window
from analyzer.sources.ring import Ring
from analyzer.sources.targets import Target, discovered, with_target
from analyzer.sources.topology import TopologySettings, edges
from analyzer.window import Floats, Ints, Labels, Window

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1,*/*;q=0.1"
HEADS = 50_000  # remembered beginnings of lines a target; a page that keeps changing them starts over


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """What to scrape and how. Durations in seconds, sizes in bytes.

    Attributes
    ----------
    keep : how much raw history is held.
    max_bytes : of one page; max_series : raw series over all targets.
    """

    sd_urls: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    scrape_interval: float = 15.0
    rate_window: float | None = None
    timeout: float = 10.0
    keep: float = 900.0
    max_bytes: int = 16 << 20
    max_series: int = 100_000
    max_targets: int = 5_000
    concurrency: int = 16
    identity: Identity = field(default_factory=Identity)
    topology: TopologySettings = field(default_factory=TopologySettings)


@dataclass(slots=True)
class _Known:
    """What is remembered of a target: row numbers by the beginning of a line."""

    heads: dict[bytes, int]
    generation: int


class EmbeddedSource:
    """`ports.Source` that is its own scraper. `start` begins scraping, `close` ends it; reading starts it if nobody did."""

    def __init__(
        self,
        settings: EmbeddedSettings,
        signals: Sequence[Signal],
        session: aiohttp.ClientSession,
        *,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._session, self._clock = settings, session, clock
        self._signals = tuple(signal for signal in signals if signal.declaration is not None)
        self._wanted = Wanted(self._signals, also=("node_uname_info", settings.topology.metric))
        self._unable = tuple(f"{s.alias}: PromQL needs a Prometheus" for s in signals if s.declaration is None)
        self._observer = observer or Silent()
        self._ring = Ring(int(settings.keep / settings.scrape_interval) + 1, settings.max_series)
        self._plan: tuple[int, Plan] | None = None
        self._known: dict[Target, _Known] = {}
        self._found: dict[str, tuple[Target, ...]] = {}
        self._troubles: dict[str, str] = {}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._timeout = aiohttp.ClientTimeout(total=min(settings.timeout, settings.scrape_interval))
        self._answered = 0  # targets, in the newest round
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self.rate_window = settings.rate_window or live_window(settings.scrape_interval)

    # ---- the source ----

    async def now(self) -> float:
        """This machine's clock: there is no other."""
        return self._clock()

    async def read(self, start: float, end: float, step: float, *, rate_window: float | None = None) -> Window:
        """All declared signals at start, start + step, … end, as far as they were scraped."""
        if not (np.isfinite([start, end, step]).all() and step > 0 and end >= start and (end - start) / step < MOST_COLUMNS):
            raise SourceError(f"cannot read from {start} to {end} in steps of {step}")
        self.start()
        await self._first.wait()
        self._check_fresh()
        times = np.round(start + step * np.arange(int((end - start) / step + 1e-6) + 1), 3)
        raw = self._ring.raw()
        if self._plan is None or self._plan[0] != self._ring.version:
            self._plan = self._ring.version, Plan.build(self._signals, raw.names, raw.labels, self._settings.identity)
        window = self._plan[1].run(raw.times, raw.values, times, rate_window=rate_window or self.rate_window)
        refused = self._ring.refused
        over = [f"{refused} raw series beyond max_series ({self._settings.max_series}) left out"] if refused else []
        cut = self._answered == 0 and len(self._targets()) > 1
        partial = ["no target answers; the way to them may be cut"] if cut else []
        troubles = [f"{url}: {trouble}" for url, trouble in self._troubles.items()]
        return Window(window.series, times, window.values, bool(partial), (*self._unable, *troubles, *over, *partial), refused)

    async def topology(self, now: float) -> Topology:
        """Who depends on whom, by the newest scrape."""
        where = self._settings.topology
        return edges(self._settings.identity, where, self._ring.present(where.metric))

    async def names(self, now: float) -> dict[str, str]:
        """Host -> the name that the machine gives itself."""
        return display_names(self._settings.identity, self._ring.present("node_uname_info"))

    def _check_fresh(self) -> None:
        old = self._clock() - self._ring.newest
        if not self._targets():
            raise SourceError("; ".join(f"{u}: {t}" for u, t in self._troubles.items()) or "there is nothing to scrape yet")
        if old > max(4 * self._settings.scrape_interval, 60.0):
            raise SourceError(f"the newest scrape is {old:.0f} s old")

    # ---- scraping ----

    def start(self) -> None:
        """Begin to scrape in the background; once is enough."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="scrape")

    async def close(self) -> None:
        """End scraping."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.scrape(self._clock())
            except Exception as error:  # noqa: BLE001 one odd page must not end all scraping; reads say that scrapes are old
                self._troubles["scrape"] = plain(repr(error))
                self._first.set()
            await asyncio.sleep(self._until_next(self._clock()))

    def _until_next(self, now: float) -> float:
        """Seconds to the next round: shortly before a multiple of the interval, so that an evaluation on it sees it whole."""
        every = self._settings.scrape_interval
        return float(max(every - (now + min(2.0, every / 4)) % every, 0.05))

    async def scrape(self, now: float) -> None:
        """One round over all targets, stamped `now`."""
        await asyncio.gather(*(self._discover(url) for url in self._settings.sd_urls))
        targets = self._targets()
        self._ring.refused = self._answered = 0
        self._ring.make_room()
        self._known = {target: known for target in targets if (known := self._known.get(target)) is not None}
        pages = await asyncio.gather(*(self._visit(target) for target in targets))
        if targets:
            self._ring.push(now, np.concatenate([rows for rows, _ in pages]), np.concatenate([values for _, values in pages]))
        for reason, count in (("series_limit", self._ring.refused), ("series_evicted", self._ring.evicted)):
            if count:
                self._observer.dropped(reason=reason, count=count)
        self._ring.evicted = 0
        self._first.set()

    def _targets(self) -> tuple[Target, ...]:
        found = dict.fromkeys(self._settings.targets)
        for targets in self._found.values():
            found |= dict.fromkeys(targets)
        return tuple(found)[: self._settings.max_targets]

    async def _discover(self, url: str) -> None:
        """Targets of one SD address; when it does not answer, those that it named last are kept."""
        try:
            self._found[url] = tuple(discovered(await self._get(url, "sd", "application/json")))
            self._troubles.pop(url, None)
        except (SourceError, ValueError) as error:
            self._troubles[url] = plain(str(error))

    async def _visit(self, target: Target) -> tuple[Ints, Floats]:
        """Rows and values of one target; only its `up` when it does not answer."""
        try:
            page = await self._get(target.url, "scrape", ACCEPT)
        except SourceError:
            return self._with_up(target, None)
        return self._with_up(target, self._scan(target, page))

    async def _get(self, url: str, key: str, accept: str) -> bytes:
        began, code, size = time.perf_counter(), "error", 0
        try:
            async with (
                self._slots,
                self._session.get(url, headers={"Accept": accept}, timeout=self._timeout, allow_redirects=False) as reply,
            ):
                code = str(reply.status)
                if reply.status != 200:
                    raise SourceError(f"answers {reply.status}")
                parts = []
                async for part in reply.content.iter_any():
                    size += len(part)
                    if size > self._settings.max_bytes:
                        self._observer.dropped(reason="body_limit", count=1)
                        raise SourceError(f"the answer is larger than {self._settings.max_bytes} bytes")
                    parts.append(part)
                return b"".join(parts)
        except TimeoutError as error:
            raise SourceError(f"no answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:  # RuntimeError: session closed by a reload
            raise SourceError(plain(str(error)) or type(error).__name__) from error
        finally:
            self._observer.request(query_key=key, code=code, seconds=time.perf_counter() - began, received_bytes=size)

    def _scan(self, target: Target, page: bytes) -> exposition.Scraped | None:
        """What a page held; None when it held nothing but lines that are not understood, such as a web page."""

        def admit(name: str, own: Labels) -> int:
            labels = with_target(own, target.labels)
            return self._ring.row(name, labels) if self._wanted(name, dict(labels)) else exposition.UNWANTED

        began = time.perf_counter()
        found = exposition.scan(page, self._memory(target).heads, admit, self._wanted.metrics)
        spent, count = time.perf_counter() - began, len(found.rows)
        self._observer.parsed(query_key="scrape", seconds=spent, timeseries=count, datapoints=count)
        if found.bad:
            self._observer.dropped(reason="bad_line", count=found.bad)
        return found if count or not found.bad else None

    def _memory(self, target: Target) -> _Known:
        known = self._known.get(target)
        if known is None or known.generation != self._ring.generation or len(known.heads) > HEADS:
            known = self._known[target] = _Known({}, self._ring.generation)
        return known

    def _with_up(self, target: Target, found: exposition.Scraped | None) -> tuple[Ints, Floats]:
        up = self._ring.row("up", target.labels)
        self._answered += found is not None
        rows, values = (found.rows, found.values) if found is not None else (np.zeros(0, np.int64), np.zeros(0))
        return (np.append(rows, up), np.append(values, float(found is not None))) if up >= 0 else (rows, values)
