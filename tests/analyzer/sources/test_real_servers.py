"""Both sources against the real things: a Prometheus with samples in it, and a node_exporter of this machine."""

import asyncio
import time

import aiohttp
import numpy as np
import pytest

from analyzer.evaluate import evaluate
from analyzer.ports import SourceError
from analyzer.signals import PRESETS, load_presets, parse_matchers, parse_signals
from analyzer.sources.embedded import EmbeddedSettings, EmbeddedSource
from analyzer.sources.prometheus import PrometheusSettings, PrometheusSource
from analyzer.sources.targets import static_target
from deploy.local.servers import start_node_exporter
from tests.analyzer.raw_hosts import prometheus_with, raw_hosts

SIGNALS = load_presets(PRESETS)
END = float(int(time.time()) // 60 * 60 - 3 * 3600)
EVERY_LINUX = {
    "cpu",
    "steal",
    "iowait",
    "memory",
    "network_receive",
    "load",
    "context_switches",
    "processes",
    "open_files",
    "uptime",
    "up",
}
pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def raw():
    return raw_hosts(END)


@pytest.fixture(scope="module")
def seeded(raw, tmp_path_factory):
    running = prometheus_with(raw, tmp_path_factory.mktemp("seeded"))
    yield running
    running.stop()


@pytest.fixture
async def source(seeded):
    async with aiohttp.ClientSession() as session:
        yield PrometheusSource(PrometheusSettings(seeded.url), SIGNALS, session)


def by_key(window):
    return dict(zip(window.series.keys(), window.values, strict=True))


async def test_a_long_read_gives_the_numbers_of_a_local_evaluation(source, raw):
    window = await source.read(raw.times[0], END, 15, rate_window=60)
    ours = by_key(evaluate(SIGNALS, raw, window.times, rate_window=60))
    theirs = by_key(window)
    assert {key for key, row in theirs.items() if not np.isnan(row).all()} == set(ours)
    for key, row in ours.items():
        np.testing.assert_allclose(theirs[key], row, rtol=1e-9, atol=1e-12, err_msg=str(key))
    assert set(window.series.hosts) == {"web-01", "db-01"}
    assert set(window.series.roles) == {"we", "db"}


async def test_the_newest_instant_is_the_last_column_of_a_read(source):
    at = END - 300
    whole, newest = by_key(await source.read(at - 60, at, 15)), by_key(await source.read(at, at, 15))
    for key, row in newest.items():
        np.testing.assert_array_equal(row[0], whole[key][-1])


async def test_a_span_without_samples_is_empty_and_whole(source):
    window = await source.read(END - 9e6, END - 9e6 + 3600, 60)
    assert window.values.shape == (0, 61)
    assert not window.partial


async def test_the_clock_is_near_ours(source):
    assert abs(await source.now() - time.time()) < 5


async def test_a_selector_narrows_what_is_read(seeded):
    async with aiohttp.ClientSession() as session:
        where = PrometheusSettings(seeded.url, selector=parse_matchers('role="db",job=~"no.e"'))
        window = await PrometheusSource(where, SIGNALS, session).read(END, END, 15)
    assert window.series.hosts == ("db-01",)


async def test_free_promql_passes_through_and_a_wrong_one_is_named(seeded):
    signals = parse_signals({"good": {"expr": "sum by (instance) (up)"}, "bad": {"expr": "sum by ("}})
    async with aiohttp.ClientSession() as session:
        window = await PrometheusSource(PrometheusSettings(seeded.url), signals, session).read(END - 3600, END, 60)
    assert window.series.signals == ("good",)
    assert window.warnings[0].startswith("bad: ")
    assert "parse error" in window.warnings[0]


async def test_history_stored_each_minute_has_rates(tmp_path):
    raw = raw_hosts(END, step=60.0, columns=120)
    raw.values[:] = np.where(np.isnan(raw.values), 1.0, raw.values)
    server = prometheus_with(raw, tmp_path)
    try:
        async with aiohttp.ClientSession() as session:
            window = await PrometheusSource(PrometheusSettings(server.url), SIGNALS, session).read(END - 3600, END + 7, 37)
    finally:
        server.stop()
    rates = window.values[window.series.rows_of(signal="context_switches")]
    assert not np.isnan(rates).any()


async def test_away_is_not_empty(prometheus):
    server = prometheus("global: {scrape_interval: 1h}")
    async with aiohttp.ClientSession() as session:
        source = PrometheusSource(PrometheusSettings(server.url, timeout=2), SIGNALS, session)
        assert len((await source.read(END, END, 15)).series) == 0
        server.stop()
        with pytest.raises(SourceError, match="127"):
            await source.read(END, END, 15)


async def test_a_real_node_exporter_has_the_preset_signals_either_way(prometheus, tmp_path):
    node = start_node_exporter(tmp_path).wait_ready("/metrics")
    address = node.url.removeprefix("http://")
    jobs = f"{{job_name: node, static_configs: [{{targets: ['{address}']}}]}}"
    server = prometheus(f"global: {{scrape_interval: 500ms}}\nscrape_configs: [{jobs}]")
    try:
        async with aiohttp.ClientSession() as session:
            theirs = PrometheusSource(PrometheusSettings(server.url), load_presets(["node"]), session)
            target = static_target(f"{node.url}/metrics", [("job", "node")])
            settings = EmbeddedSettings(targets=(target,), scrape_interval=0.5)
            ours = EmbeddedSource(settings, load_presets(["node"]), session)
            ours.start()
            remote, local = {}, {}
            async with asyncio.timeout(30):  # Prometheus takes five seconds to find its targets
                while not {"cpu", "network_receive"} <= {alias for alias, _ in remote} & {alias for alias, _ in local}:
                    await asyncio.sleep(1)
                    at = await theirs.now()
                    remote, local = by_key(await theirs.read(at, at, 15)), by_key(await ours.read(at, at, 15))
            names = await theirs.names(at), await ours.names(at)
            await ours.close()
    finally:
        node.stop()
    sparse = {signal.alias for signal in SIGNALS if signal.sparse}  # an idle disk may have worked in one of the two windows only
    assert {key for key in remote if key[0] not in sparse} == {key for key in local if key[0] not in sparse}
    assert {alias for alias, _ in remote} >= EVERY_LINUX
    for alias in ("memory", "cpu", "disk", "open_files"):
        for key in (key for key in remote if key[0] == alias):
            np.testing.assert_allclose(remote[key], local[key], rtol=0.3, atol=0.3)
    assert names[0] == names[1]
    assert len(names[0]) == 1
