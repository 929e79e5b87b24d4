"""What every detector of whole servers must keep, walked over HOST_DETECTORS."""

import numpy as np
import pytest

from analyzer.detect.hosts.group import Group
from analyzer.detect.registry import HOST_DETECTORS
from tests.analyzer.detect.made import DAY, START, times

STEP, HOSTS, SLOTS = 600.0, 3, 4
PAST = times(START, START + 3 * DAY, STEP)
NEXT = times(START + 3 * DAY, START + 4 * DAY, STEP)
FAULT = slice(90, 110)
FITTED = {}


def jump(x):
    return x + 0.5


def frozen(x):
    return np.broadcast_to(x[:1], x.shape)


FAULTS = {"quiet": frozen}  # what each is there for; for most it is a jump of everything at once


def waves(at, seed=0):
    """A daily wave and noise in every signal: [hosts, time, slots]."""
    noise = 0.03 * np.random.default_rng(seed).standard_normal((HOSTS, len(at), SLOTS))
    return 0.4 + 0.1 * np.sin(2 * np.pi * at / DAY)[:, None] + noise


def group(kind, past, known=True):
    """A group of one detector that has learned from the past."""
    made = Group("role web", [(f"s{i}", 0) for i in range(SLOTS)], STEP, {kind: HOST_DETECTORS[kind]})
    names, rows = [f"h{i}" for i in range(HOSTS)], np.arange(HOSTS * SLOTS).reshape(HOSTS, SLOTS)
    if known and kind in FITTED:
        made.load(FITTED[kind], "", names)
        return made
    made.begin(names, rows)
    made.fit(PAST, past)
    if known:
        FITTED[kind] = made.dump("")
    return made


def figures(kind, x, past=None, at=NEXT):
    """Figures of one detector for rows [hosts, time, slots] after a known past: [hosts, time]."""
    made = group(kind, waves(PAST) if past is None else past, known=past is None)
    rows = [made.row(now, x[:, i]) for i, now in enumerate(at.tolist())]
    return np.array([made.members[kind].measure(row).value for row in rows]).T


def planted(kind, x):
    x = x.copy()
    x[0, FAULT] = FAULTS.get(kind, jump)(x[0, FAULT])
    return x


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_planted_fault_outranks_normal_hours(kind):
    got = figures(kind, planted(kind, waves(NEXT, 1)))
    assert got[0, FAULT.start : FAULT.stop + 5].max() > max(got[1:].max(), got[0, 20 : FAULT.start].max())


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_constant_signals_are_silent_and_their_jump_is_clear(kind):
    still = np.full((HOSTS, len(NEXT), SLOTS), 3.0)
    calm = figures(kind, still, np.full((HOSTS, len(PAST), SLOTS), 3.0))
    assert np.ptp(calm[:, 40:]) <= 1e-6
    still[0, FAULT] += 1.0
    loud = figures(kind, still, np.full((HOSTS, len(PAST), SLOTS), 3.0))
    assert kind in ("quiet", "forest") or loud[0, FAULT].max() > calm.max() + 0.5  # neither can know what it never saw move


@pytest.mark.parametrize("kind", HOST_DETECTORS)
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-308])
def test_odd_samples_give_finite_figures(kind, odd):
    x = waves(NEXT, 1)
    x[0, 10:14], x[1, 20:60, 2] = odd, odd
    assert np.isfinite(figures(kind, x)).all()


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_a_gap_is_not_an_anomaly(kind):
    x = waves(NEXT, 1)
    normal = figures(kind, x).max()
    x[0, 40:80] = np.nan
    assert figures(kind, x)[0, 40:80].max() <= normal * 1.05 + 1e-6


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_later_rows_do_not_change_earlier_figures(kind):
    x = waves(NEXT, 1)
    assert np.array_equal(figures(kind, x[:, :70], at=NEXT[:70]), figures(kind, planted(kind, x))[:, :70])


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_unit_and_zero_of_a_signal_do_not_matter(kind):
    x, past = planted(kind, waves(NEXT, 1)), waves(PAST)
    expected = figures(kind, x, past)
    assert figures(kind, 64.0 * x + 8.0, 64.0 * past + 8.0) == pytest.approx(expected, rel=0.02, abs=0.02)


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_state_comes_back_whole(kind):
    x, half = waves(NEXT, 1), 70
    made = group(kind, waves(PAST))
    for i, now in enumerate(NEXT[:half].tolist()):
        made.members[kind].measure(made.row(now, x[:, i]))
    again = Group(made.key, made.slots, STEP, {kind: HOST_DETECTORS[kind]})
    again.load(made.dump("g."), "g.", made.names)
    after = [[g.members[kind].measure(g.row(NEXT[i], x[:, i])).value for i in range(half, 100)] for g in (made, again)]
    assert np.array_equal(*after)


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_hosts_do_not_hear_each_other(kind):
    x = waves(NEXT, 1)
    assert np.allclose(figures(kind, planted(kind, x))[1:], figures(kind, x)[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", HOST_DETECTORS)
def test_inputs_stay_untouched(kind):
    x = planted(kind, waves(NEXT, 1))
    before = x.copy()
    figures(kind, x)
    assert np.array_equal(x, before)
