"""The fleet that lives: which servers are deployed, which faults are planted, and what each server's page says now.

`now` is always an argument, in unix seconds. Methods may be called from several threads.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from exporter.fleet import catalog, faults, scenarios
from exporter.fleet.families import APPLICATION
from exporter.fleet.faults import Fault, Truth
from exporter.fleet.load import BIG, Load, Readings
from exporter.fleet.model import State
from exporter.fleet.noise import Floats
from exporter.fleet.seasons import DAY
from exporter.render import Page

MOST_FAULTS = 1000
Deploy = Literal["auto", "manual"]


class AheadError(ValueError):
    """A client counts more servers than are deployed; `count` is the true number."""

    def __init__(self, count: int) -> None:
        super().__init__(f"only {count} servers are deployed")
        self.count = count


class UnknownError(KeyError):
    """No server or fault has this name."""


@dataclass(frozen=True)
class Deployment:
    """Answer to a deployment: the server (None when all are deployed) and the count after it."""

    server: catalog.Server | None
    count: int


class Fleet:
    """Simulated servers.

    Parameters
    ----------
    seed, size
        Which fleet; the same two always give the same readings.
    start
        When the process started, from which `auto` deploys.
    deploy
        `auto` deploys one server each `deploy_interval_seconds` from the start; `manual` waits to be asked.
    faults
        What an earlier process had planted: it goes on.
    remember
        Told all faults whenever they change.
    """

    def __init__(
        self,
        seed: int = 1,
        size: int = catalog.SIZE,
        start: float = 0.0,
        deploy: Deploy = "auto",
        *,
        deploy_interval_seconds: float = 1.0,
        faults: Sequence[Fault] = (),
        remember: Callable[[tuple[Fault, ...]], None] = lambda faults: None,
    ) -> None:
        self.seed = seed
        self.servers = catalog.build(size)
        self.load = Load(seed, self.servers)
        self.start = start
        self.scenario, self.scenario_since = "normal", start
        self._by_name = {server.hostname: server for server in self.servers}
        self._auto = deploy == "auto"
        self._interval = deploy_interval_seconds
        self._count = 0
        self._faults = tuple(faults)
        self._remember = remember
        self._scripted_until = start
        numbers = [f.id.removeprefix("fault-") for f in faults if f.id.startswith("fault-")]
        self._numbered = max((int(n) for n in numbers if n.isdigit()), default=0)
        self._lock = threading.RLock()
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._tick: tuple[float, tuple[Fault, ...], Readings] | None = None
        # big fleets share one evaluation a second among all scrapes
        self._tick_seconds = 1.0 if size > BIG else 0.02

    @property
    def deploy(self) -> Deploy:
        """Whether servers are deployed by themselves."""
        return "auto" if self._auto else "manual"

    def count(self, now: float) -> int:
        """How many servers are deployed."""
        if not self._auto:
            return self._count
        passed = max(now - self.start, 0.0)
        due = len(self.servers) if self._interval <= 0 else int(min(passed / self._interval, 1e9)) + 1
        return min(max(due, self._count), len(self.servers))

    def deployed(self, now: float) -> tuple[catalog.Server, ...]:
        """Deployed servers, in the order of deployment."""
        return self.servers[: self.count(now)]

    def deploy_next(self, count: int | None, now: float) -> Deployment:
        """Deploy the server after the first `count`; asked again, the same server is answered again.

        Raises
        ------
        AheadError
            When `count` is more than are deployed.
        """
        with self._lock:
            have = self.count(now)
            asked = have if count is None else count
            if asked > have:
                raise AheadError(have)
            if asked == len(self.servers):
                return Deployment(None, have)
            if asked == have:
                self._count = have + 1
            return Deployment(self.servers[asked], asked + 1)

    def reset(self, now: float) -> None:
        """Take all servers away; from now on they are deployed only when asked for."""
        with self._lock:
            self._auto, self._count = False, 0

    def server(self, hostname: str, now: float) -> catalog.Server:
        """A deployed server by its name.

        Raises
        ------
        UnknownError
            When it does not exist or is not deployed.
        """
        found = self._by_name.get(hostname)
        if found is None or found.index >= self.count(now):
            raise UnknownError(hostname)
        return found

    def plant(
        self,
        kind: str,
        hostname: str,
        now: float,
        *,
        start: float | None = None,
        duration_seconds: float | None = None,
        severity: float = 0.6,
    ) -> Fault:
        """Plant a fault from `start` (now when it is left out; never earlier, the past is already told).

        Raises
        ------
        ValueError
            With a text for people that names what is allowed.
        """
        with self._lock:
            found = self._by_name.get(hostname)
            if found is None:
                raise ValueError(f"unknown server {hostname!r}; one of {', '.join(s.hostname for s in self.servers[:20])}")
            if kind not in faults.KINDS and kind not in faults.HIDDEN:
                raise ValueError(f"unknown fault kind {kind!r}; one of {', '.join(faults.KINDS)}")
            begin = now if start is None else start
            if not now - 60 <= begin <= now + 30 * DAY:
                raise ValueError("start must lie between now and 30 days ahead")
            length = faults.kind_of(kind).duration_seconds if duration_seconds is None else duration_seconds
            faults.check(kind, found, severity, length)
            if sum(not f.over(now) for f in self._faults) >= MOST_FAULTS // 2:
                raise ValueError(f"{MOST_FAULTS // 2} faults are planted already; lift some first")
            self._numbered += 1
            fault = Fault(f"fault-{self._numbered:04d}", kind, hostname, max(begin, now), length, severity)
            self._keep((*self._faults, fault), now)
            return fault

    def _keep(self, every: tuple[Fault, ...], now: float) -> None:
        """Take over faults; ended ones stay, since counters remember them, until there are too many."""
        surplus = len(every) - MOST_FAULTS
        if surplus > 0:
            ended = {f.id for f in sorted((f for f in every if f.over(now - f.tail)), key=lambda f: f.start)[:surplus]}
            every = tuple(f for f in every if f.id not in ended)
        self._set(every)

    def _set(self, every: tuple[Fault, ...]) -> None:
        self._faults = every
        self._remember(every)

    def lift(self, identity: str, now: float) -> Fault:
        """End a fault now; what it has done so far stays.

        Raises
        ------
        UnknownError
            When there is no such fault.
        """
        with self._lock:
            self._advance(now)
            for fault in self._faults:
                if fault.id == identity:
                    ended = fault.lifted(now)
                    self._set(tuple(ended if f.id == identity else f for f in self._faults))
                    return ended
            raise UnknownError(identity)

    def faults(self, now: float) -> tuple[Fault, ...]:
        """Every fault that is planned, active or remembered, oldest first."""
        with self._lock:
            self._advance(now)
            return self._faults

    def active_faults(self, now: float) -> list[Truth]:
        """The truth: what acts now on which deployed server, and where it comes from."""
        deployed = {server.hostname for server in self.deployed(now)}
        return [row for row in faults.truth(self.faults(now), self.servers, now) if row.server in deployed]

    def set_scenario(self, name: str, now: float) -> None:
        """Begin a scenario; what the one before had planted ends.

        Raises
        ------
        ValueError
            When there is no such scenario.
        """
        if name not in scenarios.SCENARIOS:
            raise ValueError(f"unknown scenario {name!r}; one of {', '.join(scenarios.SCENARIOS)}")
        with self._lock:
            self._advance(now)
            scripted = [f for f in self._faults if f.origin in scenarios.SCENARIOS]
            planned = {f.id for f in scripted if f.start >= now}
            self._set(tuple(f.lifted(now) if f in scripted else f for f in self._faults if f.id not in planned))
            self.scenario, self.scenario_since = name, now
            self._scripted_until = now

    def _advance(self, now: float) -> None:
        """Plant what the scenario has due."""
        since = max(self._scripted_until, now - 2 * DAY)
        due = scenarios.planted(self.scenario, self.seed, self.servers, since, now) if now > since else []
        self._scripted_until = max(self._scripted_until, now)
        if due:
            known = {f.id for f in self._faults}
            late = [replace(f, start=max(f.start, now)) for f in due if f.id not in known and f.start + f.duration_seconds > now]
            self._keep((*self._faults, *late), now)

    def readings(self, now: float) -> Readings:
        """What all pages show now (values [rows, 1]); evaluated once a tick and shared."""
        at = self._at(now)
        with self._lock:
            planted = self.faults(now)
            if self._tick is None or self._tick[0] != at or self._tick[1] is not planted:
                self._tick = (at, planted, self.load.readings([at], planted))
            return self._tick[2]

    def moment(self, now: float) -> tuple[State, Floats]:
        """The state beneath the readings at a time, and when each server booted, [server]."""
        with self._lock:
            planted = self.faults(now)
            booted = self.load.readings([now], planted, metrics=("node_boot_time_seconds",)).values[:, 0]
            return self.load.state([now], planted), booted

    def fresh(self, now: float) -> bool:
        """Whether a page can be had at once, without evaluating the fleet anew."""
        tick = self._tick
        return tick is not None and tick[0] == self._at(now)

    def _at(self, now: float) -> float:
        return math.floor(now / self._tick_seconds) * self._tick_seconds

    def page(self, hostname: str, now: float) -> bytes | None:
        """A server's exposition text, or None while it is down.

        Raises
        ------
        UnknownError
            When it does not exist or is not deployed.
        """
        server = self.server(hostname, now)
        found = self.readings(now)
        layout = self.load.layout(None, None)
        rows = slice(int(layout.first_row[server.index]), int(layout.first_row[server.index + 1]))
        values = found.values[rows, 0]
        if values[0] != values[0]:  # NaN: a server that is down has no samples at all
            return None
        page = self._pages.get(hostname)
        if page is None:
            page = self._pages[hostname] = Page(layout.names[rows], layout.labels[rows], APPLICATION)
        return page.text(values)
