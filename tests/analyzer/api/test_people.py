"""Feedback and maintenance windows over the API."""

import pytest

from analyzer.store import queries
from tests.analyzer.reports import NOW

WINDOW = {"from": "2026-09-21T15:00:00Z", "to": "2026-09-21T16:00:00Z", "host": "web-*", "reason": "kernel", "signals": ["cpu"]}


async def test_feedback_is_kept_with_the_incident(told):
    assert (await told.post("/api/v1/incidents/inc1/feedback", {"verdict": "wrong", "note": "a drill"}))[0] == 200
    _, body = await told.get("/api/v1/incidents/inc1")
    assert body["feedback"] == [{"time": "2026-09-21T14:13:20.000Z", "verdict": "wrong", "note": "a drill", "undone": None}]


async def test_what_a_verdict_moves_is_answered_and_listed(told):
    _, made = await told.post("/api/v1/incidents/inc1/feedback", {"verdict": "wrong", "note": "a drill"})
    assert made["moves"] == [{"signal": "cpu", "before": 1.0, "after": 1.25}]
    _, body = await told.get("/api/v1/feedback")
    assert body["edges"] == [{"hostname": "web-01", "signal": "cpu", "edge": 1.25}]
    assert body["bounds"] == {"step": 1.25, "lowest": 1.0, "highest": 2.0}
    row = body["feedback"][0]
    assert {k: row[k] for k in ("incident", "time", "who", "verdict", "note", "hostname", "kind", "signals")} == {
        "incident": "inc1", "time": "2026-09-21T14:13:20.000Z", "who": "", "verdict": "wrong", "note": "a drill",
        "hostname": "web-01", "kind": "cpu_runaway", "signals": ["cpu"],
    }  # fmt: skip


async def test_a_verdict_said_twice_counts_once_and_another_takes_its_place(told):
    for verdict in ("wrong", "wrong", "expected", "expected"):
        assert (await told.post("/api/v1/incidents/inc1/feedback", {"verdict": verdict}))[0] == 200
    _, body = await told.get("/api/v1/feedback")
    assert [(row["verdict"], row["moves"]) for row in body["feedback"]] == [("expected", [])]
    assert body["edges"] == []
    assert told.heard == 2


async def test_a_verdict_is_taken_back(told):
    await told.post("/api/v1/incidents/inc1/feedback", {"verdict": "wrong"})
    assert (await told.send("DELETE", "/api/v1/incidents/inc1/feedback"))[0] == 200
    assert (await told.send("DELETE", "/api/v1/incidents/inc1/feedback"))[0] == 404
    _, body = await told.get("/api/v1/feedback")
    assert (body["feedback"], body["edges"], told.heard) == ([], [], 2)
    assert (await told.get("/api/v1/incidents/inc1"))[1]["feedback"][0]["undone"] == "2026-09-21T14:13:20.000Z"


@pytest.mark.parametrize(
    ("query", "rows", "edges"),
    [({"server": "web-01"}, 1, 1), ({"server": "web-02"}, 0, 0), ({"signal": "cpu"}, 1, 1), ({"signal": "disk"}, 0, 0)],
)
async def test_what_was_said_is_filtered(told, query, rows, edges):
    await told.post("/api/v1/incidents/inc1/feedback", {"verdict": "wrong"})
    _, body = await told.get("/api/v1/feedback", **query)
    assert (len(body["feedback"]), len(body["edges"])) == (rows, edges)


async def test_too_many_windows_or_verdicts_are_refused_and_say_why(told, monkeypatch):
    monkeypatch.setattr(queries, "MOST_WINDOWS", 0)
    monkeypatch.setattr(queries, "MOST_VERDICTS", 0)
    for path, body in (("/api/v1/maintenance", WINDOW), ("/api/v1/incidents/inc1/feedback", {"verdict": "wrong"})):
        status, answer = await told.post(path, body)
        assert (status, answer["error"]) == (409, "too_many")
        assert "take some back" in answer["detail"]


async def test_feedback_about_nothing_is_404(told):
    assert (await told.post("/api/v1/incidents/nobody/feedback", {"verdict": "wrong"}))[0] == 404


async def test_a_window_is_declared_listed_and_taken_back(api):
    status, made = await api.post("/api/v1/maintenance", WINDOW)
    assert (status, made["from"], made["host"], made["signals"]) == (201, "2026-09-21T15:00:00.000Z", "web-*", ["cpu"])
    _, body = await api.get("/api/v1/maintenance")
    assert body["maintenance"] == [made]
    assert (await api.send("DELETE", f"/api/v1/maintenance/{made['id']}"))[0] == 200
    assert (await api.get("/api/v1/maintenance"))[1]["total"] == 0
    assert api.changed == 2


async def test_a_window_ended_long_ago_is_not_listed(api):
    await api.post("/api/v1/maintenance", {"from": NOW - 90_000, "to": NOW - 86_401})
    await api.post("/api/v1/maintenance", {"from": NOW - 90_000, "to": NOW - 86_399})
    assert (await api.get("/api/v1/maintenance"))[1]["total"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "2026-09-21T15:00:00Z"}, {"to": "2026-09-21T14:00:00Z"}, {"from": "soon"}, {"from": -1}, {"from": 1e300},
        {"from": True}, {"from": None}, {"host": 7}, {"host": ""}, {"signals": "cpu"}, {"colour": "red"}, {"reason": "x" * 1001},
    ],
)  # fmt: skip
async def test_a_window_that_cannot_be_meant_is_refused(api, wrong):
    status, body = await api.post("/api/v1/maintenance", WINDOW | wrong)
    assert (status, body["error"]) == (422, "schema")
    assert api.changed == 0


@pytest.mark.parametrize("wrong", [{}, {"verdict": "maybe"}, {"verdict": "right", "x": 1}, [], "right", {"verdict": ["right"]}])
async def test_feedback_that_cannot_be_meant_is_refused(told, wrong):
    status, body = await told.post("/api/v1/incidents/inc1/feedback", wrong)
    assert (status, body["error"]) == (422, "schema")
