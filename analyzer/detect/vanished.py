"""Vanished: no samples of a known series while its host still sends others.

In: which series sent something. Out: time without samples over three times the longest gap that was ever seen, 1 = the edge. A
host that sends nothing is down or unreachable, which is not this; half an answer says nothing about what is missing.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.detect.settings import DetectionSettings
from analyzer.window import Bools


class Vanished:
    """Silent although its host speaks."""

    kind = "vanished"
    calibrated = False
    floor = 1.0

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.least = columns, settings.vanished_seconds

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """How long it is silent while its host speaks, since when, and the longest such silence."""
        return {"silent": Field(0.0, (), np.float32), "silent_since": Field(np.nan), "silent_longest": Field(0.0, (), np.float32)}

    def measure(self, f: Frame) -> Measure:
        """Silence over allowed silence; NaN where there is no silence to judge."""
        c, silent = self.c, self.c["silent"]
        quiet = ~f.seen & f.sends & (not f.partial)
        c["silent_longest"][f.seen] = np.maximum(c["silent_longest"], np.minimum(silent, 6 * 3600.0))[f.seen]
        begins = quiet & (silent == 0.0)
        c["silent_since"][begins] = f.now
        silent[quiet] += f.watched
        silent[f.seen] = 0.0
        allowed = np.maximum(3.0 * c["silent_longest"], max(self.least, 4.0 * f.dt))
        judged = quiet & (c["known"] > 3600.0) & ~f.rules.up & ~f.rules.sparse
        score = np.where(judged, silent / allowed, np.where(f.seen, 0.0, np.nan))
        return Measure(score, np.full(len(score), np.inf), c["silent_since"].copy())

    def learn(self, f: Frame, mask: Bools) -> None:
        """Silences are learned when they end."""
