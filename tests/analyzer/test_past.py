"""A span of the past through the live code, over a made-up world."""

import numpy as np
import pytest

from analyzer import past
from analyzer.backtest.outcome import Recorder
from analyzer.maintenance import Maintenance
from analyzer.past import Past, Side, Span, chosen, joined
from analyzer.people import People
from analyzer.ports import SourceError
from analyzer.silences import Matcher as SilenceMatcher
from analyzer.silences import Silence, Silences
from analyzer.window import Series, Window
from tests.analyzer.clockwork import DAY, MINUTE, NOW, Disk, Remember, World, cycle, runner, ticks

LEARNED = 600.0  # before NOW the clockwork's service only learns


class Reports(Recorder):
    """A recorder that keeps what it heard."""

    def __init__(self):
        super().__init__()
        self.reports = []

    def take(self, report):
        super().take(report)
        self.reports.append(report)


def side(**options):
    return Side(cycle(), Reports(), **options)


class Load(World):
    """A world of one signal."""

    async def read(self, start, end, step):
        return chosen(await super().read(start, end, step), frozenset({"load"}))


async def run(world, *sides, minutes=10, history=DAY / 2, **options):
    world.at = NOW + minutes * MINUTE
    start = NOW - LEARNED + MINUTE
    span = Span(start, world.at, MINUTE, history - LEARNED + MINUTE, 300.0)
    one = Past(world, sides, span, progress=options.pop("progress", lambda phase, share: None), **options)
    await one.learn()
    await one.judge()
    return one


async def test_a_service_that_was_there_and_a_backtest_afterwards_say_the_same(tmp_path, world):
    world.faults["web-1"], world.dark, sink = NOW + 180, [(NOW + 600, NOW + 720)], Remember()
    live = runner(world, Disk(tmp_path), sinks=[sink])
    await live.prepare()
    await ticks(live, world, 30)
    again = World()
    again.faults, again.dark = world.faults, world.dark
    tried = side()
    await run(again, tried, minutes=30, history=2 * DAY)
    then, now = sink.reports, tried.recorder.reports
    assert [r.time for r in then] == [r.time for r in now]
    assert any(r.board.incidents for r in then)
    for one, other in zip(then, now, strict=True):
        assert (one.changed, one.superseded, one.suppressions) == (other.changed, other.superseded, other.suppressions)
        assert np.array_equal(one.board.scores.score, other.board.scores.score, equal_nan=True)
        assert one.board.incidents == other.board.incidents


async def test_two_sides_read_the_same_samples_once(world):
    world.faults["web-1"] = NOW - 300
    calm = Maintenance(NOW - LEARNED, NOW + DAY)
    one, other = side(), side(windows=[calm])
    await run(world, one, other)
    assert len(world.reads) == len(set(world.reads))
    assert one.recorder.outcome(NOW, NOW + 600).quiet or one.recorder.outcome(NOW, NOW + 600).alerts
    assert other.recorder.outcome(NOW, NOW + 600).alerts == other.recorder.outcome(NOW, NOW + 600).quiet == ()
    assert {r.reason for report in other.recorder.reports for r in report.suppressions} == {"maintenance"}


async def test_what_was_silenced_then_neither_pages_nor_teaches(world):
    world.faults["web-1"] = NOW - 300
    matcher = SilenceMatcher("instance", "web-1")
    calm, loud = side(), side()
    calm.cycle.people = lambda: People(Silences([Silence("s", NOW - LEARNED, NOW + DAY, (matcher,))]))
    late = Silence("s", NOW - DAY, NOW - LEARNED, (matcher,))
    loud.cycle.people = lambda: People(Silences([late]))
    await run(world, calm, loud)
    assert calm.recorder.outcome(NOW, NOW + 600).alerts == ()
    found = loud.recorder.reports[-1].board
    row = found.scores.series.rows_of(signal="cpu", host="web-1")
    assert found.scores.ready[row] <= 0.5  # its past was silenced: all it knows is lent


async def test_progress_ends_whole_in_both_phases(world):
    heard = []
    await run(world, side(), progress=lambda phase, share: heard.append((phase, share)))
    assert [p for p, share in heard if share == 1.0] == ["learn", "judge"]
    assert all(0 < share <= 1 for _, share in heard)


async def test_it_can_be_stopped_between_two_columns(world):
    one = side()
    ran = await run(world, one, stopped=lambda: one.recorder.last >= NOW - 300)
    assert [r.time for r in one.recorder.reports][-1] == ran.judged_to == NOW - 300


async def test_a_source_that_does_not_answer_is_asked_again_and_then_said(world, monkeypatch):
    monkeypatch.setattr(past, "TRIES", (0.0, 0.0))
    world.away = True
    with pytest.raises(SourceError, match="refused"):
        await run(world, side())


async def test_what_was_judged_stands_when_the_source_goes_away(world, monkeypatch):
    monkeypatch.setattr(past, "TRIES", ())
    monkeypatch.setattr(past, "MOST_COLUMNS", 5)
    one = side()
    with pytest.raises(SourceError):
        await run(world, one, progress=lambda phase, share: setattr(world, "away", phase == "judge" and share > 0.4))
    assert one.recorder.outcome(NOW, NOW).columns == 15  # the part that was on its way is judged, too


async def test_a_partial_answer_is_counted_and_opens_nothing(world):
    world.faults["web-1"], world.partial, one = NOW - 300, True, side()
    await run(world, one)
    said = one.recorder.outcome(NOW, NOW)
    assert (said.partial, said.columns, said.alerts, said.quiet) == (20, 20, (), ())


async def test_what_the_source_says_is_kept_once(world):
    world.warnings = ("cpu: too many samples",)
    ran = await run(world, side())
    assert ran.warnings == {"cpu: too many samples": 2}  # a part of history and one of the span


async def test_a_second_configuration_may_watch_fewer_signals_or_read_its_own(world):
    own = Load()
    few, more = side(shared=frozenset({"up"})), side(shared=frozenset({"cpu"}), own=own)
    await run(world, few, more)
    assert set(few.recorder.reports[-1].board.scores.series.signals) == {"up"}
    assert set(more.recorder.reports[-1].board.scores.series.signals) == {"cpu", "load"}
    assert world.reads == own.reads


def test_rows_are_chosen_and_joined_with_their_values():
    table = Series.build([("cpu", "a", "web", (("instance", "a"),)), ("up", "a", "web", (("instance", "a"),))])
    window = Window(table, np.array([0.0]), np.array([[1.0], [2.0]]))
    up = chosen(window, frozenset({"up"}))
    assert (up.series.keys(), up.values.tolist()) == ([("up", (("instance", "a"),))], [[2.0]])
    both = joined(up, chosen(window, frozenset({"cpu"})))
    assert [both.series.key(row)[0] for row in (0, 1)] == ["up", "cpu"]
    assert (both.values.tolist(), both.series.roles) == ([[2.0], [1.0]], ("web",))
    assert chosen(window, frozenset({"cpu", "up"})) is window
