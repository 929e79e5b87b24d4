"""Who the servers are."""

import pytest

from exporter.fleet import catalog

ORDER = """
web-prod-01 db-master-01 api-gateway-prod k8s-master-01 k8s-worker-01 k8s-worker-02 cache-redis-01 k8s-ingress-01
proxy-nginx-01 analytics-01 monitoring-01 backup-01 mail-01 db-replica-01 web-prod-02 storage-nas-01 ci-runner-01 search-es-01
queue-kafka-01 auth-01
"""


def test_servers_come_in_the_order_of_the_contract():
    assert [server.hostname for server in catalog.build()] == ORDER.split()
    assert [server.id for server in catalog.build()][::19] == ["srv_001", "srv_020"]


def test_dependencies_exist_and_have_no_cycle():
    order = [catalog.MEMBERS[m] for m in catalog.topological()]
    assert len(order) == 20
    for server in catalog.build():
        assert all(order.index(server.hostname) < order.index(on) for on in server.depends_on)


def test_processors_stay_few():
    assert sum(server.cores for server in catalog.build()) / 20 <= 2.6


def test_a_bigger_fleet_goes_on_counting():
    servers = catalog.build(45)
    assert [s.hostname for s in servers if s.role == "web"] == [f"web-prod-{n:02d}" for n in (1, 2, 3, 4, 5)]
    assert servers[20].depends_on == ("api-gateway-prod-02", "cache-redis-02", "storage-nas-02")
    assert len({s.hostname for s in catalog.build(1000)} | {s.ip for s in catalog.build(1000)}) == 2000


@pytest.mark.parametrize("size", [0, -1, 10_001])
def test_a_fleet_has_bounds(size):
    with pytest.raises(ValueError, match=r"outside 1\.\.10000"):
        catalog.build(size)
