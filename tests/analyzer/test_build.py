"""From a configuration to parts: what a user turns reaches the stage that it is about."""

import asyncio
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from analyzer.build import Analyzer, detection_settings, fingerprint, make_cycle, make_explainer, policy_of, utc_offset, waiting
from analyzer.config import from_text
from analyzer.selfmetrics import SelfMetrics
from analyzer.sinks.spool import Spool
from analyzer.store import Store

URL = "reader:\n  url: http://127.0.0.1:1\n"


def config(more="", reader=""):
    return from_text(URL + reader + more)


def test_what_a_user_turns_reaches_policy_and_detectors():
    made = config("alerting: {hold: 30s, resolve_after: 60s}\ndetection: {false_alarms_per_week: 0.5, ready_after: 1h}\n")
    policy, settings = policy_of(made), detection_settings(made, 0.0)
    assert (policy.hold, policy.sharp_hold, policy.resolve_after, policy.quiet_after) == (30, 15, 60, 60)
    assert (settings.false_alarms_per_host_week, settings.ready_seconds, settings.max_series) == (0.5, 3600, 40_000)


def test_what_a_user_leaves_alone_is_as_shipped():
    policy = policy_of(config())
    assert (policy.hold, policy.sharp_hold, policy.resolve_after, policy.quiet_after) == (120, 15, 300, 300)


@pytest.mark.parametrize(("month", "hours"), [(1, 1.0), (7, 2.0)])
def test_the_offset_of_a_zone_is_that_of_the_time_asked_about(month, hours):
    assert utc_offset("Europe/Berlin", datetime(2026, month, 15, tzinfo=UTC).timestamp()) == hours * 3600


def test_a_running_cycle_follows_its_zone_over_the_change_of_the_clocks():
    made = config("timezone: Europe/Berlin\n")
    cycle = make_cycle(made, 0.0, make_explainer(made))
    change = datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()
    assert [cycle.utc_offset(change - 1), cycle.utc_offset(change)] == [3600, 7200]


@pytest.mark.parametrize(
    "more",
    ["alerting: {hold: 30s}\n", "detection: {false_alarms_per_week: 0.5}\n", "writer: {mode: off}\n", "forecast: {every: 60s}\n"],
)
def test_what_does_not_change_the_models_does_not_make_them_learn_anew(more):
    assert fingerprint(config(more)) == fingerprint(config())


@pytest.mark.parametrize(
    ("more", "reader"),
    [
        ("", "  selector: 'job=\"node\"'\n"),
        ("", "  signals: {cpu: null}\n"),
        ("timezone: Asia/Seoul\n", ""),
        ("identity: {labels: [host]}\n", ""),
    ],
    ids=["selector", "signals", "zone", "identity"],
)
def test_what_changes_the_models_makes_them_learn_anew(more, reader):
    assert fingerprint(config(more, reader)) != fingerprint(config())


def test_a_restart_of_the_same_configuration_is_the_same():
    code = f"from analyzer.build import *; from analyzer.config import from_text; print(fingerprint(from_text({URL!r})))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_what_waits_is_counted_while_another_thread_changes_it():
    spool, stop = Spool(None), threading.Event()

    def churn():
        while not stop.is_set():
            spool.push(1.0, 2, b"x")
            if len(spool) > 300:
                spool.pop()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        counts = [waiting(spool) for _ in range(300)]
    finally:
        stop.set()
        thread.join()
    assert max(counts) > 100


async def analyzer(tmp_path, more="writer: {mode: off}\n", **changes):
    store = await Store.open(tmp_path / "s.sqlite")
    made = config(more + f"state: {{directory: {tmp_path}}}\n")
    return Analyzer(made, store, SelfMetrics(), time.time, list), store


async def test_parts_end_side_by_side_and_one_that_fails_keeps_no_other(tmp_path, caplog):
    made, store = await analyzer(tmp_path)
    await made.start()
    ended = []

    async def slow(name):
        await asyncio.sleep(0.3)
        ended.append(name)

    async def broken():
        raise RuntimeError("stuck")

    made._ends += [lambda: slow("a"), lambda: slow("b"), broken]
    began = time.monotonic()
    await made.close()
    await store.close()
    assert (ended, "stuck" in caplog.text) == (["a", "b"], True)
    assert time.monotonic() - began < 0.55


@pytest.mark.parametrize(("mode", "has"), [("remote_write", (True, False)), ("scrape", (False, True)), ("off", (False, False))])
async def test_derived_series_go_where_the_writer_section_says(tmp_path, mode, has):
    made, store = await analyzer(tmp_path, f"writer: {{mode: {mode}}}\n")
    await made.start()
    assert (made.writer is not None, made.derived is not None) == has
    await made.close()
    await store.close()


async def test_the_clock_of_a_foreign_receiver_is_its_own(tmp_path):
    made, store = await analyzer(tmp_path, "writer: {mode: remote_write, url: http://127.0.0.1:2/api/v1/write}\n")
    await made.start()
    made.runner.set_skew(500.0)  # what the source's clock says is no news about the receiver's
    assert made.writer.skew == 0.0
    await made.close()
    await store.close()
