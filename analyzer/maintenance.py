"""Which series are inside a maintenance window: they neither alert nor teach.

In: windows (configured, or added over the API) and the table of series. Out: one flag a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np

from analyzer.window import Bools, Series

WILD = frozenset("*?[")


class Window(Protocol):
    """A span of time and who it is for; the configuration's own record fits."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def host(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A span in which a host (a name, or a pattern with `*` and `?`) may do anything. Unix seconds, the end not included.

    `signals` narrows it to some signals; empty = all.
    """

    start: float
    end: float
    host: str = "*"
    reason: str = ""
    id: str = ""
    signals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.end > self.start:
            raise ValueError(f"a maintenance window must end after it starts: {self.start} .. {self.end}")


def active(windows: Iterable[Window], now: float) -> list[Window]:
    """The windows that are open at `now`."""
    return [w for w in windows if w.start <= now < w.end]


def muted(windows: Iterable[Window], series: Series, now: float) -> Bools:
    """For every row: is it inside a window at `now`? bool [series]."""
    rows = np.zeros(len(series), bool)
    wanted: dict[tuple[str, ...], set[str]] = {}
    for window in active(windows, now):
        wanted.setdefault(tuple(getattr(window, "signals", ())), set()).add(window.host or "*")
    for signals, hosts in wanted.items():
        hit = _among(series.hosts, hosts)[series.host] if series.hosts else rows.copy()
        if signals:
            hit &= np.array([alias in signals for alias in series.signals], bool)[series.signal]
        rows |= hit
    return rows


def _among(hosts: tuple[str, ...], wanted: set[str]) -> Bools:
    """Which hosts are named, or fit a pattern: a thousand names cost no more than one, so only patterns are tried one by one."""
    patterns = [name for name in wanted if not WILD.isdisjoint(name)]
    return np.array([host in wanted or any(fnmatchcase(host, pattern) for pattern in patterns) for host in hosts], bool)
