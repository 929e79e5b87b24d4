"""Flags, parsed and checked -> one frozen Config. Nothing else reads flags, environment or files to learn how to behave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from exporter.host.files import Paths
from exporter.host.machine import NAMES, ON_BY_DEFAULT, Settings

DEFAULT_LISTEN = "127.0.0.1:10180"
LARGEST_FLEET = 10_000


class ConfigError(ValueError):
    """A flag has a value that it cannot have; the message names the flag and what it may be."""


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """The simulated servers.

    Attributes
    ----------
    size
        How many there are when all are deployed; 0 for none at all.
    deploy
        `auto` deploys one after another from the start, `manual` waits for `POST /api/servers/next`.
    deploy_interval_seconds
        Time between two deployments in `auto`.
    seed
        Two fleets with the same seed and faults give the same readings.
    state_file
        Where planted faults outlive a restart, as what they added to counters does; None forgets them.
    """

    size: int = 20
    deploy: Literal["auto", "manual"] = "auto"
    deploy_interval_seconds: float = 1.0
    seed: int = 1
    state_file: Path | None = None

    def __post_init__(self) -> None:
        check(0 <= self.size <= LARGEST_FLEET, "--fleet.size", f"0 to {LARGEST_FLEET}", self.size)
        check(self.deploy in ("auto", "manual"), "--fleet.deploy", "auto or manual", self.deploy)
        check(0 <= self.deploy_interval_seconds <= 3600, "--fleet.deploy-interval", "0s to 1h", self.deploy_interval_seconds)
        check(0 <= self.seed < 2**63, "--fleet.seed", "0 to 2^63 - 1", self.seed)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured about the exporter.

    Attributes
    ----------
    listen
        Addresses, each `HOST:PORT`.
    web_config
        TLS and passwords, in exporter-toolkit's format.
    tokens
        File of bearer tokens.
    host
        What is collected of this machine.
    external_urls
        Public addresses under which browsers reach us.
    log_level, log_format
        As `service.logs.setup` takes them.
    """

    listen: tuple[str, ...] = (DEFAULT_LISTEN,)
    web_config: Path | None = None
    tokens: Path | None = None
    fleet: FleetConfig = field(default_factory=FleetConfig)
    host: Settings = field(default_factory=lambda: Settings(collect=ON_BY_DEFAULT))
    external_urls: tuple[str, ...] = ()
    log_level: str = "info"
    log_format: Literal["logfmt", "json"] = "logfmt"

    def __post_init__(self) -> None:
        check(len(self.listen) > 0, "--web.listen-address", "HOST:PORT at least once", self.listen)
        for address in self.listen:
            check(is_address(address), "--web.listen-address", "HOST:PORT, for example 127.0.0.1:10180", address)
        limit = self.host.limit_seconds
        check(0.01 <= limit <= 60, "--collector.timeout", "10ms to 60s", limit)

    def collecting(self, switches: Mapping[str, bool | None]) -> Config:
        """This config with collectors switched on and off; None leaves one as it is."""
        on = {name for name in NAMES if switches.get(name)}
        off = {name for name in NAMES if switches.get(name) is False}
        return replace(self, host=replace(self.host, collect=(self.host.collect - off) | on))


def check(holds: bool, flag: str, allowed: str, given: object) -> None:
    """Raise ConfigError unless `holds`."""
    if not holds:
        raise ConfigError(f"{flag}: may be {allowed}, not {given!r}")


def is_address(text: str) -> bool:
    """Whether the text is HOST:PORT, [HOST]:PORT or :PORT."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:\s]*):(\d{1,5})", text)
    return match is not None and int(match[2]) < 65536


def seconds(text: str) -> float:
    """A duration as Prometheus writes them (`500ms`, `15s`, `1m30s`), or plain seconds.

    Raises
    ------
    ValueError
        When it is neither.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration: {text!r}; for example 500ms, 15s, 1m30s")
    return sum(float(number) * units[unit] for number, unit in parts)


def default_paths(procfs: str, sysfs: str, rootfs: str, udev: str) -> Paths:
    """The machine's roots, without trailing slashes."""
    return Paths(*(text.rstrip("/") or "/" for text in (procfs, sysfs, rootfs, udev)))
