"""One whole installation on loopback for a test: real Prometheus and Alertmanager, our exporter and analyzer as processes.

History (faults included) is written by remote write up to now, the exporter goes on with the same faults, and the analyzer judges
the last part of it and then the live samples: an hour's fault is seen in seconds, by what runs in production.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from analyzer.signals import load_presets
from deploy.local import seed, servers
from deploy.local.demo import target_labels
from exporter.fleet import memory
from exporter.fleet.faults import Fault
from exporter.fleet.load import Load

ROOT = Path(__file__).resolve().parents[2]
DAY = 86400.0
OURS = 'source="openmanager"'


class Notifications:
    """A receiver of Alertmanager's webhook that remembers what people would have been told."""

    def __init__(self):
        self.alerts = []
        notes = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                notes.alerts += body["alerts"]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Stack:
    """Parts and what they answer. Use `stack(...)`."""

    def __init__(self, folder, *, interval=3, hold="30s", scrape=3):
        self.folder, self.interval, self.hold, self.scrape = folder, interval, hold, scrape
        self.running, self.faults = {}, ()
        self.ports = {name: servers.free_port() for name in ("prometheus", "alertmanager", "exporter", "analyzer")}
        self.notes = Notifications()

    def url(self, part):
        return f"http://127.0.0.1:{self.ports[part]}"

    # ---- parts ----

    def start_servers(self, *, receiver=True):
        self.write("prometheus.yml", self.prometheus_config())
        self.write("alertmanager.yml", self.alertmanager_config())
        prometheus, alertmanager = self.ports["prometheus"], self.ports["alertmanager"]
        self.add(servers.start_prometheus(self.folder / "prometheus.yml", self.folder, port=prometheus, receiver=receiver))
        self.add(servers.start_alertmanager(self.folder / "alertmanager.yml", self.folder, port=alertmanager))
        for server in self.running.values():
            server.wait_ready()

    def start_exporter(self):
        listen = f"--web.listen-address=127.0.0.1:{self.ports['exporter']}"
        command = [sys.executable, "-m", "exporter", listen, "--fleet.deploy-interval=1ms"]
        memory.save(self.folder / "faults.json", self.faults)
        command.append(f"--fleet.state.file={self.folder / 'faults.json'}")
        self.add(servers.start("exporter", command, url=self.url("exporter"), folder=self.folder, env=env())).wait_ready()

    def start_analyzer(self, **changes):
        self.write("analyzer.yml", self.analyzer_config(**changes))
        command = [sys.executable, "-m", "analyzer", "--config.file", self.folder / "analyzer.yml", "--log.level", "debug"]
        return self.add(servers.start("analyzer", command, url=self.url("analyzer"), folder=self.folder, env=env()))

    def seed(self, faults=(), *, days=2.0, fine=5400.0):
        """History up to now with these faults in it: (kind, server, severity, seconds ago it began, duration)."""
        now = time.time()
        self.faults = tuple(
            Fault(f"fault-{i:04d}", kind, server, now - ago, duration, severity)
            for i, (kind, server, severity, ago, duration) in enumerate(faults)
        )
        load = Load()
        labels = {s.hostname: target_labels(s) for s in load.servers}
        past = seed.Past(load, labels.__getitem__, self.faults, fine)
        signals = load_presets(("node", "fleet"))
        return seed.seed(self.url("prometheus"), past, signals, start=now - days * DAY, end=time.time())

    def add(self, server):
        self.running[server.name] = server
        return server

    def stop(self):
        for server in reversed(self.running.values()):
            server.stop()
        self.notes.close()

    # ---- files ----

    def write(self, name, value):
        (self.folder / name).write_text(yaml.safe_dump(value))

    def prometheus_config(self):
        jobs = [
            {"job_name": "node", "http_sd_configs": [{"url": f"{self.url('exporter')}/sd", "refresh_interval": "1s"}]},
            {"job_name": "openmanager", "static_configs": [{"targets": [f"127.0.0.1:{self.ports['analyzer']}"]}]},
        ]
        return {
            "global": {"scrape_interval": f"{self.scrape}s", "scrape_timeout": f"{self.scrape}s"},
            "storage": {"tsdb": {"out_of_order_time_window": "10d"}},
            "scrape_configs": jobs,
        }

    def alertmanager_config(self):
        hook = {"url": self.notes.url, "send_resolved": True}
        route = {"receiver": "people", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
        return {"route": route, "receivers": [{"name": "people", "webhook_configs": [hook]}]}

    def analyzer_config(self, *, mode="on", judge_last="75m", writer="remote_write", **sections):
        config = {
            "reader": {
                "url": self.url("prometheus"),
                "presets": ["node", "fleet"],
                "selector": 'job="node"',
                "interval": self.interval,
                "scrape_interval": self.scrape,
                "history": "46h",
                "judge_last": judge_last,
            },
            "alerting": {"mode": mode, "hold": self.hold, "alertmanagers": [{"url": self.url("alertmanager")}]},
            "writer": {"mode": writer},
            "server": {"listen": [f"127.0.0.1:{self.ports['analyzer']}"]},
            "state": {"directory": str(self.folder / "state"), "snapshot_every": "20s"},
            "external_url": self.url("analyzer"),
        }
        for name, section in sections.items():
            config[name] = config.get(name, {}) | section
        return config

    # ---- questions ----

    def get(self, part, path, **query):
        address = self.url(part) + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        with urllib.request.urlopen(address, timeout=10) as reply:
            return json.load(reply)

    def post(self, part, path, body, method="POST"):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url(part) + path, json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read(500).decode()}") from error

    def query(self, expr):
        return self.get("prometheus", "/api/v1/query", query=expr)["data"]["result"]

    def alerts(self):
        """Our alerts that Alertmanager has firing."""
        return self.get("alertmanager", "/api/v2/alerts", filter=OURS)

    def incidents(self, **query):
        return self.get("analyzer", "/api/v1/incidents", **query)["incidents"]

    def wait(self, what, condition, seconds=90.0):
        """The condition's value once it is true. Fails with the analyzer's last words."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                value = condition()
            except (urllib.error.URLError, OSError, KeyError):
                value = None
            if value:
                return value
            time.sleep(0.3)
        log = self.running["analyzer"].tail(25) if "analyzer" in self.running else ""
        raise AssertionError(f"{what}: not within {seconds:g} s\n{log}")

    def scored(self):
        """Whether the analyzer has completed a cycle of the present."""
        servers_now = self.get("analyzer", "/api/v1/servers", limit=1)["servers"]
        return servers_now and servers_now[0]["time"]


def env():
    return {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


@contextmanager
def judged(folder, faults, **options):
    """A whole Stack whose analyzer has judged the last 75 minutes, with these faults in them, and a first live cycle."""
    with stack(folder, **options) as world:
        world.start_servers()
        world.seed(faults)
        world.start_exporter()
        world.start_analyzer()
        world.wait("first live cycle", world.scored, 120)
        yield world


@contextmanager
def stack(folder, **options):
    """A Stack that is ended whatever happens."""
    made = Stack(folder, **options)
    try:
        yield made
    finally:
        made.stop()
