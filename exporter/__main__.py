"""Flags -> Config -> run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from exporter.config import DEFAULT_LISTEN, Config, ConfigError, FleetConfig, default_paths, seconds
from exporter.host.machine import NAMES, ON_BY_DEFAULT, Settings
from service import app as service_app
from service import build, logs

TEXTFILE_DIRECTORY = "/var/lib/prometheus/node-exporter"


class Duration(click.ParamType[float]):
    """Seconds, written as Prometheus writes them."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`15s` -> 15.0."""
        try:
            return value if isinstance(value, float) else seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def collector_flags(command: Callable[..., None]) -> Callable[..., None]:
    """A switch for every collector."""
    for name in reversed(NAMES):
        state = "on" if name in ON_BY_DEFAULT else "off"
        switch = f"--collector.{name}/--no-collector.{name}"
        command = click.option(switch, switch_name(name), default=None, help=f"Collect {name} (default: {state}).")(command)
    return command


def switch_name(name: str) -> str:
    """The Python name of a collector's switch."""
    return f"collect_{name}"


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(build.VERSION, prog_name="openmanager-exporter")
@click.option(
    "--web.listen-address",
    "listen",
    multiple=True,
    default=(DEFAULT_LISTEN,),
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; may be given more than once.",
)
@click.option("--web.config.file", "web_config", type=click.Path(path_type=Path), help="TLS and passwords, as exporter-toolkit's.")
@click.option("--web.tokens-file", "tokens", type=click.Path(path_type=Path), help="Bearer tokens by name.")
@click.option("--web.external-url", "external_urls", multiple=True, help="Public address under which browsers reach us.")
@click.option("--fleet.size", "size", type=int, default=20, show_default=True, help="Simulated servers; 0 for none.")
@click.option(
    "--fleet.deploy",
    "deploy",
    type=click.Choice(["auto", "manual"]),
    default="auto",
    show_default=True,
    help="One after another from the start, or only over the API.",
)
@click.option(
    "--fleet.deploy-interval",
    "deploy_interval",
    type=Duration(),
    default="1s",
    show_default=True,
    help="Time between two deployments.",
)
@click.option("--fleet.seed", "seed", type=int, default=1, show_default=True, help="Same seed, same readings.")
@click.option(
    "--fleet.state.file", "state_file", type=click.Path(path_type=Path), help="Keeps planted faults over a restart, as counters do."
)
@click.option("--path.procfs", "procfs", default="/proc", show_default=True, help="Where procfs is mounted.")
@click.option("--path.sysfs", "sysfs", default="/sys", show_default=True, help="Where sysfs is mounted.")
@click.option("--path.rootfs", "rootfs", default="/", show_default=True, help="Where the machine's root is mounted.")
@click.option("--path.udev.data", "udev", default="/run/udev/data", show_default=True, help="What udev knows about devices.")
@click.option(
    "--collector.textfile.directory", "textfile", default=TEXTFILE_DIRECTORY, show_default=True, help="Folder of *.prom files."
)
@click.option(
    "--collector.timeout", "limit", type=Duration(), default="250ms", show_default=True, help="How long one collector may take."
)
@click.option("--collector.disable-defaults", "bare", is_flag=True, help="Collect only what is switched on.")
@click.option("--log.level", "log_level", type=click.Choice(["debug", "info", "warn", "error"]), default="info", show_default=True)
@click.option("--log.format", "log_format", type=click.Choice(["logfmt", "json"]), default="logfmt", show_default=True)
@collector_flags
def main(**flags: Any) -> None:
    """Publishes this machine under node_exporter's names, and simulated servers beside it, for Prometheus to scrape."""
    try:
        config = configure(flags)
    except ConfigError as error:
        click.echo(f"openmanager-exporter: {error}", err=True)
        sys.exit(2)
    run(config)


def configure(flags: dict[str, Any]) -> Config:
    """Flags as click parsed them -> Config."""
    directory = flags["textfile"]
    if directory == TEXTFILE_DIRECTORY and not Path(directory).is_dir():
        directory = None  # only a folder that somebody asked for is missed
    config = Config(
        listen=tuple(flags["listen"]),
        web_config=flags["web_config"],
        tokens=flags["tokens"],
        external_urls=tuple(flags["external_urls"]),
        fleet=FleetConfig(flags["size"], flags["deploy"], flags["deploy_interval"], flags["seed"], flags["state_file"]),
        host=Settings(
            paths=default_paths(flags["procfs"], flags["sysfs"], flags["rootfs"], flags["udev"]),
            collect=frozenset() if flags["bare"] else ON_BY_DEFAULT,
            textfile_directory=directory,
            limit_seconds=flags["limit"],
        ),
        log_level=flags["log_level"],
        log_format=flags["log_format"],
    )
    return config.collecting({name: flags[switch_name(name)] for name in NAMES})


def run(config: Config) -> None:
    """Serve until told to stop."""
    from exporter.web import make_app

    logs.setup(config.log_level, config.log_format)

    async def serve() -> None:
        await service_app.serve(
            make_app(config),
            listen=config.listen,
            web_config=config.web_config,
            tokens_file=config.tokens,
            hosts=config.external_urls,
        )

    try:
        service_app.run(serve())
    except (OSError, ValueError) as error:
        click.echo(f"openmanager-exporter: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
