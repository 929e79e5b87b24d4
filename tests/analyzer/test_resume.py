"""Restarts: whatever of the state is there or not, nothing is opened or ended twice, and the analyzer goes on within a cycle."""

import json

import pytest

from analyzer import snapshot
from analyzer.intake import spans
from analyzer.ports import SourceError
from tests.analyzer.clockwork import MINUTE, NOW, Disk, Remember, metric, runner, ticks


async def ill(world, learned, minutes=8):
    """A runner that has found web-1 ill; its sink and its incident."""
    sink = Remember()
    one = runner(world, learned, sinks=[sink])
    await one.prepare()
    world.faults["web-1"] = NOW
    await ticks(one, world, minutes)
    assert [i.state for i in one.board.incidents] == ["open"]
    return one, sink, one.board.incidents[0]


async def started_again(world, learned, **options):
    """Another process over the same disk, after its first turn."""
    sink = Remember()
    one = runner(world, learned, sinks=[sink], **options)
    await one.prepare()
    await ticks(one, world, 1)
    return one, sink


async def test_a_kill_changes_no_incident_and_costs_at_most_one_cycle(world, learned):
    _, _, before = await ill(world, learned)
    one, sink = await started_again(world, learned)
    after = one.board.incidents[0]
    assert (after.id, after.opened, after.started, after.labels, after.severity) == (
        before.id, before.opened, before.started, before.labels, before.severity,
    )  # fmt: skip
    assert sink.incidents() == []
    assert sink.times == [world.at]


async def test_an_incident_that_heals_while_nobody_watches_ends_once(world, learned):
    _, _, before = await ill(world, learned)
    world.healed["web-1"] = world.at
    world.at += 15 * MINUTE
    _, sink = await started_again(world, learned)
    assert sink.incidents() == [(before.id, "resolved")]


async def test_scores_after_a_restart_are_those_that_there_would_have_been_without(world, learned):
    one, _, _ = await ill(world, learned)
    again, _ = await started_again(world, learned)
    await one.tick()
    assert again.board.scores.score.tolist() == pytest.approx(one.board.scores.score.tolist(), abs=1e-9, nan_ok=True)


async def test_a_snapshot_older_than_the_trackers_is_brought_up_to_them_silently(world, learned):
    one, _, before = await ill(world, learned)
    assert one.resume.saved_at < one.last  # the last columns are not in it
    world.reads.clear()
    again = runner(world, learned, sinks=[sink := Remember()])
    await again.prepare()
    assert world.reads == [(one.resume.saved_at + 60, one.last)]
    assert sink.reports == []
    await ticks(again, world, 1)
    assert [i.id for i in again.board.incidents] == [before.id]


async def test_without_a_snapshot_history_is_learned_and_open_incidents_stay(world, learned):
    _, _, before = await ill(world, learned)
    (learned.folder / "detectors.npz").unlink()
    one, sink = await started_again(world, learned)
    assert [i.id for i in one.board.incidents] == [before.id]
    assert sink.incidents() == []
    assert sink.times == [world.at]


async def test_without_trackers_the_snapshot_serves_and_the_fault_is_found_again(world, learned):
    await ill(world, learned)
    learned.saved = None
    one, sink = await started_again(world, learned)
    await ticks(one, world, 4)
    assert [state for _, state in sink.incidents()] == ["open"]
    assert not any(start == NOW - 2 * 86400 for start, _ in world.reads[-8:])  # nothing was learned anew


async def test_another_configuration_learns_anew_and_keeps_incidents(world, learned):
    _, _, before = await ill(world, learned)
    world.reads.clear()
    one, sink = await started_again(world, learned, fingerprint="other signals")
    assert world.reads[0][0] == NOW + 300 - 2 * 86400  # history again, on multiples of its step
    assert [i.id for i in one.board.incidents] == [before.id]
    assert sink.incidents() == []


async def test_after_a_long_sleep_what_was_missed_is_learned_and_only_the_end_judged(world, learned):
    await ill(world, learned)
    world.healed["web-1"] = world.at
    world.at += 6 * 3600
    world.reads.clear()
    again, sink = await started_again(world, learned)
    assert world.reads[0] == (NOW + 300, NOW + 480 + 6 * 3600 - 600 - 180)  # from the snapshot, in steps of history
    assert sink.times[0] == world.at - MINUTE - 540
    assert [state for _, state in sink.incidents()] == ["resolved"]
    assert again.board.incidents == ()


async def test_a_fault_that_goes_on_is_not_excused_by_a_long_sleep_of_ours(world, learned):
    _, _, before = await ill(world, learned)
    world.at += 5 * 3600
    again, sink = await started_again(world, learned)
    await ticks(again, world, 5)
    assert [i.id for i in again.board.incidents] == [before.id]
    assert sink.incidents() == []


async def test_trackers_that_cannot_be_read_are_left_out_and_counted(world, learned):
    await ill(world, learned)
    learned.saved = (
        learned.saved[0],
        json.dumps({"findings": json.loads(learned.saved[1])["findings"], "incidents": {"cases": 3}}),
    )
    one, _ = await started_again(world, learned)
    assert metric(one, "openmanager_analyzer_state_quarantined_total", what="trackers") == 1
    assert one.last == world.at


@pytest.mark.parametrize("damage", [b"", b"not a snapshot", None], ids=["empty", "nonsense", "other arrays"])
async def test_row_38_a_snapshot_that_cannot_be_used_means_learning_anew(world, learned, damage):
    path = learned.folder / "detectors.npz"
    if damage is None:
        arrays, meta = snapshot.load(path)
        snapshot.save(path, {k: v[:-1] for k, v in arrays.items()}, meta)
    else:
        path.write_bytes(damage)
    one, sink = await started_again(world, learned)
    assert metric(one, "openmanager_analyzer_state_quarantined_total", what="snapshot") == 1
    assert len(list(learned.folder.glob("detectors.npz.quarantined-*"))) == 1
    assert len(sink.reports) == 11


async def test_row_38_half_a_state_leaves_neither_part_of_the_detectors_restored(world, learned):
    path = learned.folder / "detectors.npz"
    arrays, meta = snapshot.load(path)
    snapshot.save(path, {k: v for k, v in arrays.items() if k != "forecaster.head"}, meta)
    one = runner(world, learned)
    await one.resume.load()
    assert len(one.resume.cycle.engine.series) == len(one.resume.cycle.forecaster.series) == 0


async def test_a_source_that_goes_away_while_history_is_learned_is_asked_only_for_the_rest(world, tmp_path):
    one = runner(world, Disk(tmp_path), times={"interval": 0.01})
    read, starts = world.read, []

    async def breaking(start, end, step):
        starts.append((start - NOW) / 86400)
        if len(starts) == 2:
            raise SourceError("reset")
        return await read(start, end, step)

    world.read = breaking
    await one.resume.load()
    with pytest.raises(SourceError):
        await one.resume.catch_up(NOW)
    await one.resume.catch_up(NOW)
    assert starts == [-2, -1, -1]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 30, [(0, 10), (20, 30)]),
        (0, 20, [(0, 10), (20, 20)]),
        (0, 0, [(0, 0)]),
        (10, 0, []),
        (0, 29.999999999, [(0, 10), (20, 30)]),
    ],
)
def test_spans_are_bounded_and_leave_nothing_out(first, last, expected):
    assert list(spans(first, last, 10, 2)) == expected
