"""Accepting: TLS, the cap on connections, and an orderly end.

In: an application and where to listen. Out: a running server, until it is stopped.
Sockets are accepted here and not by aiohttp's sites, so that TLS handshakes have a deadline, certificates can change between
two connections, and one connection too many is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from service import logs
from service.body import LIMITS
from service.guard import GUARD
from service.health import HEALTH
from service.limits import Limits
from service.listen import bind, is_loopback, speaks_tls
from service.problems import REJECTIONS, Problem
from service.protocol import Connection, Refusal, raw_response
from service.streams import STREAMS
from service.webfiles import WebFiles

REFUSALS = 64  # told 503 at once; beyond that a connection is simply closed
_LOG = logs.get("service.server")


class Server:
    """An application on its sockets: ``await start()``, later ``await stop()``.

    Parameters
    ----------
    app
        From :func:`service.app.create_app`.
    listen
        Addresses, ``host:port``; port 0 takes a free one.
    web_config
        ``--web.config.file`` in exporter-toolkit's format.
    tokens_file
        ``--web.tokens-file``: bearer tokens by name.
    hosts
        Public host names (or URLs) under which we are reached.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        listen: Sequence[str] = ("127.0.0.1:0",),
        web_config: Path | None = None,
        tokens_file: Path | None = None,
        hosts: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self.app = app
        self.limits = limits or app.get(LIMITS) or Limits()
        self.addresses: list[tuple[str, int]] = []
        self._listen = tuple(listen)
        self._hosts = tuple(hosts)
        self._files = WebFiles(web_config, tokens_file, app[GUARD], self.limits, app[HEALTH].registry)
        self._runner = web.AppRunner(
            app,
            keepalive_timeout=self.limits.keepalive_seconds,
            lingering_time=1.0,
            auto_decompress=False,
            access_log=None,
            shutdown_timeout=0.5,
        )
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._refusing = 0

    @property
    def urls(self) -> list[str]:
        """Where it listens."""
        scheme = "https" if self._files.tls else "http"
        return [f"{scheme}://[{h}]:{p}" if ":" in h else f"{scheme}://{h}:{p}" for h, p in self.addresses]

    async def start(self) -> None:
        """Bind, start the application, accept.

        Raises
        ------
        ConfigError
            For a bad web config or tokens file.
        OSError
            Where an address cannot be had.
        """
        self._files.load()
        try:
            for address in self._listen:
                self._sockets += bind(address)
        except (OSError, ValueError):
            self._close_sockets()
            raise
        self.addresses = [sock.getsockname()[:2] for sock in self._sockets]
        guard = self.app[GUARD]
        guard.hosts |= {_host_of(host) for host in self._hosts}
        guard.beyond_loopback = not all(is_loopback(host) for host, _ in self.addresses)
        try:
            await self._runner.setup()
        except BaseException:
            self._close_sockets()
            raise
        for sock in self._sockets:
            self._spawn(self._accept(sock))
        if not guard.trusted:
            _LOG.warning(
                "listening beyond loopback without auth: routes that change something answer 403; "
                "set --web.config.file or --web.tokens-file",
                listen=[f"{host}:{port}" for host, port in self.addresses],
            )
        _LOG.info("listening", urls=self.urls, auth=guard.auth.configured, tls=self._files.tls)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError as exc:  # no descriptors, or a client that was gone at once: neither may end the listening
                self.app[REJECTIONS].add("socket", "accept", os.strerror(exc.errno or 0))
                await asyncio.sleep(0.1)
                continue
            self._admit(sock)

    @property
    def connections(self) -> int:
        """Open connections, TLS handshakes under way included."""
        server = self._runner.server
        return (len(server.connections) if server is not None else 0) + self._opening

    def _admit(self, sock: socket.socket) -> None:
        if self.connections < self.limits.connections:
            self._opening += 1
            self._spawn(self._open(sock))
            return
        self.app[REJECTIONS].add("socket", "connection_cap", f"{self.limits.connections} connections are open")
        if self._refusing >= REFUSALS:
            sock.close()
            return
        self._refusing += 1
        self._spawn(self._refuse(sock))

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self._connect(sock, self._connection)
        finally:
            self._opening -= 1

    async def _refuse(self, sock: socket.socket) -> None:
        problem = Problem(503, "too_many_connections", "try again in a moment", {"Retry-After": "1"})
        try:
            await self._connect(sock, lambda: Refusal(raw_response(problem, secrets.token_hex(8))))
            await asyncio.sleep(0)
        finally:
            self._refusing -= 1

    async def _connect(self, sock: socket.socket, factory: Callable[[], asyncio.Protocol]) -> None:
        sock.setblocking(False)
        context = self._files.ssl_context()
        if context is not None:
            plain = await self._is_plain(sock)
            if plain is None:
                return
            context, factory = (None, self._plain_on_tls) if plain else (context, factory)
        try:
            async with asyncio.timeout(self.limits.header_seconds if context else None):
                await asyncio.get_running_loop().connect_accepted_socket(factory, sock, ssl=context)
        except (TimeoutError, OSError) as exc:  # ssl.SSLError is an OSError
            self.app[REJECTIONS].add("socket", "tls_handshake", getattr(exc, "reason", "") or type(exc).__name__)

    async def _is_plain(self, sock: socket.socket) -> bool | None:
        """Whether plain HTTP came to a TLS port; None where nothing came at all."""
        try:
            async with asyncio.timeout(self.limits.header_seconds):
                return not await speaks_tls(sock)
        except TimeoutError:
            self.app[REJECTIONS].add("socket", "header_timeout", "no TLS handshake")
        except OSError:
            pass  # it left before it spoke
        except asyncio.CancelledError:
            sock.close()
            raise
        sock.close()
        return None

    def _plain_on_tls(self) -> asyncio.Protocol:
        self.app[REJECTIONS].add("socket", "plain_http", "plain HTTP on a TLS port")
        problem = Problem(400, "plain_http", "this port speaks HTTPS")
        return Refusal(raw_response(problem, secrets.token_hex(8)))

    def _connection(self) -> Connection:
        server = cast(web.Server, self._runner.server)
        return Connection(
            server,
            limits=self.limits,
            allowed_sans=self._files.allowed_sans,
            rejections=self.app[REJECTIONS],
            loop=asyncio.get_running_loop(),
            **server._kwargs,
        )

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    async def reload(self) -> None:
        """Read the web files and the service's configuration again."""
        await self.app[HEALTH].reload()

    async def stop(self) -> None:
        """Stop accepting, end the streams, let requests finish, clean up; at most ``shutdown_seconds``."""
        ends = time.monotonic() + self.limits.shutdown_seconds
        self.app[HEALTH].stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close_sockets()
        self.app[STREAMS].close()
        await self._drain(min(2.0, self.limits.shutdown_seconds / 2))
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + max(0.1, ends - time.monotonic())):
                await self._runner.cleanup()
        except TimeoutError:
            _LOG.error("clean-up did not end in time and was cut off")
        self._files.close()

    async def _drain(self, seconds: float) -> None:
        server = self._runner.server
        until = time.monotonic() + seconds
        while server is not None and time.monotonic() < until:
            if not any(connection._request_in_progress for connection in server.connections):
                return
            await asyncio.sleep(0.02)


def _host_of(host: str) -> str:
    name = host.partition("://")[2].partition("/")[0] or host
    return name.rpartition(":")[0].strip("[]").lower() if name.rpartition(":")[2].isdigit() else name.lower()


@contextlib.asynccontextmanager
async def running(app: web.Application, **options: Any) -> AsyncIterator[Server]:
    """A started :class:`Server`, stopped on the way out."""
    server = Server(app, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
