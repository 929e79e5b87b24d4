"""Odd answers: whatever comes, a window or a SourceError, and the caller can tell empty from failed from partial."""

import asyncio
import json

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from analyzer.ports import SourceError
from analyzer.signals import parse_signals
from analyzer.sources.prometheus import PrometheusSettings, PrometheusSource
from analyzer.window import Window
from deploy.local.servers import free_port
from tests.analyzer.sources.replies import fixed, ok, prometheus, sample

TWO = parse_signals({"a": {"over": {"gauge": "a"}}, "b": {"over": {"gauge": "b"}}})
GOOD = ok([sample("1.5", instance="web-01:9100", role="web")])


async def read(answer, *, end=1000, **settings):
    async with prometheus(answer, **settings) as (source, heard):
        return await source.read(1000, end, 15), heard


async def test_a_sample_becomes_a_row():
    window, _ = await read(fixed(GOOD))
    assert window.series.keys() == [("load", (("instance", "web-01:9100"), ("role", "web")))]
    assert (window.series.hosts, window.series.roles) == (("web-01",), ("web",))
    assert window.values.tolist() == [[1.5]]


async def test_empty_is_not_failed():
    window, _ = await read(fixed(ok([])))
    assert window.values.shape == (0, 1)
    assert not window.partial


@pytest.mark.parametrize(
    "answer",
    [
        fixed("<html>please log in</html>", content_type="text/html"),
        fixed("<html>please log in</html>"),
        fixed(GOOD[:-9]),
        fixed(""),
        fixed("null"),
        fixed("[" * 100_000),
        fixed(b"\xff\xfe" + GOOD.encode()),
        fixed('{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":{"a":"1"}}]}}'),
        fixed('{"status":"success","data":{"resultType":"vector","result":{"a":1}}}'),
        fixed(ok([sample("one", instance="x")])),
        fixed(ok([1, "text"], "string")),
        fixed('{"status":"error","errorType":"internal","error":"broken"}'),
        fixed('{"status":"error","errorType":"bad_data","error":"parse error"}', status=400),
        fixed("upstream", status=502, content_type="text/plain"),
        fixed("", status=302, headers={"Location": "http://127.0.0.1:9/api/v1/query"}),
        fixed(b"\x1f\x8bnot gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=lambda answer: None,
)
async def test_what_is_no_answer_is_a_source_error(answer):
    with pytest.raises(SourceError):
        await read(answer)


async def test_an_error_says_what_the_server_said_on_one_line():
    with pytest.raises(SourceError, match=r"422 no\s+luck"):
        await read(fixed('{"status":"error","error":"no\\n\\u001b[31mluck"}'.replace("\\u001b[31m", ""), status=422))


async def test_a_closed_session_is_a_source_error():
    async with prometheus(fixed(GOOD)) as (source, _):
        pass
    with pytest.raises(SourceError):
        await source.read(1000, 1000, 15)


async def test_nobody_there_is_a_source_error():
    async with aiohttp.ClientSession() as session:
        source = PrometheusSource(PrometheusSettings(f"http://127.0.0.1:{free_port()}"), TWO, session)
        with pytest.raises(SourceError, match="http"):
            await source.read(1000, 1000, 15)


async def test_a_hanging_server_costs_two_timeouts_at_most():
    done = asyncio.Event()

    async def hang(request, form):
        await done.wait()
        return web.Response()

    names = {f"s{i}": {"over": {"gauge": f"s{i}"}} for i in range(40)}
    async with prometheus(hang, signals=parse_signals(names), timeout=0.2) as (source, _):
        async with asyncio.timeout(1):
            with pytest.raises(SourceError, match="within"):
                await source.read(1000, 1000, 15)
        done.set()


async def test_an_answer_beyond_the_cap_is_refused_while_it_comes():
    async def flood(request, form):
        reply = web.StreamResponse(headers={"Content-Type": "application/json"})
        await reply.prepare(request)
        try:
            for _ in range(300):
                await reply.write(b" " * (1 << 20))
        except ConnectionError:
            pass
        return reply

    with pytest.raises(SourceError, match="larger than"):
        await read(flood, max_bytes=2 << 20)


async def test_warnings_make_a_window_partial():
    window, _ = await read(fixed(ok([sample("1", instance="x")], warnings=["store-2 is away"])))
    assert window.partial
    assert window.warnings == ("store-2 is away",)


async def test_notes_on_the_expression_do_not():
    window, _ = await read(fixed(ok([sample("1", instance="x")], warnings=["PromQL info: metric might not be a counter"])))
    assert not window.partial


async def test_one_signal_that_fails_makes_the_rest_partial():
    async def answer(request, form):
        return web.Response(text=GOOD) if form["query"] == "a" else web.Response(status=503)

    window, _ = await read(answer, signals=TWO)
    assert window.partial
    assert window.series.signals == ("a",)
    assert window.warnings[0].startswith("b: ")


async def test_a_wrong_expression_of_one_signal_spoils_nothing_else():
    async def answer(request, form):
        return (
            web.Response(text=GOOD) if form["query"] == "a" else web.Response(status=400, text='{"status":"error","error":"parse"}')
        )

    window, _ = await read(answer, signals=TWO)
    assert not window.partial
    assert "parse" in window.warnings[0]


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "1e999"])
async def test_what_is_no_finite_number_is_no_sample(text):
    window, _ = await read(fixed(ok([sample(text, instance="x"), sample("2", instance="y")])))
    assert window.values.tolist() == [[2.0]]


@pytest.mark.parametrize("text", ["1e308", "-1e308", "4.9e-324", "0.1", "123456789.123456789", "9007199254740993"])
async def test_numbers_are_exact(text):
    window, _ = await read(fixed(ok([sample(text, instance="x")])))
    assert window.values[0, 0] == float(text)


async def test_gaps_stay_gaps():
    row = {"metric": {"instance": "x"}, "values": [[1000, "1"], [1030, "3"]]}
    window, _ = await read(fixed(ok([row], "matrix")), end=1045)
    np.testing.assert_array_equal(window.values, [[1, np.nan, 3, np.nan]])


async def test_unsorted_doubled_and_stray_points_find_their_place():
    points = [[1030, "3"], [1000, "9"], [1000, "1"], [1007.5, "5"], [9e99, "6"], [-5, "7"]]
    window, _ = await read(fixed(ok([{"metric": {"instance": "x"}, "values": points}], "matrix")), end=1045)
    np.testing.assert_array_equal(window.values, [[1, np.nan, 3, np.nan]])


async def test_the_same_series_twice_is_one():
    window, heard = await read(fixed(ok([sample("1", instance="x"), sample("2", instance="x")])))
    assert window.values.tolist() == [[1.0]]
    assert heard.drops == {"duplicate": 1}


async def test_series_that_we_wrote_are_not_read():
    window, heard = await read(fixed(ok([sample("1", __name__="openmanager_y", instance="x"), sample("2", instance="x")])))
    assert window.values.tolist() == [[2.0]]
    assert heard.drops == {"own_series": 1}


async def test_labels_that_are_not_text_cost_one_series():
    bad = '{"metric":{"instance":5},"value":[1,"1"]}'
    window, heard = await read(fixed(ok([sample("2", instance="x")]).replace("[{", f"[{bad},{{", 1)))
    assert window.values.tolist() == [[2.0]]
    assert heard.drops == {"bad_labels": 1}


async def test_a_million_series_are_cut_to_the_cap_and_said_to_be():
    many = (f'{{"metric":{{"i":"{i}"}},"value":[1,"1"]}}' for i in range(200_000))
    window, heard = await read(fixed(ok([]).replace("[]", f"[{','.join(many)}]")), max_series=1000)
    assert window.values.shape == (1000, 1)
    assert (window.partial, window.refused) == (False, 199_000)
    assert heard.drops == {"series_limit": 199_000}


async def test_known_series_are_not_pushed_out_by_new_ones():
    turns = iter([["a", "b"], ["z", "y", "a", "b"]])

    async def answer(request, form):
        return web.Response(text=ok([sample("1", instance=name) for name in next(turns)]))

    async with prometheus(answer, max_series=3) as (source, _):
        await source.read(1000, 1000, 15)
        window = await source.read(1015, 1015, 15)
    assert set(window.series.hosts) == {"a", "b", "z"}


async def test_series_that_went_make_room():
    turns = iter([["a", "b"], ["c", "a"], ["c", "a"], ["c", "d", "a"]])

    async def answer(request, form):
        return web.Response(text=ok([sample("1", instance=name) for name in next(turns)]))

    async with prometheus(answer, max_series=3) as (source, heard):
        windows = [await source.read(1000 + 15 * i, 1000 + 15 * i, 15) for i in range(4)]
    assert set(windows[-1].series.hosts) == {"c", "d", "a"}
    assert heard.drops == {"series_evicted": 1}


async def test_the_table_of_series_is_the_same_object_while_nothing_changes():
    async with prometheus(fixed(GOOD)) as (source, _):
        first, second = await source.read(1000, 1000, 15), await source.read(1015, 1015, 15)
    assert first.series is second.series


async def test_a_long_read_is_cut_into_pieces_and_put_together():
    asked = []

    async def answer(request, form):
        start, end, step = (float(form[key]) for key in ("start", "end", "step"))
        asked.append(round((end - start) / step) + 1)
        times = np.arange(start, end + 1, step).tolist()
        late = [{"metric": {"instance": "late"}, "values": [[t, "7"] for t in times]}] if start > 500_000 else []
        row = {"metric": {"instance": "x"}, "values": [[t, str(t)] for t in times]}
        return web.Response(text=ok([row, *late], "matrix"))

    async with prometheus(answer) as (source, _):
        window = await source.read(0, 30_000 * 60, 60)
    assert max(asked) <= 11_000
    assert window.values[0].tolist() == window.times.tolist()
    assert np.isnan(window.values[1, 0]) and window.values[1, -1] == 7


async def test_pieces_shrink_when_the_server_refuses_their_size():
    async def answer(request, form):
        start, end, step = (float(form[key]) for key in ("start", "end", "step"))
        if (end - start) / step > 30:
            return web.Response(status=422, text=json.dumps({"status": "error", "error": "query would load too many samples"}))
        times = np.arange(start, end + 1, step).tolist()
        return web.Response(text=ok([{"metric": {}, "values": [[t, "1"] for t in times]}], "matrix"))

    window, _ = await read(answer, end=1000 + 15 * 99)
    assert window.values.sum() == 100


async def test_rates_over_coarse_history_get_a_wider_window():
    asked = []

    async def answer(request, form):
        asked.append(form["query"])
        times = np.arange(float(form["start"]), float(form["end"]), float(form["step"]))
        count = {"metric": {}, "values": [[t, "11"] for t in times.tolist()]}  # in ten minutes: one a minute
        count["values"][0][1] = "1"  # where samples begin
        return web.Response(text=ok([count] if "quantile" in form["query"] else [], "matrix"))

    await read(answer, signals=parse_signals({"r": {"over": {"rate": "c"}}}), end=8000)
    assert asked == ["quantile(0.5, count_over_time(c[600s]))", *["rate(c[120s])"] * (len(asked) - 1)]


async def test_a_span_that_is_none_is_refused():
    async with prometheus(fixed(GOOD)) as (source, _):
        for start, end, step in [(10, 0, 15), (0, 10, 0), (0, float("nan"), 15), (0, 1e12, 1e-3)]:
            with pytest.raises(SourceError, match="cannot read"):
                await source.read(start, end, step)


async def test_the_clock_is_prometheus_s():
    async with prometheus(fixed(ok([1, "1234.5"], "scalar"))) as (source, _):
        assert await source.now() == 1234.5


async def test_topology_is_read_from_labels():
    rows = [sample("1", instance="web-01:9100", on="db-01"), sample("1", instance="web-01:9100", on=""), sample("1", on="x")]
    async with prometheus(fixed(ok(rows))) as (source, _):
        topology = await source.topology(1000)
    assert topology.edges == (("web-01", "db-01"),)


async def test_spoken_names_come_from_uname():
    async with prometheus(fixed(ok([sample("1", instance="10.0.0.5:9100", nodename="web-07")]))) as (source, _):
        assert await source.names(1000) == {"10.0.0.5": "web-07"}


async def test_an_answer_of_nothing_is_a_window_with_its_times():
    window, _ = await read(fixed(ok([])))
    assert isinstance(window, Window)
    assert window.times.tolist() == [1000.0]
