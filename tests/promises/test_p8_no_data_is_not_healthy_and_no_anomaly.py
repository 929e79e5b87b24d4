"""P8: a Prometheus that is down, empty, half or stale opens nothing and ends nothing, and people hear of it once, soon."""

import pytest

from tests.analyzer.clockwork import HOSTS, MINUTE, NOW, Remember, Told, metric, runner, ticks


def down(world):
    world.away = True


def empty(world):
    world.dark = [(world.at, world.at + 86400)]


def half(world):
    world.partial, world.hosts = True, HOSTS[2:]


def warning(world):
    world.warnings, world.partial, world.hosts = ("store unreachable",), True, HOSTS[3:]


def silent(world):
    """Most hosts gone at once: the service discovery answered with an empty list, say."""
    world.hosts = HOSTS[3:]


def back(world):
    world.away = world.partial = False
    world.dark, world.hosts, world.warnings = [(a, min(b, world.at)) for a, b in world.dark], HOSTS, ()


TROUBLES = [
    (down, "SourceDown"),
    (empty, "SourceDown"),
    (half, "SourcePartial"),
    (warning, "SourcePartial"),
    (silent, "SourcePartial"),
]


@pytest.fixture
async def ill(world, learned):
    """A runner with one open incident, its sink, and what people heard about the analyzer."""
    sink, told = Remember(), Told()
    one = runner(world, learned, sinks=[sink], told=told)
    await one.prepare()
    world.faults["web-1"] = NOW
    await ticks(one, world, 8)
    assert [state for _, state in sink.incidents()] == ["open"]
    return one, sink, told


@pytest.mark.parametrize(("trouble", "name"), TROUBLES, ids=lambda t: getattr(t, "__name__", t))
async def test_nothing_opens_or_ends_while_it_lasts(world, ill, trouble, name):
    one, sink, _ = ill
    world.healed["web-1"] = world.at + 1
    world.faults["web-2"] = world.at + 1
    trouble(world)
    await ticks(one, world, 12)
    assert [state for _, state in sink.incidents()] == ["open"]
    assert [i.host for i in one.board.incidents] == ["web-1"]


@pytest.mark.parametrize(("trouble", "name"), TROUBLES, ids=lambda t: getattr(t, "__name__", t))
async def test_people_hear_of_it_once_within_two_cycles_and_once_of_its_end(world, ill, trouble, name):
    one, _, told = ill
    trouble(world)
    await ticks(one, world, 1)
    assert told.alerts == []
    await ticks(one, world, 1)
    assert told.alerts == [(f"OpenManager{name}", True)]
    await ticks(one, world, 10)
    back(world)
    await ticks(one, world, 3)
    assert told.alerts == [(f"OpenManager{name}", True), (f"OpenManager{name}", False)]


async def test_a_single_missing_answer_is_no_news(world, ill):
    one, _, told = ill
    for _ in range(4):
        down(world)
        await ticks(one, world, 1)
        back(world)
        await ticks(one, world, 1)
    assert told.alerts == []


async def test_when_it_is_back_the_columns_that_exist_are_judged_in_order(world, ill):
    one, sink, _ = ill
    last = one.last
    down(world)
    await ticks(one, world, 20)
    world.dark = [(last + 300, world.at - 300)]  # it was down itself and scraped nothing meanwhile
    back(world)
    await ticks(one, world, 1)
    assert [t - last for t in sink.times if t > last] == [60, 120, 180, 240, 900, 960, 1020, 1080, 1140, 1200, 1260]


async def test_an_hour_without_data_ends_nothing_that_goes_on(world, ill):
    one, sink, _ = ill
    down(world)
    await ticks(one, world, 60)
    world.dark = [(one.last + 1, world.at + 1)]
    back(world)
    await ticks(one, world, 15)
    assert [state for _, state in sink.incidents()] == ["open"]


async def test_what_healed_meanwhile_ends_after_it_is_back(world, ill):
    one, sink, _ = ill
    world.healed["web-1"] = world.at
    down(world)
    await ticks(one, world, 20)
    back(world)
    await ticks(one, world, 1)
    assert [state for _, state in sink.incidents()] == ["open", "resolved"]


async def test_what_began_meanwhile_is_found_after_it_is_back(world, ill):
    one, _, _ = ill
    world.faults["web-2"] = world.at
    down(world)
    await ticks(one, world, 20)
    back(world)
    await ticks(one, world, 1)
    assert {f.host for f in one.board.findings} == {"web-1", "web-2"}


async def test_a_source_that_is_away_at_the_start_is_waited_for_and_told_of(world, learned, monkeypatch):
    told, slept = Told(), []

    async def sleep(seconds):
        slept.append(seconds)
        world.away = len(slept) < 4

    one = runner(world, learned, told=told)
    world.away = True
    monkeypatch.setattr("analyzer.runner.asyncio.sleep", sleep)
    await one.prepare()
    assert told.alerts == [("OpenManagerSourceDown", True)]
    monkeypatch.undo()
    await ticks(one, world, 1)
    assert told.alerts[1:] == [("OpenManagerSourceDown", False)]


async def test_an_alert_about_us_that_could_not_be_handed_over_is_tried_again(world, ill):
    one, _, told = ill
    told.fails = 3
    down(world)
    await ticks(one, world, 10)
    assert told.alerts == [("OpenManagerSourceDown", True)]


async def test_hosts_that_stay_away_for_long_are_gone_and_do_not_blind_us(world, ill):
    one, _, told = ill
    silent(world)
    await ticks(one, world, 25)
    assert told.alerts[-1] == ("OpenManagerSourcePartial", False)
    assert not one.report.partial


async def test_it_shows_in_metrics_and_reasons(world, ill):
    one, _, _ = ill
    down(world)
    await ticks(one, world, 3)
    assert metric(one, "openmanager_analyzer_source_up") == 0
    assert metric(one, "openmanager_analyzer_cycles_total", outcome="skipped") == 3
    assert one.reason == "no data: connection refused"
    back(world)
    await ticks(one, world, 1)
    assert (metric(one, "openmanager_analyzer_source_up"), one.reason) == (1, "")


async def test_no_series_is_said_to_have_ended_when_nothing_came(world, ill):
    one, sink, _ = ill
    seen = len(sink.reports)
    empty(world)
    await ticks(one, world, 5)
    back(world)
    world.at += MINUTE
    await one.tick()
    assert all(len(r.ended_series) == 0 for r in sink.reports[seen:])
