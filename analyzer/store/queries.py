"""The SQL behind the store: one function for each thing that takes more than a line. Runs in the store's threads."""

import json
import math
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from analyzer.maintenance import Maintenance
from analyzer.records import Explanation, Finding, Incident, Report, Suppression
from analyzer.store.codec import encode
from analyzer.verdicts import Verdict

Row = tuple[Any, ...]
MOST_WINDOWS: Final = 1000  # that have not ended; each is looked at in every cycle
MOST_VERDICTS: Final = 5000  # in force
KEPT_VERDICTS: Final = 20  # about one incident, for reading
SLOT: Final = 600  # seconds of one line of the ledger: the same reason every cycle for months is not news
_UPSERT_FINDING = """
    INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET state=excluded.state, ended=excluded.ended, body=excluded.body"""
_UPSERT_INCIDENT = """
    INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET revision=excluded.revision, host=excluded.host, signal=excluded.signal,
        severity=excluded.severity, state=excluded.state, ended=excluded.ended, body=excluded.body
    WHERE excluded.revision >= incidents.revision"""
_UPSERT_SUPPRESSION = """
    INSERT INTO suppressions VALUES (?, ?, ?, ?, ?, ?, 1)
    ON CONFLICT (host, signal, reason, slot) DO UPDATE SET
        time=excluded.time, score=max(coalesce(score, excluded.score), coalesce(excluded.score, score)), count=count+1"""
_UPSERT_EXPLANATION = "INSERT OR REPLACE INTO explanations VALUES (?, ?, ?)"
_STATES: Final = {"open": "{0} != 'resolved'", "resolved": "{0} = 'resolved'"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a list: None = any. The span is unix seconds, both ends included."""

    server: str | None
    signal: str | None
    severity: str | None
    state: str | None
    start: float | None
    end: float | None
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class ReportRows:
    """One report as rows: small, so that it can wait in memory while the report itself is let go."""

    time: float
    trackers: str
    findings: tuple[Row, ...]
    open_findings: frozenset[str]
    incidents: tuple[Row, ...]
    explanations: tuple[Row, ...]
    suppressions: tuple[Row, ...]


def report_rows(report: Report, trackers: str) -> ReportRows:
    """What of a report is kept."""
    board = report.board
    incidents = {i.id: i for i in (*report.superseded, *report.changed, *board.incidents)}
    findings = {f.id: f for i in incidents.values() for f in i.findings} | {f.id: f for f in board.findings}
    return ReportRows(
        report.time,
        trackers,
        tuple(map(_finding_row, findings.values())),
        frozenset(f.id for f in board.findings),
        tuple(map(_incident_row, incidents.values())),
        tuple(_explanation_row(board.explanations[i]) for i in incidents if i in board.explanations),
        tuple(map(_suppression_row, report.suppressions)),
    )


def put_report(c: sqlite3.Connection, rows: ReportRows, name: str) -> None:
    """Everything of one report in the running transaction."""
    c.executemany(_UPSERT_FINDING, rows.findings)
    stored = [row[0] for row in c.execute("SELECT id FROM findings WHERE state != 'resolved'")]
    closed = [(rows.time, i) for i in stored if i not in rows.open_findings]
    c.executemany("UPDATE findings SET state='resolved', ended=? WHERE id=?", closed)
    c.executemany(_UPSERT_INCIDENT, rows.incidents)
    c.executemany(_UPSERT_EXPLANATION, rows.explanations)
    c.executemany(_UPSERT_SUPPRESSION, rows.suppressions)
    put_state(c, name, rows.time, rows.trackers)


def put_state(c: sqlite3.Connection, name: str, time: float, text: str) -> None:
    """Keep a text under a name."""
    c.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (name, time, text))


def put_explanation(c: sqlite3.Connection, explanation: Explanation) -> None:
    """Keep words, by what they are about."""
    c.execute(_UPSERT_EXPLANATION, _explanation_row(explanation))


def page(c: sqlite3.Connection, table: str, wanted: Wanted) -> tuple[list[Any], int]:
    """(body, state, ended) rows of findings, newest first, and how many there are."""
    where, values = _where(wanted, "ended")
    total = c.execute(f"SELECT count(*) FROM {table} {where}", values).fetchone()[0]  # noqa: S608  # our own names
    sql = f"SELECT body, state, ended FROM {table} {where} ORDER BY opened DESC, id LIMIT ? OFFSET ?"  # noqa: S608
    return c.execute(sql, (*values, wanted.limit, wanted.offset)).fetchall(), int(total)


def incident_page(c: sqlite3.Connection, wanted: Wanted) -> tuple[list[Any], int]:
    """(incident, words or None) texts, newest first, and how many there are."""
    where, values = _where(wanted, "ended")
    total = c.execute(f"SELECT count(*) FROM incidents {where}", values).fetchone()[0]  # noqa: S608
    sql = (
        f"SELECT i.body, e.body FROM (SELECT * FROM incidents {where} ORDER BY opened DESC, id LIMIT ? OFFSET ?) i "  # noqa: S608
        "LEFT JOIN explanations e ON e.incident = i.id ORDER BY i.opened DESC, i.id"
    )
    return c.execute(sql, (*values, wanted.limit, wanted.offset)).fetchall(), int(total)


def incident(c: sqlite3.Connection, name: str) -> Any:
    """(incident, words or None) texts, or None."""
    sql = "SELECT i.body, e.body FROM incidents i LEFT JOIN explanations e ON e.incident = i.id WHERE i.id=?"
    return c.execute(sql, (name,)).fetchone()


def explained_alerts(c: sqlite3.Connection, start: float | None, end: float | None, limit: int) -> list[Any]:
    """(alert, its end or None, words) of alerts of others that touch the span, newest first; once however many groups sent it."""
    sql = """
        SELECT w.body, json_extract(r.body, '$.ends'), e.body FROM webhook w
        JOIN explanations e ON e.incident = w.fingerprint
        LEFT JOIN webhook r ON r.group_key = w.group_key AND r.fingerprint = w.fingerprint AND r.status = 'resolved'
            AND r.starts = w.starts
        WHERE w.status = 'firing' AND coalesce(nullif(w.starts, 0), w.received) <= ?
            AND (r.id IS NULL OR json_extract(r.body, '$.ends') >= ?)
        GROUP BY w.fingerprint, w.starts ORDER BY w.id DESC LIMIT ?"""
    return c.execute(sql, (1e12 if end is None else end, 0.0 if start is None else start, limit)).fetchall()


def suppression_page(c: sqlite3.Connection, wanted: Wanted) -> tuple[list[Any], int]:
    """(time, host, signal, reason, score) rows, newest first, and how many there are."""
    where, values = _where(wanted, "")
    total = c.execute(f"SELECT count(*) FROM suppressions {where}", values).fetchone()[0]  # noqa: S608
    order = "ORDER BY time DESC, host, signal, reason LIMIT ? OFFSET ?"
    sql = f"SELECT time, host, signal, reason, score FROM suppressions {where} {order}"  # noqa: S608
    return c.execute(sql, (*values, wanted.limit, wanted.offset)).fetchall(), int(total)


def put_verdict(c: sqlite3.Connection, said: Verdict) -> bool:
    """One verdict an incident; some that are over are kept for reading. Raises ValueError where too many count."""
    newest = c.execute("SELECT verdict, note FROM feedback WHERE incident=? AND undone IS NULL", (said.incident,)).fetchone()
    if newest is not None and newest[0] == said.verdict and said.note in ("", newest[1]):
        return False
    in_force = "SELECT count(*) FROM feedback WHERE undone IS NULL AND body != ''"
    if newest is None and c.execute(in_force).fetchone()[0] >= MOST_VERDICTS:
        raise ValueError(f"{MOST_VERDICTS} verdicts are in force; take some back first")
    c.execute("UPDATE feedback SET undone=? WHERE incident=? AND undone IS NULL", (said.time, said.incident))
    old = "SELECT id FROM feedback WHERE incident=? ORDER BY id DESC LIMIT -1 OFFSET ?"
    c.execute(f"DELETE FROM feedback WHERE id IN ({old})", (said.incident, KEPT_VERDICTS))  # noqa: S608  # our own text
    sql = "INSERT INTO feedback (incident, time, verdict, note, body) VALUES (?, ?, ?, ?, ?)"
    c.execute(sql, (said.incident, said.time, said.verdict, said.note, encode(said)))
    return True


def add_maintenance(c: sqlite3.Connection, window: Maintenance, now: float) -> int:
    """Raises ValueError where as many windows as may be have not ended yet."""
    if c.execute("SELECT count(*) FROM maintenance WHERE ends > ?", (now,)).fetchone()[0] >= MOST_WINDOWS:
        raise ValueError(f"{MOST_WINDOWS} maintenance windows are declared that have not ended; take some back, or use a pattern")
    row = (window.id, window.start, window.end, window.host, window.reason, json.dumps(list(window.signals)))
    return c.execute("INSERT INTO maintenance VALUES (?, ?, ?, ?, ?, ?)", row).rowcount


def prune(c: sqlite3.Connection, before: float) -> int:
    """Remove what ended before a time; what is open stays however old it is."""
    gone = 0
    for sql in (
        "DELETE FROM findings WHERE state = 'resolved' AND ended < ?",
        "DELETE FROM incidents WHERE state = 'resolved' AND ended < ?",
        "DELETE FROM explanations WHERE time < ? AND incident NOT IN (SELECT id FROM incidents)",
        "DELETE FROM suppressions WHERE time < ?",
        "DELETE FROM webhook WHERE handled IS NOT NULL AND received < ?",
        "DELETE FROM maintenance WHERE ends < ?",
        "DELETE FROM feedback WHERE time < ? AND (undone IS NOT NULL OR body = '')",  # what is in force stays until it is undone
    ):
        gone += c.execute(sql, (before,)).rowcount
    return gone


def _where(wanted: Wanted, ended: str) -> tuple[str, Row]:
    """Conditions of a list. A row with a span is wanted when it touches the asked one; one with a time when it lies in it."""
    terms: list[str] = []
    values: list[Any] = []
    for column, value in (("host", wanted.server), ("signal", wanted.signal), ("severity", wanted.severity)):
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    if wanted.state is not None:
        known = _STATES.get(wanted.state)
        terms.append(known.format("state") if known else "state = ?")
        values += [] if known else [wanted.state]
    if wanted.start is not None:
        terms.append(f"({ended} IS NULL OR {ended} >= ?)" if ended else "time >= ?")
        values.append(wanted.start)
    if wanted.end is not None:
        terms.append("opened <= ?" if ended else "time <= ?")
        values.append(wanted.end)
    return (f"WHERE {' AND '.join(terms)}" if terms else ""), tuple(values)


def _explanation_row(e: Explanation) -> Row:
    return e.incident, e.time, encode(e)


def _finding_row(f: Finding) -> Row:
    return f.id, f.host, f.signal, f.state, f.opened, f.ended, encode(f)


def _incident_row(i: Incident) -> Row:
    return i.id, i.revision, i.host, i.signal, i.severity, i.state, i.opened, i.ended, encode(i)


def _suppression_row(s: Suppression) -> Row:
    return s.host, s.signal, s.reason, int(s.time // SLOT), s.time, s.score if math.isfinite(s.score) else None
