"""From nothing to useful, through the whole cycle: any history, then live; newcomers are judged by peers, strangers not yet."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.detect.engine import Engine
from analyzer.findings import Findings
from analyzer.forecast import Forecaster
from analyzer.incidents import Incidents
from analyzer.pipeline import Cycle
from analyzer.policy import Policy
from analyzer.readiness import REASONS, readiness
from analyzer.signals import load_presets
from analyzer.window import Series, Window

NOW = 1_760_529_600.0  # a Wednesday, 12:00 UTC
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SIGNALS = {s.alias: s for s in load_presets(("node",)) if s.alias in ("cpu", "load", "memory")}
LEVEL = {"cpu": 0.3, "load": 0.5, "memory": 0.45}
OLD = ("db-1", "db-2", "db-3", "db-4", "db-5")


def cycle():
    policy = Policy()
    return Cycle(
        SIGNALS, engine=Engine(SIGNALS), forecaster=Forecaster(SIGNALS), findings=Findings(SIGNALS, policy),
        incidents=Incidents(SIGNALS, policy),
    )  # fmt: skip


def window(hosts, start, end, step=MINUTE, *, seed=0, ill=None, since=np.inf, until=np.inf):
    """Servers with a day, a level of their own and noise that remembers some minutes; one may work far too much for a while."""
    series = Series.build((a, h, h.split("-")[0], (("instance", h),)) for h in hosts for a in LEVEL)
    times = np.arange(start, end, step)
    keys, n = series.keys(), len(times)
    values = np.random.default_rng([seed, int(start)]).standard_normal((len(series), n))
    keep = np.exp(-step / 300.0)
    for i in range(1, n):
        values[:, i] = keep * values[:, i - 1] + np.sqrt(1 - keep**2) * values[:, i]
    wave = 0.25 * np.sin(2 * np.pi * times / DAY)
    at = (times >= since) & (times < until)
    for row, (alias, labels) in enumerate(keys):
        own = 1.0 + 0.1 * np.sin(sum(map(ord, labels[0][1])))
        values[row] = LEVEL[alias] * own * (1 + wave * (alias != "memory")) * (1 + 0.05 * values[row])
        if labels[0][1] == ill and alias != "memory":
            values[row, at] = np.minimum(2.6 * values[row, at], 0.98 if alias == "cpu" else 9.0)
    return Window(series, times, values)


def part(whole, keep):
    """Some columns of a window."""
    return Window(whole.series, whole.times[keep], whole.values[:, keep])


def known(hosts=OLD, days=3):
    made = cycle()
    made.bootstrap(window(hosts, NOW - days * DAY, NOW, 300.0))
    return made


def paged(reports):
    """(minute, host) of every incident that pages, when it does."""
    return sorted({((r.time - NOW) / MINUTE, i.host) for r in reports for i in r.changed if i.pages and i.state == "open"})


def reasons(made, host):
    """Why the series of a server are not known well."""
    found = readiness(made.engine.learning())
    return {REASONS[found.reason[row]] for row in found.learning.series.rows_of(host=host)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_healthy_newcomer_of_a_known_role_pages_nobody(seed):
    made = known()
    assert paged(made.run(window((*OLD, "db-9"), NOW, NOW + 4 * HOUR, seed=seed))) == []


def test_an_obvious_fault_of_a_newcomer_is_told_within_minutes_and_until_it_ends():
    made, hosts = known(), (*OLD, "db-9")
    since, until = NOW + 10 * MINUTE, NOW + 90 * MINUTE
    reports = made.run(window(hosts, NOW, NOW + 2 * HOUR, ill="db-9", since=since, until=until))
    first = paged(reports)
    assert {host for _, host in first} == {"db-9"}
    assert 10 < first[0][0] <= 15
    ends = [r.time for r in reports for i in r.changed if i.state == "resolved" and i.host == "db-9"]
    assert ends and min(ends) >= until


def test_a_newcomer_says_from_whom_it_borrows():
    made = known()
    made.run(window((*OLD, "db-9"), NOW, NOW + 20 * MINUTE))
    assert reasons(made, "db-9") == {"borrowed"}
    assert reasons(made, "db-1") == {"ready"}


def test_a_server_of_a_role_that_nobody_knows_is_not_judged_and_says_why():
    made, hosts = known(), (*OLD, "gpu-1")
    reports = made.run(window(hosts, NOW, NOW + 25 * MINUTE, ill="gpu-1", since=NOW + 10 * MINUTE))
    assert paged(reports) == []
    assert not any(f.host == "gpu-1" for r in reports for f in r.board.findings)
    assert np.isnan(reports[-1].board.scores.score[reports[-1].board.scores.series.rows_of(host="gpu-1")]).all()
    assert reasons(made, "gpu-1") == {"alone"}


def test_a_server_of_a_new_role_is_judged_by_itself_once_it_is_known():
    made, hosts = known(), (*OLD, "gpu-1")
    assert paged(made.run(window(hosts, NOW, NOW + 4 * HOUR))) == []
    reports = made.run(window(hosts, NOW + 4 * HOUR, NOW + 5 * HOUR, ill="gpu-1", since=NOW + 4.2 * HOUR))
    assert {host for _, host in paged(reports)} == {"gpu-1"}


def test_a_server_that_came_just_before_the_analyzer_did_borrows_too():
    made, hosts = cycle(), (*OLD, "db-9")
    history = window(hosts, NOW - 3 * DAY, NOW, 300.0)
    late = history.series.rows_of(host="db-9")
    history.values[np.ix_(late, history.times < NOW - 15 * MINUTE)] = np.nan
    made.bootstrap(history)
    reports = made.run(window(hosts, NOW, NOW + 20 * MINUTE, ill="db-9", since=NOW + 5 * MINUTE))
    assert reasons(made, "db-9") == {"borrowed"}
    assert {host for _, host in paged(reports)} == {"db-9"}


HISTORIES = {
    "minutes": lambda: [window(OLD, NOW - 40 * MINUTE, NOW)],
    "hours": lambda: [window(OLD, NOW - 5 * HOUR, NOW)],
    "weeks": lambda: [window(OLD, NOW - 14 * DAY, NOW - 7 * DAY, 600.0), window(OLD, NOW - 7 * DAY, NOW, 600.0)],
    "another step": lambda: [window(OLD, NOW - 4 * DAY, NOW - DAY, 600.0), window(OLD, NOW - DAY, NOW, 120.0)],
    "a hole of a day": lambda: [window(OLD, NOW - 4 * DAY, NOW - 2 * DAY, 300.0), window(OLD, NOW - DAY, NOW, 300.0)],
    "holes": lambda: [part(w := window(OLD, NOW - 4 * DAY, NOW, 300.0), np.random.default_rng(1).random(len(w.times)) < 0.6)],
    "it ends hours ago": lambda: [window(OLD, NOW - 3 * DAY, NOW - 5 * HOUR, 300.0)],
    "overlapping and backwards": lambda: [
        part(window(OLD, NOW - 3 * DAY, NOW - DAY, 300.0), slice(None, None, -1)), window(OLD, NOW - 2 * DAY, NOW, 300.0)
    ],
}  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES)
def test_whatever_history_there_is_it_pages_for_a_fault_and_for_nothing_else(history):
    made = cycle()
    for stretch in HISTORIES[history]():
        made.bootstrap(stretch)
    assert paged(made.run(window(OLD, NOW, NOW + 2 * HOUR))) == []
    reports = made.run(window(OLD, NOW + 2 * HOUR, NOW + 2.5 * HOUR, ill="db-3", since=NOW + 2.1 * HOUR))
    assert {host for _, host in paged(reports)} == {"db-3"}


def test_with_no_history_at_all_it_is_silent_first_and_useful_soon():
    made = cycle()
    first = made.run(window(OLD, NOW, NOW + 25 * MINUTE, ill="db-4", since=NOW + 5 * MINUTE, until=NOW + 15 * MINUTE))
    assert paged(first) == []
    assert reasons(made, "db-1") == {"alone"}
    assert paged(made.run(window(OLD, NOW + 25 * MINUTE, NOW + 3 * HOUR))) == []
    reports = made.run(window(OLD, NOW + 3 * HOUR, NOW + 3.5 * HOUR, ill="db-3", since=NOW + 3.1 * HOUR))
    assert {host for _, host in paged(reports)} == {"db-3"}


@pytest.mark.parametrize("hours", [3, 10])
def test_a_fault_of_a_server_that_is_known_for_hours_is_told_until_it_ends(hours):
    made = cycle()
    made.bootstrap(window(OLD, NOW - hours * HOUR, NOW))
    since, until = NOW + HOUR, NOW + 3 * HOUR
    reports = made.run(window(OLD, NOW, NOW + 4 * HOUR, ill="db-3", since=since, until=until))
    assert {host for _, host in paged(reports)} == {"db-3"}
    ends = [r.time for r in reports for i in r.changed if i.state == "resolved"]
    assert ends and min(ends) >= until


def test_a_reader_that_leaves_series_out_for_ever_does_not_blind_the_analyzer():
    made = known()
    reports = made.run(replace(window(OLD, NOW, NOW + HOUR, ill="db-3", since=NOW + 10 * MINUTE), refused=7))
    assert {host for _, host in paged(reports)} == {"db-3"}
    assert (reports[-1].partial, reports[-1].board.learning.refused) == (False, 7)
