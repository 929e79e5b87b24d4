"""Work that is seen through: who is cancelled meanwhile leaves when it has ended, or when a stop has no more time for it.

A cancelled `asyncio.to_thread` leaves its thread behind, which goes on changing the detectors while somebody else saves them. In: a
coroutine. Out: its result; and `torn`, whether a piece of work was left behind, so that what it works on must not be saved.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
WITHIN = 1.5  # seconds; a stop has five for everything


class Uncut:
    """Runs one piece of work after another."""

    def __init__(self, within: float = WITHIN) -> None:
        self._within = within
        self.torn = False

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Cancelled, it waits for the end of the work first, but not for ever."""
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await self._leave(task)
            raise

    async def _leave(self, task: "asyncio.Future[T]") -> None:
        self.torn = True
        await asyncio.wait({task}, timeout=self._within)
        if not task.done():
            task.cancel()  # its thread goes on; what it finds is thrown away
        else:
            self.torn = task.cancelled() or task.exception() is not None
