"""/metrics that answers although something behind it hangs.

In: a prometheus_client registry, and collectors that may be slow or never return. Out: exposition text in the format the scraper
asked for, within a deadline. Each collector has one thread and at most one call under way; one that is late is left out of
this answer and shows success 0, and no further thread is spent on it (node_exporter issue 578 is what happens otherwise).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gzip
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder, gzip_accepted

from service import logs
from service.guard import Handler
from service.problems import Problem

Collect = Callable[[], Iterable[Metric]]
_Call = tuple[Callable[[], Any], "concurrent.futures.Future[Any]"]


class Worker:
    """One daemon thread with one call under way: what hangs in it cannot keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inbox: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._current: concurrent.futures.Future[Any] | None = None
        self._lock = threading.Lock()

    def start(self, work: Callable[[], Any]) -> concurrent.futures.Future[Any] | None:
        """Begin `work`, or None while the one before still runs."""
        with self._lock:
            if self._current is not None and not self._current.done():
                return None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            self._current = future
        self._inbox.put((work, future))
        return future

    def _run(self) -> None:
        while True:
            work, future = self._inbox.get()
            try:
                future.set_result(work())
            except BaseException as exc:  # noqa: BLE001 - whatever a collector does, its thread must live on
                future.set_exception(exc)
            del work, future


class _Source:
    """One collector, its thread, and the newest result that came too late for its own scrape."""

    def __init__(self, name: str, collect: Collect, keep_seconds: float) -> None:
        self.name = name
        self.keep_seconds = keep_seconds
        self.worker = Worker(f"collect-{name}")
        self.late: concurrent.futures.Future[Any] | None = None
        self._collect = collect

    def call(self) -> tuple[list[Metric], float, float]:
        """(families, how long it took, when it ended), seconds on the monotonic clock."""
        began = time.monotonic()
        families = list(self._collect())
        ended = time.monotonic()
        return families, ended - began, ended


class Bounded:
    """A collector made of others, none of which can delay a scrape beyond `timeout_seconds`.

    Parameters
    ----------
    sources
        Name -> callable that returns metric families; it runs in a thread of its own.
    prefix
        Of ``<prefix>_collector_duration_seconds`` and ``<prefix>_collector_success``, label ``collector``.
    timeout_seconds
        How long a scrape waits for all of them together.
    keep_seconds
        Name -> how old a result may be that was late for an earlier scrape and is shown instead; for what is always slow.
    """

    def __init__(
        self,
        sources: Mapping[str, Collect],
        *,
        prefix: str = "openmanager_scrape",
        timeout_seconds: float = 0.08,
        keep_seconds: Mapping[str, float] | None = None,
    ) -> None:
        keep = keep_seconds or {}
        self._sources = [_Source(name, collect, keep.get(name, 0.0)) for name, collect in sources.items()]
        self._prefix = prefix
        self._timeout = timeout_seconds
        self._log = logs.get("service.metrics")
        self._failing: set[str] = set()
        self._one = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not collect."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All families that are there in time, then how long each collector took and whether it was."""
        with self._one:  # two scrapes at once would each find the other's calls under way
            return self._collect()

    def _collect(self) -> list[Metric]:
        began = time.monotonic()
        running = {source.name: source.worker.start(source.call) for source in self._sources}
        wanted = [future for future in running.values() if future is not None]
        concurrent.futures.wait(wanted, timeout=self._timeout)
        families: list[Metric] = []
        took = GaugeMetricFamily(f"{self._prefix}_collector_duration_seconds", "Time a collector took.", labels=["collector"])
        success = GaugeMetricFamily(
            f"{self._prefix}_collector_success", "Whether a collector gave its metrics in time.", labels=["collector"]
        )
        for source in self._sources:
            found, seconds = self._result(source, running[source.name], began)
            families += found or []
            took.add_metric([source.name], seconds)
            success.add_metric([source.name], float(found is not None))
        return [*families, took, success]

    def _result(
        self, source: _Source, future: concurrent.futures.Future[Any] | None, began: float
    ) -> tuple[list[Metric] | None, float]:
        error: str | None = "still busy with an earlier scrape"
        if future is not None and future.done():
            source.late = None
            if (failure := future.exception()) is None:
                self._say(source.name, None)
                return future.result()[0], future.result()[1]
            error = f"{type(failure).__name__}: {failure}"
        elif future is not None:
            error = f"not done after {self._timeout:g} s"
            kept = self._kept(source, began)
            source.late = future
            if kept is not None:
                return kept
        elif (kept := self._kept(source, began)) is not None:
            return kept
        self._say(source.name, error)
        return None, time.monotonic() - began

    @staticmethod
    def _kept(source: _Source, now: float) -> tuple[list[Metric], float] | None:
        late = source.late
        if late is None or not late.done() or late.exception() is not None:
            return None
        families, seconds, ended = late.result()
        return (families, seconds) if now - ended <= source.keep_seconds else None

    def _say(self, name: str, error: str | None) -> None:
        if error is None:
            self._failing.discard(name)
        elif name not in self._failing:  # once, until it works again
            self._failing.add(name)
            self._log.warning("collector failed", collector=name, error=error)


def _render(registry: Any, accept: str, names: list[str], compress: bool) -> tuple[bytes, str]:
    encoder, content_type = choose_encoder(accept)
    body = encoder(registry.restricted_registry(names) if names else registry)
    return (gzip.compress(body, 1) if compress else body), content_type


def metrics_handler(registry: CollectorRegistry, *, renderers: int = 4, wait_seconds: float = 5.0) -> Handler:
    """A handler for ``/metrics``: format and compression negotiated, Content-Type always said, rendered off the loop.

    Parameters
    ----------
    renderers
        Scrapes rendered at once.
    wait_seconds
        After this a scrape is answered 503: a collector that is not :class:`Bounded` hangs.
    """
    workers = [Worker(f"metrics-{index}") for index in range(renderers)]

    async def handler(request: web.Request) -> web.Response:
        accept = ",".join(request.headers.getall("Accept", []))
        compress = gzip_accepted(request.headers.get("Accept-Encoding", ""))
        names = request.query.getall("name[]", [])
        body, content_type = await _first_free(workers, lambda: _render(registry, accept, names, compress), wait_seconds)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if compress:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers)

    return handler


async def _first_free(workers: list[Worker], work: Callable[[], Any], wait_seconds: float) -> Any:
    try:
        async with asyncio.timeout(wait_seconds):
            while True:
                for worker in workers:
                    if (future := worker.start(work)) is not None:
                        return await asyncio.wrap_future(future)
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise Problem(503, "busy", "no metrics in time", {"Retry-After": "1"}) from None
