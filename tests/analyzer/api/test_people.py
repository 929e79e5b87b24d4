"""Feedback and maintenance windows over the API."""

import pytest

from tests.analyzer.reports import NOW

WINDOW = {"from": "2026-09-21T15:00:00Z", "to": "2026-09-21T16:00:00Z", "host": "web-*", "reason": "kernel", "signals": ["cpu"]}


async def test_feedback_is_kept_with_the_incident(told):
    assert (await told.post("/api/v1/incidents/inc1/feedback", {"verdict": "wrong", "note": "a drill"}))[0] == 200
    _, body = await told.get("/api/v1/incidents/inc1")
    assert body["feedback"] == [{"time": "2026-09-21T14:13:20.000Z", "verdict": "wrong", "note": "a drill"}]


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
