"""Endpoints we call, in Prometheus's ``http_config`` shape.

In: a mapping from a configuration file. Out: an aiohttp session that sends its credentials, read again from ``*_file`` for each
request, speaks TLS as told, follows no redirect and waits for nothing for ever.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import ClientRequest, ClientResponse
from aiohttp.client_middlewares import ClientHandlerType
from multidict import CIMultiDict, CIMultiDictProxy

from service.build import VERSION

_RESERVED = frozenset(
    {"authorization", "host", "content-encoding", "content-length", "content-type", "user-agent", "connection",
     "transfer-encoding", "accept-encoding", "keep-alive", "x-prometheus-remote-write-version"}
)  # fmt: skip
_KEYS = frozenset(
    {"basic_auth", "authorization", "bearer_token", "bearer_token_file", "tls_config", "headers", "proxy_url",
     "follow_redirects", "enable_http2"}
)  # fmt: skip
_TLS_KEYS = frozenset({"ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify", "min_version", "max_version"})
_VERSIONS = {
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WHERE = frozenset({"Location", "Uri"})


class HttpConfigError(ValueError):
    """A bad ``http_config``: which key, and what it should be. ``key`` is its dotted path."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}" if key else message)
        self.key = key
        self.message = message


@dataclass(frozen=True)
class Secret:
    """A secret given as text or as a file that holds it; never shown."""

    text: str | None = field(default=None, repr=False)
    file: Path | None = None

    def read(self) -> str:
        """The secret as it is now.

        Raises
        ------
        OSError
            Where the file cannot be read.
        """
        if self.file is not None:
            return self.file.read_text("utf-8").strip()
        return self.text or ""


@dataclass(frozen=True)
class TlsClient:
    """How TLS is spoken to a server."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion | None = None

    def context(self) -> ssl.SSLContext:
        """A fresh context from the files as they are now."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = self.min_version
        if self.max_version is not None:
            context.maximum_version = self.max_version
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@dataclass(frozen=True)
class HttpConfig:
    """A parsed ``http_config``.

    Attributes
    ----------
    scheme
        Of the Authorization header: ``Bearer``, ``Basic`` or another; None where there is none.
    username
        With ``Basic``.
    secret
        Password or credentials.
    """

    scheme: str | None = None
    username: str | Secret = ""
    secret: Secret = field(default_factory=Secret)
    headers: Mapping[str, Secret] = field(default_factory=dict)
    tls: TlsClient = field(default_factory=TlsClient)
    proxy_url: str | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any] | None, *, folder: Path = Path()) -> HttpConfig:
        """Check and parse `data`; relative files are looked for in `folder`.

        Raises
        ------
        HttpConfigError
            Naming the key.
        """
        return _Parser(folder).parse(data or {})

    def authorization(self) -> str | None:
        """The Authorization header as it is now."""
        if self.scheme is None:
            return None
        if self.scheme.lower() == "basic":
            name = self.username.read() if isinstance(self.username, Secret) else self.username
            pair = f"{name}:{self.secret.read()}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        return f"{self.scheme} {self.secret.read()}"


class _Parser:
    """From a mapping to :class:`HttpConfig`, complaining by key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def parse(self, data: Any) -> HttpConfig:
        data = self._mapping("", data, _KEYS)
        if data.get("follow_redirects"):
            raise HttpConfigError("follow_redirects", "redirects are not followed here; give the final address")
        ways = [key for key in ("basic_auth", "authorization", "bearer_token", "bearer_token_file") if data.get(key)]
        if len(ways) > 1:
            raise HttpConfigError(ways[1], f"{ways[0]} is given already")
        scheme, username, secret = self._auth(data, ways[0] if ways else "")
        proxy = data.get("proxy_url")
        if proxy is not None and not str(proxy).startswith(("http://", "https://")):
            raise HttpConfigError("proxy_url", "has to begin with http:// or https://")
        return HttpConfig(scheme, username, secret, self._headers(data), self._tls(data), proxy)

    def _mapping(self, key: str, value: Any, known: frozenset[str] | None) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise HttpConfigError(key, "has to be a mapping")
        for name in value:
            if not isinstance(name, str) or (known is not None and name not in known):
                place = f"{key}.{name}".lstrip(".")
                raise HttpConfigError(place, f"unknown key; known are {', '.join(sorted(known or ()))}")
        return dict(value)

    def _text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or any(ord(char) < 32 for char in value):
            raise HttpConfigError(key, "has to be a text on one line")
        return value

    def _file(self, key: str, value: Any) -> Path:
        return self._folder / self._text(key, value)

    def _secret(self, section: str, data: Mapping[str, Any], name: str) -> Secret:
        text, file = data.get(name), data.get(f"{name}_file")
        key = f"{section}.{name}".lstrip(".")
        if text is not None and file is not None:
            raise HttpConfigError(key, f"give it or {name}_file, not both")
        if file is not None:
            return Secret(file=self._file(f"{key}_file", file))
        return Secret(text=self._text(key, text) if text is not None else None)

    def _auth(self, data: Mapping[str, Any], way: str) -> tuple[str | None, str | Secret, Secret]:
        if way == "basic_auth":
            keys = frozenset({"username", "username_file", "password", "password_file"})
            found = self._mapping(way, data[way], keys)
            if not found.get("username") and not found.get("username_file"):
                raise HttpConfigError("basic_auth.username", "is needed")
            return "Basic", self._secret(way, found, "username"), self._secret(way, found, "password")
        if way == "authorization":
            found = self._mapping(way, data[way], frozenset({"type", "credentials", "credentials_file"}))
            scheme = self._text("authorization.type", found.get("type", "Bearer")).strip()
            if scheme.lower() == "basic":
                raise HttpConfigError("authorization.type", "use basic_auth for Basic")
            return scheme, "", self._secret(way, found, "credentials")
        if way:
            return "Bearer", "", self._secret("", data, "bearer_token")
        return None, "", Secret()

    def _headers(self, data: Mapping[str, Any]) -> dict[str, Secret]:
        headers: dict[str, Secret] = {}
        for name, value in self._mapping("headers", data.get("headers"), None).items():
            key = f"headers.{name}"
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED:
                raise HttpConfigError(key, "cannot be set here")
            if isinstance(value, Mapping):
                headers[name] = self._secret(key, self._mapping(key, value, frozenset({"value", "value_file"})), "value")
            else:
                headers[name] = Secret(text=self._text(key, value))
        return headers

    def _tls(self, data: Mapping[str, Any]) -> TlsClient:
        found = self._mapping("tls_config", data.get("tls_config"), _TLS_KEYS)
        files = {key: self._file(f"tls_config.{key}", found[key]) for key in ("ca_file", "cert_file", "key_file") if found.get(key)}
        if ("cert_file" in files) != ("key_file" in files):
            raise HttpConfigError("tls_config.cert_file", "cert_file and key_file go together")
        skip = found.get("insecure_skip_verify", False)
        if not isinstance(skip, bool):
            raise HttpConfigError("tls_config.insecure_skip_verify", "true or false")
        return TlsClient(
            **files,
            server_name=found.get("server_name"),
            insecure_skip_verify=skip,
            min_version=self._version("min_version", found.get("min_version", "TLS12")),
            max_version=self._version("max_version", found["max_version"]) if found.get("max_version") else None,
        )

    @staticmethod
    def _version(key: str, value: Any) -> ssl.TLSVersion:
        if value not in _VERSIONS:
            raise HttpConfigError(f"tls_config.{key}", "TLS12 or TLS13")
        return _VERSIONS[value]


class _Credentials:
    """Client middleware: credentials and headers as they are now."""

    def __init__(self, config: HttpConfig, tls: _FreshTls) -> None:
        self._config = config
        self._tls = tls

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        self._tls.refresh()
        for name, secret in self._config.headers.items():
            request.headers[name] = secret.read()
        value = self._config.authorization()
        if value is not None:
            request.headers["Authorization"] = value
        if self._config.tls.server_name:
            request.server_hostname = self._config.tls.server_name
        return await handler(request)


class _NoRedirect(ClientResponse):
    """A response that shows no address to go on to; aiohttp then returns a redirect as the answer that it is."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        if self.status not in _REDIRECTS:
            return self._headers
        kept = CIMultiDict((name, value) for name, value in self._headers.items() if name.title() not in _WHERE)
        return CIMultiDictProxy(kept)


class _FreshTls:
    """One SSL context whose certificate is loaded again when its files change."""

    def __init__(self, config: TlsClient) -> None:
        self._config = config
        self.context = config.context()
        self._seen = self._stamp()

    def _stamp(self) -> tuple[int, ...]:
        files = (self._config.ca_file, self._config.cert_file, self._config.key_file)
        return tuple(os.stat(path).st_mtime_ns if path and path.exists() else 0 for path in files)  # noqa: PTH116

    def refresh(self) -> None:
        now = self._stamp()
        if now == self._seen:
            return
        self._seen = now
        try:
            if self._config.cert_file is not None:
                self.context.load_cert_chain(self._config.cert_file, self._config.key_file)
            if self._config.ca_file is not None:
                self.context.load_verify_locations(self._config.ca_file)
        except (ssl.SSLError, OSError):
            return  # half of a rotation; the next change completes it


def make_session(
    config: HttpConfig,
    *,
    timeout_seconds: float = 10.0,
    connect_seconds: float = 3.0,
    connections: int = 16,
    headers: Mapping[str, str] | None = None,
) -> aiohttp.ClientSession:
    """A session for one endpoint; close it.

    Parameters
    ----------
    timeout_seconds
        From sending to the end of the answer.
    connect_seconds
        For the connection alone.
    connections
        Open at once.
    headers
        Default headers, for instance ``Accept-Encoding``.

    Notes
    -----
    A redirect is returned as the answer that it is, with its status.
    """
    tls = _FreshTls(config.tls)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls.context, limit=connections),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=connect_seconds),
        middlewares=(_Credentials(config, tls),),
        response_class=_NoRedirect,
        headers={"User-Agent": f"openmanager/{VERSION}", **(headers or {})},
        proxy=config.proxy_url,
        trust_env=False,
        raise_for_status=False,
    )
