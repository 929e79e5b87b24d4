"""The whole loop on real servers: a planted fault becomes one incident, one alert with words in both languages, and series."""

import time

import pytest

from tests.e2e.stack import judged

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]
FAULTS = [
    ("memory_leak", "mail-01", 0.8, 3000, 5400),
    ("cpu_runaway", "search-es-01", 0.8, 1200, 5400),
    ("db_slow", "db-master-01", 0.8, 1200, 5400),
    ("disk_fill", "storage-nas-01", 0.9, 3600, 9000),
    ("crash", "auth-01", 1.0, 240, 5400),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f[0])
def test_a_planted_fault_becomes_one_incident_with_the_right_root_and_kind_and_one_alert(tmp_path, fault):
    with judged(tmp_path, [fault]) as world:
        world.wait("alert", world.alerts, 60)
        time.sleep(2 * world.interval)
        paging = [i for i in world.incidents() if i["pages"]]
        assert [(i["hostname"], i["kind"]) for i in paging] == [(fault[1], fault[0])]
        alerts = world.alerts()
        assert [a["labels"]["instance"] for a in alerts] == [fault[1]]
        assert {"summary", "description", "summary_ko", "description_ko", "runbook_url"} <= alerts[0]["annotations"].keys()


def test_benign_kinds_page_nobody(tmp_path):
    benign = [("traffic_surge", "web-prod-01", 0.8, 2400, 5400), ("batch_job", "analytics-01", 0.8, 1800, 2400)]
    with judged(tmp_path, benign) as world:
        time.sleep(5 * world.interval)
        assert world.alerts() == []
        assert [i["kind"] for i in world.incidents() if i["pages"]] == []
