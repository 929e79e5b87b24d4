"""Connections that send nothing, too slowly, too often or too many (rows 12 and 8)."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from service.limits import Limits

HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "


async def trickle(address, seconds: float) -> float:
    """Send one byte of a header every 50 ms; how long the connection lived."""
    reader, writer = await asyncio.open_connection(*address)
    began = time.monotonic()
    writer.write(HALF)
    try:
        while time.monotonic() - began < seconds:
            writer.write(b"a")
            try:
                async with asyncio.timeout(0.05):
                    if not await reader.read(1000):
                        break
            except TimeoutError:
                continue
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began


async def test_row_12_slowloris_is_closed_when_the_header_time_is_up(start):
    kit = await start(limits=Limits(header_seconds=0.4))
    assert 0.3 < await trickle(kit.address, 5) < 1.0
    assert kit.rejected("socket", "header_timeout") == 1


async def test_row_12_the_default_header_time_is_ten_seconds():
    assert Limits().header_seconds == 10


async def test_row_12_silent_connection_is_closed_with_a_reason(start):
    kit = await start(limits=Limits(header_seconds=0.2))
    reply = await kit.raw(b"", seconds=3)
    assert (reply.status, reply.json()["error"], reply.closed) == (408, "header_timeout", True)


async def test_row_12_second_request_of_a_connection_has_the_header_time_too(start):
    kit = await start(limits=Limits(header_seconds=0.3))
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"healthy\n")
    await asyncio.sleep(0.5)  # idle between requests is fine
    writer.write(HALF)
    async with asyncio.timeout(2):
        assert b"header_timeout" in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_row_12_slow_body_is_not_a_slow_header(start):
    kit = await start(limits=Limits(header_seconds=0.2, request_seconds=5))
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{")
    await asyncio.sleep(0.5)
    writer.write(b"}")
    async with asyncio.timeout(2):
        assert b'{"got": {}}' in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_row_12_good_clients_are_served_beside_500_slow_ones(start):
    kit = await start()
    slow = [await asyncio.open_connection(*kit.address) for _ in range(500)]
    for _, writer in slow:
        writer.write(HALF)
    took = []
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            began = time.monotonic()
            async with session.get(kit.url + "/-/healthy") as answer:
                assert answer.status == 200
            took.append(time.monotonic() - began)
    for _, writer in slow:
        writer.transport.abort()
    assert sorted(took)[95] < 0.1


async def test_row_12_connection_beyond_the_cap_is_told_503(start):
    kit = await start(limits=Limits(connections=5))
    held = [await asyncio.open_connection(*kit.address) for _ in range(5)]
    await asyncio.sleep(0.1)
    reply = await kit.request("GET /-/healthy")
    for _, writer in held:
        writer.transport.abort()
    assert (reply.status, reply.json()["error"], reply.closed) == (503, "too_many_connections", True)
    assert kit.rejected("socket", "connection_cap") == 1


async def test_row_12_places_are_free_again_when_connections_close(start):
    kit = await start(limits=Limits(connections=2))
    for _ in range(10):
        assert (await kit.request("GET /-/healthy")).status == 200
        await asyncio.sleep(0.01)


async def test_idle_connection_is_closed_after_the_keepalive_time(start):
    kit = await start(limits=Limits(keepalive_seconds=0.2))
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"healthy\n")
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_more_requests_a_second_than_allowed_are_429(start):
    kit = await start(limits=Limits(rate_per_second=5))
    replies = [await kit.request("GET /-/healthy") for _ in range(8)]
    assert [reply.status for reply in replies[:5]] == [200] * 5
    assert replies[-1].status == 429
    assert replies[-1].headers["retry-after"] == "1"


async def test_handler_that_takes_too_long_is_503(start):
    kit = await start(limits=Limits(request_seconds=0.2))
    reply = await kit.request("GET /slow")
    assert (reply.status, reply.json()["error"]) == (503, "timeout")


async def test_chunk_error_after_the_handler_began_is_400_without_a_traceback(kit, caplog):
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n")
    await asyncio.sleep(0.1)
    writer.write(b"zz\r\n")
    async with asyncio.timeout(3):
        assert b" 400 " in (await reader.read())[:20]
    writer.close()
    await writer.wait_closed()
    assert not any(record.exc_info for record in caplog.records)


async def test_row_8_body_that_ends_before_its_length_is_400(kit):
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    writer.write_eof()
    async with asyncio.timeout(3):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b" 400 " in answer[:20]
    assert b'"bad_body"' in answer
    assert kit.rejected("json", "bad_body") == 1


async def test_client_that_leaves_in_the_middle_is_nobodys_fault(start, caplog):
    kit = await start(limits=Limits(request_seconds=0.5))
    for data in (
        b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        _, writer = await asyncio.open_connection(*kit.address)
        writer.write(data)
        await asyncio.sleep(0.05)
        writer.transport.abort()
    await asyncio.sleep(0.7)
    assert not any(record.levelname == "ERROR" for record in caplog.records)


@pytest.mark.parametrize("rest", [b"2\r\n[1\r\n", b"zz\r\n"])
async def test_row_8_body_that_breaks_off_after_the_answer_is_nobodys_fault(kit, caplog, rest):
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(b"POST /change HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n")
    async with asyncio.timeout(3):
        assert b" 200 " in await reader.read(1000)  # this route reads no body
        writer.write(rest)
        writer.write_eof()
        await reader.read()
    writer.close()
    await writer.wait_closed()
    assert not any(record.exc_info for record in caplog.records)


async def test_pipelined_requests_are_answered_in_order(kit):
    one = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await asyncio.open_connection(*kit.address)
    writer.write(one * 3 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    async with asyncio.timeout(3):
        assert (await reader.read()).count(b"healthy\n") == 4
    writer.close()
    await writer.wait_closed()
