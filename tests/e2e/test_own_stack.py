"""Somebody's own stack: a Prometheus that scrapes node_exporter, and an analyzer with five lines of configuration."""

import json
import os
import sys
import time
import urllib.parse
import urllib.request

import pytest

from deploy.local import servers
from tests.e2e.stack import ROOT, env

pytestmark = pytest.mark.servers
PROMETHEUS = """
global: {{scrape_interval: 2s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ['{node}']}}]
"""
FIVE_LINES = """reader:
  url: {prometheus}
  interval: 3s
  scrape_interval: 2s
alerting: {{alertmanagers: [{{url: {alertmanager}}}]}}
"""


def get(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=5) as reply:
        return json.load(reply)


def test_five_lines_write_series_and_post_nothing(tmp_path, prometheus, alertmanager):
    node = servers.start_node_exporter(tmp_path)
    try:
        node.wait_ready("/metrics")
        prom = prometheus(PROMETHEUS.format(node=node.url.removeprefix("http://")))
        manager = alertmanager("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        (tmp_path / "analyzer.yml").write_text(FIVE_LINES.format(prometheus=prom.url, alertmanager=manager.url))
        analyzer = started(tmp_path)
        try:
            rows = wait(lambda: get(f"{prom.url}/api/v1/query", query='openmanager_y{for="memory"}')["data"]["result"])
            assert rows[0]["metric"]["job"] == "node"
            prom.process.kill()  # even trouble of our own is not posted
            wait(lambda: b'alerts_sent_total{outcome="observed"} 1' in page(analyzer))
            assert get(f"{manager.url}/api/v2/alerts") == []
            assert b'alertmanager_alerts_received_total{status="firing",version="v2"} 0' in page(manager)
        finally:
            assert analyzer.stop() == 0
    finally:
        node.stop()


def started(folder):
    port = servers.free_port()
    there = f"import os, runpy; os.chdir({str(folder)!r}); runpy.run_module('analyzer', run_name='__main__')"
    command = [
        sys.executable, "-c", there, "--config.file", folder / "analyzer.yml", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return servers.start("analyzer", command, url=f"http://127.0.0.1:{port}", folder=folder, env=env() | {"PYTHONPATH": path})


def page(server):
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as reply:
        return reply.read()


def wait(condition, seconds=40.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds:g} s")
