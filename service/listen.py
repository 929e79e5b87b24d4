"""Sockets to accept on: from ``host:port`` to bound, listening, non-blocking sockets, and the first look at what came in."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket

BACKLOG = 1024


def parse_listen(address: str) -> tuple[str, int]:
    """``host:port``, ``:port`` (every address) or ``[v6]:port`` to host and port.

    Raises
    ------
    ValueError
        Naming the address and the shape it should have.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"listen address {address!r}: host:port, :port or [v6]:port")
    return host.strip("[]"), int(port)


def bind(address: str) -> list[socket.socket]:
    host, port = parse_listen(address)
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    for family, kind, proto, _, where in dict.fromkeys(found):
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(where if port or not bound else (where[0], bound[0].getsockname()[1], *where[2:]))
            sock.listen(BACKLOG)
        except OSError as exc:
            sock.close()
            if bound and exc.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                continue  # a machine without IPv6
            for other in bound:
                other.close()
            raise OSError(exc.errno, f"cannot listen on {address}: {os.strerror(exc.errno or 0)}") from exc
        sock.setblocking(False)
        bound.append(sock)
    return bound


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


async def speaks_tls(sock: socket.socket) -> bool:
    """Whether the first byte begins a TLS handshake; it is left where it is."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            first = sock.recv(1, socket.MSG_PEEK)
            return first in {b"\x16", b""}
        except (BlockingIOError, InterruptedError):
            readable = asyncio.Event()
            loop.add_reader(sock, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(sock)
