"""Remote write 1.0: the sender cases of the public conformance suite that concern it and gauges, and what else must not happen."""

import asyncio
import json
import math
from dataclasses import replace

import aiohttp
import cramjam
import numpy as np
import pytest
import structlog
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.derived import LABEL_NAME, METRIC_NAME, STALE, Deriver
from analyzer.sinks.backoff import Backoff, retry_after
from analyzer.sinks.encoding import Encoder, split_series, varint
from analyzer.sinks.exposition import CONTENT_TYPE, Renderer
from analyzer.sinks.remote_write import RemoteWrite, WriteSettings
from analyzer.sinks.spool import Spool
from deploy.local.servers import free_port
from tests.analyzer.reports import INCIDENT, forecast, report, series
from tests.analyzer.reports import NOW as REPORT_NOW
from tests.analyzer.sinks.receivers import bits, decode, receiver, running, samples
from tests.analyzer.sinks.writing import NOW, Time, derived, hosts, sender
from tests.proxy import FaultProxy

ONE = {(("instance", "web-01"), ("job", "node")): 1.0}


async def sent(values, *, at=NOW, script=(), **options):
    """What a receiver has after these samples were written once."""
    async with receiver(script=list(script)) as got, sender(got.url, **options) as writer:
        await writer.write(derived(values, at))
        await writer.drain(5)
        got.writer = writer
        return got


async def until(check):
    """Wait, in real time, for what a task does by itself."""
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.01)


async def stored_value(value):
    got = await sent({(("instance", "a"),): value})
    return next(iter(got.stored.values()))


def a_whole_report():
    table = series(("cpu", "web-01"), ("disk", "web-01", ("mountpoint", "/var"), ("Zone", "eu")))
    full = report(table, forecast=forecast(table), health={"web-01": 90.0}, incidents=(INCIDENT,))
    return Deriver().series_of(full)


async def all_labels():
    async with receiver() as got, sender(got.url, time=Time(REPORT_NOW)) as writer:
        await writer.write(a_whole_report())
        await writer.drain(5)
    return [labels for labels, _ in got.stored]


# ---- the suite's MUST cases, by their names; some SHOULDs that we keep ----


async def label_lexicographic_ordering():
    assert all(list(labels) == sorted(labels) for labels in await all_labels())


async def metric_name_label_present():
    assert all("__name__" in dict(labels) for labels in await all_labels())


async def metric_name_format_valid():
    assert all(METRIC_NAME.fullmatch(dict(labels)["__name__"]) for labels in await all_labels())


async def metric_name_with_colons():
    got = await sent_named("job:openmanager_y:mean")
    assert {dict(labels)["__name__"] for labels, _ in got.stored} == {"job:openmanager_y:mean"}


async def label_name_format_valid():
    assert all(LABEL_NAME.fullmatch(name) for labels in await all_labels() for name, _ in labels)


async def no_duplicate_label_names():
    assert all(len(dict(labels)) == len(labels) for labels in await all_labels())


async def label_names_not_empty():
    assert all(name and value for labels in await all_labels() for name, value in labels)


async def unicode_in_label_values():
    got = await sent({(("instance", "서버-01 ✓"),): 1.0})
    assert [dict(labels)["instance"] for labels, _ in got.stored] == ["서버-01 ✓"]


async def special_chars_in_label_values():
    got = await sent({(("instance", 'a"\\\n\t{}='),): 1.0})
    assert [dict(labels)["instance"] for labels, _ in got.stored] == ['a"\\\n\t{}=']


async def very_long_label_values():
    got = await sent({(("instance", "x" * 70_000),): 1.0})
    assert [len(dict(labels)["instance"]) for labels, _ in got.stored] == [70_000]


async def float_value_encoding():
    assert await stored_value(0.1 + 0.2) == 0.1 + 0.2


async def integer_value_encoding():
    assert await stored_value(42.0) == 42.0


async def zero_value_encoding():
    assert await stored_value(0.0) == 0.0


async def negative_value_encoding():
    assert await stored_value(-273.15) == -273.15


async def positive_infinity_encoding():
    assert await stored_value(math.inf) == math.inf


async def negative_infinity_encoding():
    assert await stored_value(-math.inf) == -math.inf


async def nan_encoding():
    assert math.isnan(await stored_value(math.nan))


async def stale_marker():
    assert bits(await stored_value(STALE)) == 0x7FF0000000000002


async def large_float_values():
    assert await stored_value(1.7976931348623157e308) == 1.7976931348623157e308


async def small_float_values():
    assert await stored_value(5e-324) == 5e-324


async def scientific_notation():
    assert await stored_value(6.02214076e23) == 6.02214076e23


async def special_float_combinations():
    values = {(("instance", str(i)),): v for i, v in enumerate((0.0, -0.0, math.inf, -math.inf, math.nan, STALE))}
    got = await sent(values)
    assert sorted(map(bits, got.stored.values())) == sorted(map(bits, values.values()))


async def timestamp_milliseconds_format():
    got = await sent(ONE, at=NOW - 0.877)
    assert [ms for _, ms in got.stored] == [1_789_999_999_123]


async def timestamp_int64_milliseconds():
    await timestamp_milliseconds_format()


async def timestamp_ordering_within_series():
    async with receiver() as got, sender(got.url) as writer:
        for ago in (30, 20, 10):
            await writer.write(derived(ONE, NOW - ago))
        await writer.drain(5)
    assert [next(iter(samples(b).values()))[1] for b in got.bodies] == [int(1000 * (NOW - ago)) for ago in (30, 20, 10)]


async def content_type_protobuf():
    assert (await sent(ONE)).requests[0].headers["Content-Type"] == "application/x-protobuf"


async def rw1_content_type():
    await content_type_protobuf()


async def content_encoding_snappy():
    assert (await sent(ONE)).requests[0].headers["Content-Encoding"] == "snappy"


async def version_header_present():
    assert (await sent(ONE)).requests[0].headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


async def rw1_version_header():
    await version_header_present()


async def user_agent_present():
    assert (await sent(ONE)).requests[0].headers["User-Agent"] == "openmanager"


async def snappy_block_format():
    body = (await sent(ONE)).bodies[0]
    assert not body.startswith(b"\xff\x06\x00\x00sNaPpY")  # the stream format's magic
    assert cramjam.snappy.decompress_raw(body)


async def protobuf_parseable():
    request = decode(bytes(cramjam.snappy.decompress_raw((await sent(ONE)).bodies[0])))
    assert [(len(s.labels), len(s.samples)) for s in request.timeseries] == [(3, 1)]


async def rw1_samples_encoding():
    await protobuf_parseable()


async def rw1_labels_encoding():
    assert (await sent(ONE)).stored == {
        ((("__name__", "openmanager_y"), ("instance", "web-01"), ("job", "node")), 1790000000000): 1.0
    }


async def only_labels_and_samples():
    """Every byte is explained by labels and samples: no histogram, start timestamp, symbol table, exemplar or metadata."""
    raw = bytes(cramjam.snappy.decompress_raw((await sent(ONE)).bodies[0]))
    request = decode(raw)
    for made in request.timeseries:
        made.DiscardUnknownFields()
    request.DiscardUnknownFields()
    assert len(request.SerializeToString()) == len(raw)


rw1_no_native_histograms = rw1_no_start_timestamp = rw1_symbol_table_not_used = histogram_no_mixed_with_samples = (
    only_labels_and_samples
)


async def multiple_metric_types():
    names = {dict(labels)["__name__"] for labels in await all_labels()}
    assert {"openmanager_y", "openmanager_yhat_24h", "openmanager_health_score", "openmanager_incident_active"} <= names


complete_metric_family = real_world_scenario = multiple_metric_types


async def answered(status, text="", headers=None):
    got = await sent(ONE, script=[(status, text, headers or {})])
    return len(got.requests), got.writer


async def no_retry(status):
    requests, writer = await answered(status)
    assert (requests, writer.counts["sent", ""], sum(writer.counts[k] for k in writer.counts if k[0] == "dropped")) == (1, 0, 1)


async def retried(status):
    requests, writer = await answered(status)
    assert (requests, writer.counts["sent", ""]) == (2, 1)


async def no_retry_on_400():
    await no_retry(400)


async def no_retry_on_401():
    await no_retry(401)


async def no_retry_on_404():
    await no_retry(404)


async def no_retry_on_413():
    await no_retry(413)


async def may_retry_on_429():
    await retried(429)


async def retry_on_500():
    await retried(500)


async def retry_on_502():
    await retried(502)


async def retry_on_503():
    await retried(503)


async def retry_on_504():
    await retried(504)


async def handle_204_no_content():
    requests, writer = await answered(204)
    assert (requests, writer.problem) == (1, "")


async def handle_200_ok():
    requests, writer = await answered(200, "an error message that means nothing")
    assert (requests, writer.problem, writer.counts["sent", ""]) == (1, "", 1)


async def log_error_messages_verbatim():
    with structlog.testing.capture_logs() as logged:
        await answered(400, "out of order sample (series openmanager_y)")
    assert "out of order sample (series openmanager_y)" in " ".join(entry["event"] for entry in logged)


async def sender_continues_after_errors():
    async with receiver(script=[(400, "no", {})]) as got, sender(got.url) as writer:
        await writer.write(derived(ONE, NOW - 10))
        await writer.write(derived(ONE, NOW))
        await writer.drain(5)
    assert [ms for _, ms in got.stored] == [int(NOW * 1000)]


async def backoff_required():
    time = Time()
    await sent(ONE, script=[(503, "", {})] * 3, time=time)
    assert time.slept == [0.5, 1.0, 2.0]


async def backoff_max_delay():
    assert Backoff(draw=lambda: 0.0).wait(50) == 30.0


async def backoff_with_jitter():
    assert {Backoff(draw=lambda d=d: d).wait(1) for d in (0.0, 0.5, 1.0)} == {1.0, 0.75, 0.5}


async def sent_named(name):
    async with receiver() as got, sender(got.url) as writer:
        await writer.write(derived(ONE, name=name))
        await writer.drain(5)
        return got


CASES = """
    backoff_max_delay backoff_required backoff_with_jitter complete_metric_family content_encoding_snappy
    content_type_protobuf float_value_encoding handle_200_ok handle_204_no_content histogram_no_mixed_with_samples
    integer_value_encoding label_lexicographic_ordering label_name_format_valid label_names_not_empty large_float_values
    log_error_messages_verbatim may_retry_on_429 metric_name_format_valid metric_name_label_present metric_name_with_colons
    multiple_metric_types nan_encoding negative_infinity_encoding negative_value_encoding no_duplicate_label_names
    no_retry_on_400 no_retry_on_401 no_retry_on_404 no_retry_on_413 positive_infinity_encoding protobuf_parseable
    real_world_scenario retry_on_500 retry_on_502 retry_on_503 retry_on_504 rw1_content_type rw1_labels_encoding
    rw1_no_native_histograms rw1_no_start_timestamp rw1_samples_encoding rw1_symbol_table_not_used rw1_version_header
    scientific_notation sender_continues_after_errors small_float_values snappy_block_format special_chars_in_label_values
    special_float_combinations stale_marker timestamp_int64_milliseconds timestamp_milliseconds_format
    timestamp_ordering_within_series unicode_in_label_values user_agent_present version_header_present very_long_label_values
    zero_value_encoding
"""
# unicode_in_labels (edge_cases) is unicode_in_label_values: names of ours are ASCII, and others are refused (test_derived)


@pytest.mark.parametrize("case", CASES.split())
async def test_sender_case(case):
    await globals()[case]()


# ---- what else must not happen ----


async def test_users_cannot_override_reserved_headers():
    session = {"headers": {"Content-Encoding": "gzip", "X-Prometheus-Remote-Write-Version": "9", "X-Scope-OrgID": "team"}}
    headers = (await sent(ONE, session=session)).requests[0].headers
    assert (headers["Content-Encoding"], headers["X-Prometheus-Remote-Write-Version"], headers["X-Scope-OrgID"]) == (
        "snappy", "0.1.0", "team",
    )  # fmt: skip


async def test_p4_one_bad_sample_in_a_thousand_costs_itself_in_at_most_21_requests():
    for bad in ("h00000", "h00500", "h00999"):
        async with receiver(refuse=lambda labels, bad=bad: dict(labels)["instance"] == bad) as got, sender(got.url) as writer:
            await writer.write(derived(hosts(1000)))
            await writer.drain(5)
        assert (len(got.stored), len(got.requests) <= 21, writer.counts["dropped", "refused"]) == (999, True, 1)


async def test_a_permanent_error_that_is_answered_with_500_is_narrowed_down_too():
    refusal = (500, 'label name "a" is not unique: invalid sample', {})
    async with (
        receiver(refuse=lambda labels: dict(labels)["instance"] == "h00007", refusal=refusal) as got,
        sender(got.url) as writer,
    ):
        await writer.write(derived(hosts(100)))
        await writer.drain(5)
    assert (len(got.stored), writer.counts["dropped", "refused"]) == (99, 1)


async def test_a_poison_batch_that_only_ever_gives_500_is_found_out():
    refusal = (500, "boom", {})
    async with (
        receiver(refuse=lambda labels: dict(labels)["instance"] == "h00007", refusal=refusal) as got,
        sender(got.url) as writer,
    ):
        await writer.write(derived(hosts(100)))
        await writer.write(derived(hosts(1, 2.0), NOW + 1))
        await writer.drain(5)
    assert (len(got.stored), writer.counts["dropped", "refused"]) == (100, 1)


async def test_a_server_that_gives_500_for_everything_loses_nothing():
    async with receiver(script=[(500, "boom", {})] * 30) as got, sender(got.url) as writer:
        await writer.write(derived(hosts(10)))
        await writer.drain(5)
    assert (len(got.stored), writer.counts["sent", ""]) == (10, 10)


async def test_requests_for_one_bad_batch_are_bounded():
    settings = WriteSettings(max_requests=16)
    async with receiver(refuse=lambda labels: True) as got, sender(got.url, settings=settings) as writer:
        await writer.write(derived(hosts(1000)))
        await writer.drain(5)
    assert (len(got.requests) <= 18, writer.counts["dropped", "refused"]) == (True, 1000)


async def test_too_large_a_request_is_split():
    async with receiver(script=[(413, "too big", {})]) as got, sender(got.url) as writer:
        await writer.write(derived(hosts(10)))
        await writer.drain(5)
    assert (len(got.stored), [len(samples(b)) for b in got.bodies]) == (10, [10, 5, 5])


@pytest.mark.parametrize("status", [403, 405, 409, 415, 422])
async def test_row_35_other_refusals_cost_one_request_and_are_counted(status):
    got = await sent(ONE, script=[(status, "no", {})])
    assert (len(got.requests), got.writer.counts["dropped", "unwanted"]) == (1, 1)


async def test_an_hour_that_only_our_own_clock_claims_throws_nothing_away(tmp_path):
    spool = Spool(tmp_path)
    async with sender("http://127.0.0.1:9/api/v1/write", spool=spool) as writer:
        await writer.write(derived(ONE, NOW - 5))
    time = Time(NOW + 7200)
    async with receiver() as got, sender(got.url, spool=Spool(tmp_path), time=time, skew=-7200.0):
        await until(lambda: len(time.slept) > 3)
    assert (got.requests, len(Spool(tmp_path))) == ([], 1)


async def test_requests_hold_at_most_ten_thousand_series():
    async with receiver() as got, sender(got.url) as writer:
        await writer.write(derived(hosts(25_000)))
        await writer.drain(10)
    assert [len(samples(b)) for b in got.bodies] == [10_000, 10_000, 5_000]


@pytest.mark.parametrize(
    ("header", "wait"), [("7", 7.0), ("1000000000", 60.0), ("-5", 0.0), ("Mon, 21 Sep 2026 14:13:40 GMT", 20.0), ("soon", None)]
)
def test_retry_after_is_honoured_within_a_minute(header, wait):
    assert retry_after(header, NOW) == wait


async def test_429_waits_as_long_as_asked():
    time = Time()
    await sent(ONE, script=[(429, "slow down", {"Retry-After": "7"})], time=time)
    assert time.slept == [7.0]


async def test_redirects_are_refused_and_named():
    got = await sent(ONE, script=[(301, "", {"Location": "http://127.0.0.1:9/"})])
    assert (len(got.requests), got.stored) == (1, {})
    assert "not followed" in got.writer.problem


async def test_the_receiver_being_off_says_exactly_what_to_do():
    words = "remote write receiver needs to be enabled with --web.enable-remote-write-receiver"
    with structlog.testing.capture_logs() as logged:
        got = await sent(ONE, script=[(404, words, {})])
    assert "start it with --web.enable-remote-write-receiver" in got.writer.problem
    assert "writer: {mode: scrape}" in got.writer.problem
    assert words in " ".join(entry["event"] for entry in logged)


async def test_a_trouble_is_logged_once_when_it_begins_and_once_when_it_ends():
    with structlog.testing.capture_logs() as logged:
        await sent(ONE, script=[(503, "away", {})] * 5)
    assert [entry["log_level"] for entry in logged if entry["log_level"] != "debug"] == ["warning", "info"]


async def test_an_endless_error_body_is_read_no_further_than_256_bytes():
    async def endless(request):
        await request.read()
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        with_text = b"bad\x1b[31m" + b"x" * 1000
        try:
            while True:
                await response.write(with_text)
        except (ConnectionError, asyncio.CancelledError):
            return response

    async with running(endless) as base, sender(f"{base}/api/v1/write") as writer:
        await writer.write(derived(ONE))
        await writer.drain(5)
    assert len(writer.problem) < 400
    assert "\x1b" not in writer.problem


@pytest.mark.parametrize("fault", ["reset", "truncate", "stall"])
async def test_network_faults_are_retried(fault):
    async with receiver() as got, FaultProxy("127.0.0.1", int(got.url.split(":")[2].split("/")[0])) as proxy:
        proxy.fault = fault
        settings = WriteSettings(timeout=0.3)
        async with sender(f"{proxy.url}/api/v1/write", settings=settings, time=(time := Time())) as writer:
            await writer.write(derived(ONE))
            while len(time.slept) < 2:
                await asyncio.sleep(0.01)
            proxy.fault = None
            await writer.drain(5)
    assert (len(got.stored), writer.counts["sent", ""], writer.counts["post", "0"] >= 2) == (1, 1, True)


async def test_a_slow_gateway_that_answers_503_for_a_while_is_outlived():
    async with receiver() as got, FaultProxy("127.0.0.1", int(got.url.split(":")[2].split("/")[0])) as proxy:
        proxy.status, proxy.headers, proxy.delay = 503, "Retry-After: 1\r\n", 0.05
        async with sender(f"{proxy.url}/api/v1/write", time=(time := Time())) as writer:
            await writer.write(derived(ONE))
            await until(lambda: len(time.slept) >= 2)
            proxy.status = None
            await writer.drain(5)
    assert (len(got.stored), writer.counts["sent", ""], writer.counts["post", "503"] >= 2) == (1, 1, True)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_p2_at_most_one_request_in_each_backoff_step(status):
    time = Time()
    got = await sent(ONE, script=[(status, "", {})] * 6, time=time)
    assert (len(got.requests), time.slept) == (7, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0])


async def test_p1_samples_later_than_prometheus_are_never_sent():
    async with receiver() as got, sender(got.url) as writer:
        await writer.write(derived(ONE, NOW + 10_800))
        await writer.drain(5)
    assert (got.requests, writer.counts["dropped", "future"]) == ([], 1)


async def test_p1_a_sample_that_is_a_little_early_waits_for_its_time():
    time = Time()
    got = await sent(ONE, at=NOW + 2, time=time)
    assert (time.slept, len(got.stored)) == ([2.0], 1)


async def test_p1_nothing_is_written_while_the_clocks_disagree():
    time = Time()
    async with receiver() as got, sender(got.url, skew=-10_800.0, time=time) as writer:
        await writer.write(derived(ONE, NOW))
        await writer.write(derived(ONE, NOW - 10_800))
        await until(lambda: writer.problem and len(time.slept) > 3)
        assert (got.requests, writer.paused, writer.counts["dropped", "future"]) == ([], True, 1)
        assert "clock is -10800.0 s from ours" in writer.problem


async def test_p1_writing_resumes_when_the_clocks_agree_again():
    time, off = Time(), [100.0]

    async def server_time():
        if time.slept:
            off[0] = 0.0
        return time.now() + off[0]

    async with receiver() as got, sender(got.url, time=time, server_time=server_time) as writer:
        await writer.write(derived(ONE, NOW))
        await writer.drain(5)
    assert (len(got.stored), writer.paused) == (1, False)


async def test_nothing_is_written_before_the_clock_of_prometheus_is_known():
    tries = []

    async def server_time():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("refused")
        return NOW

    async with receiver() as got, sender(got.url, server_time=server_time) as writer:
        await writer.write(derived(ONE, NOW - 60))
        await writer.drain(5)
    assert (len(tries), len(got.stored)) == (3, 1)


async def test_a_jump_of_our_clock_is_noticed_before_the_next_write():
    time, told = Time(), []

    async def server_time():
        told.append(time.now())
        return NOW

    async with receiver() as got, sender(got.url, time=time, server_time=server_time) as writer:
        await writer.write(derived(ONE, NOW - 60))
        await writer.drain(5)
        time.wall += 7200
        await writer.write(derived(ONE, NOW + 7200))
        await until(lambda: writer.counts["dropped", "future"])
    assert (len(got.stored), len(told), writer.counts["dropped", "future"]) == (1, 2, 1)


async def test_samples_that_are_too_old_are_dropped_before_sending():
    got = await sent(ONE, at=NOW - 3700)
    assert (got.requests, got.writer.counts["dropped", "too_old"]) == ([], 1)


async def test_retries_end_when_the_sample_is_too_old():
    time = Time()
    got = await sent(ONE, at=NOW, script=[(503, "", {})] * 1000, time=time, settings=WriteSettings(max_age=600.0))
    assert (got.stored, got.writer.counts["dropped", "too_old"], time.wall <= NOW + 632) == ({}, 1, True)


async def test_what_cannot_be_written_is_counted_by_reason():
    async with receiver() as got, sender(got.url) as writer:
        await writer.write(replace(derived(ONE), dropped={"duplicate_label": 3}, refused=7))
        await writer.drain(5)
    assert (writer.counts["dropped", "duplicate_label"], writer.counts["dropped", "max_written_series"]) == (3, 7)


async def test_p3_an_outage_within_the_bounds_loses_nothing_and_keeps_the_order(tmp_path):
    time = Time()
    async with receiver(script=[(503, "", {})] * 12) as got, sender(got.url, time=time, spool=Spool(tmp_path)) as writer:
        for i in range(40):
            await writer.write(derived(hosts(5, float(i)), NOW + i))
        await writer.drain(10)
    assert (len(got.stored), writer.counts["sent", ""]) == (200, 200)
    accepted = [ms for _, ms in got.stored]
    assert accepted == sorted(accepted)


async def test_p3_over_the_bound_the_oldest_goes_and_is_counted_exactly(tmp_path):
    async with receiver(script=[(503, "", {})] * 10**6) as got, sender(got.url, spool=Spool(tmp_path, max_bytes=2000)) as writer:
        await writer.close(0)
        for i in range(100):
            await writer.write(derived(hosts(5, float(i)), NOW - 100 + i))
        waiting = writer.spool.samples
    assert writer.spool.size <= 2000
    assert (writer.counts["dropped", "queue_full"], waiting > 0) == (500 - waiting, True)


async def test_what_waits_survives_a_restart(tmp_path):
    async with sender("http://127.0.0.1:9/api/v1/write", spool=Spool(tmp_path)) as writer:
        await writer.write(derived(hosts(5), NOW - 5))
    async with receiver() as got, sender(got.url, spool=Spool(tmp_path)) as writer:
        await writer.drain(5)
    assert len(got.stored) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_half_written_file_of_the_queue_is_left_out(tmp_path):
    spool = Spool(tmp_path)
    for i in range(3):
        spool.push(NOW + i, 1, b"body%d" % i)
    sorted(tmp_path.iterdir())[1].write_bytes(b"OMRW1\n1.0 1 00000000\nflipped")
    (tmp_path / f"{9:020d}.tmp").write_bytes(b"half")
    again = Spool(tmp_path)
    assert ([again.pop().time for _ in range(len(again))], again.damaged) == ([NOW, NOW + 2], 1)


def test_two_queues_over_one_folder_during_a_reload_lose_nothing(tmp_path):
    old = Spool(tmp_path)
    old.push(NOW, 1, b"first")
    fresh = Spool(tmp_path)
    old.push(NOW + 1, 1, b"second")
    fresh.push(NOW + 2, 1, b"third")
    found = []
    while batch := fresh.head():
        found.append(batch.body)
        fresh.finish(batch.number)
    assert (sorted(found), fresh.damaged, old.head(), old.damaged) == ([b"first", b"second", b"third"], 0, None, 0)


def test_a_full_disk_keeps_the_queue_in_memory(tmp_path):
    spool = Spool(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    spool.push(NOW, 1, b"body")
    assert (spool.disk_errors, spool.head().body) == (1, b"body")


async def test_the_date_of_the_answers_serves_where_nobody_tells_the_time():
    script = [(204, "", {"Date": "Mon, 21 Sep 2026 14:23:20 GMT"})]
    async with receiver(script=script) as got, sender(got.url, server_time=None) as writer:
        await writer.write(derived(ONE, NOW - 1))
        await writer.drain(5)
        assert (writer.skew, writer.paused) == (600.0, True)


async def test_put_takes_a_report_without_waiting_for_the_network():
    async with sender("http://127.0.0.1:9/api/v1/write", time=Time(REPORT_NOW)) as writer:
        await asyncio.wait_for(writer.put(report()), 1)
        assert writer.spool.samples > 0
        assert b"openmanager_y{" in writer.exposition()


def test_the_encoder_says_what_google_says():
    labels = tuple(sorted({"instance": "web-01", "mountpoint": "/var", "Upper": "x"}.items()))
    body = Encoder().bodies(derived({labels: 1.5}).blocks, NOW)[0]
    request = decode(body.data)
    assert [(x.name, x.value) for x in request.timeseries[0].labels] == [
        ("Upper", "x"), ("__name__", "openmanager_y"), ("instance", "web-01"), ("mountpoint", "/var"),
    ]  # fmt: skip
    assert (request.timeseries[0].samples[0].value, request.timeseries[0].samples[0].timestamp) == (1.5, 1790000000000)


NAMES = st.from_regex(LABEL_NAME, fullmatch=True).filter(lambda name: not name.startswith("__"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
VALUES = st.floats(width=64)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.dictionaries(NAMES, TEXTS, max_size=6).map(lambda d: tuple(sorted(d.items()))), VALUES, min_size=1, max_size=8
    )
)
def test_whatever_the_labels_and_values_what_google_decodes_is_what_was_given(values):
    (body,) = Encoder().bodies(derived(values).blocks, NOW)
    got = decode(body.data).timeseries
    assert [[(x.name, x.value) for x in s.labels] for s in got] == [sorted([*k, ("__name__", "openmanager_y")]) for k in values]
    assert [bits(s.samples[0].value) for s in got] == [bits(v) for v in values.values()]


def test_only_rows_with_a_sample_are_encoded_and_the_kept_layout_forgets_the_last_cycle():
    made, encoder = derived(hosts(3)), Encoder()
    block = made.blocks[0]
    encoder.bodies((block,), NOW)
    second = replace(block, values=np.array([np.nan, 7.0, np.nan]), written=np.array([False, True, False]))
    request = decode(encoder.bodies((second,), NOW + 60)[0].data)
    assert [(s.labels[1].value, s.samples[0].value, s.samples[0].timestamp) for s in request.timeseries] == [
        ("h00001", 7.0, 1790000060000)
    ]


def test_a_body_splits_into_its_series():
    body = Encoder().bodies(derived(hosts(300)).blocks, NOW)[0].data
    rows = split_series(body)
    assert (len(rows), b"".join(rows) == body) == (300, True)


@pytest.mark.parametrize(("number", "data"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_varints(number, data):
    assert varint(number) == data


def test_times_that_are_not_unix_seconds_are_an_error():
    with pytest.raises(ValueError, match="not a unix time in seconds"):
        Encoder().bodies(derived(ONE).blocks, NOW * 1000)


@pytest.mark.servers
class TestOnRealPrometheus:
    """The same against Prometheus itself."""

    async def query(self, server, expr, **more):
        async with aiohttp.ClientSession() as client, client.get(f"{server.url}/api/v1/query", params={"query": expr, **more}) as r:
            return json.loads(await r.text())["data"]["result"]

    async def server_time(self, server):
        result = await self.query(server, "time()")
        return float(result[0])

    def writer(self, server, client, **options):
        async def told():
            return await self.server_time(server)

        return RemoteWrite(f"{server.url}/api/v1/write", client, server_time=told, **options)

    async def test_values_arrive_at_their_time_and_none_lies_in_the_future(self, prometheus):
        port = free_port()
        target = f"{{job_name: itself, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}"
        server = prometheus(f"global: {{scrape_interval: 1s}}\nscrape_configs: [{target}]\n", port=port)
        at = math.floor(await self.server_time(server)) - 2.0
        async with aiohttp.ClientSession() as client:
            writer = self.writer(server, client)
            await writer.start()
            await writer.write(derived({(("instance", "web-01"),): 0.25}, at))
            await writer.write(derived({(("instance", "web-01"),): 9.0}, at + 10_800))
            await writer.drain(10)
            await writer.close()
        async with asyncio.timeout(20):  # it begins to scrape some seconds after it is ready
            while not await self.query(server, "count_over_time(up[4s]) >= 3"):
                await asyncio.sleep(0.2)
        found = await self.query(server, "openmanager_y[4h]", time=at + 10_900)
        assert [row["values"] for row in found] == [[[at, "0.25"]]]

    async def test_a_stale_marker_ends_the_series(self, prometheus):
        server = prometheus("global: {scrape_interval: 15s}\n")
        at = math.floor(await self.server_time(server)) - 5.0
        table, deriver = series(("cpu", "web-01")), Deriver()
        async with aiohttp.ClientSession() as client:
            writer = self.writer(server, client, deriver=deriver)
            await writer.start()
            await writer.put(report(table, at, incidents=(INCIDENT,)))
            await writer.put(report(table, at + 2, value=np.nan, ended=table))
            await writer.drain(10)
            await writer.close()
        before = await self.query(server, '{__name__=~"openmanager_(y|yhat|anomaly_score|incident_active)"}', time=at + 1)
        after = await self.query(server, '{__name__=~"openmanager_(y|yhat|anomaly_score|incident_active)"}', time=at + 3)
        assert (len(before), after) == (4, [])

    async def test_derived_text_is_scraped_where_remote_write_is_not_open(self, prometheus):
        deriver = Deriver()
        deriver.series_of(report(series(("cpu", "web-01", ("job", "node"))), incidents=(INCIDENT,)))

        async def text(request):
            return web.Response(body=Renderer().render(deriver.newest()), headers={"Content-Type": CONTENT_TYPE})

        async with running(text, "/derived/metrics") as base:
            target = f"static_configs: [{{targets: ['{base.removeprefix('http://')}']}}]"
            job = f"{{job_name: derived, honor_labels: true, metrics_path: /derived/metrics, {target}}}"
            server = prometheus(f"global: {{scrape_interval: 1s}}\nscrape_configs: [{job}]\n", receiver=False)
            async with asyncio.timeout(15):
                while not (found := await self.query(server, "openmanager_y")):
                    await asyncio.sleep(0.2)
        assert found[0]["metric"] == {"__name__": "openmanager_y", "for": "cpu", "instance": "web-01", "job": "node"}

    async def test_the_receiver_off_names_the_flag(self, prometheus):
        server = prometheus("global: {scrape_interval: 15s}\n", receiver=False)
        async with aiohttp.ClientSession() as client:
            writer = self.writer(server, client)
            await writer.start()
            await writer.write(derived(ONE, await self.server_time(server)))
            await writer.drain(10)
            await writer.close()
        assert "--web.enable-remote-write-receiver" in writer.problem
        assert "writer: {mode: scrape}" in writer.problem

    async def test_p4_one_sample_out_of_order_in_a_thousand_costs_itself(self, prometheus):
        server = prometheus("global: {scrape_interval: 15s}\n")
        at = math.floor(await self.server_time(server)) - 5.0
        async with aiohttp.ClientSession() as client:
            writer = self.writer(server, client)
            await writer.start()
            await writer.write(derived({(("instance", "h00500"),): 1.0}, at + 3))
            await writer.write(derived(hosts(1000), at))
            await writer.drain(20)
            await writer.close()
        found = await self.query(server, "count(openmanager_y)", time=at)
        requests = sum(n for (what, _), n in writer.counts.items() if what == "post")
        assert (found[0]["value"][1], requests <= 22, writer.counts["dropped", "refused"]) == ("999", True, 1)

    async def test_row_34_a_duplicate_label_never_leaves(self, prometheus):
        server = prometheus("global: {scrape_interval: 15s}\n")
        at = math.floor(await self.server_time(server)) - 1.0
        async with aiohttp.ClientSession() as client:
            writer = self.writer(server, client)
            await writer.start()
            table = series(("cpu", "web-01"), ("cpu", "web-02", ("zone", "a"), ("zone", "b")))
            await writer.put(report(table, at))
            await writer.drain(10)
            await writer.close()
        assert (writer.counts["dropped", "duplicate_label"], writer.counts["post", "204"], writer.problem) == (5, 1, "")
