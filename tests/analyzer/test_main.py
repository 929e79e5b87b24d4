"""The running service: start, reload, trouble in a cycle, stop."""

import asyncio
import signal
import sys
import time
from contextlib import asynccontextmanager
from itertools import pairwise

import aiohttp
import pytest
import yaml
from click.testing import CliRunner

from analyzer.__main__ import Service, main, make_app
from analyzer.config import load
from analyzer.pipeline import Cycle
from service.app import running
from tests.analyzer.double import double
from tests.analyzer.reports import opened


def settings(url, folder, **sections):
    """A configuration with cycles of a second."""
    signals = {"load": {"topic": "load", "unit": "count", "over": {"gauge": "node_load1"}}}
    reader = {
        "url": url, "presets": [], "signals": signals, "interval": 1, "scrape_interval": 1, "history": "10m", "history_step": "60s",
        "judge_last": "5s", "timeout": 2,
    }  # fmt: skip
    made = {"reader": reader, "writer": {"mode": "off"}, "state": {"directory": str(folder / "state")}}
    for name, section in sections.items():
        made[name] = made.get(name, {}) | section
    return made


class At:
    """A service at work over a Double."""

    def __init__(self, service, prometheus, url, client, write):
        self.service, self.prometheus, self.url, self.client, self.write = service, prometheus, url, client, write

    def metric(self, name, **labels):
        return self.service.metrics.registry.get_sample_value(name, labels)

    async def reload(self):
        async with self.client.post(f"{self.url}/-/reload") as reply:
            return reply.status

    async def until(self, condition, seconds=8.0):
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)

    async def next_cycle(self):
        last = self.metric("openmanager_analyzer_last_cycle_timestamp_seconds")
        await self.until(lambda: self.metric("openmanager_analyzer_last_cycle_timestamp_seconds") > last)


@asynccontextmanager
async def at_work(folder, **sections):
    async with double() as (prometheus, url), aiohttp.ClientSession() as client:
        path = folder / "analyzer.yml"

        def write(**changes):
            path.write_text(yaml.safe_dump(settings(url, folder, **(sections | changes))))

        write()
        service = Service(path, load(path, {}))
        async with running(make_app(service)) as server:
            at = At(service, prometheus, server.urls[0], client, write)
            await at.until(lambda: service.board() is not None)
            yield at


async def test_it_gets_ready_with_the_first_cycle_and_writes_what_backups_look_for(tmp_path):
    async with at_work(tmp_path) as at:
        assert at.service.ready() == {"first_cycle": True}
        assert at.metric("openmanager_analyzer_scheduler_alive") == 1
    assert {"detectors.npz", "openmanager.sqlite"} <= {file.name for file in (tmp_path / "state").iterdir()}


async def test_a_stop_saves_the_newest_column(tmp_path):
    async with at_work(tmp_path) as at:
        await at.next_cycle()
        resume = at.service.analyzer.runner.resume
    assert resume.saved_at == resume.last


async def test_a_good_reload_is_at_work_within_a_cycle_without_learning_anew(tmp_path):
    async with at_work(tmp_path) as at:
        at.write(alerting={"hold": "7s"})
        reads = at.prometheus.asked.count("/api/v1/query_range")
        assert await at.reload() == 200
        assert at.service.board() is not None  # the old one, until there is a new one
        await at.next_cycle()
        assert at.service.analyzer.cycle.findings.policy.hold == 7
        assert at.prometheus.asked.count("/api/v1/query_range") - reads <= 2
        assert at.metric("openmanager_config_last_reload_successful") == 1
        assert at.metric("openmanager_analyzer_scheduler_restarts_total") == 1


@pytest.mark.parametrize(
    "changes",
    [{"reader": {"intervall": 3}}, {"explanation": {"knowledge": "nowhere.yml"}}, {"timezone": "Mars/Olympus"}],
    ids=["unknown key", "cannot be started", "no such zone"],
)
async def test_a_bad_reload_keeps_the_old_one_at_work_and_says_so(tmp_path, changes):
    async with at_work(tmp_path) as at:
        before = at.service.analyzer
        zone = changes.pop("timezone", None)
        at.write(**changes)
        if zone:
            at.service.path.write_text(at.service.path.read_text() + f"timezone: {zone}\n")
        assert await at.reload() == 500
        assert at.metric("openmanager_config_last_reload_successful") == 0
        assert at.service.analyzer is before
        await at.next_cycle()


async def test_parts_that_fail_to_start_leave_the_old_ones_at_work_and_nothing_open(tmp_path, monkeypatch):
    async with at_work(tmp_path) as at:
        tasks = len(asyncio.all_tasks())

        async def broken(self):
            raise RuntimeError("no more descriptors")

        monkeypatch.setattr("analyzer.build.AlertmanagerSink.start", broken)
        at.write(alerting={"hold": "7s"})
        assert await at.reload() == 500
        monkeypatch.undo()
        await at.next_cycle()
        assert len(asyncio.all_tasks()) <= tasks + 1


async def test_changed_signals_are_learned_anew_and_the_mode_changes_with_a_reload(tmp_path):
    async with at_work(tmp_path) as at:
        reads = at.prometheus.asked.count("/api/v1/query_range")
        signals = {"busy": {"topic": "load", "unit": "count", "over": {"gauge": "node_load1"}}}
        at.write(reader={"signals": signals}, alerting={"mode": "off"})
        assert await at.reload() == 200
        await at.next_cycle()
        assert at.service.board().scores.series.signals == ("busy",)
        assert at.service.analyzer.alerts.settings.mode == "off"
        assert at.prometheus.asked.count("/api/v1/query_range") - reads >= 1


async def test_where_we_listen_and_keep_state_waits_for_the_next_start(tmp_path, caplog):
    async with at_work(tmp_path) as at:
        at.write(state={"directory": str(tmp_path / "elsewhere")})
        assert await at.reload() == 200
        await at.next_cycle()
    assert not (tmp_path / "elsewhere").exists()
    assert "take effect at the next start" in caplog.text


async def test_an_exception_in_a_cycle_is_counted_and_ends_nothing(tmp_path):
    async with at_work(tmp_path) as at:
        cycle, run = at.service.analyzer.cycle, at.service.analyzer.cycle.run
        cycle.run = lambda *args, **kw: 1 / 0
        await at.until(lambda: at.metric("openmanager_analyzer_cycles_total", outcome="failed") >= 2)
        cycle.run = run
        await at.next_cycle()
        assert at.metric("openmanager_analyzer_scheduler_alive") == 1


async def test_an_exception_at_the_start_is_tried_again(tmp_path, monkeypatch):
    bootstrap, calls = Cycle.bootstrap, []

    def once(self, history, *, guarded=False):
        calls.append(1)
        if len(calls) == 1:
            raise ArithmeticError("a fault of ours")
        bootstrap(self, history, guarded=guarded)

    monkeypatch.setattr(Cycle, "bootstrap", once)
    async with at_work(tmp_path) as at:
        assert at.metric("openmanager_analyzer_cycles_total", outcome="failed") == 1


async def test_cycles_that_take_too_long_are_counted_and_their_columns_made_up_for(tmp_path):
    async with at_work(tmp_path) as at:
        seen = []

        async def remember(report):
            seen.append(report.time)

        await at.next_cycle()
        at.service.analyzer.runner.listeners.append(remember)
        at.prometheus.hang = 0.9  # twice a cycle: the clock and the samples
        await at.until(lambda: at.metric("openmanager_analyzer_cycles_total", outcome="overrun") >= 1)
        at.prometheus.hang = 0.0
        await at.next_cycle()
        assert [b - a for a, b in pairwise(seen)] == [1.0] * (len(seen) - 1)


async def test_writing_goes_on_after_a_reload_and_what_waits_shows(tmp_path):
    async with at_work(tmp_path, writer={"mode": "remote_write"}) as at:
        await at.until(lambda: at.prometheus.written > 0)
        assert at.metric("openmanager_analyzer_writer_queue_samples") is not None
        at.write(writer={"mode": "remote_write", "max_written_series": 100})
        assert await at.reload() == 200
        written = at.prometheus.written
        await at.until(lambda: at.prometheus.written > written + 1)


# ---- as a process ----


@pytest.mark.parametrize("hang", [0.0, 30.0], ids=["at work", "source hangs"])
async def test_p14_sigterm_ends_it_within_five_seconds_with_0(tmp_path, hang):
    async with double() as (prometheus, url):
        path = tmp_path / "analyzer.yml"
        path.write_text(yaml.safe_dump(settings(url, tmp_path, reader={"timeout": 60}) | {"server": {"listen": ["127.0.0.1:0"]}}))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "analyzer", "--config.file", path, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(15):
                while len(prometheus.asked) < 6:
                    await asyncio.sleep(0.05)
            prometheus.hang = hang
            await asyncio.sleep(1.5)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert await asyncio.wait_for(process.wait(), 10) == 0
            assert time.monotonic() - began < 5
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert (tmp_path / "state/detectors.npz").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reader:\n  url: http://x\n  intervall: 3s\n", "analyzer.yml:3: reader.intervall: unknown key"),
        ("reader: !!python/object/apply:os.system [id]\n", "analyzer.yml:1"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nreader: [*b, *b]\n", "analyzer.yml:"),
        ("", "analyzer.yml"),
    ],
    ids=["unknown key", "python tag", "alias bomb", "empty"],
)
def test_row_37_a_bad_configuration_ends_with_2_and_names_the_place(tmp_path, text, said):
    path = tmp_path / "analyzer.yml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["--config.file", str(path)])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


async def test_what_people_say_counts_from_the_next_column_on_survives_a_restart_and_is_taken_back(tmp_path):
    edges = {("web-01", "cpu"): 1.25}
    async with at_work(tmp_path) as at:
        await at.service.store.put_report(opened(at=time.time()))
        async with at.client.post(f"{at.url}/api/v1/incidents/inc1/feedback", json={"verdict": "wrong"}) as reply:
            assert reply.status == 200
        assert at.service.analyzer.cycle.people().verdicts.edges == edges
        assert at.metric("openmanager_feedback_verdicts", verdict="wrong") == 1
    async with at_work(tmp_path) as at:
        assert at.service.analyzer.cycle.people().verdicts.edges == edges
        assert at.metric("openmanager_feedback_edges_moved") == 1
        async with at.client.delete(f"{at.url}/api/v1/incidents/inc1/feedback") as reply:
            assert reply.status == 200
        assert at.service.analyzer.cycle.people().verdicts.edges == {}
        assert at.metric("openmanager_feedback_edges_moved") == 0


async def test_silences_are_asked_for_where_alertmanagers_are_configured(tmp_path):
    reached = {"alertmanagers": [{"url": "http://127.0.0.1:1"}]}
    async with at_work(tmp_path, alerting=reached) as at:
        assert at.metric("openmanager_analyzer_silence_reads_total", outcome="failed") >= 1
        assert at.service.analyzer.cycle.people().silences.all == ()
    async with at_work(tmp_path, alerting=reached | {"silences": False}) as at:
        assert at.metric("openmanager_analyzer_silence_reads_total", outcome="failed") == 0
