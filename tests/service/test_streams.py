"""Streams: order, heartbeat, readers that do not read, too many of them (rows 22 and 23)."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from service.app import STREAMS
from service.limits import Limits
from service.streams import Event, Streams

GET = b"GET /ticks HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def until(condition, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_events_reach_every_client_in_order(kit):
    async with aiohttp.ClientSession() as session, session.get(kit.url + "/ticks") as one, session.get(kit.url + "/ticks") as two:
        await until(lambda: kit.app[STREAMS].open == 2)
        for number in range(3):
            kit.app[STREAMS].publish({"n": number})
        for answer in (one, two):
            lines = [await answer.content.readline() for _ in range(6)]
            assert lines[::2] == [b'data: {"n": 0}\n', b'data: {"n": 1}\n', b'data: {"n": 2}\n']
            assert answer.headers["Content-Type"] == "text/event-stream"


async def test_quiet_stream_has_a_heartbeat(start):
    kit = await start(limits=Limits(stream_heartbeat_seconds=0.1))
    async with aiohttp.ClientSession() as session, session.get(kit.url + "/ticks") as answer:
        assert await answer.content.readline() == b": heartbeat\n"


async def test_stream_outlives_the_request_time(start):
    kit = await start(limits=Limits(request_seconds=0.2))
    async with aiohttp.ClientSession() as session, session.get(kit.url + "/ticks") as answer:
        await asyncio.sleep(0.5)
        kit.app[STREAMS].publish("late")
        assert await answer.content.readline() == b"data: late\n"


async def test_row_22_slow_reader_loses_the_oldest_and_is_disconnected(start):
    kit = await start(limits=Limits(stream_queue=8, stream_stall_seconds=0.4))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(kit.address)
    sock.sendall(GET)
    await until(lambda: kit.app[STREAMS].open == 1)
    for _ in range(100):  # 100 * 256 KiB is beyond every buffer on the way
        kit.app[STREAMS].publish("x" * 262_144)
        await asyncio.sleep(0.002)
    await until(lambda: kit.app[STREAMS].open == 0)
    sock.close()
    assert kit.value("openmanager_stream_dropped_total") > 50
    assert kit.value("openmanager_streams_closed_total", kind="sse", reason="slow") == 1


async def test_row_23_client_beyond_the_cap_is_503(start):
    kit = await start(limits=Limits(streams=2))
    async with aiohttp.ClientSession() as session, session.get(kit.url + "/ticks"), session.get(kit.url + "/ticks"):
        await until(lambda: kit.app[STREAMS].open == 2)
        reply = await kit.request("GET /ticks")
        assert (reply.status, reply.json()["error"]) == (503, "too_many_streams")
    await until(lambda: kit.app[STREAMS].open == 0)


async def test_row_23_frame_too_large_closes_with_1009(kit):
    async with aiohttp.ClientSession() as session, session.ws_connect(kit.url + "/ws") as ws:
        await ws.send_str("x" * 200_000)
        message = await ws.receive(timeout=3)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_websocket_answers_and_refuses_what_is_not_json(kit):
    async with aiohttp.ClientSession() as session, session.ws_connect(kit.url + "/ws") as ws:
        for sent in ('{"a": 1}', "{", '{"a": NaN}', '"\\ud800"'):
            await ws.send_str(sent)
        got = [await ws.receive_json(timeout=3) for _ in range(4)]
        await ws.send_bytes(b"x")
        assert (await ws.receive_json(timeout=3))["error"] == "bad_frame"
    assert got[0] == {"echo": {"a": 1}}
    assert [answer.get("error") for answer in got[1:]] == ["bad_json", "not_finite", "bad_text"]


async def test_plain_get_of_a_websocket_is_400(kit):
    assert (await kit.request("GET /ws")).status == 400
    assert kit.app[STREAMS].open == 0


async def test_stopping_ends_streams_and_sockets(start):
    kit = await start()
    async with aiohttp.ClientSession() as session:
        answer = await session.get(kit.url + "/ticks")
        ws = await session.ws_connect(kit.url + "/ws")
        await until(lambda: kit.app[STREAMS].open == 2)
        stopping = asyncio.ensure_future(kit.server.stop())
        assert await answer.content.read() == b""
        message = await ws.receive(timeout=3)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await stopping


async def test_subscription_gets_only_its_topics():
    streams = Streams(CollectorRegistry())
    with streams.subscribe("alerts") as subscription:
        assert (streams.publish(1, "metrics"), streams.publish(2, "alerts")) == (0, 1)
        streams.close()
        assert [message async for message in subscription] == [2]


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (Event("a\nb"), b"data: a\ndata: b\n\n"),
        (Event({"x": 1}, event="e", id="7"), b'event: e\nid: 7\ndata: {"x": 1}\n\n'),
        (Event("x", event="a\ndata: forged"), b"event: a data: forged\ndata: x\n\n"),
    ],
)
def test_event_cannot_forge_another(event, wire):
    assert event.encode() == wire
