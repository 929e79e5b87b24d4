"""The tables, and how an older file becomes a newer one: one script for each version, never changed once it has shipped."""

from typing import Final

MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE findings (
        id TEXT PRIMARY KEY, host TEXT NOT NULL, signal TEXT NOT NULL, state TEXT NOT NULL,
        opened REAL NOT NULL, ended REAL, body TEXT NOT NULL);
    CREATE INDEX findings_opened ON findings (opened);
    CREATE INDEX findings_open ON findings (state) WHERE state != 'resolved';
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY, revision INTEGER NOT NULL, host TEXT NOT NULL, signal TEXT NOT NULL, severity TEXT NOT NULL,
        state TEXT NOT NULL, opened REAL NOT NULL, ended REAL, body TEXT NOT NULL);
    CREATE INDEX incidents_opened ON incidents (opened);
    CREATE TABLE explanations (incident TEXT PRIMARY KEY, time REAL NOT NULL, body TEXT NOT NULL);
    CREATE TABLE suppressions (
        host TEXT NOT NULL, signal TEXT NOT NULL, reason TEXT NOT NULL, slot INTEGER NOT NULL,
        time REAL NOT NULL, score REAL, count INTEGER NOT NULL, PRIMARY KEY (host, signal, reason, slot)) WITHOUT ROWID;
    CREATE INDEX suppressions_time ON suppressions (time);
    CREATE TABLE outbox (key TEXT PRIMARY KEY, updated REAL NOT NULL, body TEXT NOT NULL);
    CREATE TABLE webhook (
        id INTEGER PRIMARY KEY AUTOINCREMENT, group_key TEXT NOT NULL, fingerprint TEXT NOT NULL, status TEXT NOT NULL,
        starts REAL NOT NULL, received REAL NOT NULL, handled REAL, body TEXT NOT NULL,
        UNIQUE (group_key, fingerprint, status, starts));
    CREATE INDEX webhook_waiting ON webhook (id) WHERE handled IS NULL;
    CREATE TABLE maintenance (
        id TEXT PRIMARY KEY, starts REAL NOT NULL, ends REAL NOT NULL, host TEXT NOT NULL, reason TEXT NOT NULL,
        signals TEXT NOT NULL);
    CREATE TABLE feedback (
        id INTEGER PRIMARY KEY AUTOINCREMENT, incident TEXT NOT NULL, time REAL NOT NULL, verdict TEXT NOT NULL,
        note TEXT NOT NULL);
    CREATE TABLE state (name TEXT PRIMARY KEY, time REAL NOT NULL, body TEXT NOT NULL);
    """,
    """
    ALTER TABLE feedback ADD COLUMN undone REAL;
    ALTER TABLE feedback ADD COLUMN body TEXT NOT NULL DEFAULT '';
    CREATE INDEX feedback_incident ON feedback (incident);
    CREATE INDEX feedback_in_force ON feedback (time) WHERE undone IS NULL AND body != '';
    """,
)
