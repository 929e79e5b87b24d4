"""What every request passes on its way in, and every answer on its way out.

In: a parsed request. Out: the handler's answer, or strict JSON saying why not. The order is by cost: path, host and origin, rate,
then credentials (a password takes a hash), then the handler under a deadline.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from service import logs
from service.body import limits_of
from service.guard import DEADLINE, GUARD, PRINCIPAL, check_host, check_origin, check_path
from service.held import HELD
from service.http import REQUEST_ID, problem_response
from service.problems import REJECTIONS, Problem
from service.rate import RATE

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREPARED = web.RequestKey("prepared", bool)  # headers are out: an error can only end the connection
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WORDS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 417: "bad_expectation"}
_LOG = logs.get("service.http")


def request_id(headers_value: str | None) -> str:
    """The client's own id where it is harmless, else a new one."""
    if headers_value is not None and _ID.fullmatch(headers_value):
        return headers_value
    return secrets.token_hex(8)


def from_http_exception(exc: web.HTTPException) -> Problem:
    """aiohttp's own refusals in our shape."""
    word = _WORDS.get(exc.status, "bad_request" if exc.status < 500 else "internal")
    kept = {str(name): exc.headers[name] for name in (hdrs.ALLOW, hdrs.RETRY_AFTER) if name in exc.headers}
    entry = None if exc.status in {404, 405} or exc.status >= 500 else "http"
    return Problem(exc.status, word, exc.reason, kept, entry=entry)


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    guard = request.app[GUARD]
    check_path(request.raw_path)
    check_host(request, guard)
    check_origin(request, guard)
    request.app[RATE].check(request.remote or "")
    request[PRINCIPAL] = await guard.auth.check(request)
    deadline = asyncio.timeout(limits_of(request).request_seconds)
    request[DEADLINE] = deadline
    try:
        async with deadline:
            return await handler(request)
    except TimeoutError:
        if not deadline.expired():
            raise
        if not request.content.is_eof():
            raise Problem(408, "request_timeout", "the body did not arrive in time", entry="body", close=True) from None
        raise Problem(503, "timeout", "no answer in time; try again", {"Retry-After": "5"}) from None


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Request id, the checks above, and every error as JSON."""
    request[REQUEST_ID] = request_id(request.headers.get("X-Request-ID"))
    try:
        return await _answer(request, handler)
    except Problem as exc:
        problem = exc
    except web.HTTPException as exc:
        if exc.status < 400:
            raise  # a redirect is an answer
        problem = from_http_exception(exc)
    except Exception as exc:  # noqa: BLE001 - the last line: a fault of ours becomes a 500 that says nothing about us
        if isinstance(exc, ConnectionError) and (request.transport is None or request.get(PREPARED, False)):
            return _gone(request, exc)
        _LOG.error("handler failed", request_id=request[REQUEST_ID], path=request.path, exc_info=exc)
        problem = Problem(500, "internal", "a fault of this service; the log has it under this request_id")
    finally:
        request.app[HELD].release(request)
    return refuse(request, problem)


def _gone(request: web.Request, exc: ConnectionError) -> web.StreamResponse:
    """The client went away: there is nobody to answer, and no fault to log."""
    if request.get(PREPARED, False):
        raise exc
    return web.Response(status=499)


def refuse(request: web.Request, problem: Problem) -> web.StreamResponse:
    """Count, log and answer a problem."""
    name = request[REQUEST_ID]
    if problem.counted:
        entry = problem.entry or "http"
        request.app[REJECTIONS].add(entry, problem.error, problem.detail, request_id=name, remote=request.remote)
    if request.get(PREPARED, False):
        raise ConnectionResetError("stream ended by a problem")
    return problem_response(problem, name)


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer carries, streams included."""
    request[PREPARED] = True
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers["X-Request-ID"] = request.get(REQUEST_ID) or secrets.token_hex(8)
    guard = request.config_dict.get(GUARD)
    for name, value in (guard.headers if guard else {}).items():
        response.headers[name] = value
    if "Server" in response.headers:
        del response.headers["Server"]  # versions of libraries are nobody's business
