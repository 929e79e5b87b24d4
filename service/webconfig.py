"""``--web.config.file`` in exporter-toolkit's format, and ``--web.tokens-file`` for bearer tokens.

In: two YAML files. Out: TLS settings, response headers and credentials, checked, or a :class:`ConfigError` with line and key. The
tokens have a file of their own because ``promtool check web-config`` refuses keys that it does not know.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.auth import Credentials, bcrypt_cost
from service.yamltext import Document, Place, load

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,  # asked for and not looked at: the same as not asking
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_CIPHERS = {  # TLS 1.2 suites by the names Go gives them; those of TLS 1.3 cannot be chosen, there as here
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{name}"
    for key in ("RSA", "ECDSA")
    for go, name in {
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
    }.items()
}
_TLS13_SUITES = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_TLS_KEYS = frozenset(
    {
        "cert_file",
        "key_file",
        "client_auth_type",
        "client_ca_file",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "prefer_server_cipher_suites",
        "curve_preferences",
    }
)


@dataclass(frozen=True)
class TLSConfig:
    """How TLS is spoken; paths are absolute."""

    cert_file: Path
    key_file: Path
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_ca_file: Path | None = None
    client_allowed_sans: frozenset[str] = frozenset()
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file it reads."""
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None)

    def context(self) -> ssl.SSLContext:
        """A fresh context from the files as they are now; ssl.SSLError or OSError where they do not fit together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = self.min_version, self.max_version
        context.load_cert_chain(self.cert_file, self.key_file, password=lambda: b"")
        context.verify_mode = self.client_auth
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
        elif self.client_auth is not ssl.CERT_NONE:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))
        if len(self.curves) == 1:  # more than one cannot be named to this library; its own list holds them all
            context.set_ecdh_curve(self.curves[0])
        return context


@dataclass(frozen=True)
class WebConfig:
    """Everything the two files say."""

    tls: TLSConfig | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    files: tuple[Path, ...] = ()


class _Reader:
    """Checked access to one document."""

    def __init__(self, document: Document, folder: Path) -> None:
        self.document = document
        self.folder = folder

    def section(self, place: Place, keys: frozenset[str] | None) -> dict[str, Any]:
        """The mapping at `place`, empty where there is none; its keys are among `keys`."""
        value = self.document.data
        for part in place:
            value = (value or {}).get(part)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.document.error(place, "has to be a mapping")
        for key in value:
            if not isinstance(key, str) or (keys is not None and key not in keys):
                known = f"; known are {', '.join(sorted(keys))}" if keys else ""
                raise self.document.error((*place, str(key)), f"unknown key{known}")
        return value

    def text(self, place: Place, value: Any) -> str:
        """A non-empty text."""
        if not isinstance(value, str) or not value:
            raise self.document.error(place, "has to be a text")
        return value

    def file(self, place: Place, value: Any) -> Path:
        """A file that exists, relative to the one that names it."""
        path = self.folder / self.text(place, value)
        if not path.is_file():
            raise self.document.error(place, f"no file {value}")
        return path

    def choice(self, place: Place, value: Any, choices: Mapping[str, Any]) -> Any:
        """What one of `choices` stands for."""
        if not isinstance(value, str) or value not in choices:
            raise self.document.error(place, f"{value!r} is not one of {', '.join(filter(None, choices))}")
        return choices[value]

    def texts(self, place: Place, value: Any) -> list[str]:
        """A list of texts."""
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.document.error(place, "has to be a list of texts")
        return value


def read_web_config(path: Path) -> WebConfig:
    """Read and check ``--web.config.file``.

    Raises
    ------
    ConfigError
        With line and key.
    """
    reader = _Reader(load(path), path.absolute().parent)
    data = reader.document.data
    if isinstance(data, dict) and "bearer_tokens" in data:
        raise reader.document.error(("bearer_tokens",), "belongs into the file of --web.tokens-file")
    reader.section((), frozenset({"tls_server_config", "http_server_config", "basic_auth_users"}))
    tls = _tls(reader)
    required = tls is not None and tls.client_auth is ssl.CERT_REQUIRED
    credentials = Credentials(users=_users(reader), client_certificate=required)
    return WebConfig(tls, _headers(reader), credentials, (path, *(tls.files if tls else ())))


def _tls(reader: _Reader) -> TLSConfig | None:
    top = "tls_server_config"
    found = reader.section((top,), _TLS_KEYS)
    if not found:
        return None
    for key in ("cert_file", "key_file"):
        if not found.get(key):
            raise reader.document.error((top, key), "is needed for TLS")
    kind = found.get("client_auth_type") or ""
    if kind == "RequireAnyClientCert":
        raise reader.document.error(
            (top, "client_auth_type"), "an unverified certificate proves nothing; take RequireAndVerifyClientCert"
        )
    auth = reader.choice((top, "client_auth_type"), kind, _CLIENT_AUTH)
    authority = found.get("client_ca_file")
    if authority and auth is ssl.CERT_NONE:
        raise reader.document.error((top, "client_ca_file"), "client_auth_type has to say what it is for")
    sans = frozenset(reader.texts((top, "client_allowed_sans"), found.get("client_allowed_sans") or []))
    if sans and auth is not ssl.CERT_REQUIRED:
        raise reader.document.error((top, "client_allowed_sans"), "needs client_auth_type: RequireAndVerifyClientCert")
    config = TLSConfig(
        cert_file=reader.file((top, "cert_file"), found["cert_file"]),
        key_file=reader.file((top, "key_file"), found["key_file"]),
        client_auth=auth,
        client_ca_file=reader.file((top, "client_ca_file"), authority) if authority else None,
        client_allowed_sans=sans,
        min_version=_version(reader, "min_version", found.get("min_version", "TLS12")),
        max_version=_version(reader, "max_version", found.get("max_version", "TLS13")),
        ciphers=_ciphers(reader, found.get("cipher_suites") or []),
        curves=_curves(reader, found.get("curve_preferences") or []),
    )
    _try_context(reader, config)
    return config


def _version(reader: _Reader, key: str, value: Any) -> ssl.TLSVersion:
    place = ("tls_server_config", key)
    if value in ("TLS10", "TLS11"):
        raise reader.document.error(place, f"{value} is broken and not offered; TLS12 or TLS13")
    version: ssl.TLSVersion = reader.choice(place, value, _VERSIONS)
    return version


def _ciphers(reader: _Reader, value: Any) -> tuple[str, ...]:
    place = ("tls_server_config", "cipher_suites")
    names = reader.texts(place, value)
    return tuple(reader.choice(place, name, _CIPHERS) for name in names if name not in _TLS13_SUITES)


def _curves(reader: _Reader, value: Any) -> tuple[str, ...]:
    place = ("tls_server_config", "curve_preferences")
    return tuple(reader.choice(place, name, _CURVES) for name in reader.texts(place, value))


def _try_context(reader: _Reader, config: TLSConfig) -> None:
    try:
        config.context()
    except (ssl.SSLError, OSError, ValueError) as exc:
        reason = getattr(exc, "reason", None) or exc
        raise reader.document.error(("tls_server_config", "cert_file"), f"certificate, key or CA: {reason}") from None


def _headers(reader: _Reader) -> dict[str, str]:
    top = "http_server_config"
    reader.section((top,), frozenset({"http2", "headers"}))  # http2 may be said; only HTTP/1.1 is spoken
    found = reader.section((top, "headers"), frozenset(_HEADERS))
    checked: dict[str, str] = {}
    for name, value in found.items():
        place = (top, "headers", name)
        if value in (None, ""):
            continue
        said = str(value)
        if not said.isascii() or not said.isprintable():
            raise reader.document.error(place, "printable ASCII only")
        if _HEADERS[name] and said.lower() not in _HEADERS[name]:
            raise reader.document.error(place, f"has to be {' or '.join(_HEADERS[name])}")
        checked[name] = said
    return checked


def _users(reader: _Reader) -> dict[str, str]:
    top = "basic_auth_users"
    users = reader.section((top,), None)
    for name, value in users.items():
        if not isinstance(value, str) or bcrypt_cost(value) is None:
            raise reader.document.error((top, name), "has to be a bcrypt hash ($2y$10$…); make one with htpasswd -nBC 10 NAME")
        if ":" in name or not name:
            raise reader.document.error((top, name), "a user name cannot be empty or hold a colon")
    return dict(users)


def read_tokens(path: Path) -> tuple[dict[str, bytes], tuple[Path, ...]]:
    """Read and check ``--web.tokens-file``: token name -> SHA-256, and every file read.

    ``bearer_tokens: {NAME: SHA256_HEX}`` and ``bearer_token_files: {NAME: FILE}``, the file holding the token itself.
    """
    reader = _Reader(load(path), path.absolute().parent)
    reader.section((), frozenset({"bearer_tokens", "bearer_token_files"}))
    tokens: dict[str, bytes] = {}
    for name, value in reader.section(("bearer_tokens",), None).items():
        if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
            message = "has to be the SHA-256 of the token as 64 hex digits: printf %s TOKEN | sha256sum"
            raise reader.document.error(("bearer_tokens", name), message)
        tokens[name] = bytes.fromhex(value)
    files = [path]
    for name, value in reader.section(("bearer_token_files",), None).items():
        place = ("bearer_token_files", name)
        if name in tokens:
            raise reader.document.error(place, "is in bearer_tokens already")
        file = reader.file(place, value)
        token = file.read_text("utf-8").strip()
        if len(token) < 16:
            raise reader.document.error(place, "the token in it has to have at least 16 characters")
        tokens[name] = hashlib.sha256(token.encode()).digest()
        files.append(file)
    return tokens, tuple(files)


def read_all(web_config: Path | None, tokens_file: Path | None) -> WebConfig:
    """Both files as one configuration; either may be absent."""
    config = read_web_config(web_config) if web_config else WebConfig()
    if tokens_file is None:
        return config
    tokens, files = read_tokens(tokens_file)
    credentials = Credentials(config.credentials.users, tokens, config.credentials.client_certificate)
    return WebConfig(config.tls, config.headers, credentials, (*config.files, *files))
