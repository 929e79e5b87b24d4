"""A kill at any moment costs nobody an alert and sends nobody a second one."""

import signal
import time

import pytest

from tests.e2e.small import identity, lift, ours, small, told, watch

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("away", [4, pytest.param(180, marks=pytest.mark.long)])
def test_an_alert_outlives_kills_and_stops_unchanged_and_resolves_once(tmp_path, away):
    with small(tmp_path) as world:
        before = identity(ours(world))

        def unchanged():
            assert identity(ours(world)) == before

        for sign in (signal.SIGKILL, signal.SIGTERM):
            stopped = time.monotonic()
            world.running["analyzer"].process.send_signal(sign)
            world.running["analyzer"].process.wait(10)
            assert time.monotonic() - stopped < 5
            watch(world, away, unchanged)
            started = time.monotonic()
            world.start_analyzer(**world.changes)
            world.wait("ready again", world.scored, 20)
            assert time.monotonic() - started < 10
            watch(world, 2 * world.interval, unchanged)
        assert told(world) == ["firing"]
        lift(world)
        world.wait("resolved", lambda: ours(world) is None, 40)
        watch(world, 3 * world.interval, lambda: None)
        assert told(world) == ["firing", "resolved"]
