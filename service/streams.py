"""Server-sent events and WebSockets that no reader can make us pay for.

In: subscriptions and the messages published to them. Out: each client's messages in order through a queue of fixed size; what does
not fit is dropped, oldest first, and counted. A client that takes nothing for ``stream_stall_seconds`` is disconnected, a quiet
stream gets a heartbeat, and at shutdown every stream ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client import CollectorRegistry, Counter, Gauge

from service import text
from service.guard import DEADLINE
from service.limits import Limits
from service.problems import Problem

_LINE_BREAK = re.compile(r"[\r\n\0]")
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Event:
    """One server-sent event; `data` that is not text is written as strict JSON."""

    data: Any
    event: str | None = None
    id: str | None = None

    def encode(self) -> bytes:
        """The event on the wire."""
        body = self.data if isinstance(self.data, str) else text.dumps(self.data).decode()
        fields = [("event", self.event), ("id", self.id)]
        head = [f"{name}: {_LINE_BREAK.sub(' ', value)}" for name, value in fields if value]
        lines = [f"data: {line}" for line in re.split(r"\r\n|\r|\n", body)]
        return ("\n".join([*head, *lines]) + "\n\n").encode()


class Subscription(AsyncIterator[Any]):
    """One client's queue: ``async for message in subscription`` until it is closed.

    `topics` says what is wanted; it may be changed at any time.
    """

    def __init__(self, most: int, topics: set[str], on_drop: Callable[[], None]) -> None:
        self.topics = topics
        self.dropped = 0
        self._queue: deque[Any] = deque()
        self._most = most
        self._on_drop = on_drop
        self._more = asyncio.Event()
        self._closed = False

    def put(self, message: Any) -> None:
        """Queue `message`; the oldest goes where there is no room."""
        if self._closed:
            return
        if len(self._queue) >= self._most:
            self._queue.popleft()
            self.dropped += 1
            self._on_drop()
        self._queue.append(message)
        self._more.set()

    def close(self) -> None:
        """No more messages; what is queued is still given out."""
        self._closed = True
        self._more.set()

    async def __anext__(self) -> Any:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._queue.popleft()


class Streams:
    """All open streams of a service.

    Parameters
    ----------
    registry
        Gets ``openmanager_streams``, ``openmanager_stream_dropped_total`` and ``openmanager_streams_closed_total``.
    limits
        How many, how long a queue, how patient.
    """

    def __init__(self, registry: CollectorRegistry, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._subscriptions: set[Subscription] = set()
        self._open = 0
        self._ending = asyncio.Event()
        self._gauge = Gauge("openmanager_streams", "Open streams.", ["kind"], registry=registry)
        self._dropped = Counter(
            "openmanager_stream_dropped", "Messages dropped because a client reads too slowly.", registry=registry
        )
        self._closed = Counter(
            "openmanager_streams_closed", "Streams that ended, by reason.", ["kind", "reason"], registry=registry
        )

    @property
    def open(self) -> int:
        """How many are open."""
        return self._open

    @property
    def ending(self) -> bool:
        """Whether the service is shutting down."""
        return self._ending.is_set()

    @contextlib.contextmanager
    def subscribe(self, *topics: str) -> Any:
        """A :class:`Subscription` to `topics`; to everything where none is named ``"*"`` is meant."""
        subscription = Subscription(self.limits.stream_queue, set(topics or ("*",)), self._dropped.inc)
        self._subscriptions.add(subscription)
        if self.ending:
            subscription.close()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, message: Any, topic: str = "*") -> int:
        """Queue `message` for everyone who wants `topic`; how many that is."""
        wanted = [one for one in self._subscriptions if topic in one.topics or "*" in one.topics]
        for subscription in wanted:
            subscription.put(message)
        return len(wanted)

    def close(self) -> None:
        """End every stream: subscriptions run out, writers stop."""
        self._ending.set()
        for subscription in self._subscriptions:
            subscription.close()

    @contextlib.asynccontextmanager
    async def _seat(self, request: web.Request, kind: str) -> AsyncIterator[None]:
        if self.ending:
            raise Problem(503, "shutting_down", "try another instance", {"Retry-After": "5"})
        if self._open >= self.limits.streams:
            raise Problem(503, "too_many_streams", f"{self.limits.streams} are open", {"Retry-After": "10"}, entry="stream")
        self._open += 1
        self._gauge.labels(kind).inc()
        _no_deadline(request)
        try:
            yield
        finally:
            self._open -= 1
            self._gauge.labels(kind).dec()

    async def _write(self, request: web.Request, write: Awaitable[Any]) -> None:
        try:
            async with asyncio.timeout(self.limits.stream_stall_seconds):
                await write
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # what is buffered would wait for this reader for ever
            raise _Slow from None

    async def sse(self, request: web.Request, events: AsyncIterator[Any]) -> web.StreamResponse:
        """Send `events` (:class:`Event`, or data for one) to the client until they end, it leaves, or we stop."""
        last_event_id(request)
        async with self._seat(request, "sse"):
            response = web.StreamResponse(
                headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            )
            await response.prepare(request)
            reason = "done"
            try:
                await self._pump(request, response, events)
            except _Slow:
                reason = "slow"
            except ConnectionError:
                reason = "left"
            finally:
                await _aclose(events)
                self._closed.labels("sse", "shutdown" if self.ending else reason).inc()
            return response

    async def _pump(self, request: web.Request, response: web.StreamResponse, events: AsyncIterator[Any]) -> None:
        lost = getattr(request.protocol, "lost", None)  # without it, only the next write tells that the client left
        ending = asyncio.ensure_future(self._ending.wait())
        leaving = asyncio.ensure_future((lost or asyncio.Event()).wait())
        coming: asyncio.Future[Any] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(events, _END))
                await asyncio.wait(
                    {ending, leaving, coming},
                    timeout=self.limits.stream_heartbeat_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if coming.done():
                    event, coming = coming.result(), None
                    if event is _END:
                        return
                    wire = event if isinstance(event, Event) else Event(event)
                    await self._write(request, response.write(wire.encode()))
                elif ending.done():
                    return
                elif leaving.done():
                    raise ConnectionResetError("the client left")
                else:
                    await self._write(request, response.write(b": heartbeat\n\n"))
        finally:
            await _cancel(ending, leaving, coming)

    async def websocket(
        self,
        request: web.Request,
        subscription: Subscription,
        on_message: Callable[[Any, Callable[[Any], None]], Awaitable[None]],
    ) -> web.WebSocketResponse:
        """Serve one WebSocket: what `subscription` gives goes out as JSON text frames, what comes in goes to `on_message`.

        Parameters
        ----------
        subscription
            From :meth:`subscribe`; answers to this client can be put on it too.
        on_message
            Gets each parsed JSON frame and a function that queues an answer; a frame that is not JSON is answered
            ``{type: "error"}``.
        """
        async with self._seat(request, "websocket"):
            socket = web.WebSocketResponse(
                heartbeat=self.limits.stream_heartbeat_seconds, max_msg_size=self.limits.frame_bytes, timeout=1.0
            )
            await socket.prepare(request)
            sender = asyncio.ensure_future(self._send(request, socket, subscription))
            reason = "left"
            try:
                await self._receive(socket, subscription, on_message)
            finally:
                if sender.done() and isinstance(sender.exception() if not sender.cancelled() else None, _Slow):
                    reason = "slow"
                await _cancel(sender)
                self._closed.labels("websocket", "shutdown" if self.ending else reason).inc()
                if not socket.closed:
                    with contextlib.suppress(ConnectionError, TimeoutError):
                        await socket.close(code=WSCloseCode.GOING_AWAY)
            return socket

    async def _send(self, request: web.Request, socket: web.WebSocketResponse, subscription: Subscription) -> None:
        async for message in subscription:
            await self._write(request, socket.send_str(text.dumps(message).decode()))
        with contextlib.suppress(ConnectionError, TimeoutError):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"shutting down")

    async def _receive(
        self,
        socket: web.WebSocketResponse,
        subscription: Subscription,
        on_message: Callable[[Any, Callable[[Any], None]], Awaitable[None]],
    ) -> None:
        async for frame in socket:
            if frame.type is WSMsgType.ERROR:
                return
            if frame.type is not WSMsgType.TEXT:
                subscription.put({"type": "error", "error": "bad_frame", "detail": "JSON text frames only"})
                continue
            try:
                message = text.loads(
                    frame.data.encode("utf-8", "surrogatepass"),
                    depth=self.limits.depth,
                    number_digits=self.limits.number_digits,
                )
                await on_message(message, subscription.put)
            except text.BadText as exc:
                subscription.put({"type": "error", "error": exc.reason, "detail": exc.detail})
            except Problem as exc:
                subscription.put({"type": "error", "error": exc.error, "detail": exc.detail})


class _Slow(Exception):  # noqa: N818 - a signal inside this module
    """The client takes nothing."""


_END = object()


async def _cancel(*tasks: asyncio.Future[Any] | None) -> None:
    live = [task for task in tasks if task is not None]
    for task in live:
        task.cancel()
    await asyncio.gather(*live, return_exceptions=True)


async def _aclose(events: AsyncIterator[Any]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _no_deadline(request: web.Request) -> None:
    deadline = request.get(DEADLINE)
    if deadline is not None:
        deadline.reschedule(None)


def last_event_id(request: web.Request) -> str | None:
    """The id after which a reconnecting client wants to go on; 400 bad_event_id for nonsense."""
    value = request.headers.get("Last-Event-ID")
    if value is not None and value != "" and not _EVENT_ID.fullmatch(value):
        raise Problem(400, "bad_event_id", "at most 128 printable ASCII characters", entry="stream")
    return value or None


STREAMS = web.AppKey("streams", Streams)
