"""One column on its way through the detectors: what was measured, what was expected, how far apart they are.

In: a sample of every series at one time. Out: `Frame`, filled by `baseline` and read by every detector. Floats are float64
[series].
"""

from dataclasses import dataclass

from analyzer.detect.rules import Rules
from analyzer.window import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One instant before it is judged.

    `now`: unix seconds; `dt`, `pace`: seconds since the column before, and between the two before that; `x`: samples; `sends`:
    whether the host of the series sent anything; `partial`: the answer is not whole.
    """

    now: float
    dt: float
    pace: float
    x: Floats
    sends: Bools
    partial: bool


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What is known about one instant.

    Attributes
    ----------
    now, dt : unix seconds; seconds since the engine's previous column (capped, so that a gap is not one long step).
    x, seen : the sample in its unit, NaN where there is none; whether there is one.
    sends : whether the host of the series sent anything at all.
    partial : the source's answer is not whole: what is missing means nothing.
    rules : what is known beforehand.
    base, yhat, sigma : profile; profile plus level; robust standard deviation at this hour.
    r : sample minus yhat, without one-sample spikes. z : r in standard deviations of its side, clipped.
    raw : the same with spikes. zs : z sustained over the last minutes, signed.
    watched : seconds of dt in which somebody looked: after a long gap only one usual step.
    mature : 0..1, how much of what is needed has been seen. settled : 0..1, 0 right after a long gap.
    """

    now: float
    dt: float
    x: Floats
    seen: Bools
    sends: Bools
    partial: bool
    rules: Rules
    base: Floats
    yhat: Floats
    sigma: Floats
    r: Floats
    z: Floats
    raw: Floats
    zs: Floats
    mature: Floats
    settled: Floats
    watched: float
