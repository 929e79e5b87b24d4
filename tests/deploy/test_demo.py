"""`make demo` as a newcomer runs it: ready in time, says what happens, fills only the gap the second time, ends all it started."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.local import servers
from deploy.local.words import WHY_NOT, WORDS

ROOT = Path(__file__).resolve().parents[2]


def start(folder, *options):
    command = [sys.executable, "-m", "deploy.local.demo", "--folder", str(folder), *options]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until(process, pattern, seconds):
    """What it printed up to a line that matches."""
    said, deadline = [], time.monotonic() + seconds
    for line in process.stdout:
        said.append(line)
        if re.search(pattern, line) or time.monotonic() > deadline:
            break
    text = "".join(said)
    assert re.search(pattern, text), text
    return text


def children_of(pid):
    """Processes that it started."""
    return [child.pid for child in psutil.Process(pid).children()]


def give_up(process):
    """After a failure: what it started goes with it."""
    if process.poll() is None:
        children = children_of(process.pid)
        process.kill()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def end(process, *signals):
    """Ctrl-C (or other signals, a moment apart), and what it said last; nothing that it started is left."""
    children = children_of(process.pid)
    for sign in signals or (signal.SIGINT,):
        process.send_signal(sign)
        time.sleep(0.05)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    return rest


@pytest.mark.servers
@pytest.mark.timeout(240)
def test_the_demo_is_ready_within_90_seconds_twice_and_ends_what_it_started(tmp_path):
    first, second = start(tmp_path), None
    try:
        said = read_until(first, "ready after", 120)
        assert float(re.search(r"ready after (\d+) s", said)[1]) <= 90
        written = int(re.search(r"([\d,]+) samples of", said)[1].replace(",", ""))
        assert 3_000_000 < written <= 5_000_000
        assert len(children_of(first.pid)) == 4
        assert "ended" in end(first)
        second = start(tmp_path)
        said = read_until(second, "ready after", 120)
        again = re.search(r"([\d,]+) samples of", said)
        assert again is None or int(again[1].replace(",", "")) < 20_000
        end(second)
    finally:
        give_up(first)
        if second is not None:
            give_up(second)


@pytest.mark.timeout(120)
def test_without_prometheus_the_demo_says_so_in_one_line_and_runs_embedded(tmp_path):
    process = start(tmp_path, "--embedded", "--lang", "ko")
    try:
        said = read_until(process, "준비 완료", 90)
        assert said.splitlines()[0].endswith(WORDS["ko"]["embedded"].format(why="--embedded"))
        end(process, signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    finally:
        give_up(process)


def test_both_languages_say_the_same_things():
    fields = {lang: {key: sorted(re.findall(r"{(\w+)", text)) for key, text in words.items()} for lang, words in WORDS.items()}
    assert fields["en"] == fields["ko"]
    assert WHY_NOT["en"].keys() == WHY_NOT["ko"].keys()


def test_a_missing_server_names_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(servers.ServerMissingError, match="make servers"):
        servers.need("prometheus", tmp_path)


@pytest.mark.skipif(not shutil.which("apt-get"), reason="only Debian and Ubuntu have packages to unpack")
@pytest.mark.timeout(120)
def test_servers_are_unpacked_without_root_where_path_has_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the demo's folder is given relative to where make runs
    which = shutil.which
    monkeypatch.setattr(servers.shutil, "which", lambda name: None if "prom" in name or name == "amtool" else which(name))
    assert servers.fetch(("promtool", "amtool"), Path(".demo/servers")) == []
    done = subprocess.run([servers.need("promtool", Path(".demo/servers")), "--version"], check=True, capture_output=True)
    assert b"promtool" in done.stdout + done.stderr
