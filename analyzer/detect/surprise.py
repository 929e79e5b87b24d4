"""What opens: a score that stands up at the onset of something new and falls back by itself, beside the one that ranks and holds.

In: frames. Out: `surprise` [series], 1 = one look in as many as the settings say is as strange. What has just been said is not
said again: until its echo has faded, only something stranger opens anew, so that one event is one opening.
"""

from collections.abc import Mapping

import numpy as np

from analyzer.detect.columns import Columns, Field
from analyzer.detect.combine import bounded
from analyzer.detect.frame import Frame
from analyzer.detect.profile import DAY
from analyzer.detect.settings import DetectionSettings
from analyzer.detect.unseen import Unseen
from analyzer.window import Bools, Floats

ECHO = DAY  # seconds in which what was said fades to a third
LOUDER = 1.1  # times the echo is said anew: a step rounded by smoothing is one event


class Surprise:
    """The onset score over the rows of `columns`."""

    def __init__(self, columns: Columns, settings: DetectionSettings) -> None:
        self.c, self.unseen = columns, Unseen(columns, settings)

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """How strange the loudest recent look was, and the state of what looks."""
        return {"echo": Field(0.0, (), np.float32), **Unseen.fields()}

    def judge(self, f: Frame) -> Floats:
        """The onset score: 0 where nothing is new, NaN where that cannot be said. float64 [series]."""
        measure, echo = self.unseen.look(f), self.c["echo"]
        score = bounded(np.abs(measure.value), measure, f)
        echo *= np.float32(np.exp(-f.dt / ECHO))
        opens = np.where((score > LOUDER * echo) | np.isnan(score), score, 0.0)
        np.fmax(echo, score, out=echo, casting="same_kind")
        return opens

    def learn(self, f: Frame, mask: Bools) -> None:
        """Remember what was seen where `mask`, strange or not."""
        self.unseen.learn(f, mask)
