"""A TCP proxy that misbehaves on demand: what stands between us and a server when a test wants trouble.

`async with FaultProxy(host, port) as proxy:` then talk to `proxy.port`. Set `proxy.delay` (seconds before a connection goes on),
`proxy.fault` ("reset", "truncate", "stall" or None), or `proxy.status` (answer every request with it, bypassing the server).
"""

import asyncio
import contextlib


class FaultProxy:
    """Forwards bytes between its own port on loopback and a server's."""

    def __init__(self, host, port):
        self.host, self.target = host, port
        self.delay, self.fault, self.status, self.headers = 0.0, None, None, ""
        self.connections = 0
        self.truncate_after = 20
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _serve(self, reader, writer):
        await asyncio.sleep(self.delay)
        if self.fault == "reset":
            writer.transport.abort()
        elif self.fault == "stall":
            await asyncio.sleep(3600)
        elif self.status is not None:
            await self._answer(reader, writer)
        else:
            await self._forward(reader, writer)

    async def _answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        await reader.readexactly(length)
        writer.write(f"HTTP/1.1 {self.status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n{self.headers}\r\n".encode())
        await writer.drain()

    async def _forward(self, reader, writer):
        upstream_reader, upstream_writer = await asyncio.open_connection(self.host, self.target)
        limit = self.truncate_after if self.fault == "truncate" else None
        try:
            sides = [
                asyncio.ensure_future(_pipe(reader, upstream_writer, None)),
                asyncio.ensure_future(_pipe(upstream_reader, writer, limit)),
            ]
            _, pending = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            for side in pending:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
        finally:
            upstream_writer.close()


async def _pipe(reader, writer, limit):
    while data := await reader.read(65536):
        writer.write(data[:limit])
        await writer.drain()
        if limit is not None:
            return
