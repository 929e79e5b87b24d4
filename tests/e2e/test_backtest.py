"""omctl backtest over a real Prometheus: what was planted in yesterday is found, and nothing is written."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime

import cramjam
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from analyzer.ctl import main
from deploy.local import seed
from tests.e2e.stack import env, stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]
HOUR = 3600.0
FAULTS = [("cpu_runaway", "search-es-01", 0.8, 27 * HOUR, 1.2 * HOUR), ("db_slow", "db-master-01", 0.8, 25 * HOUR, 1.2 * HOUR)]
WATCHED = 'job="node", instance=~"search-es-01|db-.*|api-gateway-prod|web-prod-01|backup-01"'
RULE = {"__name__": "ALERTS", "alertstate": "firing", "severity": "warning"}
TRUTH = {"__name__": "openmanager_fleet_fault_active", "benign": "false", "instance": "exporter"}


def push(world, labels, ago, seconds):
    """A series of ones that began some time ago."""
    times = time.time() - ago + np.arange(0, seconds, 15.0)
    message = seed.series_bytes(seed.label_bytes(list(labels.items())), seed.sample_template(times), np.ones(len(times)))
    seed.write(world.url("prometheus"), bytes(cramjam.snappy.compress_raw(message)))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two days of the fleet with two faults in yesterday; a rule noticed one of them late, and fired about nothing once."""
    with stack(tmp_path_factory.mktemp("backtest"), interval=60, scrape=15) as made:
        made.start_servers()
        made.seed(FAULTS, days=2.3, fine=0.0)
        for kind, server, _, ago, seconds in FAULTS:
            push(made, TRUTH | {"kind": kind, "root": server, "server": server}, ago, seconds)
        push(made, RULE | {"alertname": "HostCpuBusy", "instance": "search-es-01"}, 26.6 * HOUR, HOUR)
        push(made, RULE | {"alertname": "HostClockWrong", "instance": "backup-01"}, 24.2 * HOUR, 600)
        closed = [{"from": datetime.fromtimestamp(time.time() - 28.5 * HOUR, UTC).isoformat(), "to": "2100-01-01T00:00:00Z"}]
        for name, window in (("a.yml", []), ("never.yml", closed)):
            config = made.analyzer_config(reader={"history": "1d", "selector": WATCHED}, alerting={"maintenance": window})
            made.write(name, config)
        yield made


def written(world):
    """How often Prometheus was written to."""
    page = urllib.request.urlopen(world.url("prometheus") + "/metrics").read().decode()
    return [line for line in page.splitlines() if "http_requests_total" in line and "/api/v1/write" in line]


def backtest(world, *args, code=0):
    span = ("--from", time.time() - 27.5 * HOUR, "--last", "3h30m")
    done = CliRunner().invoke(main, ["backtest", str(world.folder / "a.yml"), *map(str, (*span, *args))])
    assert done.exit_code == code, done.output
    return done


def test_faults_of_yesterday_are_found_with_their_lead_and_a_policy_that_never_pages_finds_none(world):
    never = world.folder / "never.yml"
    said = json.loads(backtest(world, "--against", never, "--json").stdout)
    assert said["warnings"] == []  # Alertmanager was asked for its silences, too
    assert {(server, kind) for kind, server, *_ in FAULTS} <= {(a["hostname"], a["kind"]) for a in said["alerts"]}
    truth = said["truth"]
    assert (truth["found"], truth["right_root"], truth["right_kind"], truth["of"]) == (2, 2, 2, 2)
    assert all(f["delay_seconds"] <= 600 for f in truth["faults"])
    rules = {r["alertname"]: (r["we"], r["minutes_earlier"]) for r in said["rules"]}
    assert rules["HostClockWrong"] == ("missed", None)
    assert rules["HostCpuBusy"][0] == "earlier"
    assert 14 <= rules["HostCpuBusy"][1] <= 24
    against = said["against"]
    assert (against["counts"]["alerts"], against["truth"]["found"], against["kept"]) == (0, 0, [])
    assert against["comparison"]["only_first"] == [a["incident"] for a in said["alerts"]]
    assert [s["reason"] for s in against["suppressions"]] == ["maintenance"]


def test_nothing_is_written_or_posted(world):
    before = written(world), sorted(world.folder.iterdir())
    said = backtest(world, "--step", "5m", "--lang", "ko").stdout
    assert "사람에게 전달되었을 알림" in said
    assert (written(world), sorted(world.folder.iterdir())) == before
    assert world.get("alertmanager", "/api/v2/alerts") == []


def test_ctrl_c_ends_it_cleanly(world):
    command = [sys.executable, "-m", "analyzer.ctl", "backtest", str(world.folder / "a.yml"), "--last", "27h"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | env(), text=True)
    time.sleep(3)
    running.send_signal(signal.SIGINT)
    said, wrong = running.communicate(timeout=60)
    assert (running.returncode, "Traceback" in wrong, "stopped" in wrong) == (130, False, True), said + wrong


def test_a_prometheus_that_goes_away_is_said_in_one_line(world):
    config = yaml.safe_load((world.folder / "a.yml").read_text())
    world.write("away.yml", config | {"reader": config["reader"] | {"url": world.url("analyzer")}})
    done = CliRunner().invoke(main, ["backtest", str(world.folder / "away.yml")])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
