"""docker-compose.yml's commands, configuration and generated tokens, run together on this machine without containers."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.compose import alive, tokens
from deploy.local import servers
from tests.deploy import compose, stack

pytestmark = pytest.mark.servers
PORTS = {"prometheus": 9090, "alertmanager": 9093, "exporter": 10180, "analyzer": 10181}
STORES = {"/prometheus": "tsdb", "/alertmanager": "nflog", "/var/lib/openmanager": "state"}


@dataclass
class Stack:
    folder: Path
    url: dict[str, str]

    def get(self, service: str, path: str, token: str | None = None) -> object:
        headers = {"Authorization": f"Bearer {(self.folder / token).read_text().strip()}"} if token else {}
        with urllib.request.urlopen(urllib.request.Request(self.url[service] + path, headers=headers), timeout=10) as reply:
            return json.load(reply)


def command(name: str, folder: Path, port: int) -> list[str]:
    """A service's command line as compose gives it, with this machine's paths and port."""
    words = [str(word) for word in compose.load()["services"][name]["command"]]
    words = [stack.secrets_here(word, folder).replace(f"/etc/{name}/", f"{folder}/") for word in words]
    words = [word.replace("/etc/openmanager/", f"{folder}/") for word in words if "listen-address=0" not in word]
    for inside, here in STORES.items():
        words = [word.replace(f"={inside}", f"={folder / here}") for word in words]
    if name in ("prometheus", "alertmanager"):
        words.insert(0, str(servers.need(name)))
    return [*words, f"--web.listen-address=127.0.0.1:{port}"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    ports = {name: servers.free_port() for name in PORTS}
    here = {f"{name}:{port}": f"127.0.0.1:{ports[name]}" for name, port in PORTS.items()}
    here |= {"localhost:9090": here["prometheus:9090"], "/var/lib/openmanager": str(folder / "state")}
    tokens.make(folder, renew=False, chown=False)
    for file in compose.CONFIGS:
        (folder / file).write_text(stack.rewritten(file, folder, here))
    started = []
    try:
        for name, port in ports.items():
            words = command(name, folder, port)
            if name == "exporter":
                words.append("--fleet.size=2")
            words[0] = str(Path(sys.executable).with_name(words[0])) if words[0].startswith("openmanager") else words[0]
            url = f"http://127.0.0.1:{port}"
            started.append(servers.start(name, words, url=url, folder=folder, env={"TZ": "UTC", "OPENBLAS_NUM_THREADS": "1"}))
        yield Stack(folder, {s.name: s.url for s in started})
    finally:
        for server in reversed(started):
            server.stop()


def eventually(holds: Callable[[], bool], seconds: float = 45) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except (urllib.error.URLError, OSError, LookupError):
            pass  # not up yet
        time.sleep(0.5)
    return False


def test_every_target_is_scraped_with_the_generated_token(running: Stack) -> None:
    def all_up() -> bool:
        targets = running.get("prometheus", "/api/v1/targets?state=active")["data"]["activeTargets"]
        return len(targets) == 6 and all(t["health"] == "up" for t in targets)

    assert eventually(all_up), running.get("prometheus", "/api/v1/targets?state=active")


def test_health_checks_answer(running: Stack) -> None:
    token = str(running.folder / "operator.token")
    for service in ("exporter", "analyzer"):
        assert eventually(lambda s=service: alive.main([running.url[s] + "/-/healthy", token]) == 0)
        assert alive.main([running.url[service] + "/-/healthy"]) == 1
    assert not stack.told(servers.need("promtool"), "query", "instant", running.url["prometheus"], "vector(1)")
    assert not stack.told(servers.need("amtool"), f"--alertmanager.url={running.url['alertmanager']}", "config", "show")


def test_grafana_reads_with_its_token_and_nobody_without(running: Stack) -> None:
    assert eventually(lambda: running.get("analyzer", "/grafana/incidents", "grafana.token") == [])
    with pytest.raises(urllib.error.HTTPError, match="401"):
        running.get("analyzer", "/grafana/incidents")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        running.get("exporter", "/sd", "grafana.token")


def test_alertmanager_reaches_the_webhook_with_its_token(running: Stack) -> None:
    alert = [{"labels": {"alertname": "HostDown", "instance": "web-prod-01", "severity": "critical"}}]
    request = urllib.request.Request(
        running.url["alertmanager"] + "/api/v2/alerts",
        data=json.dumps(alert).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert eventually(lambda: alive.main([running.url["analyzer"] + "/-/healthy", str(running.folder / "operator.token")]) == 0)
    assert eventually(lambda: urllib.request.urlopen(request, timeout=5).status == 200)

    def sent() -> bool:
        with urllib.request.urlopen(running.url["alertmanager"] + "/metrics", timeout=5) as reply:
            lines = dict(line.rsplit(" ", 1) for line in reply.read().decode().splitlines() if line and line[0] != "#")
        asked, failed = (
            float(lines[f'alertmanager_notification_requests{x}_total{{integration="webhook"}}']) for x in ("", "_failed")
        )
        return asked - failed >= 1

    assert eventually(sent)


def test_the_analyzer_writes_its_scores(running: Stack) -> None:
    def written() -> bool:
        answer = running.get("prometheus", "/api/v1/query?query=count(openmanager_health_score)")
        return answer["data"]["result"][0]["value"][1] == "2"

    assert eventually(written)
