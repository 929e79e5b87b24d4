"""A process of the kit: signals, and an end in time whatever is open or hangs (promise P14)."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest

PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from aiohttp import web
from prometheus_client import CollectorRegistry
from service import logs
from service.app import STREAMS, create_app, run, serve
from service.http import json_response

async def ticks(request):
    with request.app[STREAMS].subscribe() as subscription:
        return await request.app[STREAMS].sse(request, subscription)

async def socket(request):
    async def ignore(message, reply):
        return None
    with request.app[STREAMS].subscribe() as subscription:
        return await request.app[STREAMS].websocket(request, subscription, ignore)

async def hang(request):
    await asyncio.to_thread(time.sleep, 60)

async def work(request):
    await asyncio.sleep(0.5)
    return json_response({"done": True})

async def flush(app):
    Path(sys.argv[1]).write_text("flushed")

async def stubborn(app):
    await asyncio.sleep(60)

async def reload():
    if Path(sys.argv[1] + ".bad").exists():
        raise ValueError("bad config")

logs.setup("info")
registry = CollectorRegistry()
app = create_app(name="t", registry=registry, reload=reload, routes=[
    web.get("/ticks", ticks), web.get("/ws", socket), web.get("/hang", hang), web.get("/work", work)])
app.on_cleanup.append(flush)
async def slow(app):
    print("starting", flush=True)
    await asyncio.sleep(60)

if "slow" in sys.argv:
    app.on_startup.append(slow)
if "stubborn" in sys.argv:
    app.on_cleanup.append(stubborn)
run(serve(app, listen=["127.0.0.1:0"], started=lambda server: print(server.urls[0], flush=True)))
"""


class Process:
    """The program, its address and its log."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, flushed: Path) -> None:
        self.process, self.url, self.flushed = process, url, flushed

    async def end(self) -> tuple[int, float, str]:
        """SIGTERM; return code, how long it took, what it logged."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(self.process.communicate(), 15)
        return self.process.returncode or 0, time.monotonic() - began, errors.decode()


@pytest.fixture
async def launch(tmp_path: Path):
    started: list[asyncio.subprocess.Process] = []

    async def make(*flags: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(tmp_path / "flushed"), *flags,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        return Process(process, line.decode().strip(), tmp_path / "flushed")

    yield make
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_p14_sigterm_with_100_open_streams_ends_in_time_with_rc_0(launch):
    program = await launch()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        events = [await session.get(program.url + "/ticks") for _ in range(70)]
        sockets = [await session.ws_connect(program.url + "/ws") for _ in range(30)]
        code, took, log = await program.end()
        assert [await answer.content.read() for answer in events] == [b""] * 70
        for ws in sockets:
            await ws.close()
    assert (code, program.flushed.read_text()) == (0, "flushed")
    assert took < 5
    assert "Traceback" not in log


async def test_p14_readers_that_do_not_read_do_not_delay_the_end(launch):
    program = await launch()
    host, port = program.url.removeprefix("http://").split(":")
    writers = []
    for path in (b"/ticks", b"/ws"):
        for _ in range(20):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
            writer.write(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            writers.append(writer)
    await asyncio.sleep(0.3)
    code, took, _ = await program.end()
    for writer in writers:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert code == 0
    assert took < 5


async def test_request_under_way_is_answered_before_the_end(launch):
    program = await launch()
    async with aiohttp.ClientSession() as session:
        asked = asyncio.ensure_future(session.get(program.url + "/work"))
        await asyncio.sleep(0.2)
        code, _, _ = await program.end()
        answer = await asked
        assert (code, await answer.json()) == (0, {"done": True})


async def test_p14_hanging_thread_and_hanging_clean_up_do_not_delay_the_end(launch):
    program = await launch("stubborn")
    async with aiohttp.ClientSession() as session:
        asked = asyncio.ensure_future(session.get(program.url + "/hang"))
        await asyncio.sleep(0.2)
        code, took, log = await program.end()
        await asyncio.gather(asked, return_exceptions=True)
    assert code == 0
    assert took < 5
    assert "did not end in time" in log


async def test_sighup_reloads_and_a_bad_configuration_keeps_the_old(launch):
    program = await launch()

    async def successful() -> bytes:
        async with session.get(program.url + "/metrics") as answer:
            lines = (await answer.read()).splitlines()
        return next(line for line in lines if line.startswith(b"openmanager_config_last_reload_successful "))

    async with aiohttp.ClientSession() as session:
        bad = Path(str(program.flushed) + ".bad")
        bad.touch()
        program.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.3)
        assert await successful() == b"openmanager_config_last_reload_successful 0.0"
        bad.unlink()
        program.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.3)
        assert await successful() == b"openmanager_config_last_reload_successful 1.0"
    code, _, log = await program.end()
    assert code == 0
    assert "the old configuration stays in use" in log


async def test_sigterm_while_it_still_starts_ends_it(launch):
    program = await launch("slow")
    assert program.url == "starting"
    code, took, log = await program.end()
    assert code == 0
    assert took < 5
    assert "Traceback" not in log
