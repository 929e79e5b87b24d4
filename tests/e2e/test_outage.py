"""P8 on real servers: Prometheus hangs, then dies and comes back. Nothing opens or ends, people hear of it once, scrapes go on."""

import signal
import time

import pytest

from tests.e2e.small import identity, newest_sample, ours, page, prometheus_again, scrapes_are_well, self_alerts, small, told, watch

pytestmark = pytest.mark.servers
DERIVED = '{__name__=~"openmanager_.+"}'


def down_alerts(world):
    return [a["status"] for a in world.notes.alerts if a["labels"]["alertname"] == "OpenManagerSourceDown"]


@pytest.mark.parametrize("seconds", [11, pytest.param(600, marks=pytest.mark.long)])
def test_p8_prometheus_that_hangs_and_then_dies_opens_and_ends_nothing(tmp_path, seconds):
    with small(tmp_path) as world:
        before, process = identity(ours(world)), world.running["prometheus"].process
        slowest = []

        def unchanged():
            assert identity(ours(world)) == before
            slowest.append(page(world)[1])

        process.send_signal(signal.SIGSTOP)
        watch(world, seconds, unchanged)
        assert self_alerts(world) == ["OpenManagerSourceDown"]
        process.kill()
        process.wait()
        watch(world, seconds / 2, unchanged)
        assert self_alerts(world) == ["OpenManagerSourceDown"]
        prometheus_again(world)
        back = time.time()
        world.wait("the alert about ourselves ends", lambda: self_alerts(world) == [], 30)
        world.wait("derived series go on", lambda: newest_sample(world, "openmanager_y") > back, 30)
        watch(world, 4 * world.interval, lambda: identity(ours(world)) == before or pytest.fail("the alert changed"))
        assert (told(world), down_alerts(world)) == (["firing"], ["firing", "resolved"])
        assert newest_sample(world, DERIVED) <= time.time()
        assert scrapes_are_well(world)
        assert sorted(slowest)[len(slowest) // 2] < 0.1  # P10: a hanging source is nothing to /metrics
