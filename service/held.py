"""How much memory the large bodies of all requests take at once, so that many clients cannot do what one may not.

In: how much a request has taken by now. Out: nothing, or a Problem 503 for one that would be too much beside the others.
"""

from __future__ import annotations

from aiohttp import web

from service.problems import Problem

FREE_BYTES = 2 * 1024 * 1024  # smaller ones are not counted: connections are bounded already


class Held:
    """Bytes that bodies take, by request. Belongs to the event loop.

    Parameters
    ----------
    most
        Bytes of all together.
    """

    def __init__(self, most: int) -> None:
        self._most, self._by = most, dict[int, int]()

    @property
    def total(self) -> int:
        """Bytes that are counted now."""
        return sum(self._by.values())

    def at_least(self, request: web.Request, size: int, entry: str) -> None:
        """A request takes this much by now. Raises Problem 503 where it is too much beside the others; alone, it may."""
        before = self._by.get(id(request), 0)
        if size <= max(before, FREE_BYTES):
            return
        others = self.total - before
        if others and others + size > self._most:
            raise Problem(503, "busy", "too much is being read at once; try again", {"Retry-After": "5"}, entry=entry, close=True)
        self._by[id(request)] = size

    def release(self, request: web.Request) -> None:
        """It is answered."""
        self._by.pop(id(request), None)


HELD = web.AppKey("held", Held)
