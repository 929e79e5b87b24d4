"""P10, P13, P14 on both services as a user starts them: answers among the dead, TLS and passwords, an end within five seconds."""

import base64
import http.client
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request

import pytest

from tests.both import both
from tests.service.test_auth import hashed
from tests.service.test_tls import Authority

SERVICES = ("exporter", "analyzer")


def status(service, context, password=None, path="/metrics", method="GET"):
    """What an HTTPS request is answered."""
    headers = {"Authorization": "Basic " + base64.b64encode(f"om:{password}".encode()).decode()} if password else {}
    to = http.client.HTTPSConnection("localhost", service.address[1], context=context, timeout=5)
    try:
        to.request(method, path, headers=headers)
        return to.getresponse().status
    finally:
        to.close()


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """Both behind TLS and a password, beyond loopback."""
    folder = tmp_path_factory.mktemp("closed")
    authority = Authority(folder)
    authority.issue()
    web = authority.config("basic_auth_users:", f"  om: {hashed('first')}")
    with both(folder, "0.0.0.0", f"--web.config.file={web}") as found:
        for service in found.values():
            until(lambda service=service: answers(service, authority))
        yield found, authority


def until(check, seconds=15):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(service, authority):
    try:
        return status(service, authority.client()) == 401
    except OSError:
        return False


@pytest.mark.parametrize("name", SERVICES)
def test_p13_nobody_is_let_in_without_the_password_and_nothing_is_said_in_clear(closed, name):
    found, authority = closed
    service = found[name]
    assert [status(service, authority.client(), password) for password in (None, "wrong", "first")] == [401, 401, 200]
    assert status(service, authority.client(), None, "/-/reload", "POST") == 401
    assert service.ask("GET", "/metrics").status == 400
    with pytest.raises(ssl.SSLError), socket.create_connection(service.address) as to:
        ssl.create_default_context().wrap_socket(to, server_hostname="localhost")


@pytest.mark.parametrize("name", SERVICES)
def test_p13_a_change_with_the_password_is_let_in_beyond_loopback(closed, name):
    found, authority = closed
    assert status(found[name], authority.client(), "first", "/-/reload", "POST") == 200
    assert "without auth" not in found[name].log


def test_p13_a_new_password_is_taken_without_a_restart(closed):
    found, authority = closed
    before = {name: service.running.process.pid for name, service in found.items()}
    authority.config("basic_auth_users:", f"  om: {hashed('second')}")
    for service in found.values():
        assert [status(service, authority.client(), password) for password in ("first", "second")] == [401, 200]
    authority.config("basic_auth_users:", f"  om: {hashed('first')}")
    assert before == {
        name: service.running.process.pid for name, service in found.items() if service.running.process.poll() is None
    }
    for service in found.values():
        assert "first" not in service.log
        assert "second" not in service.log.replace("seconds", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dead")


@pytest.fixture(scope="module")
def among_the_dead(folder):
    """Both services; everything that the analyzer talks to takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        hanging = f"http://127.0.0.1:{server.getsockname()[1]}"
        config = (
            f"reader: {{url: '{hanging}', interval: 1s, scrape_interval: 1s, timeout: 2s}}\n"
            f"alerting: {{mode: 'on', alertmanagers: [{{url: '{hanging}'}}]}}\n"
            f"state: {{directory: {folder / 'state'}}}\n"
        )
        with both(folder, config=config) as found:
            yield found


def scrape(service):
    """Seconds that a scrape took."""
    began = time.monotonic()
    assert "openmanager_build_info" in service.metrics()
    return time.monotonic() - began


def held(service):
    """(threads, file descriptors) of a service."""
    import psutil

    process = psutil.Process(service.running.process.pid)
    return process.num_threads(), process.num_fds()


def test_p10_metrics_answer_although_every_neighbour_hangs(among_the_dead):
    analyzer = among_the_dead["analyzer"]
    time.sleep(3)
    before = held(analyzer)
    took = []
    for _ in range(100):
        took.append(scrape(analyzer))
        time.sleep(0.05)
    assert sorted(took)[94] < 0.1  # a machine shared with others loses a few
    threads, files = held(analyzer)
    assert threads - before[0] <= 2
    assert files - before[1] <= 6
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(analyzer.running.url + "/-/ready", timeout=5)


@pytest.mark.parametrize("name", SERVICES)
def test_sighup_and_the_route_reload_it(among_the_dead, name):
    service = among_the_dead[name]
    service.running.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration reloaded" in service.log)
    assert service.ask("POST", "/-/reload", b"").status == 200
    assert "openmanager_config_last_reload_successful 1.0" in service.metrics()


def test_a_bad_configuration_keeps_the_old_one_and_says_where_it_is_wrong(among_the_dead, folder):
    analyzer, file = among_the_dead["analyzer"], folder / "analyzer.yml"
    good = file.read_text()
    file.write_text(good + "readre: {}\n")
    reply = analyzer.ask("POST", "/-/reload", b"")
    assert 400 <= reply.status <= 500
    assert "readre" in reply.json()["detail"]
    assert "analyzer.yml:4" in reply.json()["detail"]
    assert "openmanager_config_last_reload_successful 0.0" in analyzer.metrics()
    file.write_text(good)
    assert analyzer.ask("POST", "/-/reload", b"").status == 200
    assert "openmanager_config_last_reload_successful 1.0" in analyzer.metrics()


@pytest.mark.parametrize("name", SERVICES)
def test_p14_sigterm_ends_it_within_five_seconds_whatever_hangs_and_whoever_is_connected(among_the_dead, name):
    service = among_the_dead[name]  # the last tests of this file: nothing is left afterwards
    time.sleep(2)
    idle = [socket.create_connection(service.address) for _ in range(20)]
    for to in idle[:10]:
        to.sendall(b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    began = time.monotonic()
    service.running.process.send_signal(signal.SIGTERM)
    code = service.running.process.wait(10)
    took = time.monotonic() - began
    for to in idle:
        to.close()
    assert (code, took < 5) == (0, True)
    assert "Traceback" not in service.log
