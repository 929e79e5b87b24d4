"""What comes at the same time of day on one server: nightly jobs are habits, not failures.

In: when which signals of which hosts became strange. Out: has this come at this hour on enough earlier days?
"""

from collections.abc import Iterable
from typing import Any

from analyzer.policy import Policy

DAY = 86400.0
KEPT = 21 * DAY
MOST = 64  # times remembered per host and signal
WORK = frozenset({  # a job shows now in one of these and now in another, as the rest of the day's load has it
    "cpu", "load", "iowait", "disk_time", "disk_latency", "network_receive", "network_transmit", "context_switches", "processes",
    "temperature", "nice",
})  # fmt: skip


class Habits:
    """Remembers onsets.

    Parameters
    ----------
    policy : `habit_spread`, `habit_days`.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.times: dict[tuple[str, str], list[float]] = {}

    def note(self, hosts: Iterable[str], signals: Iterable[str], now: float) -> None:
        """These signals of these hosts became strange now."""
        names = {_family(signal) for signal in signals}
        for host in hosts:
            for signal in names:
                times = [t for t in self.times.get((host, signal), []) if 0 <= now - t < KEPT]
                self.times[host, signal] = [*times, now][-MOST:]

    def usual(self, host: str, signal: str, now: float) -> bool:
        """Did it come at this time of day on enough earlier days?"""
        days = set()
        for at in self.times.get((host, _family(signal)), []):
            off = (now - at + DAY / 2) % DAY - DAY / 2
            if now - at > DAY / 2 and abs(off) <= self.policy.habit_spread:
                days.add(round((now - at) / DAY))
        return len(days) >= self.policy.habit_days

    def state(self) -> list[Any]:
        """As JSON."""
        return [[*key, times] for key, times in self.times.items()]

    def restore(self, rows: list[Any]) -> None:
        """From `state`."""
        self.times = {(str(host), str(signal)): [float(t) for t in times] for host, signal, times in rows}


def _family(signal: str) -> str:
    return "work" if signal in WORK else signal
