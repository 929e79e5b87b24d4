"""Threat row 46: without auth where others reach them, both services can be looked at but not changed, and their start says so."""

import time

import pytest

from tests.both import both, routes

ONLY_COMPUTES = ("/analyze", "/api/v1/predict")  # nothing is changed by a question, however it is sent


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    with both(tmp_path_factory.mktemp("open"), "0.0.0.0") as found:
        yield found


@pytest.mark.parametrize("name", ["exporter", "analyzer"])
def test_every_route_that_changes_something_is_403(services, name):
    changing = [(method, path) for method, path in routes(name) if method != "GET" and path not in ONLY_COMPUTES]
    assert len(changing) >= 5
    for method, path in changing:
        reply = services[name].ask(method, path, b"{}")
        assert (path, reply.status, reply.json()["error"]) == (path, 403, "changes_forbidden")


@pytest.mark.parametrize("name", ["exporter", "analyzer"])
def test_the_start_warns_once(services, name):
    deadline = time.monotonic() + 5
    while "level=warning" not in services[name].log and time.monotonic() < deadline:
        time.sleep(0.05)
    assert services[name].log.count("without auth") == 1


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/sd", "/api/servers"])
def test_what_changes_nothing_is_answered(services, path):
    assert services["exporter"].ask("GET", path).status == 200


def test_strangers_see_no_processes_services_or_logs(services):
    host = services["exporter"].ask("GET", "/api/host").json()
    assert (host.get("processes", []), host.get("services", []), host.get("logs", [])) == ([], [], [])


def test_a_fresh_start_listens_on_loopback_only(tmp_path):
    from analyzer.config import from_text
    from exporter.config import Config

    assert Config().listen == ("127.0.0.1:10180",)
    assert from_text("reader: {url: 'http://127.0.0.1:9090'}\n").server.listen == ("127.0.0.1:10181",)
