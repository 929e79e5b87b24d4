"""Reboots and deployments, the planned restarts of normal life: days in, who starts again on them out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from exporter.fleet import noise, seasons
from exporter.fleet.effects import Effects, cold, fading
from exporter.fleet.noise import Floats
from exporter.fleet.seasons import DAY, HOUR

REBOOT = 3 * HOUR  # time of day
DEPLOY = 15 * HOUR
AFTERMATH = 2400.0  # seconds after which a planned restart has left no mark
Indices = npt.NDArray[np.int64]


class Life:
    """When each server last booted and each program was last deployed, by day number since 1970.

    Parameters
    ----------
    seed, size
        The only source of chance; number of servers.
    longest_days
        Longest time between two boots.

    Attributes
    ----------
    seconds_down
        How long a reboot of each server takes, [server].
    """

    def __init__(self, seed: int, size: int, longest_days: int) -> None:
        self.seed = seed
        self._server = np.arange(size)
        share = 0.55 + 0.45 * noise.uniform(noise.keys(seed, 61, self._server))
        self._period = np.maximum((longest_days * share).astype(np.int64), 1)
        self._phase = (self._period * noise.uniform(noise.keys(seed, 67, self._server))).astype(np.int64)
        self.seconds_down = 35 + 50 * noise.uniform(noise.keys(seed, 73, self._server))

    def boot(self, day: int) -> Indices:
        """Newest day [server], not after `day`, on which each server rebooted."""
        return day - (day + self._phase) % self._period

    def deployed(self, days: Indices) -> npt.NDArray[np.bool_]:
        """Whether each program was deployed on each day: [server, day]; about every twelfth day, Monday to Thursday."""
        chosen = noise.uniform(noise.keys(self.seed, 71, self._server[:, None], days[None, :])) < 1 / 7
        return chosen & (seasons.weekday(days.astype(np.float64) * DAY)[None, :] < 4)

    def program(self, day: int) -> tuple[Indices, npt.NDArray[np.bool_]]:
        """Newest deployment not after `day`: day [server], and whether there was one in the last six weeks."""
        days = day - np.arange(42)
        chosen = self.deployed(days)
        return days[np.argmax(chosen, axis=1)], np.asarray(chosen.any(axis=1))

    def mark(self, effects: Effects) -> None:
        """Put the restarts near the effects' times into them."""
        times = effects.times
        first, last = float(times.min()) - AFTERMATH, float(times.max())
        for day in range(int(first // DAY), int(last // DAY) + 1):
            if first <= day * DAY + REBOOT <= last:
                for server in np.flatnonzero(self.boot(day) == day):
                    self._reboot(effects, int(server), times - (day * DAY + REBOOT))
            if first <= day * DAY + DEPLOY <= last:
                for server in np.flatnonzero(self.deployed(np.array([day]))[:, 0]):
                    _deploy(effects, int(server), times - (day * DAY + DEPLOY))

    def _reboot(self, effects: Effects, server: int, since: Floats) -> None:
        down = self.seconds_down[server]
        effects.add("down", server, ((since >= 0) & (since < down)).astype(np.float64))
        cold(effects, server, since - down)


def _deploy(effects: Effects, server: int, since: Floats) -> None:
    back = fading(since, 60, 600)
    effects.scale("service", server, 1 + 0.5 * back)
    effects.add("memory", server, -0.03 * fading(since, 400, AFTERMATH))
    effects.add("cpu", server, 0.12 * back)
    effects.add("errors", server, np.where((since >= 0) & (since < 15), 0.01, 0.0))
