"""Every check of the compose file passes as it stands, and fails when it should."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy import compose

pytestmark = pytest.mark.servers  # flags are looked up in the real programs


@pytest.mark.parametrize("check", compose.ALL, ids=lambda check: check.__name__)
def test_nothing_is_wrong(check: Callable[[compose.Compose], list[str]]) -> None:
    assert check(compose.load()) == []


def spoilt(service: str, **changes: Any) -> dict[str, Any]:
    parsed = copy.deepcopy(compose.load())
    parsed["services"][service] |= changes
    return parsed


SPOILT = [
    (compose.schema, {"service": "exporter", "privileged": True}, "privileged"),
    (compose.schema, {"service": "grafana", "image": "grafana/grafana:latest"}, "grafana:latest"),
    (compose.schema, {"service": "prometheus", "ports": ["9090:9090"]}, "9090:9090"),
    (compose.mounts, {"service": "analyzer", "volumes": ["./deploy/compose/nothing.yml:/etc/openmanager:ro"]}, "nothing.yml"),
    (compose.mounts, {"service": "analyzer", "volumes": ["secrets:/run/openmanager:ro"]}, "analyzer.yml is not mounted"),
    (compose.mounts, {"service": "exporter", "volumes": ["elsewhere:/run/openmanager"]}, "volume elsewhere is not declared"),
    (compose.secrets, {"service": "prometheus", "user": "10180:10180"}, "cannot read prometheus.token"),
    (compose.secrets, {"service": "exporter", "command": ["/run/openmanager/other.yml"]}, "nobody makes other.yml"),
    (compose.ports, {"service": "analyzer", "ports": ["127.0.0.1:10181:10182"]}, "listens on 10181"),
    (compose.ports, {"service": "grafana", "environment": {"OPENMANAGER_URL": "http://analyser:10181"}}, "no service analyser"),
    (compose.ports, {"service": "alertmanager", "command": ["--web.external-url=http://localhost:9094"]}, "9094 is not published"),
    (compose.variables, {"service": "analyzer", "environment": {"TZ": "${TZ}"}}, "TZ has no default"),
    (compose.variables, {"service": "grafana", "environment": {}}, "PROMETHEUS_URL is not set"),
    (compose.flags, {"service": "prometheus", "command": ["--web.enable-remote-write-reciever"]}, "write-reciever"),
    (compose.flags, {"service": "analyzer", "command": ["openmanager-analyzer", "--config=x"]}, "has no --config"),
    (compose.flags, {"service": "history", "command": ["python", "-m", "deploy.compose.history", "--weeks=1"]}, "has no --weeks"),
    (compose.image, {"service": "exporter", "user": "1000:1000"}, "user 1000:1000 is not the image's"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "change", "said"), SPOILT, ids=[f"{c.__name__}: {said}" for c, _, said in SPOILT])
def test_what_is_spoilt_is_found(check: Callable[[compose.Compose], list[str]], change: dict[str, Any], said: str) -> None:
    found = check(spoilt(change.pop("service"), **change))
    assert any(said in problem for problem in found), found
