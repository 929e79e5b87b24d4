"""Cycles whose clock is set forward and back (row 45)."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from service.schedule import Schedule, Tick, every


class Clocks:
    """A monotonic and a wall clock that move only by sleeping and by being set."""

    def __init__(self, wall: float = 1_000_000_007.0) -> None:
        self.now, self.offset = 50.0, wall - 50.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self.offset

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def schedule(self, interval: float = 60.0, **options: float) -> Schedule:
        return Schedule(interval, monotonic=self.monotonic, wall=self.wall, sleep=self.sleep, **options)


async def take(schedule: Schedule, count: int, body=lambda index: None) -> list[Tick]:
    ticks: list[Tick] = []
    async for tick in schedule:
        ticks.append(tick)
        body(len(ticks) - 1)
        if len(ticks) == count:
            break
    return ticks


async def test_ticks_are_at_whole_multiples_of_the_interval():
    ticks = await take(Clocks().schedule(), 3)
    assert [tick.at for tick in ticks] == [1_000_000_020.0, 1_000_000_080.0, 1_000_000_140.0]


async def test_offset_moves_the_boundaries():
    ticks = await take(Clocks().schedule(60, offset_seconds=5), 2)
    assert [tick.at for tick in ticks] == [1_000_000_025.0, 1_000_000_085.0]


async def test_slow_cycle_skips_boundaries_and_counts_them():
    clocks = Clocks()
    schedule = clocks.schedule()

    def body(index: int) -> None:
        clocks.now += 150 if index == 0 else 1

    ticks = await take(schedule, 3, body)
    assert [tick.at - 1_000_000_020 for tick in ticks] == [0, 180, 240]
    assert [(tick.skipped, tick.overrun_seconds) for tick in ticks] == [(0, 0), (2, 90), (0, 0)]
    assert (schedule.skipped_total, schedule.overruns_total) == (2, 1)


async def test_row_45_wall_clock_set_ahead_two_hours_makes_no_burst():
    clocks, times = Clocks(), []

    def body(index: int) -> None:
        times.append(clocks.now)
        clocks.offset += 7211 if index == 2 else 0

    ticks = await take(clocks.schedule(), 8, body)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(30 <= gap <= 90 for gap in gaps)
    assert sum(tick.skipped for tick in ticks) == 0
    assert [round(tick.jump_seconds) for tick in ticks if tick.jump_seconds] == [7211]


async def test_row_45_wall_clock_set_back_two_hours_makes_no_pause():
    clocks, times = Clocks(), []

    def body(index: int) -> None:
        times.append(clocks.now)
        clocks.offset -= 7211 if index == 2 else 0

    ticks = await take(clocks.schedule(), 8, body)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(30 <= gap <= 90 for gap in gaps)
    assert ticks[3].at < ticks[2].at
    assert ticks[3].jump_seconds == -7211


async def test_row_45_clock_set_while_it_sleeps_makes_no_burst():
    clocks, times = Clocks(), []
    plain = clocks.sleep

    async def jumping(seconds: float) -> None:
        await plain(seconds)
        if len(times) == 3:
            clocks.offset += 7200.5

    schedule = Schedule(60, monotonic=clocks.monotonic, wall=clocks.wall, sleep=jumping)
    await take(schedule, 8, lambda index: times.append(clocks.now))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(30 <= gap <= 90 for gap in gaps)


async def test_timer_that_wakes_early_does_not_tick_twice():
    clocks = Clocks()

    async def early(seconds: float) -> None:
        clocks.now += max(seconds - 0.01, 0.001)

    schedule = Schedule(60, monotonic=clocks.monotonic, wall=clocks.wall, sleep=early)
    ticks = await take(schedule, 5)
    assert [tick.at - ticks[0].at for tick in ticks] == [0, 60, 120, 180, 240]


async def test_real_clock_ticks_at_its_interval():
    loop = asyncio.get_running_loop()
    times = []
    async for _ in every(0.1):
        times.append(loop.time())
        if len(times) == 4:
            break
    assert 0.25 < times[-1] - times[0] < 0.45
