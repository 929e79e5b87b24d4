"""Both services as a user starts them, and a client that sends them any bytes."""

import json
import re
import socket
import sys
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from aiohttp import web

from analyzer.api.app import ROUTES
from deploy.local.servers import Running, free_port, start
from exporter.fleet.web import add_fleet_routes
from tests.service.conftest import Reply

FORGED = re.compile(r"^(?!ts=)", re.MULTILINE)
NAMES = {"id": "x", "hostname": "web-prod-01"}


@dataclass
class Service:
    """A running service and everything it said."""

    name: str
    running: Running

    @property
    def address(self):
        return "127.0.0.1", int(self.running.url.rsplit(":", 1)[1])

    @property
    def log(self):
        return self.running.log.read_text()

    def send(self, data, seconds=10.0):
        """Any bytes -> the answer, read to its end."""
        got = bytearray()
        with socket.create_connection(self.address, seconds) as to:
            try:
                to.sendall(data)
                while not whole(got) and (chunk := to.recv(65536)):
                    got += chunk
            except ConnectionError:
                pass  # it was refused while we were still sending: what came before counts
        return Reply(bytes(got), closed=not whole(got))

    def ask(self, method, path, body=None, *headers):
        head = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost", b"Connection: close", *headers]
        if body is not None:
            head += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
        return self.send(b"\r\n".join(head) + b"\r\n\r\n" + (body or b""))

    def metrics(self):
        """A scrape."""
        with urllib.request.urlopen(self.running.url + "/metrics", timeout=10) as page:
            return page.read().decode()

    def must_be_well(self):
        """It answers a scrape, has met no fault of its own, and nobody has written its log."""
        assert "openmanager_build_info" in self.metrics()
        log = self.log.rstrip("\n")
        assert "Traceback" not in log
        assert "level=error" not in log
        assert FORGED.search(log) is None
        assert not any(sign in log for sign in ("\x1b", "\r", "\u202e"))


def whole(got):
    """Whether an answer has come to its announced end."""
    head, end, body = bytes(got).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length[1]))


def routes(name):
    """(method, path) of every route of a service, with names in place of what varies."""
    kit = [("GET", path) for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/api/health")] + [("POST", "/-/reload")]
    if name == "analyzer":
        own = [(method, path) for method, path, _ in ROUTES]
    else:
        app = web.Application()
        add_fleet_routes(app, None, None)
        own = [(r.method, r.resource.canonical) for r in app.router.routes() if r.method != "HEAD"] + [("GET", "/api/host")]
    return [(method, path.format(**NAMES)) for method, path in kit + own]


def analyzer_yml(folder, exporter_url):
    """A small analyzer that scrapes the exporter itself."""
    return json.dumps(
        {
            "reader": {
                "source": "embedded", "sd_urls": [f"{exporter_url}/sd"], "presets": ["node", "fleet"],
                "interval": "2s", "scrape_interval": "2s", "history": "1m", "judge_last": 0,
            },
            "state": {"directory": str(folder / "state")},
        }
    )  # fmt: skip


@contextmanager
def both(folder, host="127.0.0.1", *flags, config=None):
    """{"exporter": Service, "analyzer": Service}, listening on `host`; ended when left."""
    with ExitStack() as ends:
        found = {}
        for name in ("exporter", "analyzer"):
            port = free_port()
            words = [f"--web.listen-address={host}:{port}", *flags]
            if name == "exporter":
                words.append("--fleet.deploy-interval=0s")
            else:
                (folder / "analyzer.yml").write_text(config or analyzer_yml(folder, found["exporter"].running.url))
                words.append(f"--config.file={folder / 'analyzer.yml'}")
            running = start(name, [sys.executable, "-m", name, *words], url=f"http://127.0.0.1:{port}", folder=folder)
            ends.callback(running.stop)
            found[name] = Service(name, running)
            if not flags:
                running.wait_ready("/-/healthy")
        yield found
