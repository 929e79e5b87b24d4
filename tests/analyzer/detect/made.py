"""Made-up series for the detectors' tests: known noise, a known day, faults at known places."""

import numpy as np

from analyzer.detect.engine import Engine
from analyzer.window import Series, Window

START = 1_760_313_600.0  # a Monday, 00:00 UTC
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LEARNED = {}  # the same two days need not be learned by every test


def table(n, *, signals=("cpu",), role="web"):
    """n hosts, with one series for each of the signals: all hosts' first signal, then all hosts' second."""
    return Series.build((s, f"h{i}", role, (("instance", f"h{i}"),)) for s in signals for i in range(n))


def times(start, end, step=MINUTE):
    """start, start + step, … below end."""
    return np.arange(start, end, step)


def day(at, *, n=4, seed=0, noise=0.02):
    """A daily wave around 0.4 with noise that remembers about three minutes: float64 [n, times]."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((n, len(at)))
    for i in range(1, len(at)):
        keep = np.exp(-(at[i] - at[i - 1]) / 200.0)
        e[:, i] = keep * e[:, i - 1] + np.sqrt(1 - keep**2) * e[:, i]
    return 0.4 + 0.15 * np.sin(2 * np.pi * at / DAY) + noise * e


def learned(series, *, days=3, step=300.0, values=None, **kw):
    """An engine that has read some days of `values(times)`, by default `day`; and the time up to which it has."""
    at = times(START, START + days * DAY, step)
    engine = Engine(kw.pop("signals", {}), **kw)
    known = (series.keys().__repr__(), days, step, tuple(engine.classes)) if values is None else None
    if known in LEARNED:
        engine.restore(LEARNED[known])
    else:
        engine.bootstrap(Window(series, at, day(at, n=len(series)) if values is None else values(at)))
    if known:
        LEARNED[known] = engine.state()
    return engine, START + days * DAY


def run(engine, series, at, values, **kw):
    """Every column's Scores, and their score as a matrix [series, times]."""
    out = engine.step(Window(series, at, values), **kw)
    return out, np.array([s.score for s in out]).T
