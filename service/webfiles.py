"""The web configuration in use, read again whenever one of its files has changed.

In: paths. Out: an SSL context for the next connection and credentials for the next request. A changed file that cannot be
used is counted and logged once, and what worked before stays in use.
"""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge

from service import logs
from service.auth import Authenticator
from service.guard import Guard
from service.limits import Limits
from service.webconfig import WebConfig, read_all
from service.yamltext import ConfigError

RETRY_SECONDS = 5.0  # a broken file may name others that appear later
_Stamp = tuple[tuple[str, int, int, int], ...]


def _stamp(paths: tuple[Path, ...]) -> _Stamp:
    found = []
    for path in paths:
        try:
            state = os.stat(path)  # noqa: PTH116 - a few microseconds a request
            found.append((str(path), state.st_mtime_ns, state.st_size, state.st_ino))
        except OSError:
            found.append((str(path), 0, 0, 0))
    return tuple(found)


class WebFiles:
    """Keeps `guard` and the SSL context as the files say."""

    def __init__(
        self,
        web_config: Path | None,
        tokens_file: Path | None,
        guard: Guard,
        limits: Limits,
        registry: CollectorRegistry,
    ) -> None:
        self._paths = (web_config, tokens_file)
        self._named = tuple(path for path in self._paths if path is not None)
        self._guard = guard
        self._config = WebConfig()
        self._context: ssl.SSLContext | None = None
        self._seen: _Stamp = ()
        self._retry_at: float | None = None
        self._authenticator = Authenticator(limits)
        self._log = logs.get("service.web_config")
        self._reloads = Counter(
            "openmanager_web_config_reloads",
            "Changes of the web config or tokens file, by whether they could be used.",
            ["outcome"],
            registry=registry,
        )
        self._good = Gauge(
            "openmanager_web_config_last_reload_successful",
            "Whether the web config and tokens file as they are now are in use.",
            registry=registry,
        )
        self._good.set(1)

    @property
    def tls(self) -> bool:
        """Whether connections are TLS."""
        return self._context is not None

    @property
    def allowed_sans(self) -> frozenset[str]:
        """Names of which a client certificate has to hold one; empty for any."""
        return self._config.tls.client_allowed_sans if self._config.tls else frozenset()

    def load(self) -> None:
        """Read the files for the first time; a :class:`ConfigError` where they cannot be used."""
        self._use(read_all(*self._paths))
        if self._named:
            self._guard.auth = _Fresh(self, self._authenticator)

    def refresh(self) -> None:
        """Read the files again if any has changed."""
        if not self._named:
            return
        now = _stamp(self._config.files or self._named)
        changed = now != self._seen
        if not changed and (self._retry_at is None or time.monotonic() < self._retry_at):
            return
        self._seen = now
        try:
            self._use(read_all(*self._paths))
        except (ConfigError, OSError, ValueError) as exc:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if changed:  # once a change, however often it is tried
                self._reloads.labels("failed").inc()
                self._good.set(0)
                self._log.error("web config cannot be used, the one before stays", error=str(exc))
            return
        self._reloads.labels("ok").inc()
        self._good.set(1)
        self._log.info("web config reloaded")

    def _use(self, config: WebConfig) -> None:
        before = _stamp(config.files)
        context = config.tls.context() if config.tls else None
        self._config, self._context, self._seen, self._retry_at = config, context, before, None
        self._authenticator.credentials = config.credentials
        self._guard.headers = dict(config.headers)

    def ssl_context(self) -> ssl.SSLContext | None:
        """For the next connection."""
        self.refresh()
        return self._context

    def close(self) -> None:
        """Give threads back."""
        self._authenticator.close()


class _Fresh:
    """The authenticator, behind a look at the files."""

    def __init__(self, files: WebFiles, authenticator: Authenticator) -> None:
        self._files = files
        self._authenticator = authenticator

    @property
    def configured(self) -> bool:
        return self._authenticator.configured

    async def check(self, request: web.Request) -> str:
        self._files.refresh()
        return await self._authenticator.check(request)
