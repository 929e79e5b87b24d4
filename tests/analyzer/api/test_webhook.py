"""Alertmanager's webhook in: durable, then 200; repeated, late and strange notifications change nothing (P9, rows 1-8, 24-28)."""

import asyncio
import gzip
import itertools
import json
import time

import pytest

from analyzer.api.webhook import normalise
from analyzer.store import StoreError
from tests.analyzer.reports import NOW

PATH = "/webhook/alertmanager"
FIRING = {
    "status": "firing", "labels": {"alertname": "HighCPU", "instance": "web-01"}, "annotations": {"summary": "hot"},
    "startsAt": "2026-09-21T14:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom/graph",
    "fingerprint": "f00d",
}  # fmt: skip
RESOLVED = FIRING | {"status": "resolved", "endsAt": "2026-09-21T14:10:00Z"}


def notification(*alerts, group="g1"):
    return {"version": "4", "groupKey": group, "status": "firing", "receiver": "om", "alerts": list(alerts)}


def only(alert, now=NOW):
    return normalise(notification(alert), now)[0]


async def waiting(api):
    return [row.alert for row in await api.store.waiting_webhook(1000)]


async def test_an_alert_is_on_disk_before_the_answer(api):
    assert await api.post(PATH, notification(FIRING)) == (
        200,
        {"success": True, "stored": 1, "known": 0, "marked": 0, "dropped": 0},
    )
    stored = (await waiting(api))[0]
    assert (stored["fingerprint"], stored["starts"], stored["labels"]["instance"]) == ("f00d", 1789999200.123456, "web-01")
    assert api.woken == 1


async def test_a_repeated_notification_changes_nothing(api):
    for _ in range(3):
        status, body = await api.post(PATH, notification(FIRING))
    assert (status, body["stored"], body["known"]) == (200, 0, 1)
    assert len(await waiting(api)) == 1


@pytest.mark.parametrize("order", list(itertools.permutations([FIRING, RESOLVED, FIRING | {"fingerprint": "beef"}])))
async def test_any_order_of_notifications_ends_the_same(api, order):
    answers = [await api.post(PATH, notification(alert)) for alert in (*order, *order)]
    assert {status for status, _ in answers} == {200}
    assert {(a["fingerprint"], a["status"]) for a in await waiting(api)} == {
        ("f00d", "firing"),
        ("f00d", "resolved"),
        ("beef", "firing"),
    }


async def test_ten_thousand_alerts_are_taken_or_postponed_and_never_refused(api):
    many = [FIRING | {"fingerprint": f"{n:016x}", "annotations": {"description": "d" * 300}} for n in range(10_000)]
    body = json.dumps(notification(*many)).encode()
    status = 503
    for _ in range(20):  # as Alertmanager would
        status, _answer = await api.post(PATH, body)
        assert status in (200, 503)
        if status == 200:
            break
    assert status == 200
    assert len(await api.store.waiting_webhook(20_000)) == 10_000


async def test_a_slow_disk_is_a_503_within_the_second(api):
    async def stuck(alerts):
        await asyncio.sleep(60)

    api.store.put_webhook = stuck
    began = time.monotonic()
    status, body = await api.post(PATH, notification(FIRING))
    assert (status, body["error"]) == (503, "not_stored")
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("error", [StoreError("disk full", recoverable=True), OSError("gone")])
async def test_what_cannot_be_stored_is_a_503_and_comes_again(api, error):
    async def full(alerts):
        raise error

    good, api.store.put_webhook = api.store.put_webhook, full
    status, body = await api.post(PATH, notification(FIRING))
    assert (status, body["error"], api.woken) == (503, "not_stored", 0)
    api.store.put_webhook = good
    assert (await api.post(PATH, notification(FIRING)))[1]["stored"] == 1


async def test_a_body_that_is_too_large_is_not_lost_for_good(api):
    status, body = await api.post(PATH, b'{"alerts": []}', headers={"Content-Encoding": "gzip"})
    assert status == 400
    bomb = gzip.compress(b" " * (65 << 20))
    status, body = await api.post(PATH, bomb, headers={"Content-Encoding": "gzip"})
    assert (status, body["error"]) == (503, "too_large")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"alerts": [', "bad_json"), (b"", "bad_json"), (b"[" * 100_000, "too_deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "bad_number"),
        (b'{"a": NaN}', "not_finite"), (b'{"a": 1e999}', "not_finite"), (b'{"a": "\xff"}', "bad_encoding"),
        (b'{"a": "\\ud800"}', "bad_text"), (b'{"alerts": [], "alerts": []}', "bad_json"), (b"[]", "bad_json"),
        (b'"hi"', "bad_json"), (b"null", "bad_json"),
    ],
)  # fmt: skip
async def test_what_is_no_json_object_is_400_and_counted(api, body, error):
    status, answer = await api.post(PATH, body)
    assert (status, answer["error"]) == (400, error)
    assert api.rejected("webhook", error) == 1
    async with api.session.get("/metrics") as scrape:
        assert "openmanager_rejected_total" in await scrape.text()


@pytest.mark.parametrize(
    "strange",
    [
        {}, {"labels": None}, {"labels": ["a"]}, {"status": []}, {"status": {"a": 1}}, {"status": "suppressed"}, {"startsAt": None},
        {"startsAt": 5}, {"startsAt": "0001-01-01T00:00:00Z"}, {"startsAt": "9999-12-31T23:59:59Z"}, {"startsAt": "x" * 10_000},
        {"startsAt": "10000-01-01T00:00:00Z"}, {"endsAt": "9999-12-31T23:59:59+23:59"}, {"fingerprint": 7},
        {"labels": {f"l{i}": "x" for i in range(500)}},
        {"annotations": {"description": "x" * 100_000}}, {"annotations": {"a": {"b": [1, None]}}},
        {"generatorURL": "javascript:alert(1)"},
        {"generatorURL": ["http://x"]},
    ],
)  # fmt: skip
async def test_a_strange_alert_is_mended_and_kept(api, strange):
    code, body = await api.post(PATH, notification(RESOLVED | strange if strange else {}))
    assert (code, body["stored"], body["marked"], body["dropped"]) == (200, 1, 1, 0)


async def test_what_strangers_wrote_is_kept_as_it_came_and_made_harmless_where_it_is_shown(api):
    labels = {"alertname": "<!channel>\u202e\x1b[31m](javascript:alert(1))", "": ""}
    assert (await api.post(PATH, notification(FIRING | {"labels": labels})))[0] == 200
    assert (await waiting(api))[0]["labels"] == labels


async def test_a_strange_payload_holds_no_alerts(api):
    for payload in ({}, {"alerts": None}, {"alerts": {}}, {"alerts": "x", "groupKey": 5, "status": []}):
        assert (await api.post(PATH, payload))[1]["stored"] == 0


async def test_what_is_no_alert_is_dropped_and_counted(api):
    status, body = await api.post(PATH, notification(FIRING, None, 5, [], "x"))
    assert (status, body["stored"], body["dropped"]) == (200, 1, 4)
    assert api.rejected("webhook", "not_alerts") == 1


def test_an_end_in_year_one_means_that_it_still_fires():
    assert only(FIRING).ends is None


def test_an_alert_resolved_without_an_end_ended_now():
    alert = only(RESOLVED | {"endsAt": "0001-01-01T00:00:00Z"})
    assert (alert.ends, alert.marks) == (NOW, ("endsAt",))


def test_an_end_before_the_start_is_mended():
    assert only(RESOLVED | {"endsAt": "2026-09-21T13:00:00Z"}).ends == NOW


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-09-22T14:00:00Z", "soon", None])
def test_a_start_that_cannot_be_is_the_same_at_each_repetition(start):
    first, again = only(FIRING | {"startsAt": start}), only(FIRING | {"startsAt": start}, NOW + 3600)
    assert first.starts == again.starts == 0.0
    assert first.marks == ("startsAt",)


def test_an_alert_without_a_fingerprint_has_one_of_its_labels():
    bare = {k: v for k, v in FIRING.items() if k != "fingerprint"}
    assert only(bare).fingerprint == only(bare | {"annotations": {}}).fingerprint
    assert only(bare).fingerprint != only(bare | {"labels": {"alertname": "Other"}}).fingerprint


def test_only_web_addresses_are_kept():
    assert only(FIRING | {"generatorURL": "http://169.254.169.254/latest"}).generator_url == "http://169.254.169.254/latest"
    assert only(FIRING | {"generatorURL": "file:///etc/passwd"}).generator_url == ""


def test_long_texts_are_cut():
    alert = only(FIRING | {"annotations": {"d": "x" * 100_000}})
    assert (len(alert.annotations["d"]), alert.marks) == (8192, ("annotations",))
