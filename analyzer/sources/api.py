"""The query API of Prometheus and its relatives: one question, one decoded answer, or a SourceError that says what is wrong.

No redirects, bounded in bytes, time and concurrency. Whatever the other side sends, nothing but SourceError leaves.
"""

import asyncio
import time
from collections.abc import Mapping

import aiohttp

from analyzer.ports import SourceError
from analyzer.sources.decode import Answer, DecodeError, decode, error_text, plain
from analyzer.sources.observer import Observer

OFF_LOOP = 256 * 1024  # answers beyond it take more than a few milliseconds to decode: in a thread
ERROR_BYTES = 64 * 1024


class TooLargeError(SourceError):
    """The answer is larger than allowed, here or over there: ask for less at a time."""


class RefusedError(SourceError):
    """The question itself is wrong; asking again will not help."""


class Api:
    """Asks `url` + `/api/v1/...` by POST.

    Parameters
    ----------
    timeout : seconds for one request, body included.
    max_bytes : of one answer, decompressed.
    concurrency : requests in flight.
    """

    def __init__(
        self, url: str, session: aiohttp.ClientSession, *, timeout: float, max_bytes: int, concurrency: int, observer: Observer
    ) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._max_bytes = max_bytes
        self._slots = asyncio.Semaphore(concurrency)
        self._observer = observer

    async def query(self, expr: str, *, at: float, key: str) -> Answer:
        """An instant query at a unix time; `key` names it for the observer."""
        return await self._ask("query", {"query": expr, "time": f"{at:.3f}"}, key)

    async def query_range(self, expr: str, *, start: float, end: float, step: float, key: str) -> Answer:
        """A range query, both ends included."""
        span = {"query": expr, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return await self._ask("query_range", span, key)

    async def clock(self) -> float:
        """The server's own time, unix seconds."""
        answer = await self._ask("query", {"query": "time()"}, "time")
        if len(answer.values) != 1:
            raise SourceError("time() gave no number")
        return float(answer.values[0])

    async def _ask(self, path: str, form: Mapping[str, str], key: str) -> Answer:
        async with self._slots:
            body = await self._post(path, form, key)
            began = time.perf_counter()
            try:
                answer = await asyncio.to_thread(decode, body) if len(body) > OFF_LOOP else decode(body)
            except DecodeError as error:
                raise SourceError(f"{self._url}: {error}") from error
        spent = time.perf_counter() - began
        self._observer.parsed(query_key=key, seconds=spent, timeseries=len(answer.metrics), datapoints=len(answer.values))
        return answer

    async def _post(self, path: str, form: Mapping[str, str], key: str) -> bytes:
        began, code, body = time.perf_counter(), "error", b""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}  # gzip costs the server five times the query
        try:
            async with self._session.post(
                f"{self._url}/api/v1/{path}", data=form, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as reply:
                code = str(reply.status)
                body = await self._body(reply, self._max_bytes if reply.status == 200 else ERROR_BYTES)
                self._judge(reply.status, reply.content_type, body)
                return body
        except TimeoutError as error:
            raise SourceError(f"{self._url}: no answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:  # RuntimeError: session closed by a reload
            raise SourceError(f"{self._url}: {plain(str(error)) or type(error).__name__}") from error
        finally:
            seconds = time.perf_counter() - began
            self._observer.request(query_key=key, code=code, seconds=seconds, received_bytes=len(body))

    async def _body(self, reply: aiohttp.ClientResponse, most: int) -> bytes:
        if (reply.content_length or 0) > most:
            raise self._too_large(most)
        parts, size = [], 0
        async for part in reply.content.iter_any():
            size += len(part)
            if size > most:
                raise self._too_large(most)
            parts.append(part)
        return b"".join(parts)

    def _too_large(self, most: int) -> TooLargeError:
        self._observer.dropped(reason="body_limit", count=1)
        return TooLargeError(f"{self._url}: the answer is larger than {most} bytes")

    def _judge(self, status: int, content_type: str, body: bytes) -> None:
        if status == 200:
            if content_type == "text/html":
                raise SourceError(f"{self._url}: answers with a web page; is it behind a login or a proxy?")
            return
        if 300 <= status < 400:
            raise SourceError(f"{self._url}: wants to redirect ({status}); give the address itself")
        text = f"{self._url}: {status} {error_text(body)}".rstrip()
        if status in (400, 422) and ("maximum resolution" in text or "too many samples" in text or "too many points" in text):
            raise TooLargeError(text)
        if status in (400, 404, 405):
            raise RefusedError(text)
        raise SourceError(text)
