"""Health, readiness, reload, landing page, arguments, and the parts that need no socket."""

from __future__ import annotations

import asyncio
import math

import pytest
from aiohttp.test_utils import make_mocked_request

from service import args, text
from service.guard import check_path
from service.listen import is_loopback, parse_listen
from service.problems import Problem
from service.rate import MonotonicMemory, RateLimiter, network


async def test_health_names_every_check(start):
    kit = await start(app={"ready": lambda: {"source": True, "store": "read-only file system", "warm": False}})
    reply = await kit.request("GET /api/health")
    body = reply.json()
    assert reply.status == 503
    assert body["status"] == "unavailable"
    assert body["checks"] == {"source": "ok", "store": "read-only file system", "warm": "not ready"}
    assert body["uptime_seconds"] >= 0
    ready = await kit.request("GET /-/ready")
    assert (ready.status, ready.body) == (503, b"not ready\nstore: read-only file system\nwarm: not ready\n")


async def test_ready_service_is_200_and_alive(start):
    kit = await start(app={"ready": lambda: {"source": True}})
    assert [(await kit.request(f"GET {path}")).status for path in ("/-/ready", "/-/healthy", "/api/health")] == [200] * 3


async def test_reload_route_reads_again_and_reports_a_bad_file(start):
    outcomes = iter([None, ValueError("config.yml:3: bad")])

    async def reload() -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    kit = await start(app={"reload": reload})
    good, bad = await kit.request("POST /-/reload"), await kit.request("POST /-/reload")
    assert (good.status, bad.status, bad.json()["error"]) == (200, 500, "reload_failed")
    assert "config.yml:3: bad" in bad.json()["detail"]
    assert kit.value("openmanager_config_last_reload_successful") == 0
    assert (await kit.request("GET /-/reload")).status == 405


async def test_build_info_and_landing_page(kit):
    from service.build import VERSION, info

    assert kit.value("openmanager_build_info", **info()) == 1
    page = await kit.request("GET /")
    assert VERSION.encode() in page.body


async def test_two_addresses_are_listened_on(start):
    kit = await start(listen=["127.0.0.1:0", "127.0.0.2:0"])
    assert len(kit.server.addresses) == 2


async def test_address_in_use_is_an_error_that_names_it(start):
    kit = await start()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{kit.address[1]}"):
        await start(listen=[f"127.0.0.1:{kit.address[1]}"])


@pytest.mark.parametrize(("address", "parsed"), [("127.0.0.1:80", ("127.0.0.1", 80)), (":80", ("", 80)), ("[::1]:80", ("::1", 80))])
def test_listen_address_is_parsed(address, parsed):
    assert parse_listen(address) == parsed


@pytest.mark.parametrize("address", ["80", "host", "host:", "host:99999", "host:x"])
def test_bad_listen_address_says_so(address):
    with pytest.raises(ValueError, match="host:port"):
        parse_listen(address)


def test_loopback_is_told_from_the_rest():
    hosts = {"127.0.0.1": True, "127.9.9.9": True, "::1": True, "0.0.0.0": False, "::": False, "10.0.0.1": False}
    assert {host: is_loopback(host) for host in hosts} == hosts


def request(query: str):
    return make_mocked_request("GET", f"/x?{query}")


def test_arguments_have_ranges():
    assert args.int_arg(request("n=7"), "n", 1, 1, 10) == 7
    assert args.int_arg(request(""), "n", None) is None
    assert args.float_arg(request("n=0.5"), "n", 1.0, 0, 1) == 0.5
    assert args.choice_arg(request("lang=ko"), "lang", "en", ("en", "ko")) == "ko"
    assert args.bool_arg(request("host=1"), "host")
    assert args.duration_arg(request("step=1.5h"), "step", 1.0) == 5400
    assert args.time_arg(request("t=2026-05-01T00:00:00%2B09:00"), "t", 0.0) == 1777561200
    assert args.time_arg(request("t=1777561200.5"), "t", 0.0) == 1777561200.5


@pytest.mark.parametrize(
    ("read", "query"),
    [
        (lambda r: args.int_arg(r, "n", 1, 1, 10), "n=11"),
        (lambda r: args.int_arg(r, "n", 1), "n=1e3"),
        (lambda r: args.int_arg(r, "n", 1), "n=" + "9" * 10_000),
        (lambda r: args.int_arg(r, "n", 1), "n=%D9%A1"),
        (lambda r: args.float_arg(r, "n", 1.0), "n=nan"),
        (lambda r: args.float_arg(r, "n", 1.0), "n=1e999"),
        (lambda r: args.float_arg(r, "n", 1.0), "n=1_000"),
        (lambda r: args.time_arg(r, "t", 0.0), "t=-1"),
        (lambda r: args.time_arg(r, "t", 0.0), "t=10000-01-01T00:00:00Z"),
        (lambda r: args.time_arg(r, "t", 0.0), "t=2026-05-01T00:00:00"),
        (lambda r: args.duration_arg(r, "s", 1.0), "s=1x"),
        (lambda r: args.choice_arg(r, "l", "en", ("en",)), "l=fr"),
        (lambda r: args.text_arg(r, "q"), "q=a%00b"),
        (lambda r: args.text_arg(r, "q"), "q=" + "a" * 1001),
    ],
)
def test_bad_argument_is_400(read, query):
    with pytest.raises(Problem) as caught:
        read(request(query))
    assert (caught.value.status, caught.value.error) == (400, "bad_argument")


def test_json_never_says_nan():
    for value in (math.nan, math.inf, "\ud800"):
        with pytest.raises(ValueError, match=r"JSON|surrogates"):
            text.dumps({"x": value})


def test_json_writes_times_and_numpy_plainly():
    import datetime as dt

    import numpy as np

    moment = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    assert (
        text.dumps({"at": moment, "v": np.float64(1.5), "n": np.int64(2)})
        == b'{"at": "2026-05-01T00:00:00.000Z", "v": 1.5, "n": 2}'
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1e300, "9999-12-31T23:59:59.000Z"), (253402300799 + 60, "9999-12-31T23:59:59.000Z"), (-1e300, "0001-01-01T00:00:00.000Z")],
)
def test_time_that_no_calendar_has_is_the_nearest_that_it_has(seconds, said):
    assert text.rfc3339(seconds) == said


def test_number_at_the_limits_is_read():
    assert text.loads(b"[1e308, -0.0, 12345678901234567890]") == [1e308, -0.0, 12345678901234567890]
    assert text.loads('"\\ud83d\\ude00 한글"'.encode()) == "😀 한글"


def test_harmless_paths_pass():
    for path in ("/", "/api/servers/web-01", "/a..b/c.%2e", "/api?x=../..", "/%ED%95%9C"):
        check_path(path)


async def test_rate_windows_are_forgotten_and_bounded():
    now = [0.0]
    memory = MonotonicMemory(lambda: now[0], most=10)
    limiter = RateLimiter(2, memory)
    limiter.check("a")
    limiter.check("a")
    with pytest.raises(Problem):
        limiter.check("a")
    now[0] = 1.1
    limiter.check("a")
    for index in range(100):
        limiter.check(f"10.0.0.{index}")
    assert memory.reset() == 10


def test_one_ipv6_network_is_one_client():
    assert network("2001:db8::1") == network("2001:db8::ffff") != network("2001:db8:0:1::1")
    assert network("10.0.0.1") == "10.0.0.1"


async def test_reloads_do_not_overlap(start):
    running, most = 0, 0

    async def reload() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    kit = await start(app={"reload": reload})
    await asyncio.gather(*(kit.request("POST /-/reload") for _ in range(5)))
    assert most == 1


async def test_application_works_on_a_server_that_is_not_ours(aiohttp_client):
    import gzip

    from prometheus_client import CollectorRegistry

    from tests.service.conftest import make_app

    client = await aiohttp_client(make_app(CollectorRegistry()))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.post("/echo", data=gzip.compress(b'{"a": 1}'), headers=headers) as answer:
        assert await answer.json() == {"got": {"a": 1}}
    async with client.post("/change") as answer:
        assert answer.status == 200
    async with client.get("/metrics") as answer:
        assert answer.status == 200
