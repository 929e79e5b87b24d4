"""Reads silences from every Alertmanager, beside the cycles and never in their way.

In: targets. Out: the silences of all of them, each once. One that does not answer keeps what it last said (a silence ends by its
own time), is counted, and is asked again.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import aiohttp
import msgspec

from analyzer.silences import Silence, Silences, parse
from analyzer.sinks.alertmanager import Target
from service import logs

EVERY: Final = 30.0
FIRST: Final = 2.0  # seconds that a start waits for it
MAX_BYTES: Final = 16 << 20  # about 20,000 silences
FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError)


class SilenceReader:
    """`start` it, read `current`, `close` it.

    Parameters
    ----------
    identity : the labels that a server's name is made of.
    every, timeout : seconds.
    count : called with the outcome of each read ("ok", "failed") and how many silences count now.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        identity: tuple[str, ...],
        *,
        every: float = EVERY,
        timeout: float = 5.0,
        count: Callable[[str, int], None] = lambda outcome, n: None,
    ) -> None:
        self._targets, self._identity, self._every, self._timeout, self._count = targets, identity, every, timeout, count
        self._known: dict[int, tuple[Silence, ...]] = {}
        self._said: set[int] = set()
        self._task: asyncio.Task[None] | None = None
        self._log = logs.get("silences")
        self.current = Silences((), identity)

    async def start(self) -> None:
        """Ask once, so that the first cycle knows, and go on asking."""
        if self._targets and self._task is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST):
                    await self.read()
            self._task = asyncio.create_task(self._run(), name="silences")

    async def close(self) -> None:
        """Stop asking."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def read(self) -> None:
        """Ask everybody once."""
        await asyncio.gather(*(self._ask(at) for at in range(len(self._targets))))
        found = {silence.id: silence for known in self._known.values() for silence in known}
        if tuple(found.values()) != self.current.all:
            self.current = Silences(found.values(), self._identity)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self.read()

    async def _ask(self, at: int) -> None:
        target = self._targets[at]
        try:
            self._known[at], odd = parse(await answer(target, self._timeout))
        except FAILURES as error:
            if at not in self._said:
                self._log.warning(
                    "silences not read; those that were known count until they end", url=target.url, reason=repr(error)
                )
            self._said.add(at)
            self._count("failed", len(self.current.all))
            return
        if odd and at not in self._said:
            self._log.warning("some silences could not be understood, or were too many", url=target.url, left_out=odd)
        (self._said.add if odd else self._said.discard)(at)
        self._count("ok", len({s.id for known in self._known.values() for s in known}))


async def answer(target: Target, seconds: float) -> object:
    """All silences that an Alertmanager remembers, as it answers within so many seconds. Raises one of FAILURES."""
    url = f"{target.url.rstrip('/')}/api/v2/silences"
    async with target.session.get(url, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=seconds)) as response:
        if response.status != 200:
            raise ValueError(f"answered {response.status}")
        body = bytearray()
        async for chunk in response.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > MAX_BYTES:
                response.close()
                raise ValueError(f"an answer of more than {MAX_BYTES} bytes")
        return await asyncio.to_thread(msgspec.json.decode, bytes(body))
