"""Whatever comes: a finite score or no data, never an exception or a warning, never a page from garbage alone (threat row 31).

Worlds are drawn: learned servers whose samples are then spoilt in any mixture of ways. Warnings are errors in this suite.
"""

import json

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analyzer.derived import Deriver
from analyzer.detect.engine import Engine
from analyzer.detect.settings import DetectionSettings
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.incidents import Incidents
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.readiness import readiness
from analyzer.store.queries import report_rows
from analyzer.window import Series, Window
from tests.analyzer.clockwork import DAY, HOSTS, MINUTE, NOW, SIGNALS, TABLE, World, cycle

LEARNED, HOUR = {}, 3600.0
FEW = settings(
    max_examples=8, deadline=None, derandomize=True, report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)  # fmt: skip
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 1e30, 5e-324, -1.0, 1.0, 1e9])
NONSENSE = st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 1e300])


def known():
    """A cycle that has learned two days, as of NOW."""
    made = cycle()
    if not LEARNED:
        world, at = World(), NOW - 2 * DAY + 300 * np.arange(576)
        made.bootstrap(Window(TABLE, at, np.stack([world.column(t) for t in at], axis=1)))
        LEARNED.update(made.arrays())
    made.restore_arrays(LEARNED)
    return made


def healthy(times):
    """Windows of healthy servers."""
    world = World()
    world.at = np.inf
    return Window(TABLE, times, np.stack([world.column(t) for t in times], axis=1))


def whole(made, reports):
    """Every figure is finite or unknown, and everything can be stored, written and told."""
    deriver = Deriver()
    for report in reports:
        board = report.board
        for name in ("score", "z", "yhat", "lower", "upper", "ready"):
            values = getattr(board.scores, name)
            assert not np.isinf(values).any(), name
        for values in (board.forecast.yhat, board.forecast.lower, board.forecast.upper, board.forecast.until_limit):
            assert not np.isinf(values).any()
        found = readiness(board.learning, board.muted)
        assert sum(found.counts().values()) == len(board.scores.series) + board.learning.refused
        report_rows(report, json.dumps(made.state(), allow_nan=False))
        assert all(np.isfinite(v) or np.isnan(v) for _, _, v in deriver.series_of(report).samples())


def paging(reports):
    """What people are told, but for "this series sends nothing any more", which is true of one that sends nonsense only."""
    told = [(i, {f.kind for f in i.findings}) for r in reports for i in r.changed if i.pages]
    return [(i.host, i.kind, i.signal, kinds) for i, kinds in told if kinds != {"vanished"}]


def times(draw, n):
    """Times as a broken clock or source gives them: steps of any size, forwards, backwards, none."""
    steps = st.sampled_from([15.0, 60.0, 60.0, 60.0, 300.0, 3600.0, DAY, 8 * DAY, 0.0, -60.0, -1800.0, -DAY, 1e-3])
    return NOW + MINUTE + np.cumsum([draw(steps) for _ in range(n)])


@st.composite
def spoilt(draw, odd=ODD):
    """A window of the learned servers at strange times, some of its samples replaced."""
    window = healthy(times(draw, draw(st.integers(1, 10))))
    values = window.values.copy()
    for _ in range(draw(st.integers(0, 8))):
        row, first = draw(st.integers(0, len(TABLE) - 1)), draw(st.integers(0, values.shape[1] - 1))
        values[row : row + draw(st.sampled_from([1, 1, 4, len(TABLE)])), first : first + draw(st.integers(1, 12))] = draw(odd)
    return Window(window.series, window.times, values, draw(st.booleans()) and draw(st.booleans()))


@st.composite
def churn(draw):
    """Windows whose series are other ones each time: thousands of short-lived names, huge label sets, no series at all."""
    out = []
    for wave in range(draw(st.integers(1, 4))):
        n = draw(st.sampled_from([0, 1, 7, 1500]))
        many = draw(st.sampled_from([1, 1, 40]))
        long = draw(st.sampled_from(["v", "값" * 500, '"\\\n' * 9]))
        labels = tuple((f"label_{i:02d}", long) for i in range(many if n <= 7 else 1))
        names = [f"pod-{wave}-{i}" for i in range(n)]
        rows = [("memory", h, draw(st.sampled_from(["", "web"])) if n <= 7 else "", (("instance", h), *labels)) for h in names]
        series = Series.build(sorted(rows, key=lambda r: r[3]))
        at = NOW + HOUR * wave + MINUTE * np.arange(draw(st.integers(1, 3)))
        out.append(Window(series, at, np.full((len(series), len(at)), draw(ODD))))
    return out


@FEW
@given(spoilt())
def test_the_cycle_takes_any_samples_at_any_times(window):
    made = known()
    whole(made, made.run(window))
    whole(made, made.run(healthy(float(window.times.max()) + MINUTE * np.arange(1, 4))))


@FEW
@given(spoilt(NONSENSE))
def test_nonsense_pages_nobody_unless_nothing_else_comes_any_more(window):
    made = known()
    reports = made.run(window)
    assert paging(reports) == []
    assert paging(made.run(healthy(float(window.times.max()) + MINUTE * np.arange(1, 16)))) == []


@FEW
@given(spoilt())
def test_any_history_is_learned_from(window):
    made = cycle()
    made.bootstrap(window)
    made.bootstrap(window, guarded=True)
    whole(made, made.run(healthy(float(window.times.max()) + MINUTE * np.arange(1, 4))))


@FEW
@given(churn())
def test_series_that_come_and_go_by_the_thousand_stay_within_the_bound(windows):
    room = 1000
    made = Cycle(
        SIGNALS, engine=Engine(SIGNALS, DetectionSettings(max_series=room)), forecaster=Forecaster(SIGNALS, max_series=room),
        findings=Findings(SIGNALS, Policy()), incidents=Incidents(SIGNALS, Policy()),
    )  # fmt: skip
    for window in windows:
        reports = made.run(window)
        whole(made, reports)
        assert paging(reports) == []
        assert len(made.engine.series) <= room and len(made.forecaster.series) <= room


@FEW
@given(st.lists(ODD, min_size=1, max_size=40), st.sampled_from([1.0, 15.0, 60.0, 3600.0, DAY]))
def test_one_series_of_anything_is_scored_and_forecast(samples, step):
    series = Series.build([("requests", "web-1", "", (("instance", "web-1"),))])
    window = Window(series, NOW + step * np.arange(len(samples)), np.array([samples]))
    engine, forecaster = Engine(SIGNALS), Forecaster(SIGNALS)
    for scores in engine.step(window):
        assert np.isnan(scores.score[0]) or 0 <= scores.score[0] < np.inf
    forecaster.learn(window)
    made = forecaster.forecast(float(window.times[-1]), (3600.0, 86400.0, 7 * DAY))
    for values in (made.yhat, made.lower, made.upper, made.until_limit):
        assert not np.isinf(values).any()


@FEW
@given(st.floats(-1e20, 1e20), st.floats(1e-9, 1e6))
def test_a_constant_is_silent_whatever_it_is_and_awake_when_it_jumps(level, jump):
    series = Series.build([("requests", h, "", (("instance", h),)) for h in HOSTS])
    engine = Engine({})
    past = NOW - DAY + 300 * np.arange(288)
    engine.bootstrap(Window(series, past, np.full((len(series), len(past)), level)))
    at = NOW + MINUTE * np.arange(40)
    values = np.full((len(series), len(at)), level)
    values[1, 25:] = level + (1.0 + abs(level)) * max(jump, 0.01)
    scores = np.array([s.score for s in engine.step(Window(series, at, values))]).T
    assert not (scores[:, :25] > 0.5).any()
    assert not (scores[[0, 2, 3]] > 0.5).any()
    assert np.nanmax(scores[1, 25:]) >= 1.0
