"""Flat rows for Grafana: its own field names, an empty array while there is nothing."""

from dataclasses import replace

import pytest

from analyzer.api.webhook import normalise
from analyzer.records import Explanation, Text, Topology
from tests.analyzer.reports import INCIDENT, NOW, forecast, report, series

ROUTES = ["nodes", "edges", "annotations", "incidents", "explanations", "forecasts", "servers"]
ALERT = {
    "status": "firing",
    "labels": {"alertname": "High<b>", "instance": "web-01"},
    "startsAt": "2026-09-21T14:00:00Z",
    "fingerprint": "f00d",
}


async def explained(api, *alerts):
    """Alerts of others that were stored and explained."""
    await api.store.put_webhook(normalise({"groupKey": "g", "alerts": list(alerts)}, NOW))
    words = Text("High<b> on web-01: fine", ("It fired & we see nothing.",), ())
    await api.store.put_explanation(Explanation("f00d", NOW, {"en": words, "ko": words}, 0.3, "local"))


@pytest.mark.parametrize("route", ROUTES)
async def test_before_the_first_cycle_there_are_no_rows(api, route):
    assert await api.get(f"/grafana/{route}") == (200, [])


async def test_nodes_are_worst_first_and_their_arcs_add_up(api):
    api.board = report(series(("cpu", "a"), ("cpu", "b")), health={"a": 80.0, "b": 30.0}).board
    _, rows = await api.get("/grafana/nodes")
    assert [(r["id"], r["mainStat"], r["subTitle"]) for r in rows] == [("b", "30%", "web"), ("a", "80%", "web")]
    assert rows[0]["arc__healthy"] + rows[0]["arc__unhealthy"] == 1.0


async def test_edges_join_nodes_that_are_shown(api):
    made = report(series(("cpu", "a"), ("cpu", "b"))).board
    api.board = replace(made, topology=Topology((("a", "b"), ("a", "b"), ("a", "elsewhere"))))
    assert (await api.get("/grafana/edges"))[1] == [{"id": "a->b", "source": "a", "target": "b"}]


async def test_forecasts_come_soonest_first_and_only_where_there_is_a_limit_in_sight(api):
    table = series(("disk", "a"), ("disk", "b"), ("disk", "c"))
    made = forecast(table)
    made.until_limit[:] = [7200.0, 60.0, float("nan")]
    api.board = report(table, forecast=made).board
    _, rows = await api.get("/grafana/forecasts")
    assert [(r["hostname"], r["seconds"], r["limit"]) for r in rows] == [("b", 60.0, 1.0), ("a", 7200.0, 1.0)]
    assert rows[0]["eta"] == "2026-09-21T14:14:20.000Z"


async def test_servers_are_a_table(told):
    _, rows = await told.get("/grafana/servers")
    assert (rows[0]["hostname"], rows[0]["incidents"], rows[0]["depends_on"]) == ("web-01", 1, "")


async def test_an_open_incident_is_an_annotation_without_an_end(told):
    _, rows = await told.get("/grafana/annotations", lang="ko")
    assert rows == [
        {
            "id": "inc1", "time": "2026-09-21T14:08:20.000Z", "timeEnd": None, "title": "web-01 CPU 93%",
            "text": "CPU가 93%입니다. 평소는 41%입니다.", "tags": "warning,cpu_runaway,web-01",
        }
    ]  # fmt: skip


async def test_an_alert_of_others_stands_next_to_incidents_and_ends_with_it(told):
    await explained(told, ALERT)
    _, rows = await told.get("/grafana/annotations")
    assert [(r["id"], r["timeEnd"]) for r in rows] == [("inc1", None), ("f00d", None)]
    await explained(told, ALERT | {"status": "resolved", "endsAt": "2026-09-21T14:10:00Z"})
    _, rows = await told.get("/grafana/annotations")
    assert rows[1]["timeEnd"] == "2026-09-21T14:10:00.000Z"
    assert [r["id"] for r in (await told.get("/grafana/explanations"))[1]] == ["inc1", "f00d"]


async def test_alerts_outside_the_span_are_not_shown(told):
    await explained(told, ALERT, ALERT | {"status": "resolved", "endsAt": "2026-09-21T14:01:00Z"})
    _, rows = await told.get("/grafana/annotations", **{"from": "2026-09-21T14:05:00Z"})
    assert [r["id"] for r in rows] == ["inc1"]
    _, rows = await told.get("/grafana/annotations", to="2026-09-21T13:00:00Z")
    assert rows == []


async def test_annotations_hold_no_html(told):
    await explained(told, ALERT)
    _, rows = await told.get("/grafana/annotations")
    assert rows[1]["title"] == "High&lt;b&gt; on web-01: fine"
    assert rows[1]["text"] == "It fired &amp; we see nothing."


async def test_explanations_are_log_lines(told):
    _, rows = await told.get("/grafana/explanations")
    assert rows == [
        {
            "timestamp": "2026-09-21T14:08:20.000Z", "level": "warning", "id": "inc1",
            "body": "web-01 CPU 93%\nCPU is 93%. Usual is 41%.",
        }
    ]  # fmt: skip


async def test_an_incident_without_words_is_listed_all_the_same(api):
    await api.store.put_report(report(incidents=(INCIDENT,), changed=(INCIDENT,)))
    _, rows = await api.get("/grafana/incidents")
    assert (rows[0]["id"], rows[0]["headline"], rows[0]["affected"]) == ("inc1", "", "web-02")
