"""Who may ask, and what they may change: state that the server knows and the application asks.

In: where the server listens, which auth is configured, which host names are ours. Out: a yes, or a :class:`Problem`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Protocol
from urllib.parse import unquote, urlsplit

from aiohttp import web

from service import text
from service.problems import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PRINCIPAL = web.RequestKey("principal", str)
DEADLINE = web.RequestKey("deadline", asyncio.Timeout)  # a stream lifts it
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# top levels that nobody can register in the public DNS, so a name under them cannot be rebound to us from outside
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".svc", ".test")


class Authenticator(Protocol):
    """Checks the credentials of a request."""

    @property
    def configured(self) -> bool:
        """Whether any credential is asked for at all."""
        ...

    async def check(self, request: web.Request) -> str:
        """The name of who asks; a :class:`Problem` (401, 429) otherwise."""
        ...


class OpenToAll:
    """No auth configured."""

    configured = False

    async def check(self, request: web.Request) -> str:
        """Everybody is nobody."""
        return ""


@dataclass
class Guard:
    """What the server tells the application about its doors.

    Attributes
    ----------
    auth
        Checks credentials.
    beyond_loopback
        Whether others than this machine can connect.
    hosts
        Host names, besides addresses and private names, under which we are reached.
    headers
        Response headers that the operator configured.
    """

    auth: Authenticator = field(default_factory=OpenToAll)
    beyond_loopback: bool = False
    hosts: frozenset[str] = frozenset()
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def trusted(self) -> bool:
        """Whether who reaches a handler is either authenticated or on this machine."""
        return self.auth.configured or not self.beyond_loopback


GUARD = web.AppKey("guard", Guard)


def own_names() -> frozenset[str]:
    """Host names of this machine."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, name.split(".")[0]})


def trusted(request: web.Request) -> bool:
    """Whether `request` may see what is for this machine's operators: auth is configured, or we listen on loopback only."""
    guard = request.config_dict.get(GUARD)
    return guard is None or guard.trusted


def changes(handler: Handler) -> Handler:
    """Mark a handler that changes something: 403 when no auth is configured and we listen beyond loopback."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not trusted(request):
            raise Problem(
                403,
                "changes_forbidden",
                "this changes something, and no auth is configured: set --web.config.file or --web.tokens-file, "
                "or listen on 127.0.0.1",
                entry="auth",
            )
        return await handler(request)

    return guarded


def check_path(raw_path: str) -> None:
    """404 bad_path for a path that climbs, or holds NUL, control characters or backslashes, encoded up to twice."""
    path = raw_path.split("?", 1)[0]
    for _ in range(3):
        if re.search(r"[\x00-\x1f\x7f\\]", path) or ".." in path.split("/"):
            raise Problem(404, "bad_path", "no such path", entry="path")
        if "%" not in path:
            return
        path = unquote(path, errors="replace")


@lru_cache(maxsize=256)  # clients send the same few at every request
def _host(netloc: str) -> str | None:
    """The host of ``host:port``, lower case; None where it is neither a name nor an address."""
    match = re.fullmatch(r"(?P<v6>\[[0-9A-Fa-f:.%]+\])(:[0-9]{1,5})?|(?P<name>[A-Za-z0-9._-]+)(:[0-9]{1,5})?", netloc)
    if match is None:
        return None
    return (match["v6"] or match["name"]).strip("[]").rstrip(".").lower()


def _is_ours(host: str, hosts: Collection[str]) -> bool:
    if "*" in hosts or host in hosts or "." not in host or host.endswith(_PRIVATE_SUFFIXES):
        return True
    return _is_address(host)  # a page elsewhere cannot make its own name an address


@lru_cache(maxsize=256)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def check_host(request: web.BaseRequest, guard: Guard) -> None:
    """403 bad_origin where the Host is a public name that is not ours: a browser was led here by DNS rebinding."""
    named = request.headers.getall("Host", [])
    if len(named) > 1 or (not named and request.version >= (1, 1)):
        raise Problem(400, "bad_host", "exactly one Host header", entry="origin", close=True)
    absolute = urlsplit(request.raw_path).netloc if "://" in request.raw_path.split("?", 1)[0] else ""
    for netloc in [*named, *([absolute] if absolute else [])]:
        host = _host(netloc)
        if host is None or not _is_ours(host, guard.hosts):
            raise Problem(
                403,
                "bad_origin",
                f"host {text.printable(netloc, 80)!r} is not ours: name it with --web.external-url if it is",
                entry="origin",
            )


def _authority(netloc: str, scheme: str) -> str:
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    return netloc.lower().removesuffix(default) if default else netloc.lower()


def check_origin(request: web.BaseRequest, guard: Guard) -> None:
    """403 bad_origin where a page of another origin tries to change something or to open a WebSocket."""
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.method not in CHANGING and not upgrade:
        return
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise Problem(403, "bad_origin", "sent by a page of another site", entry="origin")
        return
    parts = urlsplit(origin) if len(origin) < 300 and origin.isprintable() else urlsplit("")
    here = request.headers.get("Host", "")
    same = parts.scheme in {"http", "https"} and _authority(parts.netloc, parts.scheme) in {
        _authority(here, "http"),
        _authority(here, "https"),
    }
    configured = parts.hostname is not None and parts.hostname in guard.hosts and "*" not in guard.hosts
    if not same and not configured:
        raise Problem(403, "bad_origin", f"origin {text.printable(origin, 80)!r} is not ours", entry="origin")
