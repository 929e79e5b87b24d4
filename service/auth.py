"""Who a request is from: basic auth against bcrypt hashes, bearer tokens against SHA-256, or a client certificate.

In: the Authorization header. Out: a name, or 401 in the same time for users that exist and users that do not; 429 when more
passwords wait to be checked than can be. Hashes are computed in two threads, off the loop; what was right once is remembered
under a keyed hash of user, hash and password, each with its length, so no other three can meet it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import concurrent.futures
import hashlib
import hmac
import re
import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import bcrypt
from aiohttp import web

from service.limits import Limits
from service.problems import Problem
from service.rate import network

REMEMBERED = 256  # right passwords
THREADS = 2
BCRYPT_BYTES = 72  # bcrypt reads no further; Go's implementation, which made the hashes, cuts here
_HASH = re.compile(r"\$2[abxy]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}")


def bcrypt_cost(value: str) -> int | None:
    """The cost of a bcrypt hash, or None where `value` is none."""
    match = _HASH.fullmatch(value)
    return int(match["cost"]) if match and 4 <= int(match["cost"]) <= 31 else None


@dataclass(frozen=True)
class Credentials:
    """What is accepted.

    Attributes
    ----------
    users
        Name -> bcrypt hash.
    tokens
        Name -> SHA-256 of the token, 32 bytes.
    client_certificate
        Whether TLS already requires and verifies one.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, bytes] = field(default_factory=dict)
    client_certificate: bool = False

    @property
    def configured(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.users or self.tokens or self.client_certificate)

    @property
    def cost(self) -> int:
        """The cost that checking an unknown user takes: that of the users there are."""
        return max((bcrypt_cost(value) or 10 for value in self.users.values()), default=10)


class PasswordChecker:
    """bcrypt off the loop, a bounded number at a time, right answers remembered."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._threads = concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="bcrypt")
        self._waiting: Counter[str] = Counter()
        self._dummies: dict[int, str] = {}

    def close(self) -> None:
        """Give the threads back."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, user: str, password: bytes, credentials: Credentials, remote: str) -> bool:
        """Whether `password` is that of `user`; 429 where too many wait."""
        known = credentials.users.get(user)
        value = known if known is not None else self._dummy(credentials.cost)
        entry = self._cache_key(user, value, password)
        if known is not None and entry in self._right:
            self._right.move_to_end(entry)
            return True
        matches = await self._compare(password, value, remote)
        if known is None or not matches:
            return False
        self._right[entry] = None
        while len(self._right) > REMEMBERED:
            self._right.popitem(last=False)
        return True

    def _cache_key(self, user: str, value: str, password: bytes) -> bytes:
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in (user.encode("utf-8", "surrogatepass"), value.encode(), password):
            mac.update(len(part).to_bytes(8, "big") + part)
        return mac.digest()

    def _dummy(self, cost: int) -> str:
        if cost not in self._dummies:  # a hash that nobody knows the password of; making one up costs no hashing
            alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
            salt = bcrypt.gensalt(4).decode()[7:]
            self._dummies[cost] = f"$2b${cost:02d}${salt}" + "".join(secrets.choice(alphabet) for _ in range(31))
        return self._dummies[cost]

    async def _compare(self, password: bytes, value: str, remote: str) -> bool:
        who = network(remote)
        if self._waiting.total() >= self._limits.logins or self._waiting[who] >= self._limits.logins_per_address:
            raise Problem(429, "too_many_logins", "too many passwords wait to be checked", {"Retry-After": "1"}, entry="auth")
        self._waiting[who] += 1
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, _bcrypt_equal, password, value)
            return await asyncio.shield(work)  # a client that leaves must not free its place before the work is done
        finally:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who]


def _bcrypt_equal(password: bytes, value: str) -> bool:
    try:
        made = bcrypt.hashpw(password[:BCRYPT_BYTES], value.replace("$2y$", "$2b$").replace("$2x$", "$2b$").encode())
    except ValueError:
        return False
    return hmac.compare_digest(made[7:], value.encode()[7:])


class Authenticator:
    """Checks requests against the :class:`Credentials` in use; see :class:`service.guard.Authenticator`."""

    def __init__(self, limits: Limits) -> None:
        self.credentials = Credentials()
        self._passwords = PasswordChecker(limits)

    @property
    def configured(self) -> bool:
        """Whether any credential is asked for."""
        return self.credentials.configured

    def close(self) -> None:
        """Give the threads back."""
        self._passwords.close()

    async def check(self, request: web.Request) -> str:
        """The name of who asks; 401 or 429 otherwise."""
        credentials = self.credentials
        if not credentials.users and not credentials.tokens:
            return "client-certificate" if credentials.client_certificate else ""
        scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
        name: str | None = None
        if scheme.lower() == "bearer" and credentials.tokens:
            name = _token_name(value.strip(), credentials.tokens)
        elif scheme.lower() == "basic" and credentials.users:
            name = await self._basic(value.strip(), credentials, request.remote or "")
        if name is None:
            raise _unauthorized(credentials)
        return name

    async def _basic(self, value: str, credentials: Credentials, remote: str) -> str | None:
        try:
            user, colon, password = base64.b64decode(value, validate=True).partition(b":")
            name = user.decode("utf-8")
        except (binascii.Error, ValueError):
            return None
        if not colon or not await self._passwords.check(name, password, credentials, remote):
            return None
        return name


def _token_name(token: str, tokens: Mapping[str, bytes]) -> str | None:
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    found: str | None = None
    for name, wanted in tokens.items():  # all of them, however early one fits
        if hmac.compare_digest(digest, wanted):
            found = name
    return found


def _unauthorized(credentials: Credentials) -> Problem:
    schemes = [*(["Basic"] if credentials.users else []), *(["Bearer"] if credentials.tokens else [])]
    return Problem(
        401, "unauthorized", f"send an Authorization header ({' or '.join(schemes)})",
        {"WWW-Authenticate": ", ".join(schemes)}, entry="auth",
    )  # fmt: skip
