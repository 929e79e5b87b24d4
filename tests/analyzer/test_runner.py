"""The clockwork: what is read when, what a trouble costs, and what must never be lost or said twice."""

import asyncio
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from analyzer.maintenance import Maintenance
from analyzer.ports import SinkError, SourceError
from analyzer.records import Topology
from tests.analyzer.clockwork import HOSTS, MINUTE, NOW, Disk, Remember, metric, runner, ticks


async def test_first_start_learns_history_and_judges_only_its_end(world, tmp_path):
    sink = Remember()
    one = runner(world, Disk(tmp_path), sinks=[sink])
    await one.prepare()
    await one.tick()
    assert sink.times == [NOW - 540 + 60 * i for i in range(10)]
    assert world.reads[0][0] == NOW - 2 * 86400.0


async def test_evaluation_times_lie_on_whole_multiples_of_the_sources_clock(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink], wall=lambda: world.at - 17.0)
    await one.prepare()
    world.at = NOW + 79.6
    await one.tick()
    assert sink.times[-1] == NOW + 60


async def test_a_second_turn_within_one_interval_does_nothing(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    world.at += 30
    assert await one.tick() == 0
    assert len(sink.times) == len(set(sink.times)) == 10


async def test_columns_that_an_overrun_missed_are_judged_by_the_next_turn(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    world.at += 5 * MINUTE
    assert await one.tick() == 5
    assert sink.times[-5:] == [NOW + 60 * i for i in range(1, 6)]


async def test_samples_that_come_late_are_judged_when_they_are_there(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    world.dark = [(NOW - 60, NOW + 1)]
    await one.tick()
    world.dark = []
    await ticks(one, world, 1)
    assert sink.times[-4:] == [NOW - 120, NOW - 60, NOW, NOW + 60]


async def test_a_long_stretch_is_read_in_bounded_parts(world, learned):
    one = runner(world, learned, times={"interval": 15.0, "judge_last": 7200.0})
    await one.prepare()
    world.at += 6000
    world.reads.clear()
    await one.tick()
    assert [round((b - a) / 15) + 1 for a, b in world.reads] == [240, 200]


async def test_a_gap_of_hours_is_learned_from_and_only_its_end_judged(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    world.at += 5 * 3600
    world.reads.clear()
    assert await one.tick() == 10
    assert sink.times[-10:] == [world.at - 540 + 60 * i for i in range(10)]
    assert world.reads[0] == (NOW, world.at - 600)  # coarsely, from where it was left


async def test_what_was_found_is_stored_before_any_sink_is_told(world, learned):
    order = []

    class Asking(Remember):
        async def put(self, report):
            order.append(learned.saved is not None and learned.saved[0] == report.time)

    one = runner(world, learned, sinks=[Asking()])
    await one.prepare()
    await one.tick()
    assert order == [True] * 10


async def test_the_trackers_of_a_report_are_those_after_it_and_not_after_later_columns(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    world.faults["web-1"] = NOW - 400
    seen = []
    learned.put_report = lambda report, trackers: keep(seen, trackers, bool(report.board.incidents))
    await one.tick()
    assert [with_incident for _, with_incident in seen] == [('"cases":[]' not in text) for text, _ in seen]
    assert {with_incident for _, with_incident in seen} == {True, False}


async def keep(seen, *row):
    seen.append(row)


@pytest.mark.parametrize("error", [SinkError("503", recoverable=True), RuntimeError("a fault of ours")])
async def test_a_sink_that_fails_keeps_no_other_from_being_told_and_is_counted(world, learned, error):
    good = Remember()
    one = runner(world, learned, sinks=[Remember("bad", error), good])
    await one.prepare()
    await one.tick()
    assert len(good.reports) == 10
    assert metric(one, "openmanager_analyzer_sink_errors_total", sink="bad") == 10


async def test_people_are_told_even_when_the_store_fails(world, learned):
    sink = Remember()
    learned.fails = RuntimeError("a fault of ours")
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    assert len(sink.reports) == 10


async def test_a_column_that_cannot_be_scored_is_passed_over_and_the_next_is_judged(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    engine, step = one.resume.cycle.engine, one.resume.cycle.engine.step
    engine.step = lambda *args, **kw: 1 / 0
    world.at += MINUTE
    with pytest.raises(ZeroDivisionError):
        await one.tick()
    engine.step = step
    await ticks(one, world, 1)
    assert sink.times[-2:] == [NOW, NOW + 120]


async def test_topology_that_cannot_be_read_keeps_the_last_one(world, learned):
    edge = Topology((("web-1", "db-1"),))
    answers = [edge]

    async def topology(now):
        if not answers:
            raise SourceError("503")
        return answers.pop()

    world.topology = topology
    one = runner(world, learned)
    await one.prepare()
    await one.tick()
    world.at += 600
    await one.tick()
    assert one.board.topology == edge


async def test_muted_hosts_open_nothing_and_are_said_to_be_under_maintenance(world, learned):
    sink = Remember()
    window = Maintenance(NOW - 3600, NOW + 3600, "web-1")
    one = runner(world, learned, sinks=[sink], windows=[window])
    await one.prepare()
    world.faults["web-1"] = NOW
    await ticks(one, world, 8)
    assert sink.incidents() == []
    assert "maintenance" in {line.reason for r in sink.reports for line in r.suppressions}


async def test_history_inside_a_maintenance_window_teaches_nothing(world, tmp_path):
    world.faults["web-1"], world.healed["web-1"] = NOW - 40 * 3600, NOW - 4 * 3600
    window = Maintenance(NOW - 41 * 3600, NOW - 4 * 3600, "web-1")
    plain, muted = (runner(world, Disk(tmp_path / name), windows=w) for name, w in (("a", ()), ("b", (window,))))
    for one in (plain, muted):
        await one.prepare()
        await one.tick()

    def cpu(one):
        scores = one.board.scores
        return scores.yhat[scores.series.rows_of(signal="cpu", host="web-1")][0]

    assert cpu(muted) == pytest.approx(0.3, abs=0.02)
    assert cpu(plain) > 0.35


async def test_series_that_end_are_named_once_and_not_while_half_an_answer_hides_them(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    world.hosts, world.partial = HOSTS[1:], True
    await ticks(one, world, 2)
    world.partial = False
    await ticks(one, world, 2)
    ended = [sorted({r.ended_series.host_of(i) for i in range(len(r.ended_series))}) for r in sink.reports[-4:]]
    assert ended == [[], [], ["web-1"], []]


async def test_series_that_end_are_named_although_the_engine_packs_its_table_meanwhile(world, learned):
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    await one.tick()
    table = one.resume.cycle.engine.table
    table.take(np.arange(len(table)))  # another object with the same rows
    world.hosts = HOSTS[1:]
    await ticks(one, world, 1)
    assert {sink.reports[-1].ended_series.host_of(i) for i in range(5)} == {"web-1"}


# ---- stopping ----


def slow(one, gate, entered):
    """Make the pipeline's next column wait in its thread for a gate."""
    step = one.resume.cycle.engine.step

    def waiting(*args, **kw):
        entered.set()
        gate.wait(5)
        return step(*args, **kw)

    one.resume.cycle.engine.step = waiting


async def test_a_stop_waits_for_the_column_that_is_being_done_and_saves_it(world, learned):
    sink, gate, entered = Remember(), threading.Event(), threading.Event()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    slow(one, gate, entered)
    turn = asyncio.create_task(one.tick())
    await asyncio.to_thread(entered.wait, 5)
    turn.cancel()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    with pytest.raises(asyncio.CancelledError):
        await turn
    await one.save_now()
    assert sink.times == [NOW - 540]
    again = runner(world, learned)
    await again.resume.load()
    assert again.resume.saved_at == NOW - 540


async def test_a_stop_that_cannot_wait_leaves_the_older_snapshot(world, learned):
    gate, entered = threading.Event(), threading.Event()
    one = runner(world, learned)
    await one.prepare()
    one.resume.uncut._within = 0.05
    before = (learned.folder / "detectors.npz").read_bytes()
    slow(one, gate, entered)
    turn = asyncio.create_task(one.tick())
    await asyncio.to_thread(entered.wait, 5)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await one.save_now()
    gate.set()
    assert (learned.folder / "detectors.npz").read_bytes() == before


async def test_half_learned_detectors_are_not_saved(world, tmp_path):
    disk = Disk(tmp_path)
    disk.saved = (NOW - 120, '{"findings": {}}')
    one = runner(world, disk)
    read, calls = world.read, []

    async def stuck(*args):
        calls.append(args)
        return await (read(*args) if len(calls) == 1 else asyncio.Event().wait())

    world.read = stuck
    start = asyncio.create_task(one.prepare())
    while len(calls) < 2:
        await asyncio.sleep(0.01)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await one.save_now()
    assert not (tmp_path / "detectors.npz").exists()


async def test_state_is_saved_every_so_often(world, learned):
    one = runner(world, learned)
    await one.prepare()
    saved = []
    for _ in range(12):
        await ticks(one, world, 1)
        saved.append(one.resume.saved_at - NOW)
    assert saved == [60, 60, 60, 60, 60, 360, 360, 360, 360, 360, 660, 660]


async def test_memory_of_one_runner_does_not_grow_with_its_cycles(world, learned):
    one = runner(world, learned)
    await one.prepare()
    await ticks(one, world, 60)
    tracemalloc.start()
    learned.put_report = lambda report, trackers: asyncio.sleep(0)
    await ticks(one, world, 10)
    before = tracemalloc.get_traced_memory()[0]
    await ticks(one, world, 200)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 200_000


async def test_the_hour_of_the_day_follows_the_zone_when_its_clocks_change(world, learned):
    offset = {"now": 3600.0}
    one = runner(world, learned)
    one.resume.cycle.utc_offset = lambda at: offset["now"]
    await one.prepare()
    await one.tick()
    first = one.resume.cycle.engine.profile.open
    offset["now"] = 7200.0
    await ticks(one, world, 1)
    second = one.resume.cycle.engine.profile.open
    assert second == replace(first, slot=first.slot + 4, share=second.share)
    assert one.resume.cycle.forecaster.offset == 7200.0
