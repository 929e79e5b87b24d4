"""What every detector must keep, walked over DETECTORS; a detector that says the same about everything does not keep it."""

import numpy as np
import pytest

from analyzer.detect.members import Measure
from analyzer.detect.registry import DETECTORS
from tests.analyzer.detect.made import HOUR, day, learned, run, table, times

HOSTS = table(6, signals=("cpu", "load"))  # the second signal keeps a host talking while the first is silent
FAULTS = {  # what each is there for, from hour 2 to hour 4, on the first series
    "level": lambda v: v + 0.3,
    "shift": lambda v: v + 0.3,
    "fast": lambda v: v + 0.3,
    "stuck": lambda v: np.full_like(v, v[0]),
    "vanished": lambda v: np.full_like(v, np.nan),
    "peer": lambda v: v + 0.3,
}


class Constant:
    """Says 0.5 about everything."""

    kind, calibrated, floor = "constant", False, 1.0

    def __init__(self, columns, settings): ...

    @classmethod
    def fields(cls):
        return {}

    def measure(self, f):
        return Measure(np.full(len(f.x), 0.5), np.full(len(f.x), np.inf), np.full(len(f.x), np.nan))

    def learn(self, f, mask): ...


def six_hours(kind, values=None, *, detector=None, series=HOSTS, seed=0):
    """Scores [series, 360 minutes] of one detector alone after three known days."""
    engine, now = learned(series, detectors={kind: detector or DETECTORS[kind]}, seed=seed)
    at = times(now, now + 6 * HOUR)
    return run(engine, series, at, quiet() if values is None else values)[1]


def quiet():
    return day(times(0, 6 * HOUR), n=12, seed=7)


def planted(kind):
    values = quiet()
    values[0, 120:240] = FAULTS[kind](values[0, 120:240])
    return values


def outranks(score):
    """Whether the planted fault passes the edge, and stands above the normal hours of all series."""
    normal = np.concatenate([score[0, 30:115], score[1:, 30:].ravel()])
    fault = np.nanmax(score[0, 120:240])
    return bool(fault >= 1.0 and fault > np.nanmax(normal))


@pytest.mark.parametrize("kind", DETECTORS)
def test_planted_fault_outranks_normal_hours(kind):
    assert outranks(six_hours(kind, planted(kind)))


def test_a_constant_score_fails_the_contract():
    assert not outranks(six_hours("constant", planted("level"), detector=Constant))


@pytest.mark.parametrize("kind", DETECTORS)
def test_one_score_a_series_and_column(kind):
    assert six_hours(kind).shape == (12, 360)


@pytest.mark.parametrize("kind", DETECTORS)
def test_normal_hours_stay_below_the_edge(kind):
    assert np.nanmax(six_hours(kind)) < 1.0


@pytest.mark.parametrize("kind", DETECTORS)
def test_gap_is_not_an_anomaly(kind):
    values = quiet()
    values[:, 100:200] = np.nan  # whole hosts are silent: nobody knows
    assert not (six_hours(kind, values) >= 1.0).any()


@pytest.mark.parametrize("kind", DETECTORS)
def test_constant_series_is_normal(kind):
    engine, now = learned(HOSTS, values=lambda at: np.full((12, len(at)), 3.0), detectors={kind: DETECTORS[kind]})
    score = run(engine, HOSTS, times(now, now + 6 * HOUR), np.full((12, 360), 3.0))[1]
    assert not (score > 1e-6).any()


@pytest.mark.parametrize("kind", DETECTORS)
def test_order_of_series_is_irrelevant(kind):
    order = np.array([7, 2, 9, 0, 11, 4, 1, 10, 3, 8, 5, 6])
    values = planted(kind)
    engine, now = learned(HOSTS, detectors={kind: DETECTORS[kind]})
    at = times(now, now + 6 * HOUR)
    expected = run(engine, HOSTS, at, values)[1]
    engine, _ = learned(HOSTS, detectors={kind: DETECTORS[kind]})
    assert np.array_equal(run(engine, HOSTS.take(order), at, values[order])[1], expected, equal_nan=True)


@pytest.mark.parametrize("kind", DETECTORS)
def test_inputs_stay_untouched(kind):
    values = planted(kind)
    before = values.copy()
    six_hours(kind, values)
    assert np.array_equal(values, before, equal_nan=True)


@pytest.mark.parametrize("kind", DETECTORS)
def test_same_seed_gives_the_same_scores(kind):
    assert np.array_equal(six_hours(kind, planted(kind), seed=3), six_hours(kind, planted(kind), seed=3), equal_nan=True)
