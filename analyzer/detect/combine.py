"""One score out of many detectors: the loudest, after what is known beforehand has had its say.

In: each detector's measure and edge. Out: score and kind, [series]. A deviation on the side that nobody asked about stays below
0.5; one smaller than the signal's minimal deviation stays below 1.
"""

from collections.abc import Sequence

import numpy as np

from analyzer.detect.frame import Frame
from analyzer.detect.members import Measure
from analyzer.window import Floats, Ints

WRONG_SIDE = 0.5


def member_score(measure: Measure, edge: Floats | None, f: Frame) -> Floats:
    """One detector's score, [series]. `edge` None: the measure is a score already."""
    if edge is None:
        return measure.value
    return bounded(np.abs(measure.value) / edge, measure, f)


def bounded(score: Floats, measure: Measure, f: Frame) -> Floats:
    """A score after the wrong side, what is too small to matter, and the minutes after a gap. float64 [series]."""
    wrong = f.rules.side * measure.value < 0
    trifle = f.rules.trifle(f.yhat)
    cap = np.divide(measure.size, trifle, out=np.full(len(score), np.inf), where=trifle > 0)
    score = np.minimum(score, cap)
    score = np.where(wrong, np.minimum(score, WRONG_SIDE), score)
    settled: Floats = score * f.settled
    return settled


def loudest(scores: Sequence[Floats], measures: Sequence[Measure], size: int) -> tuple[Floats, Ints, Floats]:
    """The highest score of each series, which detector's it is, and since when; NaN where none can say."""
    best, kind, since = np.full(size, np.nan), np.zeros(size, np.int64), np.full(size, np.nan)
    for k, (score, measure) in enumerate(zip(scores, measures, strict=True)):
        more = np.isfinite(score) & ~(score <= best)
        best[more], kind[more], since[more] = score[more], k, measure.since[more]
    return best, kind, since
