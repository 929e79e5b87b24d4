"""Requests a second of one address, counted in memory of a fixed size on a clock that never jumps.

The strategy is the ``limits`` library's fixed window; its own memory storage counts on the wall clock and starts a task or a
thread a request, so the storage is ours.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web
from limits import RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from service.problems import Problem

REMEMBERED = 4096  # addresses; the one seen longest ago is forgotten first


class MonotonicMemory(Storage):
    """Counters of a fixed window, at most `most` of them."""

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = REMEMBERED) -> None:
        super().__init__()
        self._clock = clock
        self._most = most
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing here fails for reasons outside."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """One more in the window of `key` that ends `expiry` seconds after its first."""
        now = self._clock()
        count, ends = self._counts.pop(key, (0, 0.0))
        if ends <= now:
            count, ends = 0, now + expiry
        self._counts[key] = (count + amount, ends)
        while len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count + amount

    def get(self, key: str) -> int:
        """How many in the current window."""
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        """When the current window ends, on the wall clock, as the library asks for it."""
        return time.time() + max(0.0, self._counts.get(key, (0, 0.0))[1] - self._clock())

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything; how much it was."""
        count = len(self._counts)
        self._counts.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one."""
        self._counts.pop(key, None)


def network(remote: str) -> str:
    """The unit that is limited: an IPv4 address, or the /64 that one IPv6 host can pick any address of."""
    if ":" not in remote:
        return remote
    try:
        return str(ipaddress.ip_network((remote.partition("%")[0], 64), strict=False))
    except ValueError:
        return remote


class RateLimiter:
    """429 for an address that asks more than `per_second` times a second."""

    def __init__(self, per_second: int, storage: Storage | None = None) -> None:
        self._item = RateLimitItemPerSecond(per_second)
        self._limiter = FixedWindowRateLimiter(storage or MonotonicMemory())

    def check(self, remote: str) -> None:
        """Count one request of `remote`."""
        if not self._limiter.hit(self._item, network(remote)):
            raise Problem(429, "too_many_requests", f"more than {self._item.amount} a second", {"Retry-After": "1"}, entry="rate")


RATE = web.AppKey("rate", RateLimiter)
