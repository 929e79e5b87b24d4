"""Alerts out: one for each incident, never a twin, never resolved by accident, whatever happens to cycles, clocks and us."""

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from datetime import datetime
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp import web

from analyzer.records import Report
from analyzer.sinks.alertmanager import AlertmanagerSink, AlertSettings, Target
from analyzer.sinks.alerts import Alert, AlertTexts, fingerprint, number, rfc3339
from analyzer.store import Store, StoreError
from tests.analyzer.reports import EXPLANATION, INCIDENT, NOW, opened, report, resolved, still_open
from tests.analyzer.sinks.receivers import running
from tests.analyzer.sinks.writing import Time

ON = AlertSettings(mode="on", cycle=60, resend=60)
LABELS = {"alertname": "OpenManagerAnomaly", "instance": "web-01", "severity": "warning", "signal": "cpu", "source": "openmanager"}


class MemoryStore:
    """An outbox that survives only as long as the test."""

    def __init__(self):
        self.rows, self.broken, self.over = {}, False, frozenset()

    async def alerts(self):
        return list(self.rows.values())

    async def save_alerts(self, alerts):
        if self.broken:
            raise StoreError("disk full", recoverable=True)
        self.rows |= {a.key: a for a in alerts}

    async def forget_alerts(self, keys):
        for key in keys:
            self.rows.pop(key, None)

    async def ended(self, incidents):
        return frozenset(incidents) & self.over


class FakeAlertmanager:
    """Keeps what it is sent as Alertmanager does: by labels, firing until `endsAt`. Its clock is `time`."""

    def __init__(self, time):
        self.time, self.alerts, self.posts, self.refuse, self.status = time, {}, [], None, 200
        self.resolves = 0

    def is_firing(self, labels):
        alert = self.alerts.get(tuple(sorted(labels.items())))
        return alert is not None and at(alert["endsAt"]) > self.time.now()

    @property
    def firing(self):
        return [dict(labels) for labels in self.alerts if self.is_firing(dict(labels))]

    async def handle(self, request):
        date = {"Date": formatdate(self.time.now(), usegmt=True)}
        if request.method == "GET":
            return web.json_response({}, headers=date)
        body = await request.json()
        if self.status != 200:
            return web.Response(status=self.status, headers=date)
        self.posts.append(body)
        bad = [a for a in body if self.refuse and self.refuse(a)]
        for alert in body:
            if alert not in bad:
                was = self.is_firing(alert["labels"])
                self.alerts[tuple(sorted(alert["labels"].items()))] = alert
                self.resolves += was and not self.is_firing(alert["labels"])
        return web.Response(status=400 if bad else 200, text="bad" if bad else None, headers=date)


def at(text):
    return datetime.fromisoformat(text).timestamp()


class Scene:
    """A sink in simulated time in front of a fake Alertmanager; rounds are sent by hand."""

    def __init__(self, client, urls, store, server, time, settings):
        self.targets = [Target(url, client) for url in urls]
        self.store, self.server, self.time, self.settings = store, server, time, settings
        self.sink = self.make()

    def make(self):
        return AlertmanagerSink(
            self.targets, self.store, settings=self.settings, texts=AlertTexts(external_url="https://om.example"),
            clock=self.time.now, monotonic=self.time.monotonic, sleep=self.time.sleep,
        )  # fmt: skip

    async def put(self, made):
        await self.sink.put(made)
        return await self.sink.send()

    async def passes(self, seconds):
        """Time passes with the heartbeat going."""
        while seconds > 0:
            await self.time.sleep(min(seconds, self.settings.heartbeat))
            seconds -= self.settings.heartbeat
            await self.sink.send()


@contextlib.asynccontextmanager
async def scene(settings=ON, store=None, alertmanagers=1, server_time=None):
    ours = Time(NOW)
    server = FakeAlertmanager(server_time or ours)
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(running(server.handle, "/api/v2/{what}")) for _ in range(alertmanagers)]
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield Scene(client, urls, store or MemoryStore(), server, ours, settings)


def sent(server, **labels):
    """The newest alert with these labels."""
    return [a for post in server.posts for a in post if labels.items() <= a["labels"].items()][-1]


async def test_an_incident_becomes_one_alert_with_the_contracts_labels():
    async with scene() as s:
        await s.put(opened())
        assert [a["labels"] for a in s.server.posts[-1]] == [LABELS]


async def test_the_alert_carries_both_languages_numbers_cause_and_links():
    async with scene() as s:
        await s.put(opened())
        alert = sent(s.server)
    assert alert["annotations"] == {
        "summary": "web-01 CPU 93%", "description": "CPU is 93%. Usual is 41%.", "actions": "1. Look at top.",
        "summary_ko": "web-01 CPU 93%", "description_ko": "CPU가 93%입니다. 평소는 41%입니다.", "actions_ko": "1. top을 보십시오.",
        "kind": "cpu_runaway", "observed": "93.0%", "expected": "41.0% (30.0% to 52.0%)", "confidence": "0.80",
        "since": "2026-09-21T14:08:20.000Z", "causes": "web-01 cpu_runaway 0.80", "affected": "web-02",
        "runbook_url": "https://github.com/openmanager/openmanager/blob/main/docs/runbooks.md#openmanageranomaly",
        "dashboard_url": "https://om.example/?incident=inc1",
    }  # fmt: skip
    assert alert["generatorURL"] == "https://om.example/api/v1/incidents/inc1"


async def test_mountpoint_device_and_cluster_are_identity_too():
    disk = replace(INCIDENT, host="eu/web-01", signal="disk", labels=(("job", "node"), ("mountpoint", "/var")))
    async with scene() as s:
        s.sink = AlertmanagerSink(s.targets, s.store, settings=ON, texts=AlertTexts(identity=("cluster", "instance")))
        await s.put(opened(disk))
        assert sent(s.server)["labels"] == LABELS | {"signal": "disk", "mountpoint": "/var", "cluster": "eu"}


async def test_starts_is_fixed_and_ends_is_four_intervals_ahead():
    async with scene() as s:
        await s.put(opened())
        await s.passes(600)
        starts = {a["startsAt"] for post in s.server.posts for a in post}
        assert starts == {rfc3339(INCIDENT.opened)}
        assert at(sent(s.server)["endsAt"]) - s.time.now() == pytest.approx(240, abs=1.0)


async def test_firing_alerts_are_sent_again_within_a_minute_without_any_cycle():
    async with scene() as s:
        assert s.settings.heartbeat <= 60
        await s.put(opened())
        await s.passes(1800)
        assert (s.server.firing, s.server.resolves) == ([LABELS], 0)


async def test_p6_three_skipped_cycles_resolve_nothing():
    async with scene() as s:
        await s.put(opened())
        await s.passes(180)
        await s.put(still_open(at=NOW + 240))
        await s.passes(60)
        assert (s.server.firing, s.server.resolves) == ([LABELS], 0)


async def test_numbers_change_and_labels_do_not():
    later = replace(INCIDENT, confidence=0.95, kind="traffic_surge")
    async with scene() as s:
        await s.put(opened())
        await s.put(still_open(later))
        alert = sent(s.server)
    assert (alert["labels"], alert["annotations"]["confidence"], alert["annotations"]["kind"]) == (LABELS, "0.95", "traffic_surge")


async def test_labels_stay_as_first_sent_even_if_the_incident_forgets_to_say_that_it_was_revised():
    async with scene() as s:
        await s.put(opened())
        await s.put(still_open(replace(INCIDENT, severity="critical")))
        assert s.server.firing == [LABELS]


async def test_resolved_is_sent_once_at_once_and_again_for_fifteen_minutes():
    async with scene() as s:
        await s.put(opened())
        await s.passes(60)
        await s.put(resolved())
        assert (s.server.firing, s.server.resolves) == ([], 1)
        ends = sent(s.server)["endsAt"]
        before = len(s.server.posts)
        await s.passes(14 * 60)
        again = [a["endsAt"] for post in s.server.posts[before:] for a in post]
        await s.passes(5 * 60)
        silent = len(s.server.posts)
        await s.passes(5 * 60)
        assert (set(again), len(again) >= 14, len(s.server.posts) - silent, s.store.rows) == ({ends}, True, 0, {})


async def test_a_rise_in_severity_ends_the_old_alert_and_begins_the_new_one_in_one_request():
    worse = replace(INCIDENT, revision=2, severity="critical")
    async with scene() as s:
        await s.put(opened())
        await s.passes(60)
        changed = report(at=NOW + 60, incidents=(worse,), changed=(worse,), superseded=(INCIDENT,), explanations=(EXPLANATION,))
        await s.put(changed)
        both = s.server.posts[-1]
        assert [(a["labels"]["severity"], at(a["endsAt"]) > s.time.now()) for a in both] == [("warning", False), ("critical", True)]
        old = fingerprint(tuple(LABELS.items()))
        assert (both[1]["annotations"]["supersedes"], "supersedes" in both[0]["annotations"]) == (old, False)
        await s.put(still_open(worse, NOW + 120))
        assert (sent(s.server, severity="critical")["annotations"]["supersedes"], len(s.server.firing)) == (old, 1)


async def test_a_root_found_elsewhere_moves_the_alert():
    moved = replace(INCIDENT, revision=2, host="db-01")
    async with scene() as s:
        await s.put(opened())
        await s.put(report(at=NOW + 60, incidents=(moved,), changed=(moved,), superseded=(INCIDENT,)))
        assert [a["instance"] for a in s.server.firing] == ["db-01"]


async def test_an_incident_that_was_merged_into_another_ends():
    async with scene() as s:
        await s.put(opened())
        await s.put(report(at=NOW + 60, superseded=(INCIDENT,)))
        assert s.server.firing == []


async def test_two_incidents_with_the_same_labels_are_one_alert_until_both_have_ended():
    twin = replace(INCIDENT, id="inc2")
    async with scene() as s:
        await s.put(opened())
        await s.put(report(at=NOW + 60, incidents=(INCIDENT, twin), changed=(twin,)))
        await s.put(replace_incidents(resolved(at=NOW + 120), (twin,)))
        assert ([len(post) for post in s.server.posts], s.server.firing) == ([1, 1, 1], [LABELS])
        await s.put(resolved(twin, NOW + 180))
        assert (s.server.firing, s.server.resolves) == ([], 1)


def replace_incidents(made, incidents):
    board = replace(made.board, incidents=incidents)
    return Report(made.time, board, made.changed, made.superseded, (), made.ended_series)


async def test_an_incident_that_comes_back_within_the_fifteen_minutes_fires_again():
    again = replace(INCIDENT, id="inc2", opened=NOW + 300)
    async with scene() as s:
        await s.put(opened())
        await s.put(resolved())
        await s.passes(180)
        await s.put(opened(again, NOW + 300))
        await s.passes(300)
        assert s.server.firing == [LABELS]


async def test_an_incident_that_pages_nobody_is_not_sent():
    async with scene() as s:
        await s.put(opened(replace(INCIDENT, pages=False)))
        assert s.server.posts == []


async def test_observe_posts_nothing_and_counts():
    async with scene(AlertSettings(mode="observe")) as s:
        await s.put(opened())
        await s.put(still_open())
        assert (s.server.posts, s.store.rows, s.sink.counts["observed", ""]) == ([], {}, 1)


async def test_off_does_nothing():
    async with scene(AlertSettings(mode="off")) as s:
        await s.put(opened())
        assert (s.server.posts, s.sink.counts) == ([], {})


async def test_p5_an_alert_is_stored_before_it_is_sent():
    async with scene() as s:
        await s.sink.put(opened())
        assert (list(s.store.rows), s.server.posts) == (["inc1.1"], [])


async def test_people_are_told_even_when_our_disk_is_full():
    async with scene() as s:
        s.store.broken = True
        await s.put(opened())
        assert (s.server.firing, s.sink.counts["store_failed", ""]) == ([LABELS], 1)


async def test_p5_a_restart_goes_on_with_the_same_labels_and_start_and_resolves_nothing(tmp_path):
    store = await Store.open(tmp_path / "s.sqlite")
    async with scene(store=store) as s:
        await s.put(opened())
        first = sent(s.server)
        await s.passes(60)
        s.sink = s.make()
        await s.sink._load()
        await s.passes(120)
        await s.put(report(at=NOW + 240))  # the trackers are not back yet: the board is empty
        await s.passes(600)
        assert (s.server.firing, s.server.resolves) == ([LABELS], 0)
        await s.put(still_open(replace(INCIDENT, severity="critical"), NOW + 900))
        last = sent(s.server)
        assert (last["labels"], last["startsAt"], len(s.server.alerts)) == (first["labels"], first["startsAt"], 1)
        await s.put(resolved(at=NOW + 960))
        assert (s.server.firing, s.server.resolves) == ([], 1)
    await store.close()


async def test_an_end_that_was_stored_but_never_sent_because_of_a_kill_is_sent_after_the_restart():
    async with scene() as s:
        await s.put(opened())
        s.sink, s.store.over = s.make(), frozenset({"inc1"})
        await s.put(report(at=NOW + 120))
        assert (s.server.firing, s.server.resolves) == ([], 1)


async def test_two_sinks_over_one_store_during_a_reload_agree():
    async with scene() as s:
        old = s.sink
        await s.put(opened())
        fresh = s.make()
        await fresh._load()
        await old.put(resolved())
        await old.send()
        await fresh.send()
        assert (s.server.firing, s.server.resolves) == ([], 1)


async def test_an_alert_whose_incident_was_lost_for_good_ends_after_half_an_hour():
    async with scene() as s:
        await s.put(opened())
        for minute in range(1, 35):
            await s.put(report(at=NOW + 60 * minute))
            await s.passes(60)
        assert s.server.firing == []


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
async def test_row_45_a_jump_of_our_wall_clock_resolves_nothing_and_still_resolves_in_the_end(jump):
    server_time = Time(NOW)
    async with scene(server_time=server_time) as s:

        async def both(seconds):
            server_time.wall += seconds
            await s.passes(seconds)

        await s.put(opened())
        s.time.wall += jump
        await both(54)
        await s.put(still_open(at=NOW + 60))
        for _ in range(10):
            await both(54)
        assert (s.server.firing, s.server.resolves) == ([LABELS], 0)
        await s.put(resolved(at=NOW + 660))
        assert (s.server.firing, s.server.resolves) == ([], 1)


async def test_an_incident_that_opens_while_our_clock_is_ahead_can_be_resolved():
    server_time = Time(NOW)
    async with scene(server_time=server_time) as s:
        s.time.wall += 7200
        await s.put(opened(replace(INCIDENT, opened=NOW + 7200)))
        await s.put(resolved(replace(INCIDENT, opened=NOW + 7200), NOW + 7260))
        assert s.server.firing == []


async def test_p7_every_alertmanager_gets_every_alert():
    async with scene(alertmanagers=2) as s:
        await s.put(opened())
        assert [[a["labels"] for a in post] for post in s.server.posts] == [[LABELS], [LABELS]]


async def test_one_dead_alertmanager_does_not_keep_it_from_the_other():
    async with scene() as s:
        s.targets.append(Target("http://127.0.0.1:9", s.targets[0].session))
        s.sink = s.make()
        assert await s.put(opened()) is False
        assert (s.server.firing, list(s.sink.problems)) == ([LABELS], ["http://127.0.0.1:9"])


@pytest.mark.parametrize("status", [500, 503, 401, 404, 302, 429])
async def test_what_alertmanager_does_not_take_is_kept_and_sent_again(status):
    async with scene() as s:
        s.server.status = status
        assert await s.put(opened()) is False
        s.server.status = 200
        assert (await s.sink.send(), s.server.firing, s.sink.problems) == (True, [LABELS], {})


async def test_row_36_one_bad_alert_does_not_cost_its_siblings_and_is_mended():
    other = replace(INCIDENT, id="inc2", host="web-02")
    async with scene() as s:
        s.server.refuse = lambda a: a["labels"]["instance"] == "web-02" and "kind" in a["annotations"]
        await s.put(report(incidents=(INCIDENT, other), changed=(INCIDENT, other), explanations=(EXPLANATION,)))
        assert sorted(a["instance"] for a in s.server.firing) == ["web-01", "web-02"]
        assert [len(post) for post in s.server.posts] == [2, 1, 1, 1]


async def test_row_36_an_alert_that_is_refused_in_every_form_is_set_aside():
    other = replace(INCIDENT, id="inc2", host="web-02")
    async with scene() as s:
        s.server.refuse = lambda a: a["labels"]["instance"] == "web-02"
        await s.put(report(incidents=(INCIDENT, other), changed=(INCIDENT, other), explanations=(EXPLANATION,)))
        await s.sink.send()
        assert ([len(post) for post in s.server.posts], s.sink.counts["refused", ""]) == ([2, 1, 1, 1, 1], 1)


async def test_row_27_nothing_in_an_alert_can_mention_link_or_redraw():
    hostile = replace(
        EXPLANATION,
        texts={
            "en": replace(EXPLANATION.texts["en"], headline="<!channel> \u202eevil\x1b[31m [x](javascript:alert(1)) @everyone <b>")
        },
    )
    async with scene() as s:
        await s.put(report(incidents=(INCIDENT,), changed=(INCIDENT,), explanations=(hostile,)))
        summary = sent(s.server)["annotations"]["summary"]
    assert summary == "‹!channel> evil[31m [x] (javascript :alert(1)) @ everyone ‹b>"


async def test_an_incident_without_words_still_says_what_and_where():
    async with scene() as s:
        await s.put(report(incidents=(INCIDENT,), changed=(INCIDENT,)))
        assert sent(s.server)["annotations"]["summary"] == "web-01: cpu is 93.0%"
        assert sent(s.server)["annotations"]["summary_ko"] == "web-01: cpu 현재 값 93.0%"


async def test_an_alert_of_others_is_explained_beside_it_and_never_our_own():
    async with scene() as s:
        theirs = {"alertname": "HostDown", "instance": "web-01", "severity": "critical"}
        await s.sink.companion(theirs, "abc", {"summary": "why"}, NOW)
        await s.sink.companion({"alertname": "X", "explains": "abc"}, "def", {"summary": "no"}, NOW)
        await s.sink.companion(LABELS, "ghi", {"summary": "no"}, NOW)
        await s.put(report())
        assert s.server.firing == [theirs | {"alertname": "HostDownExplained", "explains": "abc"}]
        await s.sink.end_companion("abc")
        await s.sink.send()
        assert s.server.firing == []


async def test_an_alert_about_ourselves_fires_until_it_is_over_and_a_restart_that_works_ends_it():
    async with scene() as s:
        await s.sink.self_alert("OpenManagerSourceDown", active=True, summary={"en": "no data", "ko": "데이터 없음"})
        await s.sink.send()
        assert [a["alertname"] for a in s.server.firing] == ["OpenManagerSourceDown"]
        assert sent(s.server)["annotations"] == {"summary": "no data", "summary_ko": "데이터 없음"}
        s.sink = s.make()
        await s.sink._load()
        await s.passes(60)
        assert len(s.server.firing) == 1
        await s.put(report())
        assert s.server.firing == []


async def test_the_heartbeat_goes_on_by_itself():
    settings = AlertSettings(mode="on", cycle=1, resend=0.1)
    server = FakeAlertmanager(Time(NOW))
    async with running(server.handle, "/api/v2/{what}") as url, aiohttp.ClientSession() as client:
        sink = AlertmanagerSink([Target(url, client)], MemoryStore(), settings=settings)
        await sink.start()
        await sink.put(opened())
        async with asyncio.timeout(5):
            while len(server.posts) < 5:
                await asyncio.sleep(0.02)
        await sink.close()
    assert server.firing == [LABELS]


async def test_p14_what_has_just_changed_is_sent_before_we_stop():
    server = FakeAlertmanager(Time(NOW))
    async with running(server.handle, "/api/v2/{what}") as url, aiohttp.ClientSession() as client:
        sink = AlertmanagerSink([Target(url, client)], MemoryStore(), settings=ON)
        await sink.start()
        await sink.put(opened())
        await sink.close()
    assert server.firing == [LABELS]


async def test_p14_a_stalled_alertmanager_does_not_hold_a_stop_up():
    async def stall(request):
        await asyncio.sleep(60)

    async with running(stall, "/api/v2/{what}") as url, aiohttp.ClientSession() as client:
        sink = AlertmanagerSink([Target(url, client)], MemoryStore(), settings=ON)
        await sink.start()
        await sink.put(opened())
        async with asyncio.timeout(3):
            await sink.close()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.9321, "ratio", "93.2%"), (3 << 20, "bytes", "3.0 MiB"), (2048.0, "bytes_per_second", "2.0 KiB/s"),
     (float("nan"), "ratio", "no data"), (12.5, "seconds", "12.5 s"), (7.0, "count", "7")],
)  # fmt: skip
def test_numbers_are_written_in_their_unit(value, unit, text):
    assert number(value, unit) == text


def test_years_that_are_no_dates_are_bounded():
    assert (rfc3339(-5.0), rfc3339(1e18)) == ("1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z")


@pytest.mark.servers
class TestOnRealAlertmanager:
    """The same against Alertmanager itself, with a receiver that counts what people get."""

    CONFIG = """
route: {{receiver: people, group_by: [instance], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: people, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""

    @contextlib.asynccontextmanager
    async def stage(self, alertmanager, tmp_path, **settings):
        notes = []

        async def people(request):
            notes.append(await request.json())
            return web.Response()

        options = {"mode": "on", "cycle": 1, "resend": 0.5} | settings
        async with running(people, "/note") as url, aiohttp.ClientSession() as client:
            server = alertmanager(self.CONFIG.format(url=f"{url}/note"))
            store = await Store.open(tmp_path / "s.sqlite")
            sink = AlertmanagerSink([Target(server.url, client)], store, settings=AlertSettings(**options))
            await sink.start()
            try:
                yield server, sink, store, notes, client
            finally:
                await sink.close()
                await store.close()

    async def alerts(self, client, server):
        async with client.get(f"{server.url}/api/v2/alerts") as r:
            return json.loads(await r.text())

    async def until(self, check, seconds=15):
        async with asyncio.timeout(seconds):
            while not (found := await check()):
                await asyncio.sleep(0.1)
            return found

    def now(self, offset=0.0):
        return time.time() + offset

    async def test_it_fires_once_in_both_languages_stays_and_resolves_once(self, alertmanager, tmp_path):
        began = self.now(-5)
        incident = replace(INCIDENT, opened=began)
        async with self.stage(alertmanager, tmp_path) as (server, sink, _store, notes, client):
            await sink.put(opened(incident, began))

            async def noted():
                return notes

            await self.until(noted)
            await asyncio.sleep(6)  # 1.5 times the life of an alert that nobody sends again
            (alert,) = await self.alerts(client, server)
            assert (alert["status"]["state"], alert["fingerprint"]) == ("active", fingerprint(tuple(LABELS.items())))
            assert alert["annotations"]["description_ko"] == "CPU가 93%입니다. 평소는 41%입니다."
            await sink.put(resolved(incident, self.now()))

            async def over():
                return [n for n in notes if n["status"] == "resolved"]

            await self.until(over)
            await asyncio.sleep(3)
            assert [n["status"] for n in notes] == ["firing", "resolved"]

    async def test_a_restart_makes_no_twin_and_resolves_nothing(self, alertmanager, tmp_path):
        incident = replace(INCIDENT, opened=self.now(-5))
        async with self.stage(alertmanager, tmp_path) as (server, sink, store, notes, client):
            await sink.put(opened(incident, self.now()))

            async def there():
                return await self.alerts(client, server)

            (before,) = await self.until(there)
            await sink.close()
            await asyncio.sleep(1)
            again = AlertmanagerSink([Target(server.url, client)], store, settings=AlertSettings(mode="on", cycle=1, resend=0.5))
            await again.start()
            await again.put(still_open(incident, self.now()))
            await asyncio.sleep(5)
            (after,) = await self.alerts(client, server)
            await again.close()
            assert (after["startsAt"], after["labels"], after["status"]["state"]) == (
                before["startsAt"],
                before["labels"],
                "active",
            )
            assert [n["status"] for n in notes] == ["firing"]

    async def test_an_incident_that_got_worse_never_has_two_alerts_firing(self, alertmanager, tmp_path):
        incident = replace(INCIDENT, opened=self.now(-5))
        worse = replace(incident, revision=2, severity="critical")
        async with self.stage(alertmanager, tmp_path) as (server, sink, _store, _notes, client):
            await sink.put(opened(incident, self.now()))

            async def there():
                return await self.alerts(client, server)

            await self.until(there)
            await sink.put(report(at=self.now(), incidents=(worse,), changed=(worse,), superseded=(incident,)))

            async def critical():
                found = [a["labels"]["severity"] for a in await self.alerts(client, server)]
                assert len(found) <= 1
                return found == ["critical"]

            await self.until(critical)

    async def test_row_36_a_bad_sibling_costs_nobody_else(self, alertmanager, tmp_path):
        bad = Alert("bad.1", "bad", (("alertname", "OpenManagerAnomaly"), ("온도", "x")), (("summary", "s"),), "", self.now(-5))
        async with self.stage(alertmanager, tmp_path) as (server, sink, _store, _notes, client):
            await sink._changed([bad])
            await sink.put(opened(replace(INCIDENT, opened=self.now(-5)), self.now()))

            async def both():
                return len(await self.alerts(client, server)) == 2

            await self.until(both)
            names = {name for a in await self.alerts(client, server) for name in a["labels"]}
            assert "온도" not in names
            assert sink.counts["refused", ""] == 0
