"""What must survive a crash: findings, incidents and their words, alerts on their way, notifications, windows, feedback.

In: records. Out: records, by page. Every call that changes something returns once it is on disk. Reports and alerts are kept in
memory and written later where the disk refuses; a notification from outside is refused instead, so that its sender tries again.
"""

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from analyzer.maintenance import Maintenance
from analyzer.records import Explanation, Finding, Incident, Report, Suppression
from analyzer.sinks.alerts import Alert
from analyzer.store import queries
from analyzer.store.codec import decode, encode
from analyzer.store.database import Database, StoreError
from analyzer.verdicts import Verdict

log = structlog.get_logger("analyzer.store")
RETENTION: Final = 90 * 86400.0
PRUNE_EVERY: Final = 3600.0
TRACKERS: Final = "trackers"


class Incoming(Protocol):
    """An alert of a notification; a dataclass of plain values."""

    @property
    def group_key(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def starts(self) -> float: ...


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A stored alert of a notification that waits for us: its number, when it came, and its fields."""

    id: int
    received: float
    alert: dict[str, Any]


class Store:
    """The durable side of the analyzer. `await Store.open(path)`, `await store.close()`.

    Parameters
    ----------
    retention : seconds for which what has ended is kept.
    clock : our wall clock, unix seconds.
    """

    def __init__(self, database: Database, *, retention: float = RETENTION, clock: Callable[[], float] = time.time) -> None:
        self.database, self._retention, self._clock = database, retention, clock
        self._pruned = 0.0

    @classmethod
    async def open(
        cls, path: Path, *, retention: float = RETENTION, clock: Callable[[], float] = time.time,
        on_event: Callable[[str], None] = lambda event: None,
    ) -> "Store":  # fmt: skip
        """Open or create the file; a damaged or newer one is set aside ("quarantined" goes to `on_event`)."""
        database = Database(path, on_event=on_event)
        await asyncio.to_thread(database.open)
        return cls(database, retention=retention, clock=clock)

    async def close(self) -> None:
        """Finish what waits and close."""
        await asyncio.to_thread(self.database.close)

    # ---- cycles ----

    async def put_report(self, report: Report, trackers: str = "") -> None:
        """One report and the trackers' state after it, whole or not at all. A refusing disk keeps it in memory and is counted."""
        with suppress(StoreError):
            rows = queries.report_rows(report, trackers)
            await self.database.write(lambda c: queries.put_report(c, rows, TRACKERS), keep=True)
        if report.time - self._pruned > PRUNE_EVERY:
            self._pruned = report.time
            with suppress(StoreError):
                await self.prune(report.time)

    async def trackers(self) -> tuple[float, str] | None:
        """The trackers' state of the newest report and its time; None before the first."""
        return await self.state(TRACKERS)

    async def put_state(self, name: str, text: str) -> None:
        """Keep any text under a name."""
        now = self._clock()
        await self.database.write(lambda c: queries.put_state(c, name, now, text), keep=True)

    async def state(self, name: str) -> tuple[float, str] | None:
        """The text under a name and when it was kept."""
        row = await self.database.read(lambda c: c.execute("SELECT time, body FROM state WHERE name=?", (name,)).fetchone())
        return None if row is None or not row[1] else (float(row[0]), str(row[1]))

    # ---- lists, newest first ----

    async def findings(
        self, *, server: str | None = None, signal: str | None = None, severity: str | None = None, state: str | None = None,
        start: float | None = None, end: float | None = None, limit: int = 100, offset: int = 0,
    ) -> tuple[list[Finding], int]:  # fmt: skip
        """Findings that touch the span, and how many there are in all."""
        del severity  # a finding has none, an incident has
        wanted = queries.Wanted(server, signal, None, state, start, end, limit, offset)
        rows, total = await self.database.read(lambda c: queries.page(c, "findings", wanted))
        found = [replace(decode(body, Finding), state=now, ended=ended) for body, now, ended in rows]
        return found, total

    async def incidents(
        self, *, server: str | None = None, signal: str | None = None, severity: str | None = None, state: str | None = None,
        start: float | None = None, end: float | None = None, limit: int = 100, offset: int = 0,
    ) -> tuple[list[tuple[Incident, Explanation | None]], int]:  # fmt: skip
        """Incidents that touch the span with their words, and how many there are in all."""
        wanted = queries.Wanted(server, signal, severity, state, start, end, limit, offset)
        rows, total = await self.database.read(lambda c: queries.incident_page(c, wanted))
        return [(decode(body, Incident), decode(words, Explanation) if words else None) for body, words in rows], total

    async def incident(self, name: str) -> tuple[Incident, Explanation | None] | None:
        """One incident with its words."""
        row = await self.database.read(lambda c: queries.incident(c, name))
        return None if row is None else (decode(row[0], Incident), decode(row[1], Explanation) if row[1] else None)

    async def suppressions(
        self, *, server: str | None = None, signal: str | None = None, start: float | None = None, end: float | None = None,
        limit: int = 100, offset: int = 0,
    ) -> tuple[list[Suppression], int]:  # fmt: skip
        """The ledger: for each series and reason one line in ten minutes, with the newest time and the highest score."""
        wanted = queries.Wanted(server, signal, None, None, start, end, limit, offset)
        rows, total = await self.database.read(lambda c: queries.suppression_page(c, wanted))
        return [Suppression(t, host, alias, reason, float("nan") if s is None else s) for t, host, alias, reason, s in rows], total

    # ---- alerts on their way: analyzer.sinks.outbox.AlertStore ----

    async def alerts(self) -> list[Alert]:
        """All alerts that are kept, oldest first."""
        rows = await self.database.read(lambda c: c.execute("SELECT body FROM outbox ORDER BY updated, key").fetchall())
        return [decode(body, Alert) for (body,) in rows]

    async def save_alerts(self, alerts: Sequence[Alert]) -> None:
        """Add or replace, by key. Raises StoreError where the disk refuses; it is written later all the same."""
        rows = [(alert.key, alert.updated, encode(alert)) for alert in alerts]
        await self.database.write(lambda c: _many(c, "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?)", rows), keep=True)

    async def forget_alerts(self, keys: Sequence[str]) -> None:
        """Remove."""
        await self.database.write(lambda c: _many(c, "DELETE FROM outbox WHERE key=?", [(key,) for key in keys]), keep=True)

    async def ended(self, incidents: Sequence[str]) -> frozenset[str]:
        """Which of these incidents are resolved."""
        sql = "SELECT id FROM incidents WHERE state = 'resolved' AND id IN (SELECT value FROM json_each(?))"
        rows = await self.database.read(lambda c: c.execute(sql, (json.dumps(list(incidents)),)).fetchall())
        return frozenset(name for (name,) in rows)

    # ---- notifications that came in ----

    async def put_webhook(self, alerts: Sequence[Incoming]) -> int:
        """Store alerts of a notification; returns how many are new. Raises StoreError: answer 503 and let the sender come back."""
        now = self._clock()
        sql = "INSERT OR IGNORE INTO webhook (group_key, fingerprint, status, starts, received, body) VALUES (?, ?, ?, ?, ?, ?)"

        def put(c: sqlite3.Connection) -> int:  # 10,000 alerts are encoded in the writer's thread, not on the loop
            return _many(c, sql, [(a.group_key, a.fingerprint, a.status, a.starts, now, encode(a)) for a in alerts])

        return await self.database.write(put)

    async def waiting_webhook(self, limit: int = 100) -> list[InboxRow]:
        """Alerts that came in and have not been dealt with, oldest first."""
        sql = "SELECT id, received, body FROM webhook WHERE handled IS NULL ORDER BY id LIMIT ?"
        rows = await self.database.read(lambda c: c.execute(sql, (limit,)).fetchall())
        return [InboxRow(int(i), float(received), json.loads(body)) for i, received, body in rows]

    async def handled_webhook(self, ids: Iterable[int]) -> None:
        """They have been dealt with."""
        now = self._clock()
        rows = [(now, i) for i in ids]
        await self.database.write(lambda c: _many(c, "UPDATE webhook SET handled=? WHERE id=?", rows), keep=True)

    async def has_ended(self, group_key: str, fingerprint: str, starts: float) -> bool:
        """Whether the end of an alert that began then (or later) was told already: notifications may overtake each other."""
        sql = "SELECT 1 FROM webhook WHERE group_key=? AND fingerprint=? AND status='resolved' AND starts >= ? LIMIT 1"
        values = (group_key, fingerprint, starts)
        return await self.database.read(lambda c: c.execute(sql, values).fetchone()) is not None

    async def explained_alerts(
        self, *, start: float | None = None, end: float | None = None, limit: int = 100
    ) -> list[tuple[dict[str, Any], float | None, Explanation]]:
        """Alerts of others that touch the span, their end (None while they fire) and our words, newest first."""
        rows = await self.database.read(lambda c: queries.explained_alerts(c, start, end, limit))
        return [(json.loads(alert), ended, decode(words, Explanation)) for alert, ended, words in rows]

    async def put_explanation(self, explanation: Explanation) -> None:
        """Words about something that is no incident of ours, under its own name."""
        await self.database.write(lambda c: queries.put_explanation(c, explanation), keep=True)

    async def explanation(self, name: str) -> Explanation | None:
        """Words under a name."""
        row = await self.database.read(lambda c: c.execute("SELECT body FROM explanations WHERE incident=?", (name,)).fetchone())
        return None if row is None else decode(row[0], Explanation)

    # ---- people ----

    async def maintenance(self, since: float = 0.0) -> list[Maintenance]:
        """Windows that end after `since`, by start."""
        sql = "SELECT starts, ends, host, reason, id, signals FROM maintenance WHERE ends > ? ORDER BY starts, id"
        rows = await self.database.read(lambda c: c.execute(sql, (since,)).fetchall())
        return [Maintenance(s, e, host, reason, i, tuple(json.loads(signals))) for s, e, host, reason, i, signals in rows]

    async def add_maintenance(self, start: float, end: float, host: str, reason: str, signals: Sequence[str] = ()) -> Maintenance:
        """Declare a window. Raises StoreError: it is not in force then; ValueError where too many have not ended yet."""
        window = Maintenance(start, end, host, reason, uuid.uuid4().hex[:12], tuple(signals))
        now = self._clock()
        await self.database.write(lambda c: queries.add_maintenance(c, window, now))
        return window

    async def remove_maintenance(self, name: str) -> bool:
        """Take a window back; false where there is none."""
        return await self.database.write(lambda c: c.execute("DELETE FROM maintenance WHERE id=?", (name,)).rowcount) > 0

    async def put_verdict(self, said: Verdict) -> bool:
        """What people think of an incident; what was thought before is over. False where it was said already: nothing changes.

        Raises StoreError, and ValueError where too many are in force.
        """
        return await self.database.write(lambda c: queries.put_verdict(c, said))

    async def undo_verdict(self, incident: str, at: float) -> bool:
        """Take back what is in force about an incident; false where nothing is."""
        sql = "UPDATE feedback SET undone=? WHERE incident=? AND undone IS NULL"
        return await self.database.write(lambda c: c.execute(sql, (at, incident)).rowcount) > 0

    async def verdicts(self) -> list[Verdict]:
        """What is in force, in the order in which it was said."""
        sql = "SELECT body FROM feedback WHERE undone IS NULL AND body != '' ORDER BY id"
        rows = await self.database.read(lambda c: c.execute(sql).fetchall())
        return [decode(body, Verdict) for (body,) in rows]

    async def feedback(self, incident: str) -> list[tuple[float, str, str, float | None]]:
        """(time, verdict, note, when it was taken back) about an incident, oldest first."""
        sql = "SELECT time, verdict, note, undone FROM feedback WHERE incident=? ORDER BY id"
        return await self.database.read(lambda c: c.execute(sql, (incident,)).fetchall())

    # ---- upkeep ----

    async def prune(self, now: float) -> int:
        """Remove what ended longer ago than the retention; returns how many rows."""
        return await self.database.write(lambda c: queries.prune(c, now - self._retention))


def _many(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run one statement over many rows; returns how many rows changed."""
    return connection.executemany(sql, rows).rowcount if rows else 0
