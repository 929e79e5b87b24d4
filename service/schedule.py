"""Cycles at whole multiples of an interval, whatever the wall clock does.

In: an interval. Out: one :class:`Tick` a cycle, at the boundary on the wall clock that readers of the results expect. Sleeping and
counting go by the monotonic clock, so a wall clock that is set two hours ahead makes no burst of missed cycles and one that is
set back makes no pause; boundaries that a slow cycle ran over are skipped and counted.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

JUMP_SECONDS = 1.0  # NTP slews by less between two ticks; more is a step, or a suspended machine


@dataclass(frozen=True)
class Tick:
    """One cycle is due.

    Attributes
    ----------
    at
        Aligned evaluation time, unix seconds: a whole multiple of the interval plus the offset, at or before now.
    skipped
        Boundaries since the last tick for which there was no cycle, because that cycle took too long.
    overrun_seconds
        By how much the last cycle was longer than the interval; 0 where it was not.
    jump_seconds
        How far the wall clock was set since the last tick; 0 where it was not. After a jump backwards `at` goes back too.
    """

    at: float
    skipped: int = 0
    overrun_seconds: float = 0.0
    jump_seconds: float = 0.0


class Schedule:
    """Iterate over it, once, with ``async for``.

    Parameters
    ----------
    interval_seconds
        Between two ticks.
    offset_seconds
        Of the boundaries against whole multiples of the interval.
    monotonic, wall, sleep
        Clocks, for tests.
    """

    def __init__(
        self,
        interval_seconds: float,
        *,
        offset_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not interval_seconds > 0:
            raise ValueError(f"interval {interval_seconds} s: above 0")
        self.ticks_total = 0
        self.skipped_total = 0
        self.overruns_total = 0
        self.jumps_total = 0
        self._interval = interval_seconds
        self._offset = offset_seconds
        self._monotonic = monotonic
        self._wall = wall
        self._sleep = sleep

    def _boundary(self, wall: float) -> float:
        """The last boundary at or before `wall`; a timer may wake a hair too early."""
        early = 1e-3 * self._interval
        return math.floor((wall + early - self._offset) / self._interval) * self._interval + self._offset

    async def __aiter__(self) -> AsyncIterator[Tick]:
        interval = self._interval
        began = finished = -math.inf
        difference = self._wall() - self._monotonic()
        due = self._monotonic() + self._to_next()
        while True:
            while (left := due - self._monotonic()) > 0:
                await self._sleep(min(left, interval))
            now = self._monotonic()
            drift = self._wall() - now - difference
            difference += drift
            jump = drift if abs(drift) > JUMP_SECONDS else 0.0
            missed = max(0, round((now - began) / interval) - 1) if began > -math.inf else 0
            overrun = max(0.0, finished - began - interval) if began > -math.inf else 0.0
            began = now
            self._count(missed, overrun, jump)
            yield Tick(self._boundary(self._wall()), missed, overrun, jump)
            finished = self._monotonic()
            due = finished + self._to_next()
            if due - began < interval / 2:  # the wall clock was set, or the timer woke early: never two ticks at once
                due += interval

    def _to_next(self) -> float:
        """Seconds to the next boundary, in (0, interval]."""
        wall = self._wall()
        return max(1e-6, self._boundary(wall) + self._interval - wall)

    def _count(self, missed: int, overrun: float, jump: float) -> None:
        self.ticks_total += 1
        self.skipped_total += missed
        self.overruns_total += overrun > 0
        self.jumps_total += jump != 0


def every(interval_seconds: float, *, offset_seconds: float = 0.0) -> Schedule:
    """``async for tick in every(60): ...``: one :class:`Tick` at each whole minute."""
    return Schedule(interval_seconds, offset_seconds=offset_seconds)
