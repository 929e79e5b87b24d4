"""Incidents as alerts in every Alertmanager.

In: reports. Out: `POST /api/v2/alerts`, one alert an incident. What is to be sent is stored before it is sent, so that a restart
goes on with the same labels and start. A heartbeat of its own sends firing alerts again within a minute whatever the cycles do,
with an end four intervals ahead on Alertmanager's clock, so that neither a skipped cycle nor a jump of our clock resolves one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import aiohttp
import structlog

from analyzer.derived import LABEL_NAME
from analyzer.records import Report
from analyzer.sinks.alerts import Alert, AlertTexts, generator_url
from analyzer.sinks.backoff import Backoff
from analyzer.sinks.clock import ServerClock
from analyzer.sinks.escape import alert_label, annotation
from analyzer.sinks.outbox import COMPANION, SELF, AlertStore, Outbox
from service.logs import escape

log = structlog.get_logger("analyzer.sinks.alertmanager")
__all__ = ["AlertSettings", "AlertTexts", "AlertmanagerSink", "Target", "generator_url"]

Mode = Literal["off", "observe", "on"]
MOST_ALERTS: Final = 500  # in one request
LAST_SEND: Final = 2.0  # seconds that a shutdown has for it
TEXTS: Final = AlertTexts()
BACKOFF: Final = Backoff(first=1.0, longest=30.0)


@dataclass(frozen=True, slots=True)
class Target:
    """One Alertmanager: base address, and the session that carries its credentials."""

    url: str
    session: aiohttp.ClientSession


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """How alerts are sent. Times in seconds.

    Attributes
    ----------
    mode : off; observe (posts nothing, counts what it would have); on.
    cycle : how often reports come. resend : how often firing alerts are sent again, at most a minute.
    resolved_for : how long resolved ones are. orphan_after : see `Outbox`. timeout : for one request.
    self_labels : who we are in alerts about ourselves.
    """

    mode: Mode = "observe"
    cycle: float = 60.0
    resend: float = 60.0
    resolved_for: float = 900.0
    orphan_after: float = 1800.0
    timeout: float = 10.0
    self_labels: Mapping[str, str] = field(default_factory=lambda: {"job": "openmanager-analyzer"})

    @property
    def heartbeat(self) -> float:
        """Seconds between two sends; a little less than asked for, so that "within a minute" holds."""
        return 0.9 * min(self.resend, 60.0)

    @property
    def ahead(self) -> float:
        """Seconds by which `endsAt` lies ahead."""
        return 4.0 * max(self.cycle, min(self.resend, 60.0))


class AlertmanagerSink:
    """A sink that keeps Alertmanagers told. `start` it, `put` reports, `close` it.

    Parameters
    ----------
    targets : every Alertmanager; each gets every alert, they deduplicate among themselves.
    store : where alerts survive us; analyzer.store.Store is one.
    count : called with (what, reason, n): "observed", "post" by status, "refused", "store_failed".
    """

    name = "alertmanager"

    def __init__(
        self,
        targets: Sequence[Target],
        store: AlertStore,
        *,
        settings: AlertSettings = AlertSettings(),
        texts: AlertTexts = TEXTS,
        backoff: Backoff = BACKOFF,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        count: Callable[[str, str, int], None] = lambda what, reason, n: None,
    ) -> None:
        self.settings = settings
        self.counts: Counter[tuple[str, str]] = Counter()
        self.problems: dict[str, str] = {}
        self._targets, self._store, self._backoff, self._count = targets, store, backoff, count
        self._clock, self._monotonic, self._sleep = clock, monotonic, sleep
        self._clocks = [ServerClock(clock, monotonic, fresh=2 * settings.heartbeat) for _ in targets]
        self._texts = texts
        self._outbox = Outbox(texts, resolved_for=settings.resolved_for, orphan_after=settings.orphan_after)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loaded = False
        self._observed: set[str] = set()

    async def start(self) -> None:
        """Take over what an earlier run left and begin to send."""
        await self._load()
        if self._task is None and self.settings.mode == "on":
            self._task = asyncio.create_task(self._run(), name="alertmanager")

    async def close(self) -> None:
        """Send once more and stop. Alerts stay in the store and go on firing in Alertmanager until their end passes."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SEND):  # what has just changed, and for the rest the longest time until we are back
                await self.send()

    async def put(self, report: Report) -> None:
        """Take one report: store what began, ended or was superseded, then have it sent at once."""
        if self.settings.mode == "observe":
            paging = {f"{i.id}.{i.revision}" for i in report.board.incidents if i.state == "open" and i.pages}
            self._tally("observed", "", len(paging - self._observed))
            self._observed = paging
        if self.settings.mode != "on":
            return
        await self._load()
        await self._changed(self._outbox.take(report, self._now(report.time), await self._ended(report)))

    async def companion(self, labels: Mapping[str, str], fingerprint: str, annotations: Mapping[str, str], starts: float) -> None:
        """Post an explanation beside someone else's alert, as `<alertname>Explained` with its labels. Never for one of our own."""
        if self.settings.mode != "on" or "explains" in labels or labels.get("source") == "openmanager":
            return
        await self._load()
        name = f"{labels.get('alertname', 'Alert')}Explained"
        pairs = {**labels, "alertname": name, "explains": fingerprint}
        clean = tuple(sorted((k, alert_label(v)) for k, v in pairs.items() if LABEL_NAME.fullmatch(k) and alert_label(v)))
        words = tuple(sorted((k, annotation(v)) for k, v in annotations.items() if v))
        key = COMPANION + fingerprint
        await self._changed([Alert(key, key, clean, words, "", min(starts, self._now(starts)), updated=starts)])

    async def end_companion(self, fingerprint: str) -> None:
        """The alert that was explained has ended."""
        alert = self._outbox.firing(COMPANION + fingerprint)
        if alert is not None:
            now = self._now(self._clock())
            await self._changed([replace(alert, state="resolved", ends=now, updated=now)])

    async def self_alert(self, name: str, *, active: bool, summary: Mapping[str, str]) -> None:
        """Tell people that the analyzer itself cannot work, or can again. `summary`: words by language."""
        if self.settings.mode != "on":
            self._tally("observed", "", int(active))
            return
        await self._load()
        key, now = SELF + name, self._now(self._clock())
        known = self._outbox.firing(key)
        if not active:
            await self._changed([replace(known, state="resolved", ends=now, updated=now)] if known else [])
            return
        labels = {**self.settings.self_labels, "alertname": name, "severity": "warning", "source": "openmanager"}
        words = {"summary" if language == "en" else f"summary_{language}": text for language, text in summary.items()}
        annotations = tuple(sorted((k, annotation(text)) for k, text in words.items()))
        alert = Alert(
            f"{key}.{now:.0f}", key, tuple(sorted(labels.items())), annotations, self._texts.external_url, now, updated=now
        )
        await self._changed([replace(known, annotations=annotations) if known else alert])

    async def _load(self) -> None:
        if not self._loaded:
            self._outbox.restore(await self._store.alerts(), self._monotonic())
            self._loaded = True

    async def _changed(self, alerts: list[Alert]) -> None:
        if not alerts:
            return
        await self._save(alerts)  # before anything can send them
        for alert in alerts:
            self._outbox.put(alert, self._monotonic())
        self._wake.set()

    async def _ended(self, report: Report) -> frozenset[str]:
        """Incidents whose end was stored but never handed to us: a kill came between."""
        lost = self._outbox.lost(report)
        try:
            return await self._store.ended(lost) if lost else frozenset()
        except Exception as e:  # noqa: BLE001  # a store that cannot be read just now ends nothing; asked again with the next report
            log.warning("the store does not say which incidents have ended", reason=escape(str(e)))
            return frozenset()

    def _now(self, reported: float) -> float:
        """The earliest of the Alertmanagers' clocks: nothing starts or ends in the future of one, and our own may have jumped."""
        return min((clock.now() for clock in self._clocks if clock.known), default=reported)

    async def _save(self, alerts: list[Alert]) -> None:
        try:
            await self._store.save_alerts(alerts)
        except Exception as e:  # noqa: BLE001  # people are told even when our disk is full; the store goes on trying
            self._tally("store_failed", "", 1)
            log.error("alerts are sent although they could not be stored", reason=escape(str(e)))

    async def _run(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                fine = await self.send()
            except Exception:  # the heartbeat must go on whatever one round met; logged
                log.exception("a round of sending alerts failed")
                fine = False
            failures = 0 if fine else failures + 1
            wait = self.settings.heartbeat if fine else min(self.settings.heartbeat, self._backoff.wait(failures - 1))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    async def send(self) -> bool:
        """Send everything that is due to everyone once. False: someone has not got it, so come back soon."""
        await self._tidy()
        groups = self._outbox.due()
        told = await asyncio.gather(*(self._tell(at, groups) for at in range(len(self._targets)))) if groups else [True]
        return all(told)

    async def _tidy(self) -> None:
        """Agree with the store. One that is sick keeps nobody from being told."""
        try:
            self._outbox.refresh(await self._store.alerts(), self._monotonic())
            gone = self._outbox.forget(self._monotonic())
            if gone:
                await self._store.forget_alerts(gone)
        except Exception as e:  # noqa: BLE001  # see above
            log.warning("the store could not be asked for alerts; those in memory are sent", reason=escape(str(e)))

    async def _tell(self, at: int, groups: list[list[Alert]]) -> bool:
        target, clock = self._targets[at], self._clocks[at]
        try:
            if clock.stale:
                await self._read_clock(target, clock)
            for alerts in _batches(groups):
                status, words = await self._post(target, clock, alerts)
                if status == 400:
                    await self._find_offender(target, clock, alerts)
                elif not 200 <= status < 300:
                    return self._failed(target, f"answered {status}: {words}")
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            return self._failed(target, f"{type(e).__name__}: {e}")
        if self.problems.pop(target.url, ""):
            log.info("Alertmanager takes alerts again", url=target.url)
        return True

    def _failed(self, target: Target, problem: str) -> bool:
        if self.problems.get(target.url) != problem:
            log.warning("Alertmanager does not take alerts; they are kept and tried again", url=target.url, reason=escape(problem))
        self.problems[target.url] = problem
        return False

    async def _read_clock(self, target: Target, clock: ServerClock) -> None:
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout)
        async with target.session.get(_address(target, "status"), allow_redirects=False, timeout=timeout) as response:
            clock.set_from_date(response.headers.get("Date"))

    async def _post(self, target: Target, clock: ServerClock, alerts: Sequence[Alert]) -> tuple[int, str]:
        now = clock.now()
        body = [alert.payload(now, self.settings.ahead) for alert in alerts]
        timeout = aiohttp.ClientTimeout(total=self.settings.timeout)
        async with target.session.post(_address(target, "alerts"), json=body, allow_redirects=False, timeout=timeout) as response:
            words = "" if response.status < 300 else (await response.content.read(256)).decode("utf-8", "replace")
            if words and not response.content.at_eof():
                response.close()
            clock.set_from_date(response.headers.get("Date"))
            self._tally("post", str(response.status), 1)
            return response.status, words

    async def _find_offender(self, target: Target, clock: ServerClock, alerts: Sequence[Alert]) -> None:
        """After a 400 (the good ones are stored by then): send one by one, mend what is refused, or else set it aside."""
        for alert in alerts:
            status, words = await self._post(target, clock, [alert])
            if status != 400:
                continue
            mended = _mended(alert)
            status, words = await self._post(target, clock, [mended])
            if status == 400:
                mended = replace(alert, refused=True)
                self._tally("refused", "", 1)
                log.error(
                    "Alertmanager refuses an alert in every form", key=alert.key, labels=dict(alert.labels), reason=escape(words)
                )
            self._outbox.put(mended, self._monotonic())
            await self._save([mended])

    def _tally(self, what: str, reason: str, n: int) -> None:
        if n:
            self.counts[what, reason] += n
            self._count(what, reason, n)


def _address(target: Target, path: str) -> str:
    return f"{target.url.rstrip('/')}/api/v2/{path}"


def _batches(groups: list[list[Alert]]) -> Iterator[list[Alert]]:
    """Groups put together to requests of at most MOST_ALERTS, without parting a group."""
    batch: list[Alert] = []
    for group in groups:
        if batch and len(batch) + len(group) > MOST_ALERTS:
            yield batch
            batch = []
        batch = [*batch, *group]
    if batch:
        yield batch


def _mended(alert: Alert) -> Alert:
    """The same alert with only what every Alertmanager takes: ASCII label names, the two main annotations, no address."""
    labels = tuple((name, value) for name, value in alert.labels if LABEL_NAME.fullmatch(name) and value)
    words = tuple((name, value) for name, value in alert.annotations if name in ("summary", "description"))
    return replace(alert, labels=labels, annotations=words, generator_url="")
