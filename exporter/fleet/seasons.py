"""What the hour and the day bring: times in, demand of each kind of caller and the calendar's regular jobs out.

Three sources of demand: `users` (people on the site, evenings), `office` (working hours) and `steady`. Slow drift and
marketing campaigns belong to a source, so they reach every server that serves it. All times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exporter.fleet import noise
from exporter.fleet.noise import Floats

HOUR = 3600.0
DAY = 86_400.0
SOURCES = ("users", "office", "steady")
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday, 0 = Monday
_USERS_WEEK = ([0, 24, 48, 72, 96, 110, 120, 144, 162, 168], [0.97, 0.94, 0.96, 0.97, 1.0, 1.0, 1.08, 1.12, 1.0, 0.97])
_OFFICE_WEEK = ([0, 4, 24, 48, 72, 96, 114, 122, 164, 168], [0.6, 1.0, 1.0, 1.03, 1.0, 0.98, 0.85, 0.14, 0.14, 0.6])


def weekday(times: Floats) -> Floats:
    """Day of the week, 0 = Monday."""
    return (np.floor(times / DAY) + _EPOCH_WEEKDAY) % 7


def _bump(hour: Floats, centre: float, sharpness: float) -> Floats:
    return np.exp(sharpness * (np.cos((hour - centre) * (2 * np.pi / 24)) - 1.0))


def shapes(times: Floats) -> Floats:
    """Usual demand by hour and weekday: [source, T], about 1 at the busiest time."""
    hour = (times % DAY) / HOUR
    week = weekday(times) * 24 + hour
    users = 0.2 + 0.32 * _bump(hour, 12.0, 2.2) + 0.55 * _bump(hour, 20.3, 2.0)
    users *= np.interp(week, *_USERS_WEEK)
    office = 1 / (1 + np.exp(-(hour - 8.6) / 0.45)) / (1 + np.exp((hour - 18.2) / 0.6))
    office *= 1 - 0.22 * _bump(hour, 12.4, 60.0)
    office = 0.06 + 0.94 * office * np.interp(week, *_OFFICE_WEEK)
    return np.stack([users, office, np.ones_like(hour)])


def drift(seed: int, times: Floats) -> Floats:
    """How much busier than usual each source is: [source, T] around 1, from slow drift and campaigns."""
    users = 1 + 0.035 * noise.smooth(seed, 1, 1.9 * DAY, times) + 0.025 * noise.smooth(seed, 2, 0.6 * DAY, times)
    office = 1 + 0.06 * noise.smooth(seed, 3, 1.4 * DAY, times)
    return np.stack([users * (1 + campaign(seed, times)), office, np.ones_like(times)])


def campaign(seed: int, times: Floats) -> Floats:
    """Marketing campaigns: about one in four days, one to three hours of up to 35 % more users, eased in and out."""
    day = np.floor(times / DAY)
    word = noise.keys(seed, 104_729, day)
    chance, when, strength, length = (noise.uniform(noise.mixed(word + np.uint64(k))) for k in range(1, 5))
    start = day * DAY + (8 + 10 * when) * HOUR
    end = start + (1 + 2 * length) * HOUR
    ease = np.clip((times - start) / 900, 0, 1) * np.clip((end - times) / 1500, 0, 1)
    return np.where(chance < 0.25, (0.12 + 0.23 * strength) * ease, 0.0)


@dataclass(frozen=True)
class Job:
    """A regular job: it begins daily (or on one weekday) at an hour and takes about so many minutes.

    Shares are of the whole server: processor (low priority), disk reads and writes in bytes a second, sent and received
    bytes a second.
    """

    member: str
    hour: float
    minutes: float
    on_weekday: int | None
    nice: float
    read: float
    write: float
    send: float
    receive: float

    @property
    def longest(self) -> float:
        """Seconds after its hour until it is over on the slowest day."""
        return 150 + self.minutes * 60 * 1.15


MB = 1e6
JOBS = (
    Job("db-replica-01", 1.0, 42, None, 0.12, 45 * MB, 2 * MB, 30 * MB, 0.5 * MB),
    Job("backup-01", 1.0, 45, None, 0.22, 1 * MB, 42 * MB, 0.6 * MB, 31 * MB),
    Job("storage-nas-01", 2.5, 55, None, 0.10, 40 * MB, 1 * MB, 28 * MB, 0.4 * MB),
    Job("backup-01", 2.5, 57, None, 0.20, 1 * MB, 40 * MB, 0.5 * MB, 29 * MB),
    Job("mail-01", 4.2, 18, None, 0.08, 14 * MB, 1 * MB, 9 * MB, 0.2 * MB),
    Job("backup-01", 4.2, 20, None, 0.10, 1 * MB, 12 * MB, 0.2 * MB, 9 * MB),
    Job("analytics-01", 3.0, 75, None, 0.45, 50 * MB, 15 * MB, 1 * MB, 12 * MB),
    Job("search-es-01", 5.0, 25, None, 0.15, 20 * MB, 18 * MB, 0.1 * MB, 0.1 * MB),
    Job("monitoring-01", 6.1, 8, None, 0.10, 6 * MB, 9 * MB, 0.0, 0.0),
    Job("db-master-01", 4.5, 65, 6, 0.12, 40 * MB, 25 * MB, 0.3 * MB, 0.1 * MB),
    Job("db-replica-01", 4.6, 65, 6, 0.05, 8 * MB, 25 * MB, 0.1 * MB, 0.4 * MB),
)


def running(job: Job, seed: int, times: Floats) -> Floats:
    """How far a job is under way at each time, 0..1; begin and length vary a little from day to day."""
    day = np.floor(times / DAY)
    # jobs of one hour belong together (a sender and its receiver), so they share their luck
    word = noise.keys(seed, 15_485_863, np.int64(job.hour * 60), day)
    late, longer = noise.uniform(noise.mixed(word + np.uint64(1))), noise.uniform(noise.mixed(word + np.uint64(2)))
    begin = day * DAY + job.hour * HOUR + 150 * late
    end = begin + job.minutes * 60 * (0.9 + 0.25 * longer)
    level = np.clip((times - begin) / 45, 0, 1) * np.clip((end - times) / 60, 0, 1)
    if job.on_weekday is not None:
        level = np.where(weekday(times) == job.on_weekday, level, 0.0)
    return level
