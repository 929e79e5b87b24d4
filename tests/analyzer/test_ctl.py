"""omctl by hand: tables for people, JSON for programs, exit codes 0, 1 and 2, errors that say what to do."""

import json
import socket
from contextlib import asynccontextmanager

import numpy as np
import pytest
from click.testing import CliRunner

from analyzer.api.app import add_routes
from analyzer.api.state import ApiState
from analyzer.archive import STORE
from analyzer.ctl import main
from analyzer.records import Explanation, Text
from analyzer.store import Store
from exporter.fleet.fleet import Fleet
from exporter.fleet.web import add_fleet_routes
from service.server import running
from tests.analyzer.reports import NOW, opened
from tests.analyzer.stub import plain_app

CONFIG = """
reader: {source: embedded, targets: [{url: "http://127.0.0.1:1/metrics"}]}
state: {directory: STATE}
"""


@asynccontextmanager
async def analyzing(folder, report=None):
    """An analyzer's routes over a store."""
    store = await Store.open(folder / STORE, clock=lambda: NOW)
    if report is not None:
        await store.put_report(report)
        words = Text("HighCPU on web-01: as usual", ("It fired; CPU is as usual.",), ("Look at the rule.",))
        await store.put_explanation(Explanation("f00d", NOW, {"en": words}, 0.3, "local"))
    app = plain_app()
    add_routes(app, ApiState(board=lambda: None, reason=str, store=store, derived=bytes, now=lambda: NOW))
    async with running(app) as server:
        yield server.urls[0]
    await store.close()


@asynccontextmanager
async def exporting():
    """A fleet's routes."""
    app = plain_app()
    add_fleet_routes(app, Fleet(seed=1, start=NOW - 100, deploy_interval_seconds=0), lambda: NOW)
    async with running(app) as server:
        yield server.urls[0]


@pytest.fixture
def omctl(monkeypatch):
    """Calls omctl as a person would, in English."""
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")

    def call(*args, code=0):
        done = CliRunner().invoke(main, [str(a) for a in args])
        assert done.exit_code == code, done.output
        return done

    return call


@pytest.fixture
def analyzer(in_background, tmp_path):
    return in_background(analyzing(tmp_path, opened()))


@pytest.fixture
def exporter(in_background):
    return in_background(exporting())


def config(tmp_path, text=CONFIG):
    file = tmp_path / "analyzer.yml"
    file.write_text(text.replace("STATE", str(tmp_path / "state")))
    return file


def test_a_good_configuration_is_summed_up(omctl, tmp_path):
    said = omctl("check", config(tmp_path)).output
    assert "analyzer.yml: ok" in said
    assert "alerts  observe: findings are kept, nothing is posted" in said


def test_a_mistake_is_named_with_its_line(omctl, tmp_path):
    done = omctl("check", config(tmp_path, "reader:\n  sauce: embedded\n"), code=2)
    assert done.stdout == ""
    assert "analyzer.yml:2: reader.sauce: unknown key" in done.stderr


def test_a_mistake_is_json_for_programs(omctl, tmp_path):
    said = json.loads(omctl("check", config(tmp_path, "reader:\n  sauce: 1\n"), "--json", code=2).stdout)
    assert (said["ok"], said["line"], said["key"]) == (False, 2, "reader.sauce")


def test_a_configuration_that_is_not_there(omctl, tmp_path):
    assert "No such file" in omctl("check", tmp_path / "nothing.yml", code=2).stderr


def test_findings_are_a_table(omctl, analyzer):
    lines = omctl("--analyzer", analyzer, "findings").stdout.splitlines()
    assert lines[0].split() == ["STATE", "HOSTNAME", "SIGNAL", "KIND", "OBSERVED", "EXPECTED", "PEAK", "ONSET", "ENDED"]
    assert lines[1].split()[:8] == ["resolved", "web-01", "cpu", "level", "0.93", "0.41", "5", "2026-09-21T14:08:20.000Z"]


def test_findings_are_json_for_programs(omctl, analyzer):
    said = json.loads(omctl("--analyzer", analyzer, "findings", "--server", "web-01", "--json").stdout)
    assert (said["total"], said["findings"][0]["id"]) == (1, "f1")


def test_nothing_found_is_said(omctl, analyzer):
    assert omctl("--analyzer", analyzer, "findings", "--server", "web-09").stdout == "Nothing was found.\n"


def test_open_incidents_are_told_with_what_to_do(omctl, analyzer):
    assert omctl("--analyzer", analyzer, "explain").stdout == (
        "[warning] web-01 CPU 93%\n  inc1  open  2026-09-21T14:08:20.000Z\n\n  CPU is 93%. Usual is 41%.\n\n  1. Look at top.\n"
    )


def test_korean_is_spoken_on_a_korean_terminal(omctl, analyzer, monkeypatch):
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert "CPU가 93%입니다." in omctl("--analyzer", analyzer, "explain", "inc1").stdout
    assert "CPU is 93%." in omctl("--analyzer", analyzer, "explain", "inc1", "--lang", "en").stdout


def test_an_alert_of_others_is_told_by_its_fingerprint(omctl, analyzer):
    said = omctl("--analyzer", analyzer, "explain", "f00d").stdout
    assert said.startswith("HighCPU on web-01: as usual\n  f00d  ")
    assert "1. Look at the rule." in said


def test_what_nobody_knows_cannot_be_explained(omctl, analyzer):
    assert "no incident and no explained alert" in omctl("--analyzer", analyzer, "explain", "nobody", code=1).stderr


def test_nothing_open_is_said(omctl, in_background, tmp_path):
    url = in_background(analyzing(tmp_path))
    assert omctl("--analyzer", url, "explain").stdout == "No incident is open.\n"
    assert omctl("--analyzer", url, "explain", "--lang", "ko").stdout == "열려 있는 인시던트가 없습니다.\n"
    assert json.loads(omctl("--analyzer", url, "explain", "--json").stdout) == []


def test_a_fault_is_planted_listed_and_lifted(omctl, exporter):
    at = ("--exporter", exporter, "fault")
    assert "No fault is planted. Kinds: cpu_runaway," in omctl(*at, "list").stdout
    planted = json.loads(omctl(*at, "add", "memory_leak", "web-prod-01", "--duration", 600, "--json").stdout)
    assert (planted["severity"], planted["duration_seconds"]) == (0.6, 600.0)
    assert planted["id"] in omctl(*at, "list").stdout
    assert omctl(*at, "remove", planted["id"]).stdout == f"lifted {planted['id']}: memory_leak on web-prod-01\n"
    assert json.loads(omctl(*at, "list", "--json").stdout)["faults"] == []


def test_a_fault_that_cannot_be_is_refused_with_what_can(omctl, exporter):
    assert "kind: one of cpu_runaway" in omctl("--exporter", exporter, "fault", "add", "gremlins", "web-prod-01", code=1).stderr
    assert "unknown server" in omctl("--exporter", exporter, "fault", "add", "crash", "nobody", code=1).stderr
    assert "no fault of this id" in omctl("--exporter", exporter, "fault", "remove", "a/b", code=1).stderr
    assert "severity" in omctl("--exporter", exporter, "fault", "add", "crash", "web-prod-01", "--severity", 7, code=2).stderr


def test_a_service_that_does_not_run(omctl):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        for call in (["findings"], ["explain"], ["explain", "x"]):
            assert "is it running, and is this its address?" in omctl("--analyzer", url, *call, code=1).stderr


def test_another_service_at_the_address(omctl, exporter):
    assert "404 not_found" in omctl("--analyzer", exporter, "findings", code=1).stderr


def test_a_data_set_is_scored_into_the_same_folders(omctl, tmp_path):
    data, rng = tmp_path / "data", np.random.default_rng(0)
    for name in ("nab/a", "nab/b"):
        (data / "nab").mkdir(parents=True, exist_ok=True)
        np.savez(data / f"{name}.npz", value=rng.random(50), ts=1e9 + 300 * np.arange(50))
    done = omctl("replay", data, "--out", data / "out")
    assert done.stdout.splitlines()[0].split() == ["FILE", "ROWS", "FLAGGED", "SCORES"]
    assert sorted(str(f.relative_to(data / "out")) for f in (data / "out").rglob("*.npz")) == ["nab/a.npz", "nab/b.npz"]
    again = json.loads(omctl("replay", data, "--out", data / "out", "--json").stdout)
    assert [row["rows"] for row in again] == [50, 50]  # earlier scores are no data


def test_a_data_set_that_is_none(omctl, tmp_path):
    (tmp_path / "bad.npz").write_text("hello")
    assert "bad.npz: no .npz file of numbers" in omctl("replay", tmp_path / "bad.npz", "--out", tmp_path / "out", code=1).stderr
    (tmp_path / "empty").mkdir()
    assert "no .npz file in it" in omctl("replay", tmp_path / "empty", "--out", tmp_path / "out", code=2).stderr
    assert "does not exist" in omctl("replay", tmp_path / "nothing", "--out", tmp_path / "out", code=2).stderr


def test_scores_that_cannot_be_written(omctl, tmp_path):
    np.savez(tmp_path / "a.npz", value=np.zeros(5), ts=1e9 + 300 * np.arange(5))
    (tmp_path / "taken").write_text("")
    done = omctl("replay", tmp_path / "a.npz", "--out", tmp_path / "taken" / "deeper", code=1)
    assert done.stderr == f"Error: {tmp_path}/taken/deeper: Not a directory\n"
    assert "take its place" in omctl("replay", tmp_path / "a.npz", "--out", tmp_path, code=1).stderr
    assert "take its place" in omctl("replay", tmp_path / "a.npz", "--out", tmp_path / "a.npz", code=1).stderr


def test_one_bad_file_in_a_folder_is_named_before_any_is_scored(omctl, tmp_path):
    np.savez(tmp_path / "a.npz", value=np.zeros(5), ts=1e9 + 300 * np.arange(5))
    np.savez(tmp_path / "b.npz", value=np.array([{}], object), ts=np.zeros(1))
    assert omctl("replay", tmp_path, "--out", tmp_path / "out", code=1).stderr == (
        f"Error: {tmp_path}/b.npz: it holds objects, not numbers\n"
    )
    assert not (tmp_path / "out").exists()


async def test_state_is_backed_up_and_restored(omctl, tmp_path):
    file, archive, state = config(tmp_path), tmp_path / "backup.tar", tmp_path / "state"
    store = await Store.open(state / STORE)
    await store.put_report(opened())
    assert "backup.tar: " in omctl("backup", file, archive).stdout
    await store.close()
    (state / STORE).unlink()
    assert "restored; the state before is in" in omctl("restore", file, archive).stdout
    store = await Store.open(state / STORE)
    assert (await store.incidents())[1] == 1
    await store.close()


def test_what_is_no_state_or_no_archive_is_refused(omctl, tmp_path):
    file = config(tmp_path)
    assert "holds no state" in omctl("backup", file, tmp_path / "b.tar", code=1).stderr
    (tmp_path / "b.tar").write_text("hello")
    assert "b.tar" in omctl("restore", file, tmp_path / "b.tar", code=1).stderr
    assert not (tmp_path / "state").exists()
    assert "unknown key" in omctl("backup", config(tmp_path, "x: 1"), tmp_path / "c.tar", code=2).stderr


def test_the_version_and_help(omctl):
    assert omctl("--version").stdout.startswith("omctl, version ")
    for command in ("check", "replay", "fault", "findings", "explain", "backup", "restore"):
        assert command in omctl("--help").stdout


def test_feedback_is_given_listed_and_taken_back(omctl, analyzer):
    at = ("--analyzer", analyzer, "feedback")
    assert omctl(*at, "give", "inc1", "wrong", "--note", "a drill").output == "inc1: wrong\n  web-01 cpu: edge 1 -> 1.25\n"
    listed = omctl(*at, "list").output
    assert "a drill" in listed and "1.25" in listed
    assert json.loads(omctl(*at, "list", "--json").output)["edges"][0]["edge"] == 1.25
    assert omctl(*at, "undo", "inc1").output == "inc1: taken back\n"
    assert omctl(*at, "list").output == "Nothing was said.\n"
    assert "nothing was said" in omctl(*at, "undo", "inc1", code=1).output
