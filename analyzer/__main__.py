"""Reads the configuration, builds everything, runs until told to stop."""

import asyncio
import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from aiohttp import web

from analyzer.api.app import add_routes
from analyzer.api.state import STATE, ApiState
from analyzer.archive import STORE
from analyzer.build import Analyzer, fingerprint, utc_offset
from analyzer.config import Config, load
from analyzer.maintenance import Maintenance
from analyzer.records import Board
from analyzer.resume import CATCH_UP
from analyzer.selfmetrics import SelfMetrics
from analyzer.store import Store
from analyzer.verdicts import Verdicts, fold
from analyzer.yamlfile import ConfigError
from service import app as service_app
from service import build, logs
from service.schedule import Schedule

READ_AFTER = 1.0  # seconds behind the boundary, so that the scrape of that moment has arrived


class Service:
    """The running analyzer and the way to exchange it for one of another configuration."""

    def __init__(self, path: Path, config: Config) -> None:
        self.path, self.config = path, config
        self.metrics = SelfMetrics()
        self.store: Store
        self.windows: list[Maintenance] = []  # declared over the API
        self.verdicts = Verdicts()
        self.analyzer: Analyzer | None = None
        self._loop_task: asyncio.Task[None] | None = None
        self._exchange = asyncio.Lock()
        self._log = logs.get("analyzer")
        self.metrics.ask_loop(lambda: self._loop_task is not None and not self._loop_task.done())

    # ---- life ----

    async def life(self, app: web.Application) -> AsyncIterator[None]:
        """aiohttp's cleanup context: up, serving, down."""
        directory = Path(self.config.state.directory)
        await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        try:
            self.store = await Store.open(directory / STORE, retention=self.config.state.retention, on_event=self._store_event)
        except sqlite3.Error as error:
            raise OSError(f"{directory / STORE}: {error}") from error
        app[STATE].store = self.store
        try:
            await self.maintenance_changed()
            await self.feedback_changed()
            self.analyzer = await self._started(self.config)
            self._start_cycles(self.analyzer)
            yield
            async with self._exchange:  # a reload that is under way leaves one analyzer, not two
                await self._stop_cycles()
                await self.analyzer.close()
        finally:
            await self.store.close()

    async def _started(self, config: Config) -> Analyzer:
        """An analyzer whose parts stand. Whatever keeps one from standing ends those that do, and is a ValueError."""
        analyzer = Analyzer(config, self.store, self.metrics, time.time, lambda: self.windows, verdicts=lambda: self.verdicts)
        try:
            await analyzer.start()
        except BaseException as error:
            await analyzer.close()
            if isinstance(error, Exception) and not isinstance(error, (ValueError, OSError)):
                raise ValueError(f"the analyzer could not be started: {error}") from error
            raise
        return analyzer

    def _store_event(self, event: str) -> None:
        self.metrics.quarantined.labels("store" if event == "quarantined" else f"store_{event}").inc()

    async def maintenance_changed(self) -> None:
        """Read the declared windows again, with those that a restart may still have to catch up with."""
        self.windows = await self.store.maintenance(time.time() - 2 * CATCH_UP)

    async def feedback_changed(self) -> None:
        """Read again what people said about incidents; it counts from the next column on."""
        zone = self.config.timezone
        self.verdicts = fold(await self.store.verdicts(), lambda at: utc_offset(zone, at))
        self.metrics.feedback(self.verdicts)

    def _start_cycles(self, analyzer: Analyzer) -> None:
        self._loop_task = asyncio.create_task(self._turn(analyzer), name="cycles")

    async def _turn(self, analyzer: Analyzer) -> None:
        """Cycles, one after another, until cancelled."""
        runner, interval = analyzer.runner, analyzer.config.reader.interval
        while not await self._survived(runner.prepare()):  # noqa: ASYNC110 - a pause between two tries, no waiting for somebody
            await asyncio.sleep(min(interval, 15.0))
        async for tick in Schedule(interval, offset_seconds=min(READ_AFTER, interval / 10)):
            self.metrics.cycles.labels("overrun").inc(tick.skipped)
            await self._survived(runner.tick())

    async def _survived(self, work: Coroutine[Any, Any, object]) -> bool:
        """Whether a piece of work did not fail. The loop outlives whatever it meets; it is logged and counted."""
        try:
            await work
        except Exception:  # noqa: BLE001 - see above
            self.metrics.failed()
            self._log.exception("a cycle failed; the next one is tried as usual")
            return False
        return True

    async def _stop_cycles(self) -> None:
        """End the loop after the column that is being done, and save what the detectors know."""
        task, self._loop_task = self._loop_task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if self.analyzer is not None:
            await self._survived(self.analyzer.runner.save_now())

    # ---- reload ----

    async def reload(self) -> None:
        """Take the file as it is now, whole or not at all. Raises ValueError or OSError and keeps the old one at work."""
        config = await asyncio.to_thread(load, self.path, os.environ)
        if config == self.config and not config.explanation.knowledge:  # the text of the knowledge may have changed
            return
        if config.server != self.config.server or config.state.directory != self.config.state.directory:
            self._log.warning("`server` and `state.directory` take effect at the next start")
            config = replace(config, server=self.config.server, state=replace(config.state, directory=self.config.state.directory))
        async with self._exchange:
            await self._take(config)

    async def _take(self, config: Config) -> None:
        fresh, old = await self._started(config), self.analyzer
        await self._stop_cycles()
        if old is not None:
            fresh.runner.board, fresh.runner.report = old.runner.board, old.runner.report
        self.analyzer = fresh
        self._start_cycles(fresh)
        self.metrics.restarts.inc()
        self._log.info("configuration taken", learns_anew=fingerprint(config) != fingerprint(self.config))
        self.config = config
        await self.feedback_changed()  # hours of the day may have moved
        if old is not None:
            await old.close()

    # ---- what routes ask ----

    def board(self) -> Board | None:
        """The newest board."""
        return self.analyzer.runner.board if self.analyzer else None

    def reason(self) -> str:
        """Why there is none."""
        return self.analyzer.runner.reason if self.analyzer else "starting"

    def derived(self) -> bytes:
        """The newest derived series as text."""
        return self.analyzer.exposition() if self.analyzer else b""

    def wake_webhook(self) -> None:
        """Alerts of others were stored."""
        if self.analyzer is not None:
            self.analyzer.inbox.wake()

    def ready(self) -> dict[str, bool | str]:
        """What `/-/ready` and `/api/health` show."""
        return {"first_cycle": True if self.board() is not None else self.reason()}


def make_app(service: Service) -> web.Application:
    """The application over a service."""
    app = service_app.create_app(
        name="openmanager analyzer",
        registry=service.metrics.registry,
        ready=service.ready,
        reload=service.reload,
    )
    state = ApiState(
        board=service.board,
        reason=service.reason,
        store=None,  # opened when the application starts
        derived=service.derived,
        now=time.time,
        default_language=service.config.explanation.default_language,
        maintenance_changed=service.maintenance_changed,
        feedback_changed=service.feedback_changed,
        wake_webhook=service.wake_webhook,
    )
    add_routes(app, state)
    app.cleanup_ctx.append(service.life)
    return app


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(build.VERSION, prog_name="openmanager-analyzer")
@click.option(
    "--config.file", "path", required=True, type=click.Path(path_type=Path), help="the configuration; `omctl check` checks it"
)
@click.option(
    "--web.listen-address", "listen", multiple=True, metavar="HOST:PORT", help="instead of server.listen; may be repeated"
)
@click.option("--web.config.file", "web_config", type=click.Path(path_type=Path), help="TLS and passwords, as exporter-toolkit's")
@click.option("--web.tokens-file", "tokens", type=click.Path(path_type=Path), help="bearer tokens by name")
@click.option("--log.level", "log_level", type=click.Choice(["debug", "info", "warn", "error"]), default="info", show_default=True)
@click.option("--log.format", "log_format", type=click.Choice(["logfmt", "json"]), default="logfmt", show_default=True)
def main(
    path: Path, listen: tuple[str, ...], web_config: Path | None, tokens: Path | None, log_level: str, log_format: str
) -> None:
    """Watches what Prometheus scrapes, finds what is strange, says why, and writes it back."""
    try:
        config = load(path, os.environ)
    except ConfigError as error:
        click.echo(f"openmanager-analyzer: {error}", err=True)
        sys.exit(2)
    logs.setup(log_level, "json" if log_format == "json" else "logfmt")
    service = Service(path, config)
    web_file = web_config or (Path(config.server.web_config) if config.server.web_config else None)
    hosts = (*config.server.allowed_hosts, *config.server.allowed_origins, *([config.external_url] if config.external_url else []))
    try:
        service_app.run(
            service_app.serve(
                make_app(service), listen=listen or config.server.listen, web_config=web_file, tokens_file=tokens, hosts=hosts
            )
        )
    except (OSError, ValueError) as error:
        click.echo(f"openmanager-analyzer: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
