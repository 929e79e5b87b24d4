"""Derived series into Prometheus, by remote write 1.0.

In: one `Report` after another. Out: requests, in order, from a bounded queue that outlives an outage and a kill; `put` never waits
for the network. A sample in Prometheus's future is never sent (on 2.42 one stops all its scrapes), nothing is sent while the clocks
disagree, and a bad sample costs itself and not its request.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import cramjam
import structlog

from analyzer.derived import DerivedSeries, Deriver
from analyzer.records import Report
from analyzer.sinks.backoff import Backoff
from analyzer.sinks.clock import ServerClock
from analyzer.sinks.encoding import MAX_SERIES, Encoder, split_series
from analyzer.sinks.exposition import Renderer
from analyzer.sinks.receiver import Outcome, Receiver
from analyzer.sinks.spool import Batch, Spool

log = structlog.get_logger("analyzer.sinks.remote_write")
BACKOFF = Backoff()
_REASONS = {Outcome.UNWANTED: "unwanted", Outcome.EXPIRED: "too_old", Outcome.REFUSED: "refused", Outcome.TOO_LARGE: "too_large"}


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How remote write behaves. Times in seconds.

    Attributes
    ----------
    timeout : for one request. max_age : older samples are dropped. max_skew : clocks further apart stop writing.
    max_series : most series in one request. poison_after : this many 500s in a row put a request under suspicion.
    max_requests : most requests spent on finding what is bad in one batch.
    """

    timeout: float = 10.0
    max_age: float = 3600.0
    max_skew: float = 30.0
    max_series: int = MAX_SERIES
    poison_after: int = 8
    max_requests: int = 128
    user_agent: str = "openmanager"


class RemoteWrite:
    """A sink that writes to one receiver. `start` it, `put` reports, `close` it.

    Parameters
    ----------
    url : the receiver, e.g. `http://prometheus:9090/api/v1/write`.
    session : carries credentials; belongs to the caller.
    spool : what waits; give it a directory so that it outlives us.
    server_time : asks Prometheus for its clock; without it the receiver's Date header is read.
    count : called with (what, reason, n): "sent" and "dropped" samples, "post" requests by status.
    """

    name = "remote_write"

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        deriver: Deriver | None = None,
        spool: Spool | None = None,
        settings: WriteSettings = WriteSettings(),
        server_time: Callable[[], Awaitable[float]] | None = None,
        backoff: Backoff = BACKOFF,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        count: Callable[[str, str, int], None] = lambda what, reason, n: None,
    ) -> None:
        self.settings = settings
        self.deriver = deriver or Deriver()
        self.spool = Spool(max_age=settings.max_age) if spool is None else spool
        self.counts: Counter[tuple[str, str]] = Counter()
        self.problem = ""
        self._server_time, self._backoff, self._monotonic, self._sleep, self._count = server_time, backoff, monotonic, sleep, count
        self._wall = clock
        self._server = ServerClock(clock, monotonic)
        self._receiver = Receiver(
            url, session, clock=self._server, read_date=server_time is None, timeout=settings.timeout,
            poison_after=settings.poison_after, user_agent=settings.user_agent, backoff=backoff,
            notice=self._notice, count=self._tally, sleep=sleep,
        )  # fmt: skip
        self._encoder, self._renderer = Encoder(), Renderer()
        self._lock = asyncio.Lock()
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._budget = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def skew(self) -> float:
        """Prometheus's clock minus ours, seconds; 0 while unknown."""
        return self._server.skew() if self._server.known else 0.0

    @property
    def paused(self) -> bool:
        """Whether nothing is written because the clocks disagree: worth an alert about ourselves."""
        return abs(self.skew) > self.settings.max_skew

    @property
    def queue_age(self) -> float:
        """Seconds that the oldest sample has waited."""
        return 0.0 if self.spool.oldest is None else max(0.0, self._server.now() - self.spool.oldest)

    def set_skew(self, skew: float) -> None:
        """Somebody who asked Prometheus for its time found it `skew` seconds ahead of our wall clock."""
        self._server.set(self._wall() + skew)

    def exposition(self) -> bytes:
        """The newest derived series as text, for `/derived/metrics`."""
        return self._renderer.render(self.deriver.newest())

    async def start(self) -> None:
        """Begin to send, what an earlier run left first."""
        if self._task is None:
            if len(self.spool):
                self._idle.clear()
                self._wake.set()
            self._task = asyncio.create_task(self._run(), name="remote_write")

    async def close(self, timeout: float = 2.0) -> None:  # noqa: ASYNC109  # what a shutdown has left
        """Send what can be sent in `timeout` seconds and stop; what is left waits on disk."""
        task, self._task = self._task, None
        if task is None:
            return
        with suppress(TimeoutError):
            await self.drain(timeout)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109  # as in close
        """Wait until nothing waits to be sent. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._idle.wait()

    async def put(self, report: Report) -> None:
        """Take one report: derive its series and queue them. What the network does shows in `problem` and the counts."""
        await self.write(self.deriver.series_of(report))

    async def write(self, derived: DerivedSeries) -> None:
        """Queue derived series."""
        for reason, n in derived.dropped.items():
            self._tally("dropped", reason, n)
        if derived.refused:
            self._tally("dropped", "max_written_series", derived.refused)
        for body in self._encoder.bodies(derived.blocks, derived.time, self.settings.max_series):
            data = bytes(cramjam.snappy.compress_raw(body.data))
            async with self._lock:
                self._drop(await asyncio.to_thread(self.spool.push, derived.time, body.series, data), "queue_full")
            self._idle.clear()
            self._wake.set()

    async def _run(self) -> None:
        while True:
            batch = await self._next()
            if batch is None:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            elif await self._may_write(batch):
                try:
                    await self._deliver(batch)
                except Exception:  # one batch must not end the only sender, whatever it holds; logged and counted
                    log.exception("a request could not be dealt with and is dropped", time=batch.time)
                    self._drop([batch], "internal")
                await self._finish(batch)

    async def _next(self) -> Batch | None:
        async with self._lock:
            if (
                self._server.known or self._server_time is None
            ):  # our own clock may be hours off: nothing is thrown away on its word
                self._drop(self.spool.expire(self._server.now()), "too_old")
            return await asyncio.to_thread(self.spool.head)

    async def _finish(self, batch: Batch) -> None:
        async with self._lock:
            await asyncio.to_thread(self.spool.finish, batch.number)

    async def _may_write(self, batch: Batch) -> bool:
        """Whether this batch may go now: the clocks agree and its time has come there. False: look again."""
        if self._server.stale and not await self._read_clock():
            return False
        ahead = batch.time - self._server.now()
        if ahead > self.settings.max_skew:
            self._drop([batch], "future")
            await self._finish(batch)
            return False
        if self.paused:
            self._notice(
                f"Prometheus's clock is {self.skew:+.1f} s from ours: nothing is written until they agree; check NTP on both"
            )
            await self._sleep(5.0)
            return await self._read_clock() and not self.paused
        if ahead > 0:
            await self._sleep(ahead)
        return True

    async def _read_clock(self) -> bool:
        if self._server_time is None:
            return True  # the Date of the next answer will tell
        began = self._monotonic()
        try:
            async with asyncio.timeout(self.settings.timeout):
                told = await self._server_time()
        except Exception as e:  # noqa: BLE001  # the source's own errors are not known here; unknown is unknown
            if self._server.known and not self._server.parted:
                return True  # an outage: our monotonic clock carries the last reading on
            self._notice(f"Prometheus does not tell its time, so nothing is written: {type(e).__name__}: {e}")
            await self._sleep(self._backoff.wait(3))
            return False
        self._server.set(told + (self._monotonic() - began) / 2)
        return True

    async def _deliver(self, batch: Batch) -> None:
        body, until = batch.body or b"", batch.time + self.settings.max_age
        outcome = await self._receiver.settle(body, until=until)
        while outcome is Outcome.SUSPECT:
            rows = split_series(bytes(cramjam.snappy.decompress_raw(body)))
            if await self._was_poison(rows, until):
                return
            await self._sleep(self._backoff.longest)
            outcome = await self._receiver.settle(body, until=until)
        if outcome in (Outcome.REFUSED, Outcome.TOO_LARGE):
            self._budget = self.settings.max_requests
            await self._narrow(split_series(bytes(cramjam.snappy.decompress_raw(body))), outcome, until, impatient=False)
        else:
            self._end(outcome, batch.samples)

    async def _was_poison(self, rows: list[bytes], until: float) -> bool:
        """Try both halves after many 500s; if one is stored, the other holds what the receiver chokes on and is narrowed down."""
        self._budget, halves = self.settings.max_requests, _halves(rows)
        outcomes = [await self._send(half, until, impatient=True) for half in halves]
        if Outcome.STORED not in outcomes:
            return False
        for half, outcome in zip(halves, outcomes, strict=True):
            await self._take(half, outcome, until, impatient=True)
        return True

    async def _narrow(self, rows: list[bytes], why: Outcome, until: float, *, impatient: bool) -> None:
        """Send refused series again by halves until only the offenders are left: one in 1,000 takes at most 20 more requests."""
        if len(rows) == 1 or self._budget <= 0:
            self._end(why, len(rows))
            return
        left, right = _halves(rows)
        outcome = await self._send(left, until, impatient=impatient)
        await self._take(left, outcome, until, impatient=impatient)
        if outcome is Outcome.STORED and why is Outcome.REFUSED:
            await self._narrow(right, why, until, impatient=impatient)  # the offender can only be here: no need to ask
        else:
            await self._take(right, await self._send(right, until, impatient=impatient), until, impatient=impatient)

    async def _take(self, rows: list[bytes], outcome: Outcome, until: float, *, impatient: bool) -> None:
        if outcome in (Outcome.REFUSED, Outcome.TOO_LARGE):
            await self._narrow(rows, outcome, until, impatient=impatient)
        else:
            self._end(outcome, len(rows))

    async def _send(self, rows: list[bytes], until: float, *, impatient: bool) -> Outcome:
        if self._budget <= 0:
            return Outcome.REFUSED  # enough was spent on one batch: what is left of it goes unasked
        self._budget -= 1
        body = bytes(cramjam.snappy.compress_raw(b"".join(rows)))
        outcome = await self._receiver.settle(body, until=until, impatient=impatient)
        return Outcome.REFUSED if outcome is Outcome.SUSPECT else outcome

    def _end(self, outcome: Outcome, samples: int) -> None:
        if outcome is Outcome.STORED:
            self._tally("sent", "", samples)
        else:
            self._tally("dropped", _REASONS[outcome], samples)

    def _drop(self, batches: list[Batch], reason: str) -> None:
        if batches:
            self._tally("dropped", reason, sum(batch.samples for batch in batches))

    def _tally(self, what: str, reason: str, n: int) -> None:
        self.counts[what, reason] += n
        self._count(what, reason, n)

    def _notice(self, problem: str) -> None:
        """Log a trouble once, when it begins, and once when it is over."""
        if problem and problem != self.problem:
            log.warning(problem)
        elif self.problem and not problem:
            log.info("remote write works again")
        self.problem = problem


def _halves(rows: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    middle = (len(rows) + 1) // 2
    return rows[:middle], rows[middle:]
