"""The durable side: what was put is there after a restart, whole or not at all, and a sick disk harms nobody else."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest

from analyzer.sinks.alerts import Alert
from analyzer.store import Database, Store, StoreError, queries
from analyzer.store.schema import MIGRATIONS
from analyzer.verdicts import Verdict
from tests.analyzer.reports import EXPLANATION, FINDING, INCIDENT, NOW, opened, report, resolved, still_open, suppression

ALERT = Alert("inc1.1", "inc1", (("alertname", "A"), ("instance", "web-01")), (("summary", "요약"),), "http://a/", NOW, updated=NOW)


@dataclass(frozen=True)
class Incoming:
    group_key: str
    fingerprint: str
    status: str
    starts: float
    labels: dict


def incoming(n, status="firing", group="g"):
    return Incoming(group, f"{n:016x}", status, NOW, {"alertname": f"A{n}"})


@contextlib.asynccontextmanager
async def opened_store(path, **options):
    store = await Store.open(path / "openmanager.sqlite", clock=lambda: NOW, **options)
    try:
        yield store
    finally:
        await store.close()


async def test_a_report_is_there_after_a_restart(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_report(opened(), '{"findings": []}')
    async with opened_store(tmp_path) as store:
        assert await store.trackers() == (NOW, '{"findings": []}')
        assert await store.incident("inc1") == (INCIDENT, EXPLANATION)
        assert await store.incidents() == ([(INCIDENT, EXPLANATION)], 1)


async def test_unknown_numbers_come_back_as_unknown(tmp_path):
    blind = replace(FINDING, observed=np.nan, expected=float("inf"))
    async with opened_store(tmp_path) as store:
        await store.put_report(report(findings=(blind,)))
        found, _ = await store.findings()
    assert (np.isnan(found[0].observed), found[0].expected) == (True, np.inf)


async def test_numbers_straight_from_numpy_are_stored_as_numbers(tmp_path):
    made = replace(INCIDENT, score=np.float64(5.0), opened=np.float64(NOW), benign=np.bool_(False))
    words = replace(
        EXPLANATION, evidence=({"value": np.float32(0.5), "rows": np.array([1, 2]), "at": np.int64(3), "odd": NOW.hex},)
    )
    async with opened_store(tmp_path) as store:
        await store.put_report(report(incidents=(made,), explanations=(words,)))
        found, explained = await store.incident("inc1")
    assert (found.score, found.benign) == (5.0, False)
    assert {k: explained.evidence[0][k] for k in ("value", "rows", "at")} == {"value": 0.5, "rows": [1, 2], "at": 3}


async def test_nothing_yet_is_no_error(tmp_path):
    async with opened_store(tmp_path) as store:
        assert (await store.trackers(), await store.incident("x"), await store.findings()) == (None, None, ([], 0))


async def test_an_incident_that_ended_is_resolved_with_its_findings(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_report(opened(INCIDENT))
        await store.put_report(resolved())
        (incident, _), (findings, _) = (await store.incidents())[0][0], await store.findings()
    assert (incident.state, incident.ended) == ("resolved", NOW + 120)
    assert [(f.state, f.ended) for f in findings] == [("resolved", NOW + 120)]


async def test_a_finding_that_is_no_longer_on_the_board_has_ended(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_report(report(findings=(FINDING,)))
        await store.put_report(report(at=NOW + 60))
        assert [(f.state, f.ended) for f in (await store.findings())[0]] == [("resolved", NOW + 60)]


async def test_an_old_revision_does_not_replace_a_newer_one(tmp_path):
    newer = replace(INCIDENT, revision=2, severity="critical")
    async with opened_store(tmp_path) as store:
        await store.put_report(report(incidents=(newer,), changed=(newer,), superseded=(INCIDENT,)))
        await store.put_report(report(superseded=(INCIDENT,)))
        assert (await store.incident("inc1"))[0].severity == "critical"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["c", "b", "a"]),
        ({"server": "web-01"}, ["a"]),
        ({"signal": "disk"}, ["b"]),
        ({"severity": "critical"}, ["c"]),
        ({"state": "resolved"}, ["a"]),
        ({"state": "open"}, ["c", "b"]),
        ({"start": NOW + 50}, ["c", "b"]),
        ({"end": NOW + 100}, ["b", "a"]),
        ({"start": NOW + 10, "end": NOW + 20}, ["a"]),
        ({"limit": 1, "offset": 1}, ["b"]),
        ({"server": "' OR 1=1 --"}, []),
    ],
)
async def test_lists_are_filtered_and_paged(tmp_path, wanted, ids):
    rows = (
        replace(INCIDENT, id="a", opened=NOW, state="resolved", ended=NOW + 30),
        replace(INCIDENT, id="b", opened=NOW + 100, host="db-01", signal="disk"),
        replace(INCIDENT, id="c", opened=NOW + 200, host="db-02", severity="critical"),
    )
    async with opened_store(tmp_path) as store:
        await store.put_report(report(changed=rows))
        found, total = await store.incidents(**wanted)
    assert [i.id for i, _ in found] == ids
    assert total == (3 if "limit" in wanted else len(ids))


async def test_the_ledger_keeps_one_line_in_ten_minutes(tmp_path):
    async with opened_store(tmp_path) as store:
        for i in range(20):
            made = report(at=NOW + 60 * i)
            await store.put_report(replace(made, suppressions=(suppression(NOW + 60 * i, 1.0 + i % 7),)))
        found, total = await store.suppressions(server="web-01")
    assert (total in (2, 3), max(s.score for s in found), found[0].time) == (True, 7.0, NOW + 1140)


async def test_alerts_on_their_way_survive(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.save_alerts([ALERT])
        await store.save_alerts([replace(ALERT, state="resolved", ends=NOW + 5)])
    async with opened_store(tmp_path) as store:
        assert await store.alerts() == [replace(ALERT, state="resolved", ends=NOW + 5)]
        await store.forget_alerts(["inc1.1"])
        assert await store.alerts() == []


async def test_row_24_a_replayed_notification_is_stored_once(tmp_path):
    async with opened_store(tmp_path) as store:
        first = await store.put_webhook([incoming(1), incoming(2)])
        again = await store.put_webhook([incoming(1), incoming(2), incoming(1, "resolved"), incoming(1, group="h")])
        waiting = await store.waiting_webhook()
    assert (first, again) == (2, 2)
    assert [(w.alert["labels"]["alertname"], w.alert["status"]) for w in waiting] == [
        ("A1", "firing"), ("A2", "firing"), ("A1", "resolved"), ("A1", "firing"),
    ]  # fmt: skip


async def test_notifications_wait_until_they_are_dealt_with(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_webhook([incoming(1), incoming(2)])
        await store.handled_webhook([(await store.waiting_webhook())[0].id])
    async with opened_store(tmp_path) as store:
        assert [w.alert["fingerprint"] for w in await store.waiting_webhook()] == [f"{2:016x}"]
        assert await store.put_webhook([incoming(1)]) == 0


async def test_row_25_ten_thousand_alerts_are_stored_within_a_second_of_work(tmp_path):
    async with opened_store(tmp_path) as store:
        began = time.process_time()
        assert await store.put_webhook([incoming(i) for i in range(10_000)]) == 10_000
        assert time.process_time() - began < 1.0


async def test_maintenance_and_feedback(tmp_path):
    async with opened_store(tmp_path) as store:
        window = await store.add_maintenance(NOW, NOW + 60, "web-*", "upgrade", ["cpu"])
        await store.put_verdict(Verdict("inc1", NOW, "expected", "batch"))
        assert await store.maintenance() == [window]
        assert (window.host, window.signals, await store.maintenance(NOW + 60)) == ("web-*", ("cpu",), [])
        assert (await store.remove_maintenance(window.id), await store.remove_maintenance(window.id)) == (True, False)
        assert await store.feedback("inc1") == [(NOW, "expected", "batch", None)]


async def test_one_verdict_counts_for_an_incident_and_saying_it_again_changes_nothing(tmp_path):
    first, other = Verdict("inc1", NOW, "wrong", host="a"), Verdict("inc1", NOW + 9, "right", "no drill", host="a")
    async with opened_store(tmp_path) as store:
        assert [await store.put_verdict(v) for v in (first, replace(first, time=NOW + 5), other)] == [True, False, True]
        assert await store.verdicts() == [other]
        assert [row[1::2] for row in await store.feedback("inc1")] == [("wrong", NOW + 9), ("right", None)]
        assert [await store.undo_verdict("inc1", NOW + 20) for _ in range(2)] == [True, False]
        assert await store.verdicts() == []


async def test_what_people_said_outlives_the_retention_until_it_is_undone(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_verdict(Verdict("inc1", NOW - 200 * 86400, "wrong", host="a"))
        await store.prune(NOW)
        assert len(await store.verdicts()) == 1
        await store.undo_verdict("inc1", NOW)
        await store.prune(NOW)
        assert await store.feedback("inc1") == []


async def test_feedback_of_before_it_moved_anything_is_kept_and_moves_nothing(tmp_path):
    old = sqlite3.connect(tmp_path / "openmanager.sqlite")
    old.executescript(f"{MIGRATIONS[0]}; PRAGMA user_version=1")
    old.execute("INSERT INTO feedback (incident, time, verdict, note) VALUES ('inc1', ?, 'wrong', 'a drill')", (NOW,))
    old.commit()
    old.close()
    async with opened_store(tmp_path) as store:
        assert await store.feedback("inc1") == [(NOW, "wrong", "a drill", None)]
        assert await store.verdicts() == []


async def test_windows_and_verdicts_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "MOST_WINDOWS", 2)
    monkeypatch.setattr(queries, "MOST_VERDICTS", 2)
    async with opened_store(tmp_path) as store:
        for i in range(2):
            await store.add_maintenance(NOW, NOW + 60, "*", "")
            await store.put_verdict(Verdict(f"inc{i}", NOW, "wrong", host="a"))
        with pytest.raises(ValueError, match="2 maintenance windows are declared"):
            await store.add_maintenance(NOW, NOW + 60, "*", "")
        with pytest.raises(ValueError, match="2 verdicts are in force"):
            await store.put_verdict(Verdict("inc2", NOW, "wrong", host="a"))
        assert await store.put_verdict(Verdict("inc1", NOW + 1, "right", host="a"))


async def test_what_ended_long_ago_goes_and_what_is_open_stays(tmp_path):
    old = (
        replace(INCIDENT, id="old", state="resolved", ended=NOW - 91 * 86400),
        replace(INCIDENT, id="open", opened=NOW - 200 * 86400),
    )
    async with opened_store(tmp_path) as store:
        await store.put_report(report(at=NOW - 1, changed=old))
        await store.prune(NOW)
        assert [i.id for i, _ in (await store.incidents())[0]] == ["open"]


async def test_words_about_alerts_of_others_are_kept_by_name(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_explanation(replace(EXPLANATION, incident="explains:abc"))
        assert (await store.explanation("explains:abc")).texts["ko"].headline == "web-01 CPU 93%"
        assert await store.explanation("explains:x") is None


# ---- a sick disk ----


async def fill(store):
    """From now on the disk is full."""
    await store.database.write(lambda c: c.execute("PRAGMA max_page_count=1"))


async def free(store):
    """There is room again. Not through a transaction: the writer itself does it before the next one."""
    store.database._writer.execute("PRAGMA max_page_count=1000000")


BIG = Alert("big", "big", (("alertname", "A"),), (("summary", "x" * 200_000),), "", NOW, updated=NOW)


async def test_a_full_disk_keeps_alerts_in_memory_and_writes_them_when_there_is_room(tmp_path):
    async with opened_store(tmp_path) as store:
        await fill(store)
        with pytest.raises(StoreError) as caught:
            await store.save_alerts([BIG])
        assert (caught.value.recoverable, store.database.kept, await store.alerts()) == (True, 1, [])
        await free(store)
        await store.put_state("x", "y")
        assert (store.database.kept, await store.alerts()) == (0, [BIG])


async def test_what_is_kept_is_tried_again_without_being_asked(tmp_path):
    async with opened_store(tmp_path) as store:
        store.database._retry_every = 0.05
        await fill(store)
        with contextlib.suppress(StoreError):
            await store.save_alerts([BIG])
        await free(store)
        async with asyncio.timeout(5):
            while store.database.kept:
                await asyncio.sleep(0.02)
        assert await store.alerts() == [BIG]


async def test_a_full_disk_does_not_stop_reports(tmp_path):
    events = []
    async with opened_store(tmp_path, on_event=events.append) as store:
        await fill(store)
        await store.put_report(opened(), "x" * 200_000)
        await free(store)
        await store.put_report(still_open(), "later")
        assert await store.trackers() == (NOW + 60, "later")
    assert "disk_refused" in events


async def test_a_full_disk_refuses_notifications_so_that_they_come_again(tmp_path):
    async with opened_store(tmp_path) as store:
        await fill(store)
        with pytest.raises(StoreError):
            await store.put_webhook([replace(incoming(1), labels={"a": "x" * 200_000})])
        await free(store)
        assert (store.database.kept, await store.waiting_webhook()) == (0, [])


async def test_order_is_kept_while_the_disk_refuses(tmp_path):
    async with opened_store(tmp_path) as store:
        await fill(store)
        for alert in (BIG, replace(BIG, state="resolved", ends=NOW)):
            with contextlib.suppress(StoreError):
                await store.save_alerts([alert])
        await free(store)
        await store.put_state("x", "y")
        assert [a.state for a in await store.alerts()] == ["resolved"]


async def test_what_is_kept_is_bounded_and_what_is_lost_is_counted(tmp_path):
    database = Database(tmp_path / "s.sqlite", most_kept=2)
    database.open()
    store = Store(database)
    await fill(store)
    for i in range(5):
        with contextlib.suppress(StoreError):
            await store.save_alerts([replace(BIG, key=str(i))])
    assert (database.kept, database.events["kept_lost"]) == (2, 3)
    await store.close()


@pytest.mark.parametrize("damage", ["garbage", "zeros", "header", "truncated"])
async def test_a_damaged_file_is_set_aside_and_a_fresh_one_begun(tmp_path, damage):
    path, events = tmp_path / "openmanager.sqlite", []
    async with opened_store(tmp_path) as store:
        await store.put_report(opened(), "x" * 100_000)
    data = path.read_bytes()
    path.write_bytes({
        "garbage": b"this is not a database, " * 100, "zeros": data[:4096] + bytes(len(data) - 4096),
        "header": b"\0" * 100 + data[100:], "truncated": data[: len(data) // 2],
    }[damage])  # fmt: skip
    async with opened_store(tmp_path, on_event=events.append) as store:
        assert await store.incidents() == ([], 0)
        await store.put_report(opened())
    assert events == ["quarantined"]
    assert [p for p in tmp_path.iterdir() if "quarantined" in p.name]


async def test_a_file_damaged_while_running_is_set_aside_too(tmp_path):
    events = []
    async with opened_store(tmp_path, on_event=events.append) as store:
        await store.put_report(opened(), "x" * 100_000)
        store.database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "openmanager.sqlite").open("r+b") as f:
            size = f.seek(0, 2)
            f.seek(0)
            f.write(b"\xff" * size)
        store.database._writer.execute("PRAGMA cache_size=0")
        store.database._writer.execute("PRAGMA shrink_memory")
        await store.put_report(still_open())
        assert (await store.incident("inc1"))[0] == INCIDENT
    assert events == ["quarantined"]


async def test_a_newer_schema_is_set_aside_not_guessed(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "openmanager.sqlite")) as c:
        c.execute("PRAGMA user_version=99")
    events = []
    async with opened_store(tmp_path, on_event=events.append) as store:
        assert await store.findings() == ([], 0)
    assert events == ["quarantined"]


async def test_an_older_schema_is_brought_up_to_date(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_report(opened())
    database = Database(
        tmp_path / "openmanager.sqlite", migrations=(*MIGRATIONS, "ALTER TABLE incidents ADD COLUMN extra TEXT DEFAULT 'new'")
    )
    database.open()
    assert await database.read(lambda c: c.execute("SELECT extra FROM incidents").fetchall()) == [("new",)]
    database.close()


async def test_a_failed_migration_leaves_the_old_schema(tmp_path):
    async with opened_store(tmp_path):
        pass
    with pytest.raises(sqlite3.OperationalError):
        Database(
            tmp_path / "openmanager.sqlite", migrations=(*MIGRATIONS, "CREATE TABLE extra (a); CREATE TABLE findings (b)")
        ).open()
    with contextlib.closing(sqlite3.connect(tmp_path / "openmanager.sqlite")) as c:
        assert c.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert c.execute("SELECT count(*) FROM sqlite_master WHERE name='extra'").fetchone() == (0,)


async def test_a_writer_that_cannot_keep_up_refuses_instead_of_growing(tmp_path):
    import threading

    gate = threading.Event()
    database = Database(tmp_path / "s.sqlite", most_waiting=2)
    database.open()
    held = asyncio.ensure_future(database.write(lambda c: gate.wait(5)))
    await asyncio.sleep(0.05)
    waiting = [asyncio.ensure_future(database.write(lambda c: 1)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="cannot keep up"):
        await database.write(lambda c: 1)
    gate.set()
    await asyncio.gather(held, *waiting)
    database.close()


async def test_an_error_in_one_piece_of_work_undoes_it_and_nothing_else(tmp_path):
    async with opened_store(tmp_path) as store:

        def half(c):
            c.execute("INSERT INTO state VALUES ('half', 0, 'x')")
            raise ValueError("stop")

        with pytest.raises(ValueError, match="stop"):
            await store.database.write(half)
        assert await store.state("half") is None
        await store.put_state("whole", "x")
        assert await store.state("whole") == (NOW, "x")


# a child that stores and is stopped without warning after a number of SQLite steps, or between two operations
CRASHER = """
import os, random, sqlite3, sys
from pathlib import Path
from analyzer.sinks.alerts import Alert
from analyzer.store.codec import encode
from analyzer.store.database import Database

folder, count = Path(sys.argv[1]), int(sys.argv[2])
for n in range(count):
    path = folder / "s.sqlite"
    child = os.fork()
    if child == 0:
        rng = random.Random(n)
        database = Database(path)
        database._writer = database._connect_or_quarantine()
        connection = database._writer
        left = [rng.randrange(1, 40)]

        def stop():
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return 0

        connection.set_progress_handler(stop, 5)
        for i in range(1000):
            alert = Alert(f"{n}.{i}", "inc", (("n", str(i)),), (), "", float(i))
            body = encode(alert)
            def work(c):
                c.execute("INSERT INTO outbox VALUES (?, ?, ?)", (f"{n}.{i}.a", float(i), body))
                c.execute("INSERT INTO outbox VALUES (?, ?, ?)", (f"{n}.{i}.b", float(i), body))
            database._transaction(work)
            os.write(1, f"{n}.{i}\\n".encode())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


def test_p5_after_300_kills_every_write_that_returned_is_there_and_none_is_half(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASHER), str(tmp_path), "300"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    acknowledged = set(done.stdout.split())
    with contextlib.closing(sqlite3.connect(tmp_path / "s.sqlite")) as c:
        stored = {key for (key,) in c.execute("SELECT key FROM outbox")}
    pairs = {key.rpartition(".")[0] for key in stored}
    assert len(acknowledged) > 100
    assert acknowledged <= pairs
    assert stored == {f"{p}.{side}" for p in pairs for side in "ab"}
    assert len(pairs - acknowledged) <= 300  # committed, and stopped before it could say so
    assert not list(tmp_path.glob("*quarantined*"))


async def test_bodies_are_plain_json(tmp_path):
    async with opened_store(tmp_path) as store:
        await store.put_report(opened())
        body = await store.database.read(lambda c: c.execute("SELECT body FROM incidents").fetchone()[0])
    assert json.loads(body)["host"] == "web-01"
