"""A level that stays becomes the usual and is said to; a drift never does, nor what lasted while nobody looked."""

import numpy as np

from analyzer.explain.engine import LocalExplainer
from analyzer.window import Window
from tests.analyzer.clockwork import DAY, MINUTE, NOW, TABLE, Disk, Remember, World, cycle, runner, ticks

HOUR = 3600.0
LEARNED = {}


def known(**options):
    """A cycle that has learned two days."""
    made = cycle(**options)
    if not LEARNED:
        world, at = World(), NOW - 2 * DAY + 300 * np.arange(576)
        made.bootstrap(Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1)))
        LEARNED.update(made.arrays())
    made.restore_arrays(LEARNED)
    return made


def live(made, hours, change):
    """Reports every two minutes; `change(column, seconds since the start)` spoils web-1's samples."""
    world, out = World(), []
    world.at = np.inf
    at = NOW + 2 * MINUTE * np.arange(int(30 * hours))
    columns = [world.column(t) for t in at]
    for t, column in zip(at, columns, strict=True):
        change(column, t - NOW)
    for first in range(0, len(at), 30):
        part = slice(first, first + 30)
        out += made.run(Window(TABLE, at[part], np.stack(columns[part], axis=1)))
    return out


def web_1(alias):
    return TABLE.rows_of(signal=alias, host="web-1")[0]


def closings(reports):
    return [(i.closed_because, (r.time - NOW) / HOUR) for r in reports for i in r.changed if i.state == "resolved"]


def test_a_level_that_stays_is_the_usual_after_six_hours_and_the_incident_says_so_in_both_languages():
    def more_work(column, seconds):
        column[[web_1("cpu"), web_1("load")]] *= 1.8 if seconds > HOUR else 1.0

    reports = live(known(explainer=LocalExplainer()), 9, more_work)
    (because, when), *rest = closings(reports)
    assert (because, rest) == ("new_normal", [])
    assert 7 < when < 8
    last = next(r for r in reports if any(i.state == "resolved" for i in r.changed))
    words = next(iter(last.board.explanations.values())).texts
    assert "is now taken as usual" in words["en"].headline
    assert "새로운 평소 수준으로 판단" in words["ko"].headline
    assert reports[-1].board.findings == ()


def test_a_drift_towards_a_limit_never_becomes_usual():
    def leak(column, seconds):
        column[web_1("memory")] += max(seconds - HOUR, 0.0) * 0.45 / (11 * HOUR)

    reports = live(known(), 12, leak)
    row = reports[-1].board.scores.series.positions([TABLE.key(web_1("memory"))])[0]
    assert not any(r.board.scores.promoted[row] for r in reports)
    assert "new_normal" not in [because for because, _ in closings(reports)]
    assert [f.signal for f in reports[-1].board.findings] == ["memory"]


async def test_a_fault_that_lasted_while_the_analyzer_was_away_is_not_usual_when_it_is_back(tmp_path):
    world, disk = World(), Disk(tmp_path)
    one = runner(world, disk, cycle=known())
    one.resume._known_to = one.resume.last = NOW
    one.resume.whole = True
    world.faults["web-1"] = NOW
    await ticks(one, world, 10)
    before = one.board.incidents[0]
    await one.save_now()
    world.at += 10 * HOUR
    again = runner(world, disk, sinks=[sink := Remember()])
    await again.prepare()
    await ticks(again, world, 30)
    assert [i.id for i in again.board.incidents] == [before.id]
    assert all(state == "open" for _, state in sink.incidents())


async def test_a_fault_that_began_while_the_analyzer_was_away_is_found_when_it_is_back(tmp_path):
    world, disk = World(), Disk(tmp_path)
    one = runner(world, disk, cycle=known())
    one.resume._known_to = one.resume.last = NOW
    one.resume.whole = True
    await ticks(one, world, 2)
    await one.save_now()
    world.faults["web-1"] = NOW + HOUR
    world.at += 10 * HOUR
    again = runner(world, disk, sinks=[sink := Remember()])
    await again.prepare()
    await ticks(again, world, 15)
    assert [i.host for i in again.board.incidents] == ["web-1"]
    assert [state for _, state in sink.incidents()][:1] == ["open"]
