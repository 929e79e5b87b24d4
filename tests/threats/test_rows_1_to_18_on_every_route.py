"""Threat rows 1 to 11, 13 and 16 to 18 against every route of both services as a user starts them: refused, and well afterwards.

What a refusal looks like in all its parts is shown in tests/service/test_threats.py; here, that no route has been left out.
"""

import json
import re
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.servers import need
from tests.both import both, routes
from tests.service.test_threats import CASES, bomb

SERVICES = ("exporter", "analyzer")
BODIES = [row for row in CASES if re.match(r"row (1|2|3|4|5|6|8|9|10|11):", row)]
SOCKETS = [row for row in CASES if re.match(r"row (13|16):", row)]
EMPTY_IS_FINE = ("/api/servers/", "/-/reload")  # these take a body or none
NEVER_413 = "/webhook/alertmanager"  # Alertmanager gives a notification up after one 4xx: too much is a 503
TIMES = ["NaN", "1e999", "soon", "-1", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "1e18", "%00", "2026-02-30T00:00:00Z"]
JUNK = [
    *TIMES,
    "x" * 3000,
    "%ff%fe",
    "%ed%a0%80",
    "99999999999999999999",
    "1_000",
    "..%2f",
    "(a%2B)%2B%24",
    "%0d%0aX:1",
    "%22%7D%20or%20up",
]
ARGUMENTS = (
    "limit",
    "offset",
    "from",
    "to",
    "server",
    "signal",
    "severity",
    "state",
    "lang",
    "target",
    "host",
    "step",
    "start",
    "end",
)
WAYS = ["..%2f..%2fetc%2fpasswd", "%252e%252e%252fx", "..%5cx", "a%00", "%ff", "x" * 3000, "%E2%80%AE", "a%0d%0ab", "%zz"]


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    with both(tmp_path_factory.mktemp("both")) as found:
        found["analyzer"].running.wait_ready("/-/ready")
        yield found


@pytest.fixture
def service(services, request):
    """The one that the test's parameter names, and well when the test is over."""
    found = services[request.param]
    yield found
    found.must_be_well()


each = pytest.mark.parametrize("service", SERVICES, indirect=True)


def must_be_an_answer(reply, row, where):
    """Not our fault, strict JSON where it says so, and no refusal without its three parts."""
    assert 200 <= reply.status < 500 or (reply.status, where) == (503, NEVER_413), (row, where, reply.raw[:300])
    if reply.status >= 400:
        assert set(reply.json()) == {"error", "detail", "request_id"}, (row, where)
    elif b"application/json" in reply.raw.partition(b"\r\n\r\n")[0]:
        reply.json()


def test_both_have_their_routes():
    found = {name: {path for _, path in routes(name)} for name in SERVICES}
    assert {"/sd", "/fleet/metrics", "/api/host", "/api/fleet/faults"} <= found["exporter"]
    assert {"/analyze", "/webhook/alertmanager", "/api/v1/incidents", "/grafana/nodes"} <= found["analyzer"]


@pytest.mark.parametrize("row", BODIES)
@each
def test_a_bad_body_is_refused_by_every_route_that_reads_one(service, row):
    data, status, error, _ = CASES[row]
    data = (
        data
        or b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb()) + bomb()
    )
    for method, path in routes(service.name):
        if method in ("GET", "DELETE") or (row == "row 8: chunk flood" and takes_more(path, row)):
            continue  # the flood is no more than these take: they wait for its end
        reply = service.send(
            data.replace(b"POST /echo", f"{method} {path}".encode(), 1).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        )
        must_be_an_answer(reply, row, path)
        if path.startswith(EMPTY_IS_FINE) and (row == "row 1: empty" or path.endswith(("reset", "reload"))):
            continue
        assert reply.status == (503 if path == NEVER_413 and status == 413 else status) or takes_more(path, row), (
            path,
            reply.raw[-200:],
        )
        if reply.status == status:
            assert reply.json()["error"] == error


def takes_more(path, row):
    """Routes whose bodies may be larger than one MiB meet what follows."""
    return path in ("/analyze", "/api/v1/predict", NEVER_413) and row.startswith(("row 8", "row 9"))


@pytest.mark.parametrize("row", SOCKETS)
@each
def test_a_request_that_cannot_be_trusted_is_refused(service, row):
    data, status, error, entry = CASES[row]
    reply = service.send(data)
    must_be_an_answer(reply, row, "")
    assert reply.status == status
    if error is not None:
        assert reply.json()["error"] == error
        assert rejected(service, entry, error) >= 1


@each
def test_row_7_what_does_not_fit_is_422_with_its_place(service):
    fault = {"kind": "crash", "server": "web-prod-01"}
    wrong = {
        "exporter": {
            "/api/fleet/faults": [{"kind": 1, "server": "x"}, {"kind": "crash"}, [], fault | {"no": 1}],
            "/api/servers/next": [{"currentCount": "1"}, {"reset": 1}, 5, {"extra": 1}],
        },
        "analyzer": {
            "/analyze": [{}, [], {"metrics": {}}, {"metrics": [{"cpu": "high"}]}, {"metrics": [5]}, {"metrics": [], "x": 1}],
            "/api/v1/maintenance": [{}, {"from": 1, "to": True}, {"from": 5, "to": 1}, {"from": "soon", "to": "later"}, [1]],
            "/api/v1/incidents/x/feedback": [{}, {"verdict": "perhaps"}, {"verdict": ["right"]}],
        },
    }  # fmt: skip
    for path, bodies in wrong[service.name].items():
        for body in bodies:
            reply = service.ask("POST", path, json.dumps(body).encode())
            assert (reply.status, reply.json()["error"]) == (422, "schema"), (path, body, reply.raw[-200:])
        twice = service.ask("POST", path, b'{"a": 1, "a": 2}')
        assert (twice.status, twice.json()["error"]) == (422, "schema")


@each
def test_row_17_no_way_leads_out(service):
    for method, path in routes(service.name):
        for way in WAYS:
            reply = service.ask(method, path.rsplit("/", 1)[0] + "/" + way, b"{}" if method in ("POST", "PUT") else None)
            must_be_an_answer(reply, "row 17", path)
            assert b"root:" not in reply.raw
    reply = service.ask("GET", "/..%2f..%2fetc%2fpasswd")
    assert (reply.status, reply.json()["error"]) == (404, "bad_path")


@each
def test_row_18_no_argument_is_our_fault(service):
    for method, path in routes(service.name):
        if method == "GET" and path != "/api/host":
            for value in JUNK:
                reply = service.ask(method, f"{path}?" + "&".join(f"{name}={value}" for name in ARGUMENTS))
                must_be_an_answer(reply, value, path)


@pytest.mark.parametrize(
    "path", ["/api/v1/incidents", "/api/v1/findings", "/api/v1/suppressions", "/grafana/annotations", "/grafana/incidents"]
)
def test_row_18_times_that_are_none_are_400(services, path):
    for query in [*(f"from={value}" for value in TIMES), "from=2000&to=1000", "limit=0", "limit=1e9", "offset=-1", "from=1&from=2"]:
        reply = services["analyzer"].ask("GET", f"{path}?{query}")
        assert (reply.status, reply.json()["error"]) in ((400, "bad_argument"), (400, "bad_range")), query


@each
def test_methods_that_a_route_does_not_have_are_405(service):
    for method in ("TRACE", "PATCH", "CONNECT"):
        for path in {path for _, path in routes(service.name)}:
            must_be_an_answer(service.ask(method, path), method, path)


@each
def test_rows_9_and_10_many_refusals_leave_no_memory_behind(service):
    import psutil

    process = psutil.Process(service.running.process.pid)
    rows, path = (
        ("row 9: gzip of 512 MiB", "row 10: 45,000 empty gzip members"),
        {"exporter": "/api/fleet/faults", "analyzer": "/api/v1/maintenance"},
    )
    bodies = [bomb(), CASES[rows[1]][0].partition(b"\r\n\r\n")[2]]

    def flood():
        for body in bodies * 5:
            assert service.ask("POST", path[service.name], body, b"Content-Encoding: gzip").status in (400, 413)
        return process.memory_info().rss

    assert flood() > 0
    before = process.memory_info().rss
    assert flood() - before < 32 * 2**20


def rejected(service, entry, reason):
    """How often the service says that it refused this."""
    samples = [s for family in text_string_to_metric_families(service.metrics()) for s in family.samples]
    return sum(
        s.value for s in samples
        if s.name == "openmanager_rejected_total" and (s.labels["entry"], s.labels["reason"]) == (entry, reason)
    )  # fmt: skip


@pytest.mark.servers
@each
def test_row_6_and_33_the_page_is_clean_afterwards(service):
    service.ask("POST", "/analyze", b'{"metrics": [{"\\ud800": 1}]}')
    own = "".join(line + "\n" for line in service.metrics().splitlines() if "openmanager_" in line.partition("{")[0])
    done = subprocess.run([need("promtool"), "check", "metrics"], input=own.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
