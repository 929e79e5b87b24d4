"""Threat row 45, the cycles: a clock that is set, ours or the source's, makes no burst and no page, and the cycles go on."""

import numpy as np
import pytest

from tests.analyzer.clockwork import MINUTE, NOW, Remember, Told, runner, ticks

HOUR = 3600.0


async def started(world, learned, **options):
    sink, told = Remember(), Told()
    one = runner(world, learned, sinks=[sink], told=told, **options)
    await one.prepare()
    await ticks(one, world, 5)
    return one, sink, told


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR])
async def test_a_jump_of_our_own_clock_moves_no_evaluation_time_and_is_told_once(world, learned, jump):
    off = {"by": 0.0}
    one, sink, told = await started(world, learned, wall=lambda: world.at + off["by"])
    off["by"] = jump
    await ticks(one, world, 10)
    assert np.diff(sink.times[-10:]).tolist() == [60.0] * 9
    assert told.alerts == [("OpenManagerClockSkew", True)]
    off["by"] = 0.0
    await ticks(one, world, 2)
    assert told.alerts == [("OpenManagerClockSkew", True), ("OpenManagerClockSkew", False)]


async def test_a_source_set_ahead_two_hours_makes_no_burst_and_no_page(world, learned):
    one, sink, _ = await started(world, learned)
    seen, world.at = len(sink.reports), world.at + 2 * HOUR
    world.dark = [(NOW + 301, world.at - 1)]  # nothing was scraped at times that never were
    await ticks(one, world, 15)
    assert [t - world.at for t in sink.times[seen:]] == [60.0 * i for i in range(-15, 1)]
    assert sink.incidents() == []


async def test_a_source_set_back_two_hours_goes_on_from_there(world, learned):
    one, sink, _ = await started(world, learned)
    seen, world.at = len(sink.reports), world.at - 2 * HOUR
    await ticks(one, world, 15)
    assert [t - world.at for t in sink.times[seen:]] == [60.0 * i for i in range(-14, 1)]
    assert sink.incidents() == []
    assert np.isfinite(one.board.scores.score).any()


async def test_a_source_set_back_by_less_is_waited_for_and_told_of(world, learned):
    one, sink, told = await started(world, learned)
    seen, world.at = len(sink.reports), world.at - 20 * MINUTE
    await ticks(one, world, 17)
    assert sink.times[seen:] == []
    assert told.alerts == [("OpenManagerSourceDown", True)]
    await ticks(one, world, 6)
    assert [t - NOW for t in sink.times[seen:]] == [360.0, 420.0, 480.0]
    assert told.alerts[-1] == ("OpenManagerSourceDown", False)


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR, 5 * HOUR])
async def test_an_open_incident_stays_the_same_over_a_jump_of_the_source(world, learned, jump):
    one, sink, _ = await started(world, learned)
    world.faults["web-1"] = NOW - 3 * HOUR
    await ticks(one, world, 8)
    before = [i.id for i in one.board.incidents]
    world.at += jump
    await ticks(one, world, 8)
    assert [i.id for i in one.board.incidents] == before
    assert [state for _, state in sink.incidents()] == ["open"]


async def test_a_suspended_machine_catches_up_once(world, learned):
    one, sink, _ = await started(world, learned)
    seen, world.at = len(sink.reports), world.at + 40 * MINUTE
    await ticks(one, world, 3)
    assert [t - NOW for t in sink.times[seen:]] == [300.0 + 60 * i for i in range(1, 44)]
    assert sink.incidents() == []
