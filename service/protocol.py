"""One HTTP connection that cannot be held open for nothing, and whose errors are JSON too.

aiohttp's own connection handler waits for headers as long as the client likes, answers broken requests as text and logs a traceback
for each. This one closes a connection whose request headers take longer than ``header_seconds``, counted from the first byte,
answers 400 with our JSON and closes.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, cast

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from service.http import REQUEST_ID, problem_response
from service.limits import Limits
from service.problems import Problem, Rejections


class Connection(RequestHandler):
    """An aiohttp connection with a header deadline and JSON errors."""

    def __init__(
        self,
        manager: web.Server,
        *,
        limits: Limits,
        rejections: Rejections,
        allowed_sans: frozenset[str] = frozenset(),
        **kwargs: Any,
    ) -> None:
        super().__init__(manager, **kwargs)
        self._allowed_sans = allowed_sans
        self._limits = limits
        self._rejections = rejections
        self._header_deadline: asyncio.TimerHandle | None = None
        self._arriving: StreamReader | None = None
        self._answered: StreamReader | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: the clock for its first request starts now."""
        super().connection_made(transport)
        certificate = transport.get_extra_info("peercert") or {}
        names = {value for _, value in certificate.get("subjectAltName", ())}
        if self._allowed_sans and not names & self._allowed_sans:
            self._rejections.add("socket", "client_certificate", "none of its names is in client_allowed_sans")
            self.force_close()
            return
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It left, or was closed."""
        self.lost.set()
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes: a whole request ends the header clock, a part of one starts it."""
        before = self._request_count
        if data and self._idle() and self._header_deadline is None:
            self._arm()
        super().data_received(data)
        if self._request_count != before:
            self._disarm()
            self._note_body()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio asks; aiohttp never answers
        """No more bytes: a body shorter than its length is told so, as long as TLS does not close both ways at once."""
        if self.ssl_context is not None or not self._end_body("the body ends before its length"):
            return None
        self._close = True
        return True

    def _note_body(self) -> None:
        """Remember the newest body; end it where the parser gave up in its middle, since its handler waits for the rest."""
        for message, payload in self._messages:
            if isinstance(message, _ErrInfo):
                self._end_body(message.message)
            else:
                self._arriving = payload

    def _end_body(self, why: str) -> bool:
        """Fail the body that is still arriving; whether there was one. Where the answer is given already, nobody is told."""
        body = self._arriving
        if body is None or body.is_eof():
            return False
        if body is not self._answered:
            body.set_exception(RequestPayloadError(why))
        body.feed_eof()
        return True

    def _idle(self) -> bool:
        return not self._request_in_progress and not self._messages and self._payload_parser is None

    def _arm(self) -> None:
        self._header_deadline = self._loop.call_later(self._limits.header_seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _too_slow(self) -> None:
        self._header_deadline = None
        if not self._idle():
            return
        remote = self.peername[0] if isinstance(self.peername, tuple) else None
        detail = f"no whole request within {self._limits.header_seconds:g} s"
        self._rejections.add("socket", "header_timeout", detail, remote=remote)
        transport = self.transport
        if transport is not None:
            name = secrets.token_hex(8)
            transport.write(raw_response(Problem(408, "header_timeout", detail), name))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """JSON instead of text, a counter instead of a traceback; always closes."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun: nothing can be said any more")
        name = secrets.token_hex(8)
        if status >= 500:
            self.log_exception("handler failed", exc_info=exc)
            problem = Problem(500, "internal", "a fault of this service; the log has it", close=True)
        else:
            detail = (message or "not HTTP").splitlines()[0]
            problem = Problem(400, "bad_request", detail, close=True)
            self._rejections.add("socket", "bad_request", detail, request_id=name, remote=request.remote)
        response = problem_response(problem, name)
        response.headers["X-Request-ID"] = name
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """What was raised before a middleware ran (a bad Expect header) leaves as JSON as well."""
        self._answered = request.content
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            name = secrets.token_hex(8)
            word = "bad_expectation" if resp.status == 417 else "bad_request"
            self._rejections.add("socket", word, resp.reason, request_id=name, remote=request.remote)
            resp = problem_response(Problem(resp.status, word, resp.reason, close=True), name)
            request[REQUEST_ID] = name
        return await super().finish_response(request, resp, start_time)


def raw_response(problem: Problem, request_id: str) -> bytes:
    """A whole HTTP/1.1 answer, for where no request exists yet to answer."""
    body = problem_response(problem, request_id).body
    payload = body if isinstance(body, bytes) else b""
    extra = "".join(f"{name}: {value}\r\n" for name, value in problem.headers.items())
    head = (
        f"HTTP/1.1 {problem.status} {_PHRASES.get(problem.status, 'Error')}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
        f"X-Request-ID: {request_id}\r\n{extra}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + payload


_PHRASES = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


class Refusal(asyncio.Protocol):
    """A connection too many: one answer, then the end, leaving the client a moment to read it."""

    def __init__(self, answer: bytes, linger_seconds: float = 1.0) -> None:
        self._answer = answer
        self._linger = linger_seconds
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it."""
        transport = cast(asyncio.Transport, transport)
        transport.write(self._answer)
        if transport.can_write_eof():
            transport.write_eof()
        # closing with unread bytes resets the connection, and the client would never see the answer
        self._end = asyncio.get_running_loop().call_later(self._linger, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has read it, or the moment is over."""
        if self._end is not None:
            self._end.cancel()
