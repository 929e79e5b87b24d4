"""How the detectors are set: one frozen value, everything in seconds, the same for every series and every machine.

In: nothing. Out: `DetectionSettings`. The numbers are shipped; what a user may want to turn is the budget, the zone and the
promotion.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """What counts as normal, and how fast "normal" may move.

    Attributes
    ----------
    false_alarms_per_host_week : the budget that score 1.0 stands for, before findings' hold and corroboration.
    series_per_host : how many series share that budget.
    one_look_in : an onset (`Scores.surprise`) is 1 where one look in this many is as strange; looks are five minutes apart or more.
    utc_offset_seconds : local midnight, so that "this hour" is the users' hour.
    persistence_seconds : memory of the sustained deviation; shorter blips hardly count.
    level_half_life_seconds, young_half_life_seconds : how fast the level beside the profile follows, once the day is known /
    before.
    scale_half_life_seconds, tail_half_life_seconds : memory of the spread and of the tail.
    shift_seconds : memory of the slow detector for small lasting deviations.
    ready_seconds : what a series needs before it is judged by itself alone.
    promote_seconds : an anomalous level that stayed stable this long is the new normal.
    stuck_seconds, vanished_seconds : the least time without change / without samples that is worth a word.
    forget_seconds : a series that sent nothing this long is dropped.
    max_series : more are not taken in (counted in `Engine.refused`).
    """

    false_alarms_per_host_week: float = 0.05
    series_per_host: int = 30
    one_look_in: float = 600.0
    utc_offset_seconds: float = 0.0
    persistence_seconds: float = 90.0
    level_half_life_seconds: float = 4 * 3600.0
    young_half_life_seconds: float = 45 * 60.0
    scale_half_life_seconds: float = 3 * 86400.0
    tail_half_life_seconds: float = 7 * 86400.0
    shift_seconds: float = 1800.0
    ready_seconds: float = 7200.0
    promote_seconds: float = 6 * 3600.0
    stuck_seconds: float = 900.0
    vanished_seconds: float = 300.0
    forget_seconds: float = 86400.0
    max_series: int = 200_000

    def tail_odds(self, base: float) -> float:
        """ln(base / p): how many mean excesses beyond the `base` quantile the edge of normal lies.

        p is the share of time that one series may spend beyond its edge: an episode of about five minutes per alarm.
        """
        episodes_a_week = 7 * 86400 / 300.0
        p = self.false_alarms_per_host_week / (self.series_per_host * episodes_a_week)
        return math.log(base / p)
