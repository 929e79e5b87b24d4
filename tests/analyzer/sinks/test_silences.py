"""Silences are read beside the cycles: from a real Alertmanager, and from ones that hang, lie or talk without end."""

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from analyzer.sinks.alertmanager import Target
from analyzer.sinks.silences import SilenceReader
from service.server import running
from tests.analyzer.reports import NOW
from tests.analyzer.stub import plain_app
from tests.analyzer.test_silences import TABLE, row

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Managers:
    """Alertmanagers that answer as they are told; `outcomes` is what the reader counted."""

    def __init__(self):
        self.answer, self.outcomes = [], []

    async def handle(self, request):
        if isinstance(self.answer, web.Response):
            return self.answer
        if self.answer == "hang":
            await asyncio.sleep(5)
        if self.answer == "endless":
            reply = web.StreamResponse()
            await reply.prepare(request)
            while True:
                await reply.write(b"[" * (1 << 20))
        return web.json_response(self.answer)

    def counted(self, outcome, known):
        self.outcomes.append((outcome, known))


@pytest.fixture
async def reader():
    """A reader over one made-up Alertmanager, which is `reader.managers`."""
    managers, app = Managers(), plain_app()
    app.router.add_get("/api/v2/silences", managers.handle)
    async with running(app) as server, aiohttp.ClientSession() as session:
        made = SilenceReader([Target(server.urls[0], session)], ("instance",), every=0.05, timeout=0.5, count=managers.counted)
        made.managers = managers
        yield made
        await made.close()


async def test_what_is_silenced_is_known_before_the_first_cycle_and_followed(reader):
    reader.managers.answer = [row("instance=web-1")]
    await reader.start()
    assert reader.current.resting(TABLE, NOW).tolist() == [True, True, False, False]
    reader.managers.answer = []
    async with asyncio.timeout(5):
        while reader.current.all:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "trouble", ["hang", "endless", web.Response(status=503), web.Response(text="<html>"), web.Response(text="[" * 100_000)], ids=str
)
async def test_an_alertmanager_in_trouble_is_counted_and_what_it_said_counts_on(reader, trouble):
    reader.managers.answer = [row("instance=web-1")]
    await reader.read()
    reader.managers.answer = trouble
    await reader.read()
    assert reader.managers.outcomes == [("ok", 1), ("failed", 1)]
    assert reader.current.resting(TABLE, NOW).any()


async def test_the_same_answer_is_not_taken_for_news(reader):
    reader.managers.answer = [row("instance=web-1"), {"id": 7}]
    await reader.read()
    before = reader.current
    await reader.read()
    assert reader.current is before
    assert len(before.all) == 1


async def test_without_alertmanagers_nobody_is_asked():
    reader = SilenceReader((), ("instance",))
    await reader.start()
    assert reader.current.all == ()
    await reader.close()


@pytest.mark.servers
async def test_a_real_alertmanager_is_understood(alertmanager):
    manager = await asyncio.to_thread(alertmanager, CONFIG)
    now = datetime.now(UTC)
    async with aiohttp.ClientSession() as session:
        reader = SilenceReader([Target(manager.url, session)], ("instance",))
        await reader.read()
        assert reader.current.all == ()
        rules = [
            {"name": "instance", "value": "web-1:.+", "isRegex": True, "isEqual": True},
            {"name": "signal", "value": "disk", "isRegex": False, "isEqual": False},
        ]
        silence = {"matchers": rules, "startsAt": now.isoformat(), "createdBy": "ada", "comment": "disk swap"}
        silence["endsAt"] = (now + timedelta(hours=1)).isoformat()
        async with session.post(f"{manager.url}/api/v2/silences", json=silence) as reply:
            name = (await reply.json())["silenceID"]
        await reader.read()
        at = now.timestamp()
        assert reader.current.resting(TABLE, at + 60).tolist() == [True, False, False, False]
        assert reader.current.resting(TABLE, at + 3700).tolist() == [False] * 4
        async with session.delete(f"{manager.url}/api/v2/silence/{name}") as reply:
            assert reply.status == 200
        await reader.read()
        assert not reader.current.resting(TABLE, datetime.now(UTC).timestamp() + 1).any()
