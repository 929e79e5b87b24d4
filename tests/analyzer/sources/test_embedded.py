"""The analyzer as its own scraper: what Prometheus would have said, and what happens when pages or the way to them break."""

import asyncio

import aiohttp
import numpy as np
import pytest

from analyzer.ports import SourceError
from analyzer.signals import parse_signals
from analyzer.sources.embedded import EmbeddedSettings, EmbeddedSource
from analyzer.sources.targets import discovered, static_target, with_target
from tests.analyzer.sources.pages import embedded


def found(window):
    """Newest values by (alias, host)."""
    keys = [(key[0], window.series.host_of(i)) for i, key in enumerate(window.series.keys())]
    return dict(zip(keys, window.values[:, -1].tolist(), strict=True))


async def test_a_page_becomes_signals():
    async with embedded("/web") as (_pages, source, scrape):
        for total in (100, 250, 400, 550, 700):
            await scrape(web=f"node_load1 0.5\nnode_context_switches_total {total}\nother 1\n")
        window = await source.read(1060, 1060, 15)
    assert found(window) == {("load", "web"): 0.5, ("switches", "web"): 10.0, ("up", "web"): 1.0}
    assert window.series.roles == ("web",)
    assert not window.partial


async def test_a_target_that_is_down_is_down_and_silent_at_once():
    async with embedded("/web", "/db") as (pages, source, scrape):
        await scrape(web="node_load1 1", db="node_load1 2")
        pages.status["/db"] = 503
        await scrape()
        window = await source.read(1015, 1015, 15)
    assert found(window) == {("load", "web"): 1.0, ("up", "web"): 1.0, ("up", "db"): 0.0}
    assert not window.partial


async def test_a_series_that_left_the_page_is_gone_at_once():
    async with embedded("/web") as (_pages, source, scrape):
        await scrape(web="node_load1 1")
        await scrape(web="other 1")
        assert found(await source.read(1015, 1015, 15)) == {("up", "web"): 1.0}


async def test_a_gap_in_a_counter_is_bridged_and_a_reset_seen():
    async with embedded("/web") as (pages, source, scrape):
        await scrape(web="node_context_switches_total 1000")
        pages.status["/web"] = 500
        await scrape()
        pages.status["/web"] = 200
        await scrape(web="node_context_switches_total 1300")
        await scrape(web="node_context_switches_total 150")
        await scrape(web="node_context_switches_total 300")
        window = await source.read(1060, 1060, 15)
    assert found(window)["switches", "web"] == 10.0


@pytest.mark.parametrize("body", ["<html>\n<body>log in</body>\n</html>", '{"error": "x"}'])
async def test_a_page_that_is_none_is_down(body):
    async with embedded("/web") as (pages, source, scrape):
        await scrape(web=body)
        assert found(await source.read(1000, 1000, 15)) == {("up", "web"): 0.0}
    assert pages.heard.drops["bad_line"] > 0


async def test_a_bad_line_costs_itself():
    async with embedded("/web") as (_pages, source, scrape):
        await scrape(web='node_load1{x="y} 9\nnode_load1 2\n')
        assert found(await source.read(1000, 1000, 15))["load", "web"] == 2.0


async def test_not_a_number_is_no_sample():
    async with embedded("/web") as (_pages, source, scrape):
        await scrape(web="node_load1 1")
        await scrape(web="node_load1 NaN")
        assert ("load", "web") not in found(await source.read(1015, 1015, 15))


async def test_a_page_beyond_the_cap_is_down():
    async with embedded("/web", max_bytes=1000) as (pages, source, scrape):
        await scrape(web="node_load1 1\n" * 1000)
        assert found(await source.read(1000, 1000, 15)) == {("up", "web"): 0.0}
    assert pages.heard.drops == {"body_limit": 1}


async def test_redirects_are_not_followed():
    async with embedded("/web") as (pages, _source, scrape):
        pages.status["/web"] = 302
        await scrape()
        assert pages.asked == ["/web"]


async def test_when_nobody_answers_nothing_may_be_concluded():
    async with embedded("/web", "/db") as (_pages, source, scrape):
        await scrape()
        window = await source.read(1000, 1000, 15)
    assert window.partial
    assert "no target answers" in window.warnings[0]


async def test_discovery_names_targets_with_their_labels():
    async with embedded(sd=True) as (pages, source, scrape):
        labels = {"instance": "db-01", "role": "db", "job": "node", "__metrics_path__": "/fleet", "__param_target": "db-01"}
        pages.discover({"targets": [pages.url.removeprefix("http://")], "labels": labels})
        pages.bodies["/fleet"] = "node_load1 3"
        await scrape()
        window = await source.read(1000, 1000, 15)
    assert pages.asked == ["/sd", "/fleet?target=db-01"]
    assert window.series.labels[0] == (("instance", "db-01"), ("job", "node"), ("role", "db"))


async def test_targets_stay_when_discovery_goes_away():
    async with embedded(sd=True) as (pages, source, scrape):
        pages.discover({"targets": [pages.url.removeprefix("http://")], "labels": {"instance": "a"}})
        await scrape(metrics="node_load1 3")
        pages.status["/sd"] = 500
        await scrape()
        window = await source.read(1015, 1015, 15)
    assert found(window)["up", "a"] == 1.0
    assert "500" in window.warnings[0]


@pytest.mark.parametrize(
    "body", ["", "{}", "[", '[{"targets": "x"}]', '[{"targets": ["a b/c?"]}]', '[{"targets": [":::"]}]', "[[[["]
)
async def test_discovery_that_never_answered_is_a_source_error(body):
    async with embedded(sd=True) as (pages, source, scrape):
        pages.bodies["/sd"] = body
        await scrape()
        with pytest.raises(SourceError, match="sd"):
            await source.read(1000, 1000, 15)


async def test_no_target_deployed_yet_is_a_source_error_too():
    async with embedded(sd=True) as (pages, source, scrape):
        pages.discover()
        await scrape()
        with pytest.raises(SourceError, match="nothing to scrape"):
            await source.read(1000, 1000, 15)


async def test_old_scrapes_are_a_source_error():
    async with embedded("/web") as (pages, source, scrape):
        await scrape(web="node_load1 1")
        pages.now += 3600
        with pytest.raises(SourceError, match="old"):
            await source.read(4600, 4600, 15)


async def test_churned_series_make_room_for_new_ones():
    async with embedded("/web", max_series=50) as (pages, source, scrape):
        for i in range(40):
            await scrape(web="\n".join(f'node_load1{{x="{i}-{k}"}} 1' for k in range(2)))
        window = await source.read(1585, 1585, 15)
    assert len(window.series) == 3
    assert not window.partial
    assert pages.heard.drops["series_evicted"] > 0


async def test_too_many_series_at_once_are_cut_and_said_to_be():
    async with embedded("/web", max_series=50) as (pages, source, scrape):
        for _ in range(2):
            await scrape(web="\n".join(f'node_load1{{x="{k}"}} 1' for k in range(500)))
        window = await source.read(1015, 1015, 15)
    assert len(window.series) == 50
    assert (window.partial, window.refused) == (False, 451)
    assert pages.heard.drops == {"series_limit": 2 * 451}


async def test_history_is_bounded_and_read_back():
    async with embedded("/web", keep=300) as (_pages, source, scrape):
        for i in range(200):
            await scrape(web=f"node_load1 {i}")
        window = await source.read(1000 + 15 * 190, 1000 + 15 * 199, 15)
        assert source._ring.raw().values.shape[1] <= 2 * 21
    assert window.values[0].tolist() == list(range(190, 200))


async def test_a_clock_set_back_starts_over():
    async with embedded("/web") as (pages, source, scrape):
        await scrape(web="node_load1 1")
        pages.now -= 7200
        await scrape(web="node_load1 2")
        at = pages.now - 15
        assert found(await source.read(at, at, 15))["load", "web"] == 2.0


async def test_free_promql_is_said_to_need_a_prometheus():
    async with embedded("/web", signals=parse_signals({"q": {"expr": "up"}})) as (_pages, source, scrape):
        await scrape(web="")
        window = await source.read(1000, 1000, 15)
    assert window.warnings == ("q: PromQL needs a Prometheus",)


async def test_topology_and_names_come_from_the_newest_scrape():
    async with embedded("/web") as (_pages, source, scrape):
        await scrape(web='app_dependency_info{on="db"} 1\nnode_uname_info{nodename="web-07"} 1')
        assert (await source.topology(1000)).edges == (("web", "db"),)
        assert await source.names(1000) == {"web": "web-07"}


async def test_scraping_goes_on_by_itself_until_closed():
    async with embedded("/web", scrape_interval=0.1) as (pages, source, _scrape):
        pages.bodies["/web"] = "node_load1 1"
        del source.start
        source._clock = lambda: asyncio.get_running_loop().time()
        now = await source.now()
        await source.read(now, now, 15)
        await asyncio.sleep(0.35)
        await source.close()
        asked = len(pages.asked)
        await asyncio.sleep(0.2)
    assert asked >= 3
    assert len(pages.asked) == asked


async def test_a_span_that_is_none_is_refused():
    async with aiohttp.ClientSession() as session:
        source = EmbeddedSource(EmbeddedSettings(), (), session)
        with pytest.raises(SourceError, match="cannot read"):
            await source.read(10, 0, 15)


def test_labels_of_a_page_do_not_hide_the_target_s():
    assert with_target((("instance", "fake"), ("x", "y")), (("instance", "real"),)) == (
        ("exported_instance", "fake"),
        ("instance", "real"),
        ("x", "y"),
    )


@pytest.mark.parametrize("url", ["ftp://a/b", "/metrics", "http://", "gopher://a"])
def test_only_http_is_scraped(url):
    with pytest.raises(ValueError, match="http"):
        static_target(url)


def test_discovery_may_ask_for_https_and_nothing_else():
    (target,) = discovered(b'[{"targets":["a:1"],"labels":{"__scheme__":"https"}}]')
    assert target.url == "https://a:1/metrics"
    with pytest.raises(ValueError, match="neither"):
        discovered(b'[{"targets":["a:1"],"labels":{"__scheme__":"file"}}]')


async def test_a_whole_round_is_one_column():
    async with embedded("/web", "/db") as (_pages, source, scrape):
        await scrape(web="node_load1 1", db="node_load1 2")
        raw = source._ring.raw()
    assert raw.values.shape == (4, 1)
    assert not np.isnan(raw.values).any()
