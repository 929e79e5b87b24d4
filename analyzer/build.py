"""Config -> a working analyzer: the only place where everything meets everything.

A reload builds a second set of parts beside the running one and swaps them when it stands; what cannot be built leaves the old one
at work. The store, the metrics and the listening sockets live as long as the process.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from analyzer.config import Config, Endpoint
from analyzer.derived import DerivedSettings, Deriver
from analyzer.detect.engine import Engine
from analyzer.detect.settings import DetectionSettings
from analyzer.explain.engine import LocalExplainer
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.identity import Identity
from analyzer.inbox import Inbox
from analyzer.incidents import Incidents
from analyzer.people import People
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.ports import Sink, Source
from analyzer.records import Report
from analyzer.resume import Resume, Times
from analyzer.runner import Runner
from analyzer.selfmetrics import SelfMetrics
from analyzer.signals import Signal, parse_matchers
from analyzer.sinks.alertmanager import AlertmanagerSink, AlertSettings, AlertTexts, Target
from analyzer.sinks.exposition import Renderer
from analyzer.sinks.remote_write import RemoteWrite, WriteSettings
from analyzer.sinks.silences import SilenceReader
from analyzer.sinks.spool import Spool
from analyzer.sources.embedded import EmbeddedSettings, EmbeddedSource
from analyzer.sources.observer import Observer
from analyzer.sources.prometheus import PrometheusSettings, PrometheusSource
from analyzer.sources.targets import static_target
from analyzer.sources.topology import TopologySettings
from analyzer.store import Store
from analyzer.verdicts import Verdicts
from service import logs
from service.httpclient import HttpConfig, make_session

SNAPSHOT = "detectors.npz"
SILENCES_EVERY = 30.0  # seconds
RUNBOOKS = "https://github.com/openmanager/openmanager/blob/main/docs/runbooks.md"


def utc_offset(zone: str, now: float) -> float:
    """Seconds that a zone is ahead of UTC now."""
    offset = datetime.fromtimestamp(now, ZoneInfo(zone)).utcoffset()
    return offset.total_seconds() if offset else 0.0


def detection_settings(config: Config, now: float) -> DetectionSettings:
    """The configured budget and zone on top of the shipped settings."""
    chosen: dict[str, Any] = {
        "utc_offset_seconds": utc_offset(config.timezone, now),
        "ready_seconds": config.detection.ready_after,
        "promote_seconds": config.detection.new_normal_after,
        "max_series": 2 * config.reader.max_series,  # those that are read, and as many that went away within the day
    }
    if config.detection.false_alarms_per_week is not None:
        chosen["false_alarms_per_host_week"] = config.detection.false_alarms_per_week
    return DetectionSettings(**chosen)


def policy_of(config: Config) -> Policy:
    """The configured times on top of the shipped policy."""
    shipped = Policy()
    hold = config.alerting.hold
    return Policy(
        hold=hold,
        sharp_hold=min(shipped.sharp_hold, hold),
        resolve_after=config.alerting.resolve_after,
        quiet_after=min(shipped.quiet_after, config.alerting.resolve_after),
        limit_within=min(shipped.limit_within, config.forecast.limit_within),
    )


def times_of(config: Config) -> Times:
    """How often, and how far back."""
    reader = config.reader
    return Times(
        interval=reader.interval,
        history=reader.history,
        history_step=reader.history_step,
        judge_last=reader.judge_last,
        snapshot_every=config.state.snapshot_every,
    )


def identity_of(config: Config) -> Identity:
    """How labels name a server."""
    return Identity(config.identity.labels, config.identity.strip_port, config.identity.role_label)


def prometheus_source(config: Config, signals: Sequence[Signal], session: Any, observer: Observer) -> PrometheusSource:
    """These signals, read from the configured Prometheus within the configured limits."""
    reader = config.reader
    settings = PrometheusSettings(
        reader.url,
        selector=parse_matchers(reader.selector) if reader.selector else (),
        scrape_interval=reader.scrape_interval,
        timeout=reader.timeout,
        max_bytes=reader.max_bytes,
        max_series=reader.max_series,
        concurrency=reader.concurrency,
        identity=identity_of(config),
        topology=TopologySettings(**reader.topology),
    )
    return PrometheusSource(settings, signals, session, observer=observer)


def make_explainer(config: Config) -> LocalExplainer:
    """Words in the configured languages and zone, with the user's own knowledge. Raises ValueError for knowledge that is none."""
    knowledge = Path(config.explanation.knowledge) if config.explanation.knowledge else None
    return LocalExplainer(config.explanation.languages, ZoneInfo(config.timezone), knowledge)


def make_cycle(config: Config, now: float, explainer: LocalExplainer | None) -> Cycle:
    """The pipeline, empty. Without an explainer, incidents have no words."""
    signals = {s.alias: s for s in config.reader.signals}
    policy, settings = policy_of(config), detection_settings(config, now)
    return Cycle(
        signals,
        engine=Engine(signals, settings, config.detection.seed),
        forecaster=Forecaster(signals, utc_offset_seconds=settings.utc_offset_seconds, max_series=settings.max_series),
        findings=Findings(signals, policy),
        incidents=Incidents(signals, policy),
        explainer=explainer,
        horizons=config.forecast.horizons,
        forecast_every=config.forecast.every,
        utc_offset=lambda at: utc_offset(config.timezone, at),
    )


def fingerprint(config: Config) -> str:
    """Changes when saved detector state no longer fits: what is watched, how it is named, or what hour it is there has changed."""
    parts = (config.reader.signals, config.reader.selector, config.identity, config.timezone)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Counting:
    """Wires the source's observer and the sinks' counts to our metrics."""

    metrics: SelfMetrics

    def request(self, *, query_key: str, code: str, seconds: float, received_bytes: int) -> None:
        """One request to the source ended."""
        self.metrics.reader_seconds.observe(seconds)
        self.metrics.reader_responses.labels(code).inc()
        self.metrics.reader_bytes.inc(received_bytes)

    def parsed(self, *, query_key: str, seconds: float, timeseries: int, datapoints: int) -> None:
        """One answer of the source was read."""
        self.metrics.reader_parsing.observe(seconds)
        self.metrics.reader_series.labels(query_key).inc(timeseries)
        self.metrics.reader_points.labels(query_key).inc(datapoints)

    def dropped(self, *, reason: str, count: int) -> None:
        """Series that were not taken in."""
        self.metrics.reader_dropped.labels(reason).inc(count)

    def wrote(self, what: str, reason: str, n: int) -> None:
        """What became of derived samples."""
        if what == "sent":
            self.metrics.writer_sent.inc(n)
        elif what == "dropped":
            self.metrics.writer_refused.labels(reason).inc(n)
        elif what == "post":
            self.metrics.writer_responses.labels(reason).inc(n)

    def alerted(self, what: str, reason: str, n: int) -> None:
        """What became of alerts."""
        self.metrics.alerts_sent.labels(f"{what}_{reason}" if reason else what).inc(n)


class Derived:
    """Keeps the newest derived series as text, for scraping where remote write is not open."""

    name = "derived"

    def __init__(self, settings: DerivedSettings) -> None:
        self._deriver, self._renderer = Deriver(settings), Renderer()

    async def put(self, report: Report) -> None:
        """Derive."""
        self._deriver.series_of(report)

    def exposition(self) -> bytes:
        """The newest series."""
        return self._renderer.render(self._deriver.newest())


def waiting(spool: Spool) -> int:
    """Samples that wait in a queue that another thread may be changing at this moment."""
    for _ in range(8):
        with contextlib.suppress(RuntimeError):  # a deque that changes while it is counted
            return spool.samples
    return 0


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class Analyzer:
    """Everything one configuration stands for. `start` it, use `runner`, `close` it."""

    def __init__(
        self,
        config: Config,
        store: Store,
        metrics: SelfMetrics,
        clock: Callable[[], float],
        declared: Callable[[], Iterable[Any]],
        *,
        verdicts: Callable[[], Verdicts] = Verdicts,
    ) -> None:
        self.config, self.store, self.metrics, self._clock, self._declared = config, store, metrics, clock, declared
        self.counting = Counting(metrics)
        self.explainer = make_explainer(config)
        self.cycle = make_cycle(config, clock(), self.explainer)
        self._stack = AsyncExitStack()  # what the ends below need until the last of them is done
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self._log = logs.get("build")
        self.source: Source
        self.runner: Runner
        self.alerts: AlertmanagerSink
        self.silences: SilenceReader
        self._verdicts = verdicts
        self.writer: RemoteWrite | None = None
        self.derived: Derived | None = None
        self.inbox: Inbox
        self._set_skew: Callable[[float], None] = lambda skew: None

    async def start(self) -> None:
        """Open sessions, start the sinks, prepare the runner's parts; nothing is read yet."""
        config = self.config
        self.source = await self._make_source()
        self.alerts, self.silences = await self._make_alerts()
        silences, verdicts = self.silences, self._verdicts
        self.cycle.people = lambda: People(silences.current, verdicts())
        sinks: list[Sink] = [self.alerts, *await self._make_writer()]
        resume = Resume(
            source=self.source,
            cycle=self.cycle,
            store=self.store,
            metrics=self.metrics,
            path=Path(config.state.directory) / SNAPSHOT,
            times=times_of(config),
            windows=self._windows,
            fingerprint=fingerprint(config),
        )
        self.runner = Runner(
            resume=resume,
            sinks=sinks,
            store=self.store,
            metrics=self.metrics,
            self_alerts=self.alerts,
            set_skew=self._set_skew,
            wall=self._clock,
        )
        companions = self.alerts if config.alerting.explain_companions else None
        self.inbox = Inbox(self.store, self.explainer, lambda: self.runner.board, companions)
        worker = asyncio.create_task(self.inbox.run(), name="inbox")
        self._ends.append(lambda: _end(worker))
        writer = self.writer
        self.metrics.ask_writer(lambda: waiting(writer.spool) if writer else 0, lambda: writer.queue_age if writer else 0.0)

    async def close(self) -> None:
        """Stop the sinks (what they could not send waits on disk) and close every session. Takes as long as the slowest sink."""
        ends = await asyncio.gather(*(end() for end in self._ends), return_exceptions=True)
        self._ends.clear()
        for error in ends:
            if isinstance(error, BaseException):
                self._log.error("a part did not end well", reason=repr(error))
        await self._stack.aclose()

    def _windows(self) -> Iterable[Any]:
        return (*self.config.alerting.maintenance, *self._declared())

    async def _session(self, http: Any) -> Any:
        return await self._stack.enter_async_context(make_session(HttpConfig.parse(http)))

    async def _make_source(self) -> Source:
        reader = self.config.reader
        session = await self._session(reader.http)
        if reader.source == "embedded":
            settings = EmbeddedSettings(
                sd_urls=reader.sd_urls,
                targets=tuple(static_target(url, labels) for url, labels in reader.targets),
                scrape_interval=reader.scrape_interval,
                timeout=reader.timeout,
                max_series=reader.max_series,
                identity=identity_of(self.config),
                topology=TopologySettings(**reader.topology),
            )
            source = EmbeddedSource(settings, reader.signals, session, observer=self.counting)
            source.start()
            self._ends.append(source.close)
            return source
        return prometheus_source(self.config, reader.signals, session, self.counting)

    async def _make_alerts(self) -> tuple[AlertmanagerSink, SilenceReader]:
        config = self.config
        targets = [await self._target(endpoint) for endpoint in config.alerting.alertmanagers]
        texts = AlertTexts(
            external_url=config.external_url or "http://localhost:10181",
            runbook_base=config.alerting.runbook_base or RUNBOOKS,
            dashboard_base=config.alerting.dashboard_base,
            identity=config.identity.labels,
        )
        settings = AlertSettings(mode=config.alerting.mode, cycle=config.reader.interval, resend=min(config.alerting.resend, 60.0))
        sink = AlertmanagerSink(targets, self.store, settings=settings, texts=texts, count=self.counting.alerted)
        self._ends.append(sink.close)
        await sink.start()
        reader = SilenceReader(
            targets if config.alerting.silences else (), config.identity.labels, every=SILENCES_EVERY, count=self.metrics.silences
        )
        self._ends.append(reader.close)
        await reader.start()
        return sink, reader

    async def _target(self, endpoint: Endpoint) -> Target:
        return Target(endpoint.url, await self._session(endpoint.http))

    async def _make_writer(self) -> list[Sink]:
        writer = self.config.writer
        derived = DerivedSettings(
            name=f"{writer.prefix}$VAR", identity=self.config.identity.labels, max_written_series=writer.max_written_series
        )
        if writer.mode == "scrape":
            self.derived = Derived(derived)
            return [self.derived]
        if writer.mode == "off":
            return []
        spool = Spool(Path(self.config.state.directory) / "spool", max_bytes=writer.queue_bytes, max_age=writer.queue_age)
        writes_to_source = self.config.reader.source == "prometheus" and writer.url.startswith(self.config.reader.url)
        made = RemoteWrite(
            writer.url,
            await self._session(writer.http),
            deriver=Deriver(derived),
            spool=spool,
            settings=WriteSettings(max_age=writer.queue_age),
            server_time=self.source.now if writes_to_source else None,
            count=self.counting.wrote,
        )
        self._ends.append(made.close)
        self.writer = made
        if writes_to_source:
            self._set_skew = made.set_skew
        await made.start()
        return [made]

    def exposition(self) -> bytes:
        """The newest derived series as text, whichever sink has them."""
        holder = self.derived or self.writer
        return holder.exposition() if holder else b""
