"""What the analyzer knows, as JSON: pages, filters, languages, and refusals that say what would fit."""

from dataclasses import replace

import numpy as np
import pytest

from analyzer.api.state import STATE
from analyzer.records import Explanation, Text, Topology
from tests.analyzer.reports import EXPLANATION, FINDING, INCIDENT, NOW, forecast, learning, report, scores, series, suppression

LISTS = ["/api/v1/incidents", "/api/v1/findings", "/api/v1/suppressions"]


async def test_an_incident_is_listed_with_its_words_and_causes(told):
    status, body = await told.get("/api/v1/incidents")
    assert (status, body["total"], body["next"]) == (200, 1, None)
    row = body["incidents"][0]
    assert (row["id"], row["hostname"], row["started"]) == ("inc1", "web-01", "2026-09-21T14:08:20.000Z")
    assert row["explanation"]["headline"] == "web-01 CPU 93%"
    assert row["causes"][0]["kind"] == "cpu_runaway"


async def test_korean_is_spoken_when_asked_for(told):
    _, body = await told.get("/api/v1/incidents/inc1", lang="ko")
    assert body["explanation"]["text"] == "CPU가 93%입니다. 평소는 41%입니다."
    assert body["explanation"]["texts"]["en"]["text"] == "CPU is 93%. Usual is 41%."


async def test_the_configured_language_is_spoken_otherwise(told):
    told.app[STATE].default_language = "ko"
    _, body = await told.get("/api/v1/incidents/inc1")
    assert body["explanation"]["lang"] == "ko"


async def test_words_that_exist_in_one_language_only_are_shown_in_it(told):
    only = replace(EXPLANATION, texts={"en": EXPLANATION.texts["en"]})
    await told.store.put_explanation(only)
    _, body = await told.get("/api/v1/incidents/inc1", lang="ko")
    assert (body["explanation"]["lang"], body["explanation"]["headline"]) == ("en", "web-01 CPU 93%")


async def test_pages_follow_one_another_without_gap_or_repetition(api):
    rows = [replace(INCIDENT, id=f"i{n}", opened=NOW - n) for n in range(5)]
    await api.store.put_report(report(incidents=rows, changed=rows))
    seen, offset = [], 0
    while offset is not None:
        _, body = await api.get("/api/v1/incidents", limit=2, offset=offset)
        seen += [row["id"] for row in body["incidents"]]
        offset = body["next"]
    assert seen == ["i0", "i1", "i2", "i3", "i4"]


async def test_a_page_behind_the_end_is_empty_and_the_last(told):
    _, body = await told.get("/api/v1/incidents", offset=500)
    assert (body["incidents"], body["total"], body["next"]) == ([], 1, None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"server": "web-01"}, 1), ({"server": "web-02"}, 0), ({"signal": "cpu"}, 1), ({"signal": "disk"}, 0),
        ({"severity": "warning"}, 1), ({"severity": "critical"}, 0), ({"state": "open"}, 1), ({"state": "resolved"}, 0),
        ({"from": "2026-09-21T14:00:00Z", "to": "2026-09-21T15:00:00Z"}, 1), ({"to": "2026-09-21T14:00:00Z"}, 0),
        ({"from": str(NOW - 1)}, 1), ({"server": ""}, 1),
    ],
)  # fmt: skip
async def test_incidents_are_filtered(told, query, found):
    status, body = await told.get("/api/v1/incidents", **query)
    assert (status, body["total"]) == (200, found)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "bad_range"), ({"from": "yesterday"}, "bad_argument"),
        ({"limit": "0"}, "bad_argument"), ({"limit": "1001"}, "bad_argument"), ({"limit": "1e3"}, "bad_argument"),
        ({"offset": "-1"}, "bad_argument"), ({"server": "x" * 257}, "bad_argument"), ({"severity": "fatal"}, "bad_argument"),
        ({"state": "closed"}, "bad_argument"), ({"to": "99999-01-01"}, "bad_argument"),
    ],
)  # fmt: skip
async def test_an_argument_that_cannot_be_meant_is_refused(told, path, query, error):
    status, body = await told.get(path, **query)
    assert (status, body["error"]) == (400, error)
    assert told.rejected("query", error) == 1


async def test_a_filter_that_a_list_does_not_have_is_not_silently_passed_over(told):
    status, body = await told.get("/api/v1/findings", severity="info")
    assert (status, body["detail"]) == (400, "severity: what is listed here has none")


@pytest.mark.parametrize("name", ["nobody", "inc2", "a%00b", "%F0%9F%92%A5", "x" * 500, "1' OR '1'='1"])
async def test_what_nobody_knows_is_answered_alike(told, name):
    answers = [await told.get(f"/api/v1/incidents/{name}") for _ in range(2)]
    assert {status for status, _ in answers} == {404}
    assert len({(body["error"], body["detail"]) for _, body in answers}) == 1


async def test_other_unknown_names_are_404_too(told):
    for path in ("/api/v1/servers/nobody", "/api/v1/explanations/nobody", "/api/v1/nothing"):
        assert (await told.get(path))[0] == 404
    assert (await told.send("DELETE", "/api/v1/maintenance/nobody"))[0] == 404


async def test_unknown_numbers_are_null(api):
    unknown = replace(FINDING, score=float("nan"), observed=float("inf"), expected=float("-inf"), onset=float("nan"))
    await api.store.put_report(report(findings=(unknown,)))
    _, body = await api.get("/api/v1/findings")
    row = body["findings"][0]
    assert [row[k] for k in ("score", "observed", "expected", "onset")] == [None, None, None, None]
    assert row["peak"] == 5.0


async def test_suppressions_are_listed_with_their_reason(api):
    await api.store.put_report(replace(report(), suppressions=(suppression(),)))
    _, body = await api.get("/api/v1/suppressions", server="web-01")
    assert body["suppressions"] == [
        {"time": "2026-09-21T14:13:20.000Z", "hostname": "web-01", "signal": "cpu", "reason": "hold", "score": 1.5}
    ]


async def test_before_the_first_cycle_what_is_missing_is_said(api):
    for path in ("/api/v1/servers", "/api/v1/servers/web-01", "/api/v1/readiness"):
        status, body = await api.get(path)
        assert (status, body["error"], body["detail"]) == (503, "not_ready", "learning from history: 40%")
    assert (await api.get("/api/v1/incidents"))[0] == 200


async def test_servers_come_worst_first(api):
    table = series(("cpu", "a"), ("cpu", "b"), ("cpu", "c"))
    api.board = report(table, health={"a": 90.0, "b": 20.0}, server_score={"b": 3.0}).board
    _, body = await api.get("/api/v1/servers", limit=2)
    assert [row["hostname"] for row in body["servers"]] == ["b", "a"]
    assert (body["total"], body["next"]) == (3, 2)
    assert (await api.get("/api/v1/servers", server="c"))[1]["servers"][0]["health"] is None


async def test_a_server_shows_its_signals_bands_forecast_neighbours_and_incidents(told):
    table = series(("cpu", "web-01"), ("disk", "web-01", ("mountpoint", "/")), ("cpu", "web-02"))
    told.board = replace(
        told.board, scores=scores(table), forecast=forecast(table), topology=Topology((("web-02", "web-01"), ("web-01", "db-01")))
    )
    _, body = await told.get("/api/v1/servers/web-01", lang="ko")
    assert (body["depends_on"], body["dependents"], body["incidents"]) == (["db-01"], ["web-02"], ["inc1"])
    disk = body["signals"][1]
    assert (disk["alias"], disk["title"], disk["labels"]["mountpoint"]) == ("disk", "디스크", "/")
    assert (disk["observed"], disk["lower"], disk["forecast"]["until_limit"]["seconds"]) == (0.5, 0.4, 7200.0)
    assert len(disk["forecast"]["ahead"]) == 3
    assert body["explanations"][0]["headline"] == "web-01 CPU 93%"


async def test_an_incident_is_shown_on_servers_that_feel_it(told):
    told.board = replace(told.board, scores=scores(series(("cpu", "web-01"), ("cpu", "web-02"))))
    _, body = await told.get("/api/v1/servers/web-02")
    assert body["incidents"] == ["inc1"]


async def test_readiness_names_the_series_that_still_learn(api):
    table = series(("cpu", "a"), ("cpu", "b"), ("disk", "a"))
    known = learning(table, known=np.array([1e6, 3600.0, 600.0]))
    api.board = report(table, scores=replace(scores(table), ready=np.array([1.0, 0.25, np.nan])), learning=known).board
    _, body = await api.get("/api/v1/readiness")
    assert [(r["signal"], r["hostname"], r["ready"]) for r in body["learning"]] == [("cpu", "b", 0.25), ("disk", "a", 0.0)]
    assert body["signals"][0] == {"signal": "cpu", "series": 2, "ready": 0.625, "learning": 1}
    _, body = await api.get("/api/v1/readiness", signal="cpu", server="a")
    assert (body["total"], body["ready"]) == (0, 1.0)


async def test_readiness_says_what_is_missing_and_who_found_no_room(api):
    table = series(("cpu", "a"), ("cpu", "b"), ("disk", "a"))
    known = learning(table, known=np.array([1e6, 3600.0, 600.0]), refused=2, left_out=series(("cpu", "x"), ("cpu", "y")))
    api.board = report(table, scores=replace(scores(table), ready=np.array([1.0, 0.25, 0.1])), learning=known).board
    _, body = await api.get("/api/v1/readiness", lang="ko", limit=3)
    assert [(r["hostname"], r["reason"]) for r in body["learning"]] == [("b", "short"), ("a", "alone"), ("x", "no_room")]
    assert (body["total"], body["next"]) == (4, 3)
    assert body["learning"][0] == {
        "signal": "cpu", "hostname": "b", "labels": {"instance": "b"}, "ready": 0.25, "seen_seconds": 3600.0,
        "eta_seconds": 255600.0, "judged_in_seconds": 3600.0,
        "reason": "short", "text": "2시간 중 1시간 관측함. 느슨하게 판단함",
    }  # fmt: skip
    assert body["learning"][2]["text"] == "자리가 없음: max_series"
    assert {k: n for k, n in body["reasons"].items() if n} == {"ready": 1, "short": 1, "alone": 1, "no_room": 2}
    _, body = await api.get("/api/v1/readiness", offset=3)
    assert [r["hostname"] for r in body["learning"]] == ["y"]


@pytest.mark.parametrize(
    ("query", "hosts"),
    [({"reason": "short"}, ["b"]), ({"state": "ready"}, ["a"]), ({"state": "all", "signal": "disk"}, ["a"]),
     ({"reason": "no_room"}, ["x"]), ({"server": "x"}, ["x"]), ({"state": "all", "server": "a"}, ["a", "a"])],
)  # fmt: skip
async def test_readiness_is_filtered(api, query, hosts):
    table = series(("cpu", "a"), ("cpu", "b"), ("disk", "a"))
    known = learning(table, known=np.array([1e6, 3600.0, 600.0]), refused=1, left_out=series(("cpu", "x")))
    api.board = report(table, scores=replace(scores(table), ready=np.array([1.0, 0.25, 0.1])), learning=known).board
    _, body = await api.get("/api/v1/readiness", **query)
    assert [r["hostname"] for r in body["learning"]] == hosts


@pytest.mark.parametrize("query", [{"reason": "lazy"}, {"state": "open"}, {"limit": "0"}])
async def test_readiness_is_not_asked_what_it_cannot_say(told, query):
    status, body = await told.get("/api/v1/readiness", **query)
    assert (status, body["error"]) == (400, "bad_argument")


async def test_readiness_of_what_is_not_there_is_unknown(api):
    api.board = report().board
    _, body = await api.get("/api/v1/readiness", server="nobody")
    assert (body["ready"], body["signals"], body["learning"]) == (None, [], [])


async def test_words_about_an_alert_of_others_are_found_by_its_fingerprint(api):
    words = Explanation("f00d", NOW, {"en": Text("head", ("one.", "two."), ("do",))}, 0.5, "local", ({"value": float("nan")},))
    await api.store.put_explanation(words)
    _, body = await api.get("/api/v1/explanations/f00d")
    assert (body["id"], body["text"], body["evidence"]) == ("f00d", "one. two.", [{"value": None}])


async def test_a_store_that_cannot_be_read_is_a_503(told):
    (told.store.database.path).write_bytes(b"")
    told.store.database._generation += 1
    status, body = await told.get("/api/v1/incidents")
    assert (status, body["error"]) == (503, "store")


async def test_derived_series_are_text(told):
    async with told.session.get("/derived/metrics") as reply:
        assert (await reply.text(), reply.content_type) == ("openmanager_y 1\n", "text/plain")
