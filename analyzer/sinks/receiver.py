"""One remote write receiver: a body in, what became of it out.

Retries follow the remote write specification: 5xx and network errors with a jittered wait, 429 as asked within a minute, never
another 4xx, no redirects. What no repetition can help is told apart by the receiver's words, since Prometheus before 2.50 answers
500 for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import aiohttp
import structlog

from analyzer.sinks.backoff import Backoff, retry_after
from analyzer.sinks.clock import ServerClock
from service.logs import escape

log = structlog.get_logger("analyzer.sinks.remote_write")

READ_AT_MOST: Final = 256  # bytes of an answer; it may be endless
RECEIVER_OFF: Final = (
    "Prometheus does not accept remote write: start it with --web.enable-remote-write-receiver, or set `writer: {mode: scrape}` "
    "here and let it scrape /derived/metrics with honor_labels: true"
)
PERMANENT: Final = (
    "too old sample",
    "out of order",
    "out of bounds",
    "is not unique",
    "duplicate sample",
    "invalid label",
    "invalid sample",
)


class Outcome(Enum):
    """What became of one body."""

    STORED = auto()
    REFUSED = auto()  # the content, or something in it
    SUSPECT = auto()  # only errors so far, and it may be the content
    TOO_LARGE = auto()
    UNWANTED = auto()  # whatever the content: credentials, address, receiver off
    EXPIRED = auto()
    AGAIN = auto()  # not an end: try again after a while


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said: status (0 = nothing), the first bytes of its words, and when it wants us back."""

    status: int
    text: str
    after: float | None = None


def judge(answer: Answer) -> Outcome:
    """What an answer means for the body that was sent."""
    status = answer.status
    if 200 <= status < 300:
        return Outcome.STORED
    if status == 400 or (status == 500 and any(words in answer.text for words in PERMANENT)):
        return Outcome.REFUSED
    if status == 413:
        return Outcome.TOO_LARGE
    return Outcome.AGAIN if status in (0, 429) or status >= 500 else Outcome.UNWANTED


def advice(answer: Answer) -> str:
    """What to do about an answer that no repetition can help, in one line, with the receiver's own words."""
    said = escape(answer.text.strip())
    if answer.status == 404:
        return f"{RECEIVER_OFF} (it answered 404: {said})"
    if answer.status in (401, 403):
        return (
            f"the receiver refuses our credentials with {answer.status}: check writer.basic_auth or writer.authorization ({said})"
        )
    if 300 <= answer.status < 400:
        return f"the receiver redirects with {answer.status}, which is not followed: set writer.url to the final address ({said})"
    return f"the receiver answered {answer.status}: {said}" if answer.status else f"the receiver cannot be reached: {said}"


class Receiver:
    """Posts bodies to one address.

    Parameters
    ----------
    clock : the receiver's clock, corrected by the Date of its answers where `read_date`.
    poison_after : this many 500s in a row make a body SUSPECT.
    notice : called with what is wrong, "" when all is well again.
    count : called with ("post", status, 1) after every request.
    """

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        clock: ServerClock,
        read_date: bool,
        timeout: float,
        poison_after: int,
        user_agent: str,
        backoff: Backoff,
        notice: Callable[[str], None],
        count: Callable[[str, str, int], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = url
        self._session, self._clock, self._read_date = session, clock, read_date
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._poison_after, self._backoff, self._sleep = poison_after, backoff, sleep
        self._notice, self._count = notice, count
        self._headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
            "User-Agent": user_agent,
        }

    async def settle(self, body: bytes, *, until: float, impatient: bool = False) -> Outcome:
        """Post until there is an end, at the latest when the receiver's clock passes `until`. Never AGAIN.

        `impatient`: a single 500 is taken as the content's fault, since others were just stored.
        """
        attempt = errors = 0
        while True:
            if self._clock.now() > until:
                return Outcome.EXPIRED
            answer = await self.post(body)
            outcome = judge(answer)
            self._notice("" if outcome is Outcome.STORED else advice(answer))
            if outcome is not Outcome.AGAIN:
                return outcome
            errors = errors + 1 if answer.status == 500 else 0
            if errors and (impatient or errors >= self._poison_after):
                return Outcome.REFUSED if impatient else Outcome.SUSPECT
            wait = answer.after if answer.status == 429 and answer.after is not None else self._backoff.wait(attempt)
            await self._sleep(wait)
            attempt += 1

    async def post(self, body: bytes) -> Answer:
        """One request."""
        began = time.perf_counter()
        try:
            answer = await self._post(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            answer = Answer(0, f"{type(e).__name__}: {e}")
        self._count("post", str(answer.status), 1)
        log.debug("posted", url=self.url, status=answer.status, bytes=len(body), seconds=time.perf_counter() - began)
        return answer

    async def _post(self, body: bytes) -> Answer:
        request = self._session.post(self.url, data=body, headers=self._headers, allow_redirects=False, timeout=self._timeout)
        async with request as response:
            if self._read_date:
                self._clock.set_from_date(response.headers.get("Date"))
            if 200 <= response.status < 300:
                return Answer(response.status, "")  # whatever else it says does not matter
            words = await response.content.read(READ_AT_MOST)
            if not response.content.at_eof():
                response.close()  # the rest is not read, and may never end
            after = retry_after(response.headers.get("Retry-After"), self._clock.now())
            return Answer(response.status, words.decode("utf-8", "replace"), after)
