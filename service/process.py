"""A service as a process: signals, reload, and an end that comes whatever threads hang.

In: an application and where to listen. Out: it runs until SIGTERM or SIGINT and leaves with return code 0; SIGHUP reads the
configuration again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from service import logs
from service.limits import Limits
from service.problems import Problem
from service.server import Server

_LOG = logs.get("service.process")


async def serve(
    app: web.Application,
    *,
    listen: Sequence[str] = ("127.0.0.1:10181",),
    web_config: Path | None = None,
    tokens_file: Path | None = None,
    hosts: Sequence[str] = (),
    limits: Limits | None = None,
    started: Callable[[Server], None] | None = None,
) -> None:
    """Run `app` until SIGTERM or SIGINT; SIGHUP reloads. Parameters as of :class:`Server`; `started` is told when it listens."""
    server = Server(app, listen=listen, web_config=web_config, tokens_file=tokens_file, hosts=hosts, limits=limits)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    reloads: set[asyncio.Task[None]] = set()

    def hup() -> None:
        task = loop.create_task(_reload(server))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, hup)
    try:
        if await _started(server, stop) and started is not None:
            started(server)
        await stop.wait()
        _LOG.info("stopping")
        await server.stop()
        _LOG.info("stopped")
    finally:
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(sign)


async def _started(server: Server, stop: asyncio.Event) -> bool:
    """Start; give it up where the signal to stop comes first."""
    starting = asyncio.ensure_future(server.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    await asyncio.wait({starting}, timeout=1.0)
    return False


async def _reload(server: Server) -> None:
    with contextlib.suppress(Problem):  # said in the log already
        await server.reload()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end and leave, whatever threads still hang.

    :func:`asyncio.run` would join every thread of the default executor; one that waits on a dead mount would keep the
    process from ending for ever.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main)
    finally:
        _finish(loop)
        asyncio.set_event_loop(None)
        loop.close()
    if _busy_threads():
        _LOG.warning("leaving threads behind", threads=[thread.name for thread in _busy_threads()])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=0.3))
    loop.run_until_complete(loop.shutdown_asyncgens())
    executor = getattr(loop, "_default_executor", None)
    if executor is not None:
        executor.shutdown(wait=False, cancel_futures=True)


def _busy_threads() -> list[threading.Thread]:
    others = [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]
    for thread in others:
        thread.join(timeout=0.2)
    return [thread for thread in others if thread.is_alive()]
